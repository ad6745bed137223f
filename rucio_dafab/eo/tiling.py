"""Cutting a scene into 256×256 chips with overlap, and the weights that blend them together again."""

from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import closing
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from rucio_dafab.eo.pixels import Strip

_Work = TypeVar("_Work")
_Done = TypeVar("_Done")

CHIP = 256
# Nets see less context at a chip's border; 32 px cost 30 % more chips than none on a full tile (2,401 against 1,849).
OVERLAP = 32
AHEAD = 4
"""Pieces of work held ready for each call that runs: a row of chips takes some chips' time to prepare."""


def chip_starts(length: int, overlap: int = OVERLAP) -> list[int]:
    """Return where chips start along an axis of ``length`` pixels so that they cover it.

    Neighbours share at least ``overlap`` pixels; the last chip ends with the axis. An axis shorter than a chip has one
    chip, which :func:`padded` fills up.
    """
    last = max(length - CHIP, 0)
    return [*range(0, last, CHIP - overlap), last]


def ramp(overlap: int = OVERLAP) -> NDArray[np.float32]:
    """Return a chip's weights along an axis, float32 (256): 1 inside, falling linearly over both overlaps."""
    position = np.arange(CHIP, dtype=np.float32)
    distance = np.minimum(position, position[::-1]) + np.float32(0.5)
    weights: NDArray[np.float32] = np.minimum(distance / np.float32(overlap), np.float32(1))
    return weights


def total_weights(length: int, overlap: int = OVERLAP) -> NDArray[np.float32]:
    """Return the sum of all chips' weights along an axis, float32 (at least ``length``, at least a chip); never 0."""
    total = np.zeros(max(length, CHIP), np.float32)
    for start in chip_starts(length, overlap):
        total[start : start + CHIP] += ramp(overlap)
    return total


def padded(values: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return float32 (band, row, column) of at least a chip each way, reflected at the bottom and right border."""
    missing = [max(CHIP - size, 0) for size in values.shape[1:]]
    if not any(missing):
        return values
    return np.pad(values, ((0, 0), (0, missing[0]), (0, missing[1])), mode="reflect")


def chip_rows(strips: Iterable[Strip], height: int, overlap: int = OVERLAP) -> Iterator[Strip]:
    """Regroup full-width strips into full-width rows of chips: 256 rows each (all rows of a lower scene).

    Memory holds one strip and what a row of chips shares with the next.
    """
    source = iter(strips)
    held = next(source)
    for start in chip_starts(height, overlap):
        end = min(start + CHIP, height)
        while held.row + held.values.shape[1] < end:
            kept = held.values[:, start - held.row :]
            held = Strip(start, np.concatenate([kept, next(source).values], axis=1))
        yield Strip(start, held.values[:, start - held.row : end - held.row])


def ahead(strips: Generator[Strip, None, None]) -> Generator[Strip, None, None]:
    """Yield the strips while a thread already reads the next one: decoding overlaps with whatever the caller does.

    However it ends, the strips are closed, and with them their files.
    """
    with ThreadPoolExecutor(max_workers=1, thread_name_prefix="strips") as reader, closing(strips):
        coming = reader.submit(next, strips, None)
        try:
            while (strip := coming.result()) is not None:
                coming = reader.submit(next, strips, None)
                yield strip
        finally:
            # A generator that still runs cannot be closed; what it brings or raises is no longer of interest.
            wait([coming])


def side_by_side(call: Callable[[_Work], _Done], work: Iterable[_Work], calls: int) -> Generator[_Done, None, None]:
    """Yield what ``call`` returns of each piece of work, in order, while so many calls run at a time, each in a thread.

    Some pieces are taken ahead, so that the calls go on while what was yielded is used and the next piece is prepared.
    """
    with ThreadPoolExecutor(calls, thread_name_prefix="calls") as pool:
        running: deque[Future[_Done]] = deque()
        try:
            for piece in work:
                running.append(pool.submit(call, piece))
                if len(running) > AHEAD * calls:
                    yield running.popleft().result()
            while running:
                yield running.popleft().result()
        finally:
            pool.shutdown(cancel_futures=True)
