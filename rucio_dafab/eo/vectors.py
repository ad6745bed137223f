"""Labels to polygons that fit together: borders traced as arcs, each arc simplified once for both of its sides.

Outlines are traced in pixel units (column, row), where every corner is a whole number, and only the result is moved to
the scene's reference system.
"""

from dataclasses import dataclass

import numpy as np
import shapely
from affine import Affine
from numpy.typing import NDArray
from scipy import ndimage
from skimage.measure import label as connected

from rucio_dafab.eo.outlines import Arcs, Integers, Rings, find_arcs, find_rings, ragged

Geometries = NDArray[np.object_]

# Greatest distance in pixels from a traced outline to the simplified one (Douglas and Peucker, 1973): the stairs of the
# grid are up to 0.71 deep.
TOLERANCE = 0.75
LEAST_POINTS = 4
"""Of a ring, the first of which is its last."""
# Arcs that are looked at in pairs where they touch each other: so many, or those in so small a place (pixels).
FEW, NEAR = 16, 8
# Arcs that are simplified together, and rows in which crossings are looked for together: they bound the memory.
AT_ONCE, BAND = 100_000, 1024


@dataclass(frozen=True, eq=False)
class Regions:
    """The polygons of a label array: ``labels`` int64 (n) in rising order, ``geometries`` one polygon each."""

    labels: NDArray[np.int64]
    geometries: Geometries

    def __len__(self) -> int:
        return len(self.labels)


@dataclass(frozen=True, eq=False)
class _Lines:
    """The points of arcs: float64 (points, 2), where each arc begins among them, and how many points it has."""

    points: NDArray[np.float64]
    starts: NDArray[np.int64]
    lengths: NDArray[np.int64]


def components(mask: NDArray[np.bool_]) -> NDArray[np.int32]:
    """Return the 4-connected components of ``mask`` (row, column), numbered from 1 in raster order; 0 is outside."""
    labels, _ = ndimage.label(mask, output=np.int32)
    return np.asarray(labels, np.int32)


def polygonise(labels: Integers, transform: Affine, tolerance: float = TOLERANCE) -> Regions:
    """Return the simplified polygons of every label above 0, in the coordinates of ``transform``.

    Neighbours keep sharing their borders: the polygons are a valid coverage without gaps or overlaps of their own. A
    label whose pixels are not 4-connected yields one polygon a part.

    Args:
        labels: int32 (row, column), 0 outside.
        transform: Pixel (column, row) to coordinates.
        tolerance: In pixels, see :data:`TOLERANCE`; 0 keeps the pixels' outlines.
    """
    regions = trace(labels, tolerance)
    return Regions(regions.labels, to_coordinates(regions.geometries, transform))


def trace(labels: Integers, tolerance: float = 0.0) -> Regions:
    """Return the polygons of every label above 0 in pixel units (x = column, y = row), as :func:`polygonise`."""
    arcs = find_arcs(labels)
    rings = find_rings(arcs)
    if not _connected(rings):
        parts = np.asarray(connected(labels, background=0, connectivity=1), np.int32)  # type: ignore[no-untyped-call]
        names = np.zeros(int(parts.max()) + 1, labels.dtype)
        names[parts] = labels
        regions = trace(parts, tolerance)
        order = np.argsort(names[regions.labels], kind="stable")
        return Regions(names[regions.labels][order].astype(np.int64), regions.geometries[order])
    exact = _Lines(np.column_stack((arcs.x, arcs.y)).astype(np.float64), arcs.offsets[:-1], np.diff(arcs.offsets))
    if tolerance <= 0 or not len(arcs):
        return _polygons(rings, exact, len(arcs))
    return _sound(arcs, rings, exact, _simplified(exact, tolerance))


