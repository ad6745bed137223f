"""How well two water masks agree: what makes an observed mask worth its trust.

The names are those of the live catalogue's profile. Nothing here is truth: three ways of seeing water (the net, an
index, the scene classification) that agree are each less likely to be wrong.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rucio_dafab.eo.counting import histogram

Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class Agreement:
    """Pixels by what two masks say of them.

    Attributes:
        both: Water in both.
        first: Water in the first alone.
        second: Water in the second alone.
        neither: Water in neither.
    """

    both: int
    first: int
    second: int
    neither: int

    @property
    def pixels(self) -> int:
        """Return all pixels that were compared."""
        return self.both + self.first + self.second + self.neither

    @property
    def iou_water(self) -> float | None:
        """Return intersection over union of the water, 0…1; None where neither mask has any."""
        return _ratio(self.both, self.both + self.first + self.second)

    @property
    def iou_other(self) -> float | None:
        """Return intersection over union of what is no water, 0…1; None where all is water in both."""
        return _ratio(self.neither, self.neither + self.first + self.second)

    @property
    def mcc(self) -> float | None:
        """Return Matthews' correlation coefficient (1975), −1…1; None where a mask is constant."""
        margins = (
            self.both + self.first,
            self.both + self.second,
            self.neither + self.first,
            self.neither + self.second,
        )
        # Square roots one by one: the product of four counts of a whole tile is far beyond 64 bits.
        spread = math.prod(math.sqrt(margin) for margin in margins)
        return (self.both * self.neither - self.first * self.second) / spread if spread else None

    @property
    def kappa(self) -> float | None:
        """Return Cohen's kappa (1960), −1…1; None where chance alone explains everything."""
        total = self.pixels
        if not total:
            return None
        observed = (self.both + self.neither) / total
        wet = (self.both + self.first) / total * (self.both + self.second) / total
        dry = (self.neither + self.first) / total * (self.neither + self.second) / total
        return _ratio(observed - wet - dry, 1 - wet - dry)

    def document(self) -> dict[str, Any]:
        """Return it under the profile's names: percentages of the pixels compared (they sum to 100), and scores."""
        shares = {
            "overlap_water_percentage": self.both,
            "left_join_water_percentage": self.first,
            "right_join_water_percentage": self.second,
            "overlap_other_percentage": self.neither,
        }
        percentages = {name: _ratio(100.0 * count, self.pixels) for name, count in shares.items()}
        return percentages | {
            "iou_score_water": self.iou_water,
            "iou_score_other": self.iou_other,
            "mcc_score": self.mcc,
            "kappa_score": self.kappa,
        }


_LEFT_OUT = 4


def compare(first: Mask, second: Mask, among: Mask) -> Agreement:
    """Count how two masks agree; all are bool (row, column), and pixels outside ``among`` are left out."""
    codes: NDArray[np.uint8] = first * np.uint8(2) + second
    codes[~among] = _LEFT_OUT
    neither, only_second, only_first, both = (int(number) for number in histogram(codes)[:4])
    return Agreement(both, only_first, only_second, neither)


def trustworthiness(masks: Mapping[str, Mask], among: Mask) -> dict[str, Agreement]:
    """Return the agreements of the profile's pairs, as far as there are masks ``ai``, ``noai`` and ``scl``."""
    pairs = (("ai", "noai"), ("ai", "scl"), ("noai", "scl"))
    return {
        f"{one}_{other}": compare(masks[one], masks[other], among)
        for one, other in pairs
        if one in masks and other in masks
    }


def _ratio(part: float, whole: float) -> float | None:
    return part / whole if whole else None
