"""The borders of a label array as arcs that neighbours share, and the rings that the arcs make.

A *stop* is a corner of the pixel grid where a border turns or borders meet; a *node* is a stop where more than two
border edges meet. A *step* runs along a straight border from a stop to the next one. Steps chained from node to node
are an *arc*: it separates the same two labels all along, so it belongs to two rings at most, once in either direction.
Whatever is done to an arc is done to both neighbours: a coverage stays one. All of it is array arithmetic over the
stops; the graph library of SciPy puts chains in order.

Directions are 0 right, 1 down, 2 left, 3 up; x is the column and y the row of the pixel grid's corners.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array
from scipy.sparse.csgraph import breadth_first_order, connected_components

Integers = NDArray[np.int32]

LONGEST: Final = 128
"""Steps of an arc: longer ones are cut, so that what has to be done to an arc is done to a small place."""
ROWS: Final = 1024
"""Rows of corners that are looked at together: bounds the memory of the search for stops."""
NORTH_WEST, NORTH_EAST, SOUTH_WEST, SOUTH_EAST = range(4)
# Of somebody who arrives at (or leaves) a stop in direction 0, 1, 2, 3: the pixels around the stop.
BEHIND_LEFT: Final = np.array([NORTH_WEST, NORTH_EAST, SOUTH_EAST, SOUTH_WEST])
AHEAD_LEFT: Final = np.array([NORTH_EAST, SOUTH_EAST, SOUTH_WEST, NORTH_WEST])
AHEAD_RIGHT: Final = np.array([SOUTH_EAST, SOUTH_WEST, NORTH_WEST, NORTH_EAST])


@dataclass(frozen=True, eq=False)
class Stops:
    """Stops in raster order: ``x``, ``y`` int32 (n); ``around`` int32 (n, 4), the labels NW, NE, SW, SE of each."""

    x: Integers
    y: Integers
    around: Integers

    def edges(self) -> NDArray[np.bool_]:
        """Return where borders leave each stop, bool (n, 4) by direction."""
        found: NDArray[np.bool_] = self.around[:, AHEAD_LEFT] != self.around[:, AHEAD_RIGHT]
        return found

    def targets(self, source: Integers, direction: Integers) -> Integers:
        """Return the stops, int32, at which steps from ``source`` in ``direction`` end.

        A step ends where its border first turns or meets another: at the next stop of its row or column.
        """
        by_column = np.argsort(self.x, kind="stable").astype(np.int32)
        place = np.empty_like(by_column)
        place[by_column] = np.arange(len(by_column), dtype=np.int32)
        forth = np.where(direction < 2, np.int32(1), np.int32(-1))
        found = source + forth
        down = direction % 2 == 1
        found[down] = by_column[place[source[down]] + forth[down]]
        return found


@dataclass(frozen=True, eq=False)
class Arcs:
    """Arcs of a label array.

    Attributes:
        x: int32, columns of the stops along all arcs, one arc after the other, both ends included.
        y: int32, their rows.
        offsets: int64 (n + 1), where each arc begins in ``x`` and ``y``.
        left: int32 (n), the label on the left hand; never 0, and greater than ``right``.
        right: int32 (n), the label on the right hand.
        following: int32 (2n), by directed arc (number ``a`` forwards, ``n + a`` backwards) the directed arc that comes
            next around the label on its left hand; meaningless for those around 0.
    """

    x: Integers
    y: Integers
    offsets: NDArray[np.int64]
    left: Integers
    right: Integers
    following: Integers

    def __len__(self) -> int:
        return len(self.left)


@dataclass(frozen=True, eq=False)
class Rings:
    """Rings around labels, by label, the outer ring of each label first.

    Attributes:
        directed: int32, the directed arcs (see :class:`Arcs`) of all rings, one ring after the other.
        offsets: int64 (n + 1), where each ring begins in ``directed``.
        labels: int32 (n), the label that each ring surrounds.
        outer: bool (n), whether it is the label's outer ring, not a hole's.
    """

    directed: Integers
    offsets: NDArray[np.int64]
    labels: Integers
    outer: NDArray[np.bool_]


def find_stops(labels: Integers) -> Stops:
    """Return the stops of a label array int32 (row, column); beyond its border is label 0."""
    height, width = labels.shape
    found = []
    for top in range(0, height + 1, ROWS):
        bottom = min(top + ROWS, height + 1)
        # Corner (y, x) lies between the pixel rows y - 1 and y.
        pixels = np.zeros((bottom - top + 1, width + 2), labels.dtype)
        inside = slice(max(top - 1, 0), min(bottom, height))
        pixels[inside.start - top + 1 : inside.stop - top + 1, 1:-1] = labels[inside]
        across, along = pixels[:-1] != pixels[1:], pixels[:, :-1] != pixels[:, 1:]
        turns = (across[:, :-1] | across[:, 1:]) & (along[:-1] | along[1:])
        y, x = np.nonzero(turns)
        around = np.stack((pixels[y, x], pixels[y, x + 1], pixels[y + 1, x], pixels[y + 1, x + 1]), axis=1)
        found.append(Stops(x.astype(np.int32), (y + top).astype(np.int32), around.astype(np.int32)))
    return Stops(*(np.concatenate([getattr(part, name) for part in found]) for name in ("x", "y", "around")))


def find_arcs(labels: Integers) -> Arcs:
    """Return the arcs of a label array int32 (row, column), 0 outside; no label is negative."""
    stops = find_stops(labels)
    edges = stops.edges()
    nodes = edges.view(np.uint8).sum(axis=1, dtype=np.uint8) > 2
    # Every step is there in both directions: the one with the greater label on its left stands for both.
    ahead = (stops.around[:, AHEAD_LEFT], stops.around[:, AHEAD_RIGHT])
    source, direction = (part.astype(np.int32) for part in np.nonzero(ahead[0] > ahead[1]))
    target = stops.targets(source, direction)
    onward = _numbers(source, direction, len(nodes))[target, _turned(edges, target, direction)]
    onward[nodes[target]] = -1
    order, offsets = chains(onward)
    first, last = order[offsets[:-1]], order[offsets[1:] - 1]
    following = _following(stops, nodes, (source[first], direction[first]), (target[last], direction[last]))
    offsets, following = _cut(offsets, following, source[first] == target[last])
    first, last = order[offsets[:-1]], order[offsets[1:] - 1]
    # Every arc has one point more than steps: where its last step ends.
    along = np.insert(source[order], offsets[1:], target[last])
    return Arcs(
        stops.x[along],
        stops.y[along],
        offsets + np.arange(len(offsets)),
        ahead[0][source[first], direction[first]],
        ahead[1][source[first], direction[first]],
        following,
    )


def _numbers(stop: Integers, direction: Integers, stops: int) -> Integers:
    """Return the place of each (stop, direction) in the two arrays, int32 (stops, 4); -1 where there is none."""
    found = np.full((stops, 4), -1, np.int32)
    found[stop, direction] = np.arange(len(stop), dtype=np.int32)
    return found


def _cut(
    offsets: NDArray[np.int64], following: Integers, closed: NDArray[np.bool_]
) -> tuple[NDArray[np.int64], Integers]:
    """Cut arcs of more than :data:`LONGEST` steps, and closed ones; take and return ``offsets`` and ``following``."""
    steps = np.diff(offsets)
    # A closed line has no ends at which others may touch it.
    pieces = np.maximum(-(-steps // LONGEST), np.where(closed, 2, 1))
    places, first = ragged(np.zeros(len(pieces), np.int64), pieces)
    count = len(places)
    cut = np.append(np.repeat(offsets[:-1], pieces) + places * np.repeat(steps, pieces) // np.repeat(pieces, pieces),
                    offsets[-1])  # fmt: skip
    # Forwards the next piece follows, backwards the one before; what followed the arc follows its last piece.
    ends = np.concatenate((first[1:] - 1, first[:-1] + count))
    begins = np.concatenate((first[:-1], first[1:] - 1 + count))
    found = np.concatenate((np.arange(1, count + 1), np.arange(count - 1, 2 * count - 1)))
    found[ends] = begins[following]
    return cut, found.astype(np.int32)


def find_rings(arcs: Arcs) -> Rings:
    """Return the rings that the arcs make around every label above 0."""
    count = len(arcs)
    labels = np.concatenate((arcs.left, arcs.right))
    wanted = np.flatnonzero(labels > 0).astype(np.int32)
    number = np.full(2 * count, -1, np.int32)
    number[wanted] = np.arange(len(wanted), dtype=np.int32)
    order, offsets = chains(number[arcs.following[wanted]])
    directed = wanted[order]
    area = _areas(arcs)
    around = np.add.reduceat(np.concatenate((area, -area))[directed], offsets[:-1]) if len(directed) else area
    # y runs down: with the label on its left hand, a ring around a label from outside has a negative area.
    outer, of_ring = around < 0, labels[directed[offsets[:-1]]]
    sorted_rings = np.lexsort((~outer, of_ring))
    places, new_offsets = ragged(offsets[:-1][sorted_rings], np.diff(offsets)[sorted_rings])
    return Rings(directed[places], new_offsets, of_ring[sorted_rings], outer[sorted_rings])


def chains(following: Integers) -> tuple[Integers, NDArray[np.int64]]:
    """Put linked elements in order.

    Args:
        following: int32 (n), the element after each, -1 after the last of a chain; nothing follows two elements. A
            closed chain begins with its smallest element.

    Returns:
        The elements, one chain after the other, and int64 (chains + 1), where each chain begins among them.
    """
    count = len(following)
    if not count:
        return np.empty(0, np.int32), np.zeros(1, np.int64)
    every = np.arange(count, dtype=np.int32)
    linked = following >= 0
    number, chain = connected_components(_graph(following, linked), connection="weak")
    # The smallest element of each chain (the last that is written stays) unless another one has nothing before it.
    first = np.empty(number, np.int32)
    first[chain[::-1]] = every[::-1]
    begins = np.ones(count, bool)
    begins[following[linked]] = False
    first[chain[begins]] = every[begins]
    ends = ~linked | (following == first[chain])
    last = np.empty(number, np.int32)
    last[chain[ends]] = every[ends]
    # One path through all chains, which the library walks without a loop in Python.
    path = following.copy()
    path[last[:-1]] = first[1:]
    path[last[-1]] = -1
    order = breadth_first_order(_graph(path, path >= 0), first[0], return_predecessors=False)
    return order, np.concatenate(([0], np.cumsum(np.bincount(chain, minlength=number))))


def ragged(starts: NDArray[np.int64], lengths: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the places of runs of consecutive elements, one run after the other, and int64 (runs + 1), their offsets.

    Args:
        starts: Where each run begins.
        lengths: How long each is.
    """
    offsets = np.concatenate(([0], np.cumsum(lengths)))
    return np.repeat(starts - offsets[:-1], lengths) + np.arange(offsets[-1]), offsets


