"""What a threshold alone calls water, pixel by pixel, and how it votes with a net.

The masks come from the strips that the net reads: no band is read a second time for them.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

WATER_OUTPUT: Final = "water"
"""The output of a net that the indices can stand beside."""


@dataclass(frozen=True)
class Index:
    """A rule that says water or not.

    Attributes:
        bands: What it takes: two bands of a normalised difference that is positive over water, or the one band of a
            backscatter that is low over it.
        below: The backscatter in dB below which a pixel is water; None for a difference.
        rule: The rule in words.
    """

    bands: tuple[str, ...]
    below: float | None
    rule: str

    def water(self, values: Sequence[NDArray[np.float32]]) -> NDArray[np.bool_]:
        """Return where it says water, bool (row, column).

        Args:
            values: Its bands in order, float32 (row, column); NaN, where there is no data, is no water.
        """
        if self.below is not None:
            low: NDArray[np.bool_] = values[0] < self.below
            return low
        first, second = values
        # (first − second) ÷ (first + second) > 0 without dividing, and without dark noise whose sum is not positive.
        positive: NDArray[np.bool_] = (first > second) & (first + second > 0)
        return positive


INDICES: Final[Mapping[str, Index]] = {
    "mndwi": Index(("B03", "B11"), None, "MNDWI > 0"),  # Xu, 2006
    "ndwi": Index(("B03", "B08"), None, "NDWI > 0"),  # McFeeters, 1996
    "vv": Index(("VV",), -16.0, "VV < -16 dB"),
}
"""The indices, the one first that is asked first for a water mask without a net."""


def readable(bands: Collection[str]) -> tuple[str, ...]:
    """Return the indices whose bands are all there, in the order of :data:`INDICES`."""
    return tuple(name for name, index in INDICES.items() if set(index.bands) <= set(bands))


def majority(masks: Sequence[NDArray[np.bool_]]) -> NDArray[np.bool_]:
    """Return where more than half of the masks say yes, bool (row, column); of two, both must."""
    votes = np.zeros(masks[0].shape, np.uint8)
    for mask in masks:
        votes += mask
    decided: NDArray[np.bool_] = votes > len(masks) // 2
    return decided
