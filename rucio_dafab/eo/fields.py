"""Field parcels: instances from the net's three maps, polygons that share their borders, and the scene's numbers.

Extent says what is field, boundary where two parcels meet, distance how deep inside a parcel a pixel lies. The cores
(deep inside) are the seeds; a watershed over the boundary map lets them grow until they meet; neighbours with little
boundary between them are one parcel; and what is nowhere deep is none, but the edge of something.
"""

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import shapely
from affine import Affine
from numpy.typing import NDArray
from scipy import ndimage
from skimage.measure import label as connected
from skimage.segmentation import watershed

from rucio_dafab.eo.borders import together
from rucio_dafab.eo.counting import occurrences
from rucio_dafab.eo.vectors import TOLERANCE, Geometries, polygonise

Block = tuple[slice, slice]

MAPS = ("extent", "boundary", "distance")
"""The outputs of the net that parcels are made of, in the order in which they are taken."""

SQUARE_METRES_PER_HECTARE = 10_000.0


@dataclass(frozen=True)
class FieldRules:
    """What counts as a parcel.

    Attributes:
        extent: Least extent probability (0…255) of a pixel of a parcel.
        distance: Least distance (0…255) of a seed's pixel.
        border: Least mean boundary (0…255) between two parcels: the net's own half.
        depth: Least distance (0…255) of a parcel's deepest pixel. This and ``distance`` gave the highest F1 of whole
            parcels on ten simulated scenes, one and two dates, with and without B08.
        minimum_hectares: Smaller parcels are dropped; ten pixels of Sentinel-2, the least that has an inside.
        minimum_seen: Least part of a parcel that must be clear (0…1): the net draws parcels into clouds too.
        block: Rows and columns flooded at a time.
        halo: Pixels around a block that are flooded with it: more than a parcel reaches beyond its own seed.
    """

    extent: int = 128
    distance: int = 100
    border: int = 128
    depth: int = 115
    minimum_hectares: float = 0.1
    minimum_seen: float = 0.5
    block: int = 2048
    halo: int = 96


@dataclass(frozen=True, eq=False)
class Parcels:
    """The parcels of a scene, in raster order.

    Attributes:
        geometries: Polygons (n) in the scene's reference system; a valid coverage.
        hectares: float64 (n), planar areas of the polygons.
        cloud_free: bool (n), whether every pixel of the parcel is clear.
    """

    geometries: Geometries
    hectares: NDArray[np.float64]
    cloud_free: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.geometries)


@dataclass(frozen=True)
class FieldNumbers:
    """The scene-level numbers of the parcels; areas in hectares, coverages in per cent of the valid image area.

    ``cloud_free_coverage_percent`` counts the parcels that no cloud touches.
    """

    number: int
    total_hectares: float
    mean_hectares: float
    minimum_hectares: float
    maximum_hectares: float
    coverage_percent: float
    cloud_free_number: int
    cloud_free_coverage_percent: float


def delineate(
    probabilities: NDArray[np.uint8],
    valid: NDArray[np.bool_],
    clear: NDArray[np.bool_],
    transform: Affine,
    rules: FieldRules | None = None,
) -> Parcels:
    """Return the parcels of a scene.

    Args:
        probabilities: uint8 (3, row, column): extent, boundary, distance, 0…255 for 0…1.
        valid: bool (row, column), where the scene holds data.
        clear: bool (row, column), where no cloud or shadow lies.
        transform: Pixel (column, row) to coordinates in metres.
        rules: Thresholds; None for the defaults.
    """
    chosen = rules or FieldRules()
    labels = instances(probabilities, valid, chosen)
    labels = without_small(labels, int(np.ceil(chosen.minimum_hectares / pixel_hectares(transform) - 1e-9)))
    labels = without_unseen(labels, clear, chosen.minimum_seen)
    regions = polygonise(labels, transform, TOLERANCE)
    clouded = occurrences(labels, ~clear) > 0
    hectares = hectares_of(regions.geometries)
    # Simplifying moves corners by up to a pixel, which can take a parcel of the least size below it.
    kept = hectares >= chosen.minimum_hectares
    return Parcels(regions.geometries[kept], hectares[kept], ~clouded[regions.labels[kept]])


def instances(probabilities: NDArray[np.uint8], valid: NDArray[np.bool_], rules: FieldRules) -> NDArray[np.int32]:
    """Return 4-connected parcels int32 (row, column), numbered from 1 in raster order; 0 is no parcel.

    Seeds are numbered over the whole scene before the first block is flooded: the same parcel bears the same number on
    both sides of a block's border, so nothing has to be stitched.
    """
    _, boundary, distance = probabilities
    # Of a whole tile each array of numbers has half a gigabyte, and scikit-image makes two of a whole one here: none
    # of flooding is left by then.
    labels = _grown(probabilities, valid, rules)
    labels = np.asarray(connected(labels, background=0, connectivity=1), np.int32)  # type: ignore[no-untyped-call]
    return without_shallow(together(labels, boundary, rules.border), distance, rules.depth)


def _grown(probabilities: NDArray[np.uint8], valid: NDArray[np.bool_], rules: FieldRules) -> NDArray[np.int32]:
    """Return the seeds grown until they meet or leave the fields, int32 (row, column); one may be in several pieces."""
    extent, boundary, distance = probabilities
    inside = (extent >= rules.extent) & valid
    # Flooding climbs from deep inside to the boundary; halves keep the sum within uint8.
    height = boundary // 2 + (255 - distance) // 2
    labels, _ = ndimage.label(inside & (distance >= rules.distance), output=np.int32)
    labels = _flooded_blocks(height, labels, inside, rules)
    _flood_far(labels, height, inside, rules)
    return labels


