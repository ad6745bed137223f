"""The same places as Sentinel-1 sees them: terrain-corrected backscatter (gamma0 RTC) of VV and VH, with its speckle.

Levels are typical of C band over temperate Europe, in decibels of gamma0; single numbers are rounded from published
statistics (Ulaby and Dobson, 1989; Bauer-Marschallinger et al., 2021) and are no measurement of any one place.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from rucio_dafab.eo.simulate import land as cover
from rucio_dafab.eo.simulate.errors import SimulationError
from rucio_dafab.eo.simulate.noise import Array, fractal, hashed, smooth
from rucio_dafab.eo.simulate.scene import Options, Place, lay, part_rng, reference_water

POLARISATIONS: Final = ("VV", "VH")

LEVELS: Final[Mapping[int, tuple[float, float, float]]] = {
    cover.FIELD: (-11.0, -17.5, 2.2),
    cover.FOREST: (-7.6, -13.6, 0.6),
    cover.WILD: (-11.0, -16.8, 1.2),
    cover.QUARRY: (-13.5, -20.0, 1.2),
    cover.TOWN: (-5.0, -12.5, 2.5),
    cover.RIPARIAN: (-8.5, -14.5, 1.0),
}
"""Backscatter of each kind of land: VV, VH, and the deviation between its pieces, all in dB."""

ROAD: Final = (-16.5, -23.0)
"""Asphalt mirrors the pulse away, as water does; roads are narrower than a pixel's footprint."""

CALM: Final = (-22.5, -29.0)
"""Water without wind (VV, VH)."""

ROUGH: Final = (-11.0, -21.0)
"""Water under a strong wind."""

DOUBLE_BOUNCE: Final = (5.0, 1.5)
"""What flooded stems add to what they scatter when dry (VV, VH), in dB, at a flood that covers half of the pixel."""

SPECKLE_BLUR: Final = 0.76
"""Deviation of the point spread in pixels: single looks blurred by it have 7 looks and neighbours that agree by 0.65,
as measured on Sentinel-1 RTC of 10 m."""


@dataclass(frozen=True)
class RadarScene:
    """A place in radar, and its truth; rows run south, columns east.

    Attributes:
        seed: What it was made from.
        options: What it was made like; date and clouds do not matter here.
        bands: gamma0 in dB by polarisation, float32 (row, column).
        water: Part of each pixel under water today, float32 0…1.
        reference: 0 no water, 1 permanent, 2 seasonal: what usually is water, uint8.
    """

    seed: int
    options: Options
    bands: Mapping[str, Array] = field(repr=False)
    water: Array = field(repr=False)
    reference: NDArray[np.uint8] = field(repr=False)


def simulate_radar(seed: int, options: Options | None = None) -> RadarScene:
    """Make a scene in radar of the place that :func:`~rucio_dafab.eo.simulate.simulate` shows for the same seed.

    Args:
        seed: Not negative.
        options: What it is like; by default a flood in June.

    Raises:
        SimulationError: if the seed is negative.
    """
    options = options or Options()
    if seed < 0:
        raise SimulationError(f"seed {seed} of a simulated scene: give a number that is not negative")
    place = lay(seed, options)
    rng = part_rng(seed, 8, options.date.toordinal())
    levels, today = _land(rng, place), place.hydrology.today
    wind = _wind(rng, today.shape)
    relief = _relief(rng, today.shape)
    # From near to far range the pulse falls flatter: water loses about 0.3 dB a degree, land in gamma0 nothing.
    slant = np.float32(rng.uniform(-3.5, 3.5)) + np.linspace(-0.5, 0.5, today.shape[1], dtype=np.float32)
    floor = rng.uniform(-29.0, -24.5)
    bands = {}
    for column, name in enumerate(POLARISATIONS):
        water = CALM[column] + (ROUGH[column] - CALM[column]) * wind - slant
        flooded = _flooded(levels[column] + DOUBLE_BOUNCE[column], place)
        power = (1 - today) * _power(levels[column] + relief) + today * np.maximum(_power(water), flooded)
        power = power * speckle(rng, today.shape) + _power(np.float32(floor)) * speckle(rng, today.shape)
        bands[name] = (10 * np.log10(power.clip(1e-5))).astype(np.float32)
    return RadarScene(seed, options, bands, today, reference_water(place.hydrology))


