"""Lines of a file made ready in processes of their own, while the process that writes them waits for the database.

To check a document and to compute its columns takes as long as to write it, and Python does one thing at a time.
"""

import gc
import multiprocessing
import os
import signal
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from typing import Final

from rucio_dafab.catalogue import sessions
from rucio_dafab.catalogue.errors import LoadBroken
from rucio_dafab.catalogue.lines import Line
from rucio_dafab.catalogue.prepared import PreparedItem, Reject, parse, prepare
from rucio_dafab.processes import end_with_parent

GARBAGE: Final = 100_000
"""Objects made and kept after which Python looks for cyclic garbage while a file is loaded."""

MOST: Final = 4
"""Processes that prepare: more would wait for the one that writes."""

Found = Sequence[PreparedItem | Reject]


def preparers() -> int:
    """Return how many processes prepare on this machine: it has one core for those that write."""
    return min(len(os.sched_getaffinity(0)) - 1, MOST)


class Preparers:
    """Processes that prepare lines; see :func:`preparing`."""

    def __init__(self, pool: ProcessPoolExecutor | None, collections: Mapping[str, str]) -> None:
        self._pool, self._collections = pool, collections

    def map(self, chunks: Iterable[list[Line]]) -> Iterator[Found]:
        """Yield what becomes of the lines of each chunk, in their order; some chunks are taken ahead.

        Raises:
            LoadBroken: if a process has ended, for which a lack of memory is the likely reason.
        """
        if self._pool is None:
            yield from (prepared(chunk, self._collections) for chunk in chunks)
            return
        ahead: deque[Future[Found]] = deque()
        try:
            for chunk in chunks:
                ahead.append(self._pool.submit(prepared, chunk, self._collections))
                if len(ahead) > MOST:
                    yield ahead.popleft().result()
            while ahead:
                yield ahead.popleft().result()
        except BrokenProcessPool as error:
            raise LoadBroken(
                "a process that prepares documents was killed (is there memory enough?): load the file again"
            ) from error


@contextmanager
def preparing(count: int, collections: Mapping[str, str]) -> Iterator[Preparers]:
    """Give processes that prepare lines; with none of them, lines are prepared by this one.

    They are copies of this process: call this before it starts threads.

    Args:
        count: how many.
        collections: names of collections here, by those that the file uses.
    """
    if count < 1:
        yield Preparers(None, collections)
        return
    context = multiprocessing.get_context("fork")
    pool = ProcessPoolExecutor(count, mp_context=context, initializer=_begin)
    try:
        pool.submit(os.getpid).result()
        yield Preparers(pool, collections)
    finally:
        pool.shutdown(cancel_futures=True)


@contextmanager
def rare_collections() -> Iterator[None]:
    """Look for cyclic garbage rarely: documents have none, and make Python look for it every few lines."""
    before = gc.get_threshold()
    gc.set_threshold(GARBAGE, *before[1:])
    try:
        yield
    finally:
        gc.set_threshold(*before)


def prepared(lines: Iterable[Line], collections: Mapping[str, str]) -> list[PreparedItem | Reject]:
    """Return what becomes of each of some lines."""
    found = (parse(line, collections) for line in lines)
    return [each if isinstance(each, Reject) else prepare(each) for each in found]


def _begin() -> None:
    """Begin as a copy: the terminal's ^C is for the process that writes, and so are its connections."""
    end_with_parent()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    gc.set_threshold(GARBAGE, *gc.get_threshold()[1:])
    sessions.engine().dispose(close=False)