def without_shallow(labels: NDArray[np.int32], distance: NDArray[np.uint8], least: int) -> NDArray[np.int32]:
    """Return ``labels`` with every label set to 0 that has no pixel of at least this distance (0…255)."""
    return _only(labels, occurrences(labels, distance >= least) > 0)


def without_small(labels: NDArray[np.int32], least: int) -> NDArray[np.int32]:
    """Return ``labels`` with every label of fewer than ``least`` pixels set to 0; the others keep their numbers."""
    return _only(labels, occurrences(labels) >= least)


def without_unseen(labels: NDArray[np.int32], clear: NDArray[np.bool_], least: float) -> NDArray[np.int32]:
    """Return ``labels`` with every label set to 0 of whose pixels a smaller part than ``least`` is clear."""
    return _only(labels, occurrences(labels, clear) >= least * occurrences(labels))


def _only(labels: NDArray[np.int32], kept: NDArray[np.bool_]) -> NDArray[np.int32]:
    """Return the labels that are kept, by number; the others are 0."""
    return np.where(kept, np.arange(len(kept)), 0).astype(np.int32)[labels]


def numbers(parcels: Parcels, valid: int, transform: Affine) -> FieldNumbers:
    """Return the scene-level numbers; zeros where there is no parcel or no valid pixel.

    Args:
        parcels: What is counted.
        valid: Pixels with data.
        transform: Pixel (column, row) to coordinates in metres.
    """
    areas, free = parcels.hectares, parcels.hectares[parcels.cloud_free]
    image = valid * pixel_hectares(transform)
    # Simplified outlines may reach a fraction of a pixel beyond the data: never more than all of it.
    total, total_free = (min(100.0 * float(part.sum()) / image, 100.0) if image else 0.0 for part in (areas, free))
    return FieldNumbers(
        number=len(areas),
        total_hectares=float(areas.sum()),
        mean_hectares=float(areas.mean()) if len(areas) else 0.0,
        minimum_hectares=float(areas.min(initial=np.inf)) if len(areas) else 0.0,
        maximum_hectares=float(areas.max(initial=0.0)),
        coverage_percent=total,
        cloud_free_number=len(free),
        cloud_free_coverage_percent=total_free,
    )


def hectares_of(geometries: Geometries) -> NDArray[np.float64]:
    """Return the planar areas of polygons in metres, float64 (n), in hectares."""
    return np.asarray(shapely.area(geometries), np.float64) / SQUARE_METRES_PER_HECTARE


def pixel_hectares(transform: Affine) -> float:
    """Return the area of a pixel in hectares; ``transform`` is pixel (column, row) to coordinates in metres."""
    return float(abs(transform.a * transform.e)) / SQUARE_METRES_PER_HECTARE


def _flooded_blocks(
    height: NDArray[np.uint8], seeds: NDArray[np.int32], inside: NDArray[np.bool_], rules: FieldRules
) -> NDArray[np.int32]:
    """Flood block by block; each writes its own part, and scikit-image lets other threads go on meanwhile."""
    labels = np.zeros(inside.shape, np.int32)

    def flood(core: Block, around: Block) -> None:
        if inside[core].any():
            labels[core] = _flooded(height, seeds, inside, core, around)

    with ThreadPoolExecutor(len(os.sched_getaffinity(0)), thread_name_prefix="flood") as pool:
        for done in [pool.submit(flood, *block) for block in _halo_blocks(inside.shape, rules.block, rules.halo)]:
            done.result()
    return labels


def _flooded(
    height: NDArray[np.uint8],
    seeds: NDArray[np.int32],
    inside: NDArray[np.bool_],
    core: Block,
    around: Block,
) -> NDArray[np.int32]:
    """Return the labels of a block, flooded together with its surroundings."""
    flooded = watershed(height[around], seeds[around], mask=inside[around])  # type: ignore[no-untyped-call]
    rows, columns = (slice(c.start - a.start, c.stop - a.start) for c, a in zip(core, around, strict=True))
    return np.asarray(flooded[rows, columns], np.int32)


def _flood_far(
    labels: NDArray[np.int32], height: NDArray[np.uint8], inside: NDArray[np.bool_], rules: FieldRules
) -> None:
    """Let labels grow on where a parcel reaches farther beyond its seed than the halo: rare, and changes no label."""
    grown = True
    while grown:
        grown = False
        for core, around in _halo_blocks(labels.shape, rules.block, rules.halo):
            dry = inside[around] & (labels[around] == 0)
            if (dry & ndimage.binary_dilation(labels[around] > 0)).any():
                before = labels[core]
                after = np.where(before == 0, _flooded(height, labels, inside, core, around), before)
                grown |= bool((after != before).any())
                labels[core] = after


def _halo_blocks(shape: tuple[int, ...], block: int, halo: int) -> Iterator[tuple[Block, Block]]:
    """Yield each block of a (row, column) array, alone and with its halo."""
    height, width = shape
    for row in range(0, height, block):
        for column in range(0, width, block):
            bottom, right = min(row + block, height), min(column + block, width)
            rows = slice(max(row - halo, 0), min(bottom + halo, height))
            columns = slice(max(column - halo, 0), min(right + halo, width))
            yield (slice(row, bottom), slice(column, right)), (rows, columns)
