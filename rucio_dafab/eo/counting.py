"""Counting the values of class rasters, in little memory."""

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
