"""What makes one simulated chip look like many sensors, skies and seasons. All values are reflectance."""

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

Array = NDArray[np.float32]

PATH: Final = {"B02": 0.085, "B03": 0.052, "B04": 0.034, "B08": 0.014, "B11": 0.003, "B12": 0.001}
"""Reflectance that a clear atmosphere adds at its top over dark ground, by band; rounded from Rayleigh and aerosol
scattering at 30° to 60° of sun zenith. Scenes that were not corrected (L1C) carry it."""

COARSE: Final = ("B11", "B12")
"""Bands of 20 m, which some readers interpolate and some repeat."""


def augment(rng: np.random.Generator, chips: Array, bands: tuple[str, ...]) -> Array:
    """Return chips (batch, band, row, column) under other light, air and noise; the given ones are left as they are."""
    chips = chips.copy()
    count, channels = chips.shape[:2]

    def each(values: NDArray[np.float64]) -> Array:
        return values.astype(np.float32).reshape(count, -1, 1, 1)

    chips *= each(np.exp(rng.normal(0, 0.13, (count, 1)))) * each(np.exp(rng.normal(0, 0.06, (count, channels))))
    path = np.array([PATH[band] for band in bands])
    # Half of the chips as if uncorrected or overcorrected: air added (top of atmosphere) or a little too much removed.
    strength = np.where(rng.random((count, 1)) < 0.5, rng.uniform(-0.15, 1.5, (count, 1)), 0)
    chips *= each(1 - 0.12 * strength.clip(0) * (path / path.max()))
    chips += each(strength * path)
    # Glint and thin haze lift all bands alike.
    chips += each(np.where(rng.random((count, 1)) < 0.2, rng.uniform(0, 0.05, (count, 1)), 0))
    chips += each(rng.normal(0, 0.005, (count, channels)))
    chips += rng.standard_normal(chips.shape, dtype=np.float32) * each(rng.uniform(0, 0.002, (count, 1)))
    for sample in np.flatnonzero(rng.random(count) < 0.5):
        for channel, band in enumerate(bands):
            if band in COARSE:
                chips[sample, channel] = gaussian_filter(chips[sample, channel], 0.8)
    return chips


def drop_bands(rng: np.random.Generator, chips: Array, columns: list[int], share: float) -> None:
    """Set the channels ``columns`` of a share of the normalised chips to 0, in place: as if those bands were absent."""
    chosen = np.flatnonzero(rng.random(len(chips)) < share)
    for column in columns:
        chips[chosen, column] = 0


def end_bands(rng: np.random.Generator, chips: Array, columns: list[int], share: float) -> None:
    """Set the channels ``columns`` of a share of the normalised chips to 0 on one side of a line, in place."""
    rows, across = np.indices(chips.shape[2:], np.float32)
    for chip in np.flatnonzero(rng.random(len(chips)) < share):
        angle = rng.uniform(0, 2 * np.pi)
        along = rows * np.cos(angle) + across * np.sin(angle)
        chips[np.ix_([chip], columns)] *= along < rng.uniform(along.min(), along.max())


def turn(rng: np.random.Generator, *layers: NDArray[Any]) -> tuple[NDArray[Any], ...]:
    """Turn and mirror layers (…, row, column) alike, by one of the eight symmetries of the square."""
    quarter, mirrored = int(rng.integers(4)), rng.random() < 0.5
    turned = (np.rot90(layer, quarter, axes=(-2, -1)) for layer in layers)
    return tuple(layer[..., ::-1] if mirrored else layer for layer in turned)