def speckle(rng: np.random.Generator, shape: tuple[int, ...]) -> Array:
    """Return what multiplies the power of each pixel, float32 (row, column), mean 1: blurred single looks."""
    looks = rng.standard_exponential(shape, dtype=np.float32)
    blurred: Array = gaussian_filter(looks, SPECKLE_BLUR, truncate=3.0)
    return blurred


def _power(decibel: Array | np.float32) -> Array:
    values: Array = np.float32(10) ** (np.asarray(decibel, np.float32) / np.float32(10))
    return values


def _land(rng: np.random.Generator, place: Place) -> tuple[Array, Array]:
    """Return VV and VH of the dry land in dB, float32 (row, column): a level a piece, textured."""
    kind, salt = place.land.kind, int(rng.integers(1 << 30))
    # Roughness and moisture lift both polarisations, what grows lifts VH more; both belong to a parcel.
    moist = hashed(place.labels, salt) + hashed(place.labels, salt + 1) - 1
    grown = hashed(place.labels, salt + 2) - np.float32(0.5)
    season = np.float32(rng.normal(0, 0.8))
    texture = 0.35 * fractal(rng, kind.shape, 12, 3) + 0.3 * fractal(rng, kind.shape, 120, 3)
    found = []
    for column in range(len(POLARISATIONS)):
        level, spread = (np.zeros(256, np.float32) for _ in range(2))
        for each, values in LEVELS.items():
            level[each], spread[each] = values[column], values[2]
        layer = level[kind] + season + texture + spread[kind] * (1.5 * moist + (2.0 if column else 0.8) * grown)
        found.append(layer)
    # House fronts that face the sensor are corner reflectors.
    corners = np.where((kind == cover.TOWN) & (rng.random(kind.shape) < 0.05), rng.uniform(3, 13, kind.shape), 0)
    road = place.land.road * np.float32(0.7)
    vv, vh = (
        (layer + corners.astype(np.float32)) * (1 - road) + np.float32(dark) * road
        for layer, dark in zip(found, ROAD, strict=True)
    )
    return vv.astype(np.float32), vh.astype(np.float32)


def _wind(rng: np.random.Generator, shape: tuple[int, int]) -> Array:
    """Return how rough the water is, float32 (row, column) in 0…1: mostly calm inland, with gusts."""
    mean = float(rng.beta(1.2, 3.0))
    return np.clip(mean + 0.13 * smooth(rng, shape, 45) + 0.08 * fractal(rng, shape, 20, 2), 0, 1).astype(np.float32)


def _flooded(levels: Array, place: Place) -> Array:
    """Return the power that stems standing in water send back, float32 (row, column), 0 where none stand."""
    stems = np.isin(place.land.kind, (cover.FOREST, cover.RIPARIAN)) & (place.hydrology.usual < 0.5)
    # Crops stand out of shallow water alone: where parts of the pixel are dry.
    crops = (place.land.kind == cover.FIELD) & (place.hydrology.today < 0.85) & (hashed(place.labels, 91) < 0.35)
    share = np.where(stems, np.float32(0.6), np.where(crops, np.float32(0.4), np.float32(0)))
    values: Array = (share * _power(levels)).astype(np.float32)
    return values


def _relief(rng: np.random.Generator, shape: tuple[int, int]) -> Array:
    """Return what terrain correction leaves, in dB, float32 (row, column): slopes a little off, and radar shadow."""
    if rng.random() < 0.5:
        return (0.3 * fractal(rng, shape, 150, 3)).astype(np.float32)
    slope = np.gradient(fractal(rng, shape, float(rng.uniform(60, 160)), 4), axis=1)
    slope = slope / max(float(slope.std()), 1e-6)
    left: Array = np.clip(rng.uniform(0.3, 1.2) * slope, -2.5, 2.5).astype(np.float32)
    if rng.random() < 0.4:
        left = np.where(slope < -rng.uniform(2.3, 3.0), np.float32(-14), left).astype(np.float32)
    return left
