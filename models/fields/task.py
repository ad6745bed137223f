"""What the fields net reads and says, and its truth (without torch: evaluation and tests need none)."""

from typing import Final

import numpy as np
from scipy.ndimage import distance_transform_edt, maximum

from models.common.pool import Array, sampler
from models.common.specification import Specification
from models.common.task import Task, optical
from rucio_dafab.eo.simulate import SimulatedScene

SPECIFICATION: Final = Specification(
    name="fields", version="0.1.0", bands=("B02", "B03", "B04", "B08"), outputs=("extent", "boundary", "distance"),
    optional=("B08",),
)  # fmt: skip


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


TASK: Final = Task(SPECIFICATION, sampler(SPECIFICATION.bands, truth), optical(SPECIFICATION.bands), absent=0.25)
