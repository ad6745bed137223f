"""Scores of masks: bool arrays (row, column), counted where ``valid``."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import binary_dilation

Mask = NDArray[np.bool_]


def iou(predicted: Mask, truth: Mask, valid: Mask) -> float:
    """Return intersection over union; 1 when both are empty."""
    union = ((predicted | truth) & valid).sum()
    return float(((predicted & truth) & valid).sum() / union) if union else 1.0


def boundary_scores(predicted: Mask, truth: Mask, valid: Mask, reach: int = 1) -> tuple[float, float]:
    """Return precision and recall of boundary pixels, each right when the other has one within ``reach`` pixels."""
    square = np.ones((2 * reach + 1, 2 * reach + 1), bool)
    near_truth, near_predicted = binary_dilation(truth, square), binary_dilation(predicted, square)
    precision = (predicted & near_truth & valid).sum() / max((predicted & valid).sum(), 1)
    recall = (truth & near_predicted & valid).sum() / max((truth & valid).sum(), 1)
    return float(precision), float(recall)


@dataclass(frozen=True)
class Threshold:
    """An index threshold and what it scores."""

    index: str
    value: float
    iou: float


def best_threshold(
    name: str, index: NDArray[np.float32], truth: Mask, valid: Mask, values: Iterable[float]
) -> Threshold:
    """Return the threshold with the best intersection over union on this very image (an oracle: it saw the truth)."""
    scored = [Threshold(name, float(value), iou(index > value, truth, valid)) for value in values]
    return max(scored, key=lambda threshold: threshold.iou)


def difference_index(first: NDArray[np.float32], second: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return (first − second) / (first + second), 0 where the sum is not positive."""
    total = first + second
    return np.where(total > 1e-6, (first - second) / np.where(total > 1e-6, total, 1), 0).astype(np.float32)