def _graph(following: Integers, linked: NDArray[np.bool_]) -> csr_array:
    """Return the graph with an edge from each element that is ``linked`` to the one that follows it."""
    begins = np.concatenate((np.zeros(1, np.int32), np.cumsum(linked, dtype=np.int32)))
    to = following[linked]
    return csr_array((np.ones(len(to), np.int8), to, begins), shape=(len(following), len(following)))


def _turned(edges: NDArray[np.bool_], stop: Integers, direction: Integers) -> Integers:
    """Return the direction in which the border goes on at corners that are no nodes: it turns there."""
    across = np.where(direction % 2 == 0, np.int32(1), np.int32(0))
    return np.where(edges[stop, across], across, across + np.int32(2))


def _following(
    stops: Stops,
    nodes: NDArray[np.bool_],
    begin: tuple[Integers, Integers],
    end: tuple[Integers, Integers],
) -> Integers:
    """Return the directed arc after each around its left label; ``begin`` and ``end`` are stops and directions."""
    count = len(begin[0])
    back = (begin[0], (begin[1] + 2) % 4)
    at, heading = (np.concatenate(pair) for pair in zip(end, back, strict=True))
    behind, left, right = (stops.around[at, side[heading]] for side in (BEHIND_LEFT, AHEAD_LEFT, AHEAD_RIGHT))
    sources, directions = np.concatenate((begin[0], end[0])), np.concatenate((begin[1], (end[1] + 2) % 4))
    leaving = _numbers(sources, directions, len(nodes))
    turn = np.where(left != behind, 3, np.where(right != behind, 0, 1))
    # An arc that ends at no node is a ring by itself.
    itself = np.arange(2 * count, dtype=np.int32)
    following = np.where(nodes[at], leaving[at, (heading + turn) % 4], itself)
    return _without_self_contact(
        following, leaving[at, (heading + 1) % 4], nodes[at] & (left != behind) & (right == behind)
    )


