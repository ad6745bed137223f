"""Borders between parcels: how strongly the net drew each, and which parcels are one since it drew next to nothing.

A watershed closes every border, however little of it the net has seen. So neighbours are taken together again, those
with the weakest border first, until every border that is left was drawn at least half (region merging after Haris et
al. 1998, doi:10.1109/83.730380, with the mean of the net's boundary as the dissimilarity).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final, Self

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

ROWS: Final = 1024
"""Rows whose borders are looked at together: a whole tile has more pixels on borders than should be held."""


@dataclass(frozen=True, eq=False, slots=True)
class Borders:
    """The borders between neighbouring labels, each once.

    Attributes:
        first: int64 (border), the lower label.
        second: int64 (border), the higher one.
        drawn: int64 (border), sum of the boundary (0…255) over its pairs of pixels, of each the higher.
        length: int64 (border), its pairs of pixels.
    """

    first: NDArray[np.int64]
    second: NDArray[np.int64]
    drawn: NDArray[np.int64]
    length: NDArray[np.int64]

    @classmethod
    def of(cls, labels: NDArray[np.int32], boundary: NDArray[np.uint8]) -> Self:
        """Return the borders of labels (row, column; 0 is none) with the net's boundary (row, column; 0…255)."""
        parts = [_summed(*part) for part in _touching(labels, boundary)]
        return cls(*_summed(*(np.concatenate(each) for each in zip(*parts, strict=True))))

    @property
    def strength(self) -> NDArray[np.float64]:
        """Mean boundary of each, float64 (border), 0…255."""
        strength: NDArray[np.float64] = self.drawn / self.length
        return strength

    def renamed(self, names: NDArray[np.int64]) -> "Borders":
        """Return the borders after labels got new names: those between two of one name are gone, others added up."""
        first, second = names[self.first], names[self.second]
        kept = first != second
        return Borders(*_summed(first[kept], second[kept], self.drawn[kept], self.length[kept]))


def together(labels: NDArray[np.int32], boundary: NDArray[np.uint8], least: int) -> NDArray[np.int32]:
    """Return labels with those taken together whose borders are weaker than ``least``.

    Args:
        labels: int32 (row, column), numbered from 1 without gaps, 0 for none.
        boundary: uint8 (row, column), what the net drew, 0…255.
        least: Mean boundary of a border that stays.

    Returns:
        int32 (row, column), again without gaps, in the order of the first of the labels that each consists of.
    """
    borders, names = Borders.of(labels, boundary), np.arange(int(labels.max(initial=0)) + 1)
    while (weakest := _weakest(borders, len(names), least)).any():
        found = _joined(borders.first[weakest], borders.second[weakest], len(names))
        names, borders = found[names], borders.renamed(found)
    # A name is the lowest label of those that have it, and 0 stays itself.
    numbers = np.searchsorted(np.unique(names), names).astype(np.int32)
    return numbers[labels]


def _weakest(borders: Borders, count: int, least: int) -> NDArray[np.bool_]:
    """Return which borders are too weak, and for both of their labels the weakest: the weakest of all is always one."""
    strength = borders.strength
    weakest = np.full(count, np.inf)
    np.minimum.at(weakest, borders.first, strength)
    np.minimum.at(weakest, borders.second, strength)
    lowest = np.minimum(weakest[borders.first], weakest[borders.second])
    chosen: NDArray[np.bool_] = (strength < least) & (strength <= lowest)
    return chosen


def _joined(first: NDArray[np.int64], second: NDArray[np.int64], count: int) -> NDArray[np.int64]:
    """Return for every label the lowest of those that it is joined with, int64 (count)."""
    graph = coo_array((np.ones(len(first), np.bool_), (first, second)), shape=(count, count))
    number, groups = connected_components(graph, directed=False)
    lowest = np.full(number, count, np.int64)
    np.minimum.at(lowest, groups, np.arange(count))
    joined: NDArray[np.int64] = lowest[groups]
    return joined


def _touching(labels: NDArray[np.int32], boundary: NDArray[np.uint8]) -> Iterator[tuple[NDArray[Any], ...]]:
    """Yield the pairs of pixels beside and above each other with different labels: labels, boundary and a one each."""
    for row in range(0, labels.shape[0], ROWS):
        # The first row of the next block, too, so that no pair of rows is left out.
        below = slice(row, row + ROWS + 1)
        beside = slice(row, row + ROWS)
        yield _pairs(labels[below][:-1], labels[below][1:], boundary[below][:-1], boundary[below][1:])
        yield _pairs(labels[beside][:, :-1], labels[beside][:, 1:], boundary[beside][:, :-1], boundary[beside][:, 1:])


def _pairs(
    one: NDArray[np.int32], other: NDArray[np.int32], drawn: NDArray[np.uint8], drawn_other: NDArray[np.uint8]
) -> tuple[NDArray[Any], ...]:
    differ = (one != other) & (one > 0) & (other > 0)
    first, second = one[differ].astype(np.int64), other[differ].astype(np.int64)
    strength = np.maximum(drawn[differ], drawn_other[differ]).astype(np.int64)
    return first, second, strength, np.ones_like(first)


def _summed(
    first: NDArray[np.int64], second: NDArray[np.int64], drawn: NDArray[np.int64], length: NDArray[np.int64]
) -> tuple[NDArray[np.int64], ...]:
    """Return each pair of labels once, the lower first, with its sums."""
    lower, higher = np.minimum(first, second), np.maximum(first, second)
    base = int(higher.max(initial=0)) + 1
    keys, which = np.unique(lower * base + higher, return_inverse=True)
    # The sums stay far below 2^53, where float64 is exact.
    sums = (np.bincount(which, each, len(keys)).astype(np.int64) for each in (drawn, length))
    return keys // base, keys % base, *sums
