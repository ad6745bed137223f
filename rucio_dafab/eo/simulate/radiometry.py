"""From covers to what the instrument measures: mixtures, texture, shadow, cloud, blur, sampling and noise."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from rucio_dafab.eo.simulate.noise import Array, fractal, grain
from rucio_dafab.eo.simulate.sky import Sky
from rucio_dafab.eo.simulate.spectra import BANDS, RESOLUTION, TABLE, band_rows, spectrum
from rucio_dafab.eo.simulate.water import Colour

BLUR: Final = 0.5
"""Deviation of the point spread in pixels of a band: a modulation transfer of about 0.3 at Nyquist, as Sentinel-2's."""

NOISE: Final = 0.0015
"""Deviation of the instrument's noise in reflectance over dark ground (signal-to-noise ratio of roughly 100 to 150)."""

VISIBLE_SHADOW: Final = {"B01": 0.45, "B02": 0.5, "B03": 0.57, "B04": 0.63, "B05": 0.66}
"""Part of the light a full cloud shadow takes; blue sky fills in short waves. 0.72 beyond."""


GLINT: Final = 0.15
"""Reflectance that the strongest glint adds: waves mirror the sun, in all bands nearly alike (Harmel et al., 2018)."""

GLINT_LOSS: Final = 0.2
"""Part of it that is missing in the longest band, as the refractive index of water falls."""


@dataclass(frozen=True)
class Surface:
    """What each pixel of the ground is made of.

    Attributes:
        table: Spectra, float32 (cover, band): the named covers first, then the parcels.
        first: Cover of each pixel, int32 (row, column), an index into ``table``.
        second: Cover mixed into it.
        part: Part of the second, float32 (row, column).
        layers: Named covers laid over, in order: name and part of the pixel it takes, float32 (row, column).
        roughness: Deviation of the brightness between neighbouring pixels, relative, float32 (row, column).
        snow: Part of each pixel under snow, float32 (row, column); None without any.
        glint: Reflectance that the sun's mirror image adds, float32 (row, column); None without any.
    """

    table: Array
    first: NDArray[np.int32]
    second: NDArray[np.int32]
    part: Array
    layers: tuple[tuple[str, Array], ...]
    roughness: Array
    snow: Array | None = None
    glint: Array | None = None


def coarsen(layer: Array, step: int) -> Array:
    """Return means over ``step`` × ``step`` pixels; an incomplete last row or column is completed by repeating it."""
    rows, columns = (-side % step for side in layer.shape)
    whole = np.pad(layer, ((0, rows), (0, columns)), mode="edge") if rows or columns else layer
    height, width = whole.shape
    means: Array = whole.reshape(height // step, step, width // step, step).mean(axis=(1, 3), dtype=np.float32)
    return means


def water_layers(part: Array, colour: Colour) -> tuple[tuple[str, Array], ...]:
    """Return layers that add water covering ``part`` of each pixel, of mixed colour.

    Layers hide what lies below, so deep water comes first and the coloured parts over it.
    """
    turbid, muddy, algal = part * colour.turbid, part * colour.turbid * colour.muddy, part * colour.algal
    return (("deep", part), ("turbid", turbid), ("muddy", muddy), ("algal", algal))


def sun_glint(rng: np.random.Generator, water: Array, strength: float) -> Array:
    """Return the reflectance that waves add to water, float32 (row, column): patches of wind, and single waves.

    Args:
        rng: Source of randomness.
        water: Part of each pixel under water, float32 (row, column).
        strength: 0…1.
    """
    wind = np.clip(1 + 0.35 * fractal(rng, water.shape, 80, 4), 0.2, 1.8)
    waves = np.clip(1 + 0.4 * grain(rng, water.shape), 0, 2.5)
    return np.asarray(np.float32(GLINT * strength) * water * wind * waves, np.float32)


def render(rng: np.random.Generator, surface: Surface, sky: Sky, bands: Sequence[str]) -> Iterator[tuple[str, Array]]:
    """Yield each band with its reflectance, float32 (row, column) at the band's own resolution.

    Args:
        rng: Source of randomness.
        surface: The ground, on the 10 m grid.
        sky: Clouds over it.
        bands: Names of :data:`~rucio_dafab.eo.simulate.spectra.BANDS`.
    """
    shape = surface.part.shape
    relief = 1 + surface.roughness * (0.7 * grain(rng, shape) + 0.5 * fractal(rng, shape, 5, 2)).clip(-2.5, 2.5)
    # Illumination of slopes and slow changes of soil moisture.
    relief *= 1 + 0.025 * fractal(rng, shape, 90, 3)
    puff = 1 + 0.18 * fractal(rng, shape, 40, 5)
    haze = rng.gamma(1.5, 0.002)
    for band, row in zip(bands, band_rows(bands), strict=True):
        ground = _ground(surface, row) * relief
        if surface.glint is not None:
            ground += surface.glint * np.float32(1 - GLINT_LOSS * row / (len(BANDS) - 1))
        ground *= 1 - np.float32(VISIBLE_SHADOW.get(band, 0.72)) * sky.shadow
        cloud = TABLE[:, row][-2] * puff if band != "B09" else TABLE[:, row][-2] * (0.6 + 0.4 * puff)
        ground += sky.opacity * (cloud - ground)
        ground += np.float32(haze * (1.6 - min(row, 7) * 0.2))
        step = RESOLUTION[band] // 10
        measured = gaussian_filter(coarsen(ground, step), BLUR, truncate=2.5)
        measured += grain(rng, measured.shape) * (np.float32(NOISE) + np.float32(0.006) * measured)
        yield band, measured.clip(-0.05, 1.6).astype(np.float32)


def _ground(surface: Surface, row: int) -> Array:
    """Return the reflectance of the mixed ground in one band, float32 (row, column)."""
    values = surface.table[:, row]
    ground = values[surface.first]
    ground += surface.part * (values[surface.second] - ground)
    for name, part in surface.layers:
        ground += part * (spectrum(name)[row] - ground)
    return ground
