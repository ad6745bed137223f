"""A task: a net's description and everything it learns from (without torch: evaluation and tests need none)."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from models.common.pool import Array, Sample
from models.common.specification import Specification

Batch = tuple[Array, Array, Array]
"""Pixels (batch, band, row, column), targets (batch, output, row, column) and weights (batch, row, column)."""


@dataclass(frozen=True)
class RealPiece:
    """A real image to learn from.

    Attributes:
        name: How the card calls it.
        sample: Its part for training, as any other sample.
        often: How often chips are cut from it, relative to the others.
        uncorrected: The air was not taken out of it (L1C).
    """

    name: str
    sample: Sample
    often: float = 1.0
    uncorrected: bool = False


@dataclass(frozen=True)
class Absence:
    """Bands that are left out of training chips together, so that a net learns to do without them.

    Attributes:
        bands: Which.
        share: Share of the chips that are shown without them.
        ending: Share of the chips in which they end somewhere, as at the edge of a swath.
    """

    bands: tuple[str, ...]
    share: float
    ending: float = 0.0


def no_pieces() -> tuple[RealPiece, ...]:
    """Return no real pieces."""
    return ()


def as_it_is(_rng: np.random.Generator, _piece: RealPiece, batch: Batch) -> Batch:
    """Return chips of a real piece unchanged."""
    return batch


@dataclass(frozen=True)
class Task:
    """What a net is trained for.

    Attributes:
        specification: What it reads and says.
        sample: Makes a simulated scene from a seed and a size (:func:`models.common.pool.sampler`).
        vary: Changes light, air and noise of pixels (batch, band, row, column), which it may look up in the targets.
        pieces: Returns the real pieces, from the folder of the real data.
        enrich: Changes chips of a real piece, pixels and truth alike.
        absent: Which bands are left out of how many chips.
    """

    specification: Specification
    sample: Callable[[int, int], Sample]
    vary: Callable[[np.random.Generator, Array, Array], Array]
    pieces: Callable[[], tuple[RealPiece, ...]] = no_pieces
    enrich: Callable[[np.random.Generator, RealPiece, Batch], Batch] = as_it_is
    absent: tuple[Absence, ...] = ()
