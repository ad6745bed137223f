"""Rows of figures over labelled images: methods and thresholds side by side, for the card and for a file."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from models.common.markdown import table
from models.common.pool import Array
from models.common.real import Labelled, Mask
from models.common.scores import best_threshold, iou
from models.common.stored import store_evaluation

Method = Callable[[Labelled], Mask]
"""Says where water is, bool (row, column)."""

Index = Callable[[Labelled], Array]
"""Gives a number by pixel, float32 (row, column), that is higher over water."""


@dataclass(frozen=True)
class Figure:
    """What was measured over all pixels of some images.

    Attributes:
        images: What they are.
        standing: What training saw of them.
        scores: Intersection over union by method.
        best: By index, the best threshold on these very images and its score: an oracle, as it saw the truth.
    """

    images: str
    standing: str
    scores: Mapping[str, float]
    best: Mapping[str, tuple[float, float]]


@dataclass(frozen=True)
class Comparison:
    """What is compared.

    Attributes:
        methods: By name, in the order of the columns.
        indices: By name, with the thresholds that are tried.
    """

    methods: Mapping[str, Method]
    indices: Mapping[str, tuple[Index, Sequence[float]]]

    def measure(self, name: str, standing: str, images: Sequence[Labelled]) -> Figure:
        """Return the figures over the pixels of all images together."""
        truth = np.concatenate([image.truth.ravel() > 0 for image in images])
        valid = np.concatenate([image.valid.ravel() for image in images])
        scores = {}
        for method, says in self.methods.items():
            scores[method] = iou(np.concatenate([says(image).ravel() for image in images]), truth, valid)
        best = {}
        for index, (gives, sweep) in self.indices.items():
            values = np.concatenate([gives(image).ravel() for image in images])
            found = best_threshold(index, values, truth, valid, sweep)
            best[index] = (found.value, found.iou)
        return Figure(name, standing, scores, best)


def as_table(figures: Sequence[Figure], head: str) -> str:
    """Return the figures as Markdown; IoU to three digits."""
    methods, indices = list(figures[0].scores), list(figures[0].best)
    columns = (head, "seen in training", *methods, *(f"best {index}" for index in indices))
    rows: list[tuple[str, ...]] = []
    for figure in figures:
        scores = (f"{figure.scores[method]:.3f}" for method in methods)
        best = (f"{score:.3f} at {threshold:+.2f}" for threshold, score in figure.best.values())
        rows.append((figure.images, figure.standing, *scores, *best))
    return table(columns, rows)


def behind(figures: Sequence[Figure], method: str) -> str:
    """Return a limit for the card: the images on which a best threshold is ahead of what the product does.

    Args:
        figures: What was measured.
        method: Which of the methods is the product's.
    """
    worse = [each.images for each in figures if max(score for _, score in each.best.values()) > each.scores[method]]
    return f"\n- A best threshold is ahead of what the product does on: {'; '.join(worse)}." if worse else ""


def store(figures: Sequence[Figure], model: Path) -> Path:
    """Write the figures beside the model as ``evaluation.json``, with the checksum of what was measured."""
    return store_evaluation({"figures": [asdict(figure) for figure in figures]}, model)