def to_coordinates(geometries: Geometries, transform: Affine) -> Geometries:
    """Return geometries in pixel units (column, row) in the coordinates of ``transform``."""
    a, b, c, d, e, f = tuple(transform)[:6]

    def move(points: NDArray[np.float64]) -> NDArray[np.float64]:
        x, y = points[:, 0], points[:, 1]
        return np.column_stack((a * x + b * y + c, d * x + e * y + f))

    return np.asarray(shapely.transform(geometries, move), object)


def _connected(rings: Rings) -> bool:
    """Whether every label is one part: it has one outer ring, and no ring stands for two parts that touch."""
    outer = rings.labels[rings.outer]
    return bool((outer[1:] != outer[:-1]).all())


def _simplified(exact: _Lines, tolerance: float) -> _Lines:
    """Return the arcs with fewer points; both ends of each stay where they are."""
    pieces, lengths = [], []
    for first in range(0, len(exact.starts), AT_ONCE):
        starts, counts = exact.starts[first : first + AT_ONCE], exact.lengths[first : first + AT_ONCE]
        points = exact.points[starts[0] : starts[-1] + counts[-1]]
        offsets = np.append(starts, starts[-1] + counts[-1]) - starts[0]
        lines = shapely.from_ragged_array(shapely.GeometryType.LINESTRING, points, (offsets,))
        _, kept, (ends,) = shapely.to_ragged_array(shapely.simplify(lines, tolerance, preserve_topology=False))
        pieces.append(kept)
        lengths.append(np.diff(ends))
    every = np.concatenate(lengths)
    return _Lines(np.concatenate(pieces), np.cumsum(every) - every, every)


def _sound(arcs: Arcs, rings: Rings, exact: _Lines, simple: _Lines) -> Regions:
    """Return the polygons of the simplified arcs; arcs that would cross, or leave nothing of a ring, stay exact."""
    simplified = np.ones(len(arcs), bool)
    lines = simple
    while (wrong := (_thin(rings, lines.lengths, len(arcs)) | _crossing(lines)) & simplified).any():
        simplified &= ~wrong
        lines = _replaced(lines, wrong, exact)
    return _polygons(rings, lines, len(arcs))


def _replaced(lines: _Lines, which: NDArray[np.bool_], by: _Lines) -> _Lines:
    """Return the lines with some (bool) taken from others; the points of the former stay unused."""
    places, offsets = ragged(by.starts[which], by.lengths[which])
    starts, lengths = lines.starts.copy(), lines.lengths.copy()
    starts[which] = offsets[:-1] + len(lines.points)
    lengths[which] = by.lengths[which]
    return _Lines(np.concatenate((lines.points, by.points[places])), starts, lengths)


def _thin(rings: Rings, lengths: NDArray[np.int64], count: int) -> NDArray[np.bool_]:
    """Return the arcs (bool) of rings that have too few points to be one."""
    points = np.add.reduceat(lengths[rings.directed % count] - 1, rings.offsets[:-1]) + 1
    found = np.zeros(count, bool)
    found[rings.directed[np.repeat(points < LEAST_POINTS, np.diff(rings.offsets))] % count] = True
    return found


def _crossing(lines: _Lines) -> NDArray[np.bool_]:
    """Return the arcs (bool) that touch themselves or others anywhere but at their ends.

    Asked of many arcs at once and, where there is something, of those in either half of the place: the cost grows with
    the arcs, and a little with what is found.
    """
    places, offsets = ragged(lines.starts, lines.lengths)
    points = lines.points[places]
    low, high = np.minimum.reduceat(points, offsets[:-1]), np.maximum.reduceat(points, offsets[:-1])
    found = np.zeros(len(lines.starts), bool)
    once = np.flatnonzero(~_repeated(lines))
    (west, north), (east, south) = low.min(axis=0), high.max(axis=0)
    waiting = [
        (
            once[(low[once, 1] <= top + BAND) & (high[once, 1] >= top)],
            np.array([west, top]),
            np.array([east, top + BAND]),
        )
        for top in np.arange(north, south, BAND)
    ]
    while waiting:
        arcs, least, most = waiting.pop()
        if not len(arcs) or _are_simple(lines, arcs[None, :])[0]:
            continue
        if len(arcs) <= FEW or (most - least).max() <= NEAR:
            pairs = np.column_stack(np.triu_indices(len(arcs)))
            found[arcs[pairs[~_are_simple(lines, arcs[pairs])]]] = True
            continue
        axis = int(np.argmax(most - least))
        middle = (least[axis] + most[axis]) / 2
        # What meets does so on one side of the middle or the other: both have a part there.
        for half in (_half(least, most, axis, middle, below) for below in (True, False)):
            reach = (low[arcs] <= half[1]).all(axis=1) & (high[arcs] >= half[0]).all(axis=1)
            waiting.append((arcs[reach], *half))
    return found