def _without_self_contact(following: Integers, other: Integers, diagonal: NDArray[np.bool_]) -> Integers:
    """Cut rings that touch themselves into rings that touch each other, which polygons allow.

    Around a label of 4-connected pixels a ring stays with its pixel where it meets another pixel of the same label at a
    corner (``diagonal``). When it comes by there again, at that other pixel, both visits take each other's way
    (``other``). Where the other pixel belongs to another ring, to another part of the label, each stays with its own.
    """
    if not diagonal.any():
        return following
    _, ring = connected_components(_graph(following, np.ones(len(following), bool)), connection="weak")
    return np.where(diagonal & (ring == ring[other]), other, following)


def _areas(arcs: Arcs) -> NDArray[np.float64]:
    """Return each arc's part of twice the area of its rings (shoelace formula), float64 (n)."""
    x, y = arcs.x.astype(np.float64), arcs.y.astype(np.float64)
    crossed = np.zeros(len(x))
    crossed[:-1] = x[:-1] * y[1:] - x[1:] * y[:-1]
    # From the end of an arc to the beginning of the next one there is no step.
    crossed[arcs.offsets[1:] - 1] = 0
    summed: NDArray[np.float64] = np.add.reduceat(crossed, arcs.offsets[:-1]) if len(arcs) else crossed
    return summed
