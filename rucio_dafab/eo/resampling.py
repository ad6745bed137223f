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
    return _along(_along(values, factor, axis=0), factor, axis=1)


def _along(values: NDArray[np.float32], factor: int, axis: int) -> NDArray[np.float32]:
    """Interpolate (row, column) along one axis; each fine pixel is written once, where it belongs."""
    rows, columns = values.shape
    to_next = np.diff(values, axis=axis)
    result = np.empty((rows, factor, columns) if axis == 0 else (rows, columns, factor), np.float32)
    for step in range(factor):
        fine = result[:, step] if axis == 0 else result[:, :, step]
        # The centre of this fine pixel lies `distance` coarse pixels from the centre of the coarse pixel it is in.
        distance = np.float32((step + 0.5) / factor - 0.5)
        inner, border = (slice(1, None), slice(0, 1)) if distance < 0 else (slice(-1), slice(-1, None))
        inside, edge = ((inner,), (border,)) if axis == 0 else ((..., inner), (..., border))
        np.add(values[inside], to_next * distance, out=fine[inside])
        fine[edge] = values[edge]
    return result.reshape(rows * factor, columns) if axis == 0 else result.reshape(rows, columns * factor)