def _repeated(lines: _Lines) -> NDArray[np.bool_]:
    """Return the arcs (bool) of two points for which another one is the same.

    A strip of no label, a pixel wide, became nothing; the labels beside it now share the line.
    """
    short = np.flatnonzero(lines.lengths == 2)
    ends = np.column_stack((lines.points[lines.starts[short]], lines.points[lines.starts[short] + 1]))
    x, y, other_x, other_y = ends.T
    backwards = (x > other_x) | ((x == other_x) & (y > other_y))
    ends[backwards] = ends[backwards][:, [2, 3, 0, 1]]
    _, kept = np.unique(ends, axis=0, return_index=True)
    found = np.zeros(len(lines.starts), bool)
    found[np.delete(short, kept)] = True
    return found


def _half(
    least: NDArray[np.float64], most: NDArray[np.float64], axis: int, middle: float, below: bool
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the corners of the part of a box on one side of its middle."""
    corners = (least.copy(), most.copy())
    corners[below][axis] = middle
    return corners


def _are_simple(lines: _Lines, groups: NDArray[np.intp]) -> NDArray[np.bool_]:
    """Return for groups of arcs, int (n, arcs), whether each (bool) touches nothing but at the ends of its arcs.

    An arc may stand in a group twice: it is then asked of alone.
    """
    repeated = groups[:, :1] == groups[:, 1:]
    arcs = groups[np.column_stack((np.ones(len(groups), bool), ~repeated))]
    places, offsets = ragged(lines.starts[arcs], lines.lengths[arcs])
    of_group = np.concatenate(([0], np.cumsum(groups.shape[1] - repeated.sum(axis=1))))
    made = shapely.from_ragged_array(shapely.GeometryType.MULTILINESTRING, lines.points[places], (offsets, of_group))
    return np.asarray(shapely.is_simple(made), bool)


def _polygons(rings: Rings, lines: _Lines, count: int) -> Regions:
    """Put the polygons together: all rings' points in one array, as shapely takes them."""
    if not len(rings.labels):
        return Regions(np.empty(0, np.int64), np.empty(0, object))
    arc, backwards = rings.directed % count, rings.directed >= count
    # Each arc leaves out its last point, where the next one begins; each ring repeats its first.
    lengths = lines.lengths[arc] - 1
    begins = np.where(backwards, lines.starts[arc] + lengths, lines.starts[arc])
    within, offsets = ragged(np.zeros(len(arc), np.int64), lengths)
    places = np.repeat(begins, lengths) + np.where(np.repeat(backwards, lengths), -within, within)
    rings_at = offsets[rings.offsets]
    closed = np.insert(places, rings_at[1:], places[rings_at[:-1]])
    rings_at += np.arange(len(rings_at))
    polygons_at = np.append(np.flatnonzero(rings.outer), len(rings.outer))
    made = shapely.from_ragged_array(shapely.GeometryType.POLYGON, lines.points[closed], (rings_at, polygons_at))
    return Regions(rings.labels[rings.outer].astype(np.int64), np.asarray(made, object))
