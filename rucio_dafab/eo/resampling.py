"""Enlarging coarse bands by a whole factor to the 10 m grid.

scipy's zoom and GDAL's bilinear read spread no data (or a saturated number) into their neighbours or cannot be told
about two special values; by a whole factor the bilinear weights repeat, so that two passes of array arithmetic do it.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray


def enlarge_nearest(values: NDArray[Any], factor: int) -> NDArray[Any]:
    """Return ``values`` (row, column) with every pixel repeated ``factor`` times each way."""
    if factor == 1:
        return values
    return values.repeat(factor, axis=0).repeat(factor, axis=1)


def enlarge_bilinear(values: NDArray[np.float32], factor: int) -> NDArray[np.float32]:
    """Return float32 ``values`` (row, column) enlarged ``factor`` times each way, pixel centres kept in place.

    A pixel without data (NaN) stays NaN over its own area and has no weight in its neighbours'; the border repeats.
    """
    if factor == 1:
        return values
    absent = np.isnan(values)
    if not absent.any():
        return _both_axes(values, factor)
    weight = _both_axes((~absent).astype(np.float32), factor)
    total = _both_axes(np.where(absent, np.float32(0), values), factor)
    with np.errstate(invalid="ignore", divide="ignore"):
        result = total / weight
    result[enlarge_nearest(absent, factor)] = np.nan
    return result


def _both_axes(values: NDArray[np.float32], factor: int) -> NDArray[np.float32]:
    return _rows(_rows(values, factor).T, factor).T


def _rows(values: NDArray[np.float32], factor: int) -> NDArray[np.float32]:
    """Interpolate along the first axis."""
    before = np.concatenate([values[:1], values[:-1]])
    after = np.concatenate([values[1:], values[-1:]])
    result = np.empty((values.shape[0], factor, values.shape[1]), np.float32)
    for step in range(factor):
        # The centre of this fine pixel lies `distance` coarse pixels from the centre of the coarse pixel it is in.
        distance = np.float32((step + 0.5) / factor - 0.5)
        neighbour = before if distance < 0 else after
        result[:, step] = values + (neighbour - values) * abs(distance)
    return result.reshape(-1, values.shape[1])
