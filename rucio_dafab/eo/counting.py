"""Counting the values of rasters of classes and of labels, in little memory."""

import numpy as np
from numpy.typing import NDArray

VALUES = 256
_AT_ONCE = 1 << 22


def histogram(values: NDArray[np.uint8]) -> NDArray[np.int64]:
    """Return how often each value 0…255 occurs, int64 (256).

    ``numpy.bincount`` alone turns what it counts into eight bytes a pixel: a gigabyte for a whole tile.
    """
    flat = values.reshape(-1)
    counts = np.zeros(VALUES, np.int64)
    for first in range(0, len(flat), _AT_ONCE):
        counts += np.bincount(flat[first : first + _AT_ONCE], minlength=VALUES)
    return counts


def occurrences(labels: NDArray[np.int32], where: NDArray[np.bool_] | None = None) -> NDArray[np.int64]:
    """Return how often each label 0, 1, … occurs, int64 (largest label + 1), in as little memory.

    Args:
        labels: int32, of any shape, none negative.
        where: bool, of the same shape: which pixels count; all by default.
    """
    flat, chosen = labels.reshape(-1), None if where is None else where.reshape(-1)
    counts = np.zeros(int(labels.max(initial=0)) + 1, np.int64)
    for first in range(0, len(flat), _AT_ONCE):
        part = slice(first, first + _AT_ONCE)
        found = np.bincount(flat[part] if chosen is None else flat[part][chosen[part]])
        counts[: len(found)] += found
    return counts
