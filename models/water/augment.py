"""What makes water look different, and floods painted on real ground. All values are reflectance."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from models.common.augment import PATH, augment
from models.common.pool import Array
from models.common.task import Batch, RealPiece
from rucio_dafab.eo.simulate.noise import fractal
from rucio_dafab.eo.simulate.radiometry import VISIBLE_SHADOW
from rucio_dafab.eo.simulate.spectra import band_rows, spectrum

BANDS: Final = ("B02", "B03", "B04", "B08", "B11", "B12")

WATERS: Final = ("deep", "turbid", "muddy", "muddy", "algal", "mud")
"""What floods are mixed of; wet mud is shallow water over soil."""

DECEIVERS: Final = ("mud", "asphalt", "roof_dark", "dark_soil", "snow", "conifer", "sand", "roof_bright")
"""Dry covers that nets and indices take for water."""

SEDIMENT: Final = np.array([0.020, 0.040, 0.065, 0.050, 0.006, 0.003], np.float32)
"""Reflectance that a load of soil adds to water: red most, short-wave infrared hardly."""

WET_SAND: Final = np.array([0.5, 0.5, 0.5, 0.45, 0.35, 0.3], np.float32)
"""Part of its reflectance that sand keeps when wet; water in its pores takes the short-wave infrared."""


def vary(rng: np.random.Generator, pixels: Array, target: Array) -> Array:
    """Return chips (batch, band, row, column) with other water, then under other light, air and noise.

    Args:
        rng: Source of randomness.
        pixels: Reflectance in :data:`BANDS`.
        target: Part of each pixel under water (batch, 1, row, column).
    """
    count = len(pixels)

    def some(share: float, high: float) -> Array:
        amount = np.where(rng.random(count) < share, rng.uniform(0, high, count), 0)
        return amount.astype(np.float32).reshape(-1, 1, 1, 1)

    load = SEDIMENT * np.exp(rng.normal(0, 0.35, (count, len(BANDS)))).astype(np.float32)
    # A rough surface mirrors the sky alike in all bands; foam and emergent stalks do much the same.
    water = target * (some(0.4, 1.2) * load[:, :, None, None] + some(0.15, 0.05))
    return augment(rng, pixels + water, BANDS)


def enrich(rng: np.random.Generator, piece: RealPiece, batch: Batch) -> Batch:
    """Return chips of a real piece, half of them with a flood painted on, some with deceivers or a shadow."""
    pixels, target, weight = (layers.copy() for layers in batch)
    shape = (target.shape[2], target.shape[3])
    for sample in range(len(pixels)):
        kind = rng.random()
        dry = 1 - target[sample, 0]
        if kind < 0.5:
            part = patches(rng, shape, rng.uniform(0.03, 0.5)) * dry
            pixels[sample] += part * (_water(rng, shape, piece.uncorrected) - pixels[sample])
            target[sample, 0] += part
        elif kind < 0.7:
            part = patches(rng, shape, rng.uniform(0.02, 0.2)) * dry
            pixels[sample] += part * (_deceiver(rng, piece.uncorrected) - pixels[sample])
        elif kind < 0.8:
            taken = np.array([VISIBLE_SHADOW.get(band, 0.72) for band in BANDS], np.float32)[:, None, None]
            # What the air itself scatters stays in the shadow.
            path = _path(rng) if piece.uncorrected else np.float32(0)
            part = patches(rng, shape, rng.uniform(0.05, 0.3))
            pixels[sample] -= part * taken * (pixels[sample] - path).clip(0, None)
    return pixels, target, weight


def patches(rng: np.random.Generator, shape: tuple[int, int], share: float) -> Array:
    """Return patches that cover about ``share`` of a chip, their edges between sharp and soft (0…1)."""
    height = fractal(rng, shape, float(rng.uniform(20, 90)), 5, 0.55)
    level = np.quantile(height, 1 - share)
    part = np.clip((height - level) / rng.uniform(0.02, 0.6), 0, 1)
    if rng.random() < 0.4:
        # Stalks, hedges and ridges stand out of shallow water.
        part *= np.clip(0.75 + 0.3 * fractal(rng, shape, 8, 3), 0.2, 1)
    return part.astype(np.float32)


def _water(rng: np.random.Generator, shape: tuple[int, int], uncorrected: bool) -> Array:
    """Return reflectance (band, row, column) of water whose colour changes over the chip."""
    ends = []
    for _ in range(2):
        parts = rng.dirichlet(np.full(len(WATERS), 0.4)).astype(np.float32)
        mixed = parts @ np.stack([_cover(name) for name in WATERS])
        ends.append(mixed * np.exp(rng.normal(0, 0.2)))
    between = np.clip(0.5 + 0.5 * fractal(rng, shape, 60, 3), 0, 1)
    colour = ends[0][:, None, None] * (1 - between) + ends[1][:, None, None] * between
    air = _path(rng) if uncorrected else np.float32(0)
    return np.asarray(colour + air, np.float32)


def _deceiver(rng: np.random.Generator, uncorrected: bool) -> Array:
    """Return the reflectance (band, 1, 1) of a dry cover, or of wet sand."""
    name = DECEIVERS[int(rng.integers(len(DECEIVERS)))]
    values = _cover(name)
    if name == "sand" and rng.random() < 0.7:
        values = values * WET_SAND
    values = values * np.float32(np.exp(rng.normal(0, 0.2)))
    air = _path(rng) if uncorrected else np.float32(0)
    return np.asarray(values[:, None, None] + air, np.float32)


def _cover(name: str) -> Array:
    values: Array = spectrum(name)[band_rows(BANDS)]
    return values


def _path(rng: np.random.Generator) -> NDArray[np.float32]:
    """Return the light of the air (band, 1, 1), as uncorrected images carry it."""
    path = np.array([PATH[band] for band in BANDS]) * rng.uniform(0.6, 1.2)
    return path.astype(np.float32)[:, None, None]
