"""Stored parcels counted again under the clouds of another acquisition of their tile: no net runs, no outline is drawn.

The parcels are laid on the grid of the scene, a strip of it at a time, and of each is counted how many of its pixels
hold data and how many of them are clear. Which parcels no cloud touches follows, and from that the same numbers as a
delineation states (:func:`rucio_dafab.eo.fields.numbers`).
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
import shapely
from affine import Affine
from numpy.typing import NDArray
from rasterio.features import rasterize
from rasterio.windows import Window

from rucio_dafab.eo.bands import SCENE_CLASSIFICATION, Scene
from rucio_dafab.eo.errors import ParcelsError
from rucio_dafab.eo.fields import FieldNumbers, Parcels, hectares_of, numbers
from rucio_dafab.eo.fitness import shows_ground
from rucio_dafab.eo.pixels import read_scl, strips
from rucio_dafab.eo.stored_parcels import StoredParcels

BANDS: Final = ("B02", "B03", "B04", "B08")
"""The bands that the net of fields takes: a pixel is valid where all of them that the scene has hold data."""

REQUIRED: Final = BANDS[:3]
"""Those of them that it cannot do without."""

LEAST_WITH_DATA: Final = 0.5
"""Least part of a parcel's pixels that must hold data: of others the acquisition shows too little to speak of them."""

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Recount:
    """What an acquisition shows of stored parcels.

    Attributes:
        numbers: Of the parcels that lie where the acquisition has data, as a delineation states them.
        stored: How many parcels the file holds.
        valid: Pixels with data.
        clear: Pixels of them under neither cloud nor cloud shadow.
    """

    numbers: FieldNumbers
    stored: int
    valid: int
    clear: int


def recount(scene: Scene, parcels: StoredParcels, progress: Progress | None = None) -> Recount:
    """Return what an acquisition shows of parcels of its tile.

    A parcel counts where at least half of its pixels hold data, and then with its whole area, as it was delineated. It
    is free of clouds where every pixel of it is clear; without a scene classification every pixel with data is.

    On the acquisition of the delineation itself number and areas are exactly those of the product. Outlines run up to
    0.75 pixels beside the pixels they were drawn around, so a cloud that only touches the rim of a parcel can be on the
    other side of it.

    Args:
        scene: The acquisition.
        parcels: Of the same tile.
        progress: Told after every strip, in rows.

    Raises:
        SceneError: if the scene lacks a band that is needed, or one is unreadable.
        ParcelsError: if the parcels are in another reference system, or reach beyond the grid of the scene.
    """
    _check(scene, parcels)
    seen = _look(scene, parcels, progress)
    counted = (seen.pixels > 0) & (seen.valid >= LEAST_WITH_DATA * seen.pixels)
    free = seen.clear == seen.pixels
    found = Parcels(parcels.geometries[counted], hectares_of(parcels.geometries[counted]), free[counted])
    stated = numbers(found, seen.scene_valid, scene.transform)
    return Recount(stated, len(parcels), seen.scene_valid, seen.scene_clear)


def missing_bands(scene: Scene) -> tuple[str, ...]:
    """Return the bands that are needed to say where the scene holds data and that it lacks."""
    return tuple(name for name in REQUIRED if name not in scene.bands)


def _check(scene: Scene, parcels: StoredParcels) -> None:
    """Refuse parcels of another tile: neighbours overlap, and would give numbers that look like any others."""
    if parcels.crs != scene.crs:
        theirs, ours = (":".join(crs.to_authority() or ("no known code",)) for crs in (parcels.crs, scene.crs))
        raise ParcelsError(f"{parcels.path}: the parcels are in {theirs}, scene {scene.id} in {ours}: of another tile")
    if not len(parcels):
        return
    west, south, east, north = shapely.total_bounds(parcels.geometries)
    rows, columns = scene.shape
    # A pixel more on each side: outlines that other software has moved there and back are off by a little.
    (left, top), (right, bottom) = scene.transform @ (-1, -1), scene.transform @ (columns + 1, rows + 1)
    if not (left <= west and east <= right and bottom <= south and north <= top):
        raise ParcelsError(f"{parcels.path}: the parcels reach beyond the grid of scene {scene.id}: of another tile")


def _look(scene: Scene, parcels: StoredParcels, progress: Progress | None) -> "_Seen":
    """Go over the scene once, a strip at a time: memory holds the parcels and one strip."""
    seen, lying = _Seen(len(parcels)), _Lying(parcels, scene)
    for row, valid, clear in _skies(scene):
        seen.add(lying.labels(row, len(valid)), valid, clear)
        if progress is not None:
            progress(row + len(valid), scene.shape[0])
    return seen


class _Seen:
    """Pixels of each parcel, int64 (n): all, those with data, those that are clear; and those of the scene."""

    def __init__(self, count: int) -> None:
        self.pixels, self.valid, self.clear = np.zeros((3, count), np.int64)
        self.scene_valid = self.scene_clear = 0

    def add(self, labels: NDArray[np.int32], valid: NDArray[np.bool_], clear: NDArray[np.bool_]) -> None:
        """Add the pixels of a strip, all of one shape (row, column)."""
        self.pixels += self._counted(labels.ravel())
        self.valid += self._counted(labels[valid])
        self.clear += self._counted(labels[clear])
        self.scene_valid += int(np.count_nonzero(valid))
        self.scene_clear += int(np.count_nonzero(clear))

    def _counted(self, labels: NDArray[np.int32]) -> NDArray[np.int64]:
        return np.bincount(labels, minlength=len(self.pixels) + 1)[1:].astype(np.int64)


def _skies(scene: Scene) -> Iterator[tuple[int, NDArray[np.bool_], NDArray[np.bool_]]]:
    """Yield of each strip its first row, where it holds data and where it is clear, bool (row, column)."""
    for strip in strips(scene, [name for name in BANDS if name in REQUIRED or name in scene.bands]):
        valid: NDArray[np.bool_] = np.logical_not(np.isnan(strip.values.sum(axis=0)))
        clear = valid
        if SCENE_CLASSIFICATION in scene.bands:
            window = Window(0, strip.row, scene.shape[1], len(valid))
            clear = valid & shows_ground(read_scl(scene, window))
        yield strip.row, valid, clear


class _Lying:
    """Parcels as they lie on the grid of a scene."""

    def __init__(self, parcels: StoredParcels, scene: Scene) -> None:
        self._geometries, self._scene = parcels.geometries, scene
        bounds = shapely.bounds(parcels.geometries).reshape(-1, 4)
        self._rows = (scene.transform.f - bounds[:, [3, 1]]) / -scene.transform.e

    def labels(self, row: int, height: int) -> NDArray[np.int32]:
        """Return the parcel of each pixel of some rows by its centre, int32 (height, column) from 1; 0 is none."""
        shape = (height, self._scene.shape[1])
        here = np.flatnonzero((self._rows[:, 0] < row + height) & (self._rows[:, 1] > row))
        if not len(here):
            return np.zeros(shape, np.int32)
        named = zip(self._geometries[here], (here + 1).tolist(), strict=True)
        transform = self._scene.transform @ Affine.translation(0, row)
        return np.asarray(rasterize(named, shape, transform=transform, fill=0, dtype="int32"), np.int32)
