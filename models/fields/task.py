"""What the fields net reads and says, and its truth (without torch: evaluation and tests need none)."""

import datetime as dt
from dataclasses import replace
from typing import Final

import numpy as np
from scipy.ndimage import distance_transform_edt, maximum

from models.common.augment import augment
from models.common.pool import Array, Sample, as_sample, on_grid
from models.common.pool import vary as options_of
from models.common.specification import Specification
from models.common.task import Absence, Task
from rucio_dafab.eo.simulate import Options, SimulatedScene, simulate

BANDS: Final = ("B02", "B03", "B04", "B08")
SECOND: Final = tuple(f"{band}@2" for band in BANDS)
"""The same bands of a second acquisition of the place: neighbours that look alike on one day differ on another."""

SPECIFICATION: Final = Specification(
    name="fields", version="0.2.0", bands=(*BANDS, *SECOND), outputs=("extent", "boundary", "distance"),
    optional=("B08", *SECOND), indices=(("B08", "B04"), ("B08@2", "B04@2")),
)  # fmt: skip

DAYS_BETWEEN: Final = (10, 120)
"""How far the second acquisition is from the first, before it or after."""


def edges(parcels: np.ndarray) -> np.ndarray:
    """Return the pixels that touch another parcel or the outside of one, by a side: bool (row, column)."""
    boundary = np.zeros(parcels.shape, bool)
    for axis in (0, 1):
        first, second = np.moveaxis(parcels, axis, 0)[:-1], np.moveaxis(parcels, axis, 0)[1:]
        differs = first != second
        view = np.moveaxis(boundary, axis, 0)
        view[:-1] |= differs
        view[1:] |= differs
    return boundary


def depth(parcels: np.ndarray, boundary: np.ndarray) -> Array:
    """Return the distance to the parcel's edge divided by its largest in the parcel, 0…1, float32 (row, column)."""
    distance = distance_transform_edt(~boundary).astype(np.float32) * (parcels > 0)
    deepest = np.maximum(maximum(distance, parcels, np.arange(parcels.max() + 1)), 1.0)
    deepest[0] = 1.0
    relative: Array = (distance / deepest[parcels]).astype(np.float32)
    return relative


def truth(scene: SimulatedScene) -> tuple[Array, Array]:
    """Return extent, boundary and depth (3, row, column), and the weight of each pixel: 0 under cloud and flood."""
    parcels = scene.parcels
    boundary = edges(parcels)
    target = np.stack([parcels > 0, boundary, depth(parcels, boundary)]).astype(np.float32)
    seen = scene.visible & ((scene.water < 0.3) | (parcels == 0))
    return target, seen.astype(np.float32)


def later(seed: int, options: Options) -> Options:
    """Return options for a second scene of a place: another day of the year, other clouds."""
    rng = np.random.default_rng([78, seed])
    days = int(rng.integers(*DAYS_BETWEEN)) * (1 if rng.random() < 0.5 else -1)
    day = dt.date(options.date.year, 1, 1) + dt.timedelta(days=(options.date.timetuple().tm_yday - 1 + days) % 365)
    clouds = float(rng.uniform(0.02, 0.25)) if rng.random() < 0.4 else 0.0
    return replace(options, date=day, clouds=clouds)


def pair(seed: int, size: int) -> tuple[SimulatedScene, Array]:
    """Return a simulated scene, and the pixels (band, row, column) of two acquisitions of its place."""
    options = options_of(seed, size)
    first, second = simulate(seed, options, BANDS), simulate(seed, later(seed, options), BANDS)
    return first, np.concatenate([on_grid(first, BANDS), on_grid(second, BANDS)])


def sample(seed: int, size: int) -> Sample:
    """Return a scene of two acquisitions with the truth of the first."""
    scene, pixels = pair(seed, size)
    return as_sample(pixels, *truth(scene))


def vary(rng: np.random.Generator, pixels: Array, _target: Array) -> Array:
    """Return chips (batch, band, row, column) under other light, air and noise, each acquisition under its own."""
    days = np.split(pixels, 2, axis=1)
    return np.concatenate([augment(rng, day, BANDS) for day in days], axis=1)


TASK: Final = Task(
    SPECIFICATION, sample, vary, absent=(Absence(("B08", "B08@2"), 0.2), Absence(SECOND, 0.5, ending=0.1)),
)  # fmt: skip
