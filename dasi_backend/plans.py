"""What a retrieve is going to write: planned as a whole, held to what is expected, and only then written."""

from collections import deque
from collections.abc import Callable, Hashable, Iterator, Sequence
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from enum import Enum, auto
from functools import partial
from pathlib import Path
from typing import Final

from dasi_backend import processes, targets
from dasi_backend.appearing import discard
from dasi_backend.errors import NothingFound, RequestError
from dasi_backend.items import Retrieved
from dasi_backend.language import ANY, Request

PARALLEL: Final = 4
"""Answers that are written at the same time; a site takes so many connections of one user gladly."""

Progress = Callable[[Retrieved], None]
"""Called with each answer when it is written."""


class Way(Enum):
    """How an answer may be written: by turns, in a thread while others are, or in a process of its own (pickled)."""

    TURN = auto()
    THREAD = auto()
    PROCESS = auto()


@dataclass(frozen=True, slots=True)
class Planned:
    """One answer to a retrieve.

    Attributes:
        path: Where it is going to be.
        name: What it is: the name of a DID, or the id of a product.
        write: Writes it, whole and verified.
        count: How many answers it holds.
        way: How it may be written.
        bytes: How many it has, where it may be written by a process.
        content: What two answers have alike that are the same bytes, found by two requests; ``None`` for one like no
            other.
    """

    path: Path
    name: str
    write: Callable[[], Retrieved]
    count: int = 1
    way: Way = Way.TURN
    bytes: int = 0
    content: Hashable = None


def template_of(request: Request) -> str:
    """Return the target of a request.

    Raises:
        RequestError: if it has none.
        TargetError: if it is none that could be filled.
    """
    if request.target is None:
        raise RequestError(f'{request.verb} needs a target, such as target="out/[id]"')
    targets.check(request.target)
    return request.target


def refuse_count(request: Request, count: int, what: str) -> None:
    """Refuse another number of answers than a request expects.

    Raises:
        RequestError: with both numbers.
    """
    if isinstance(request.expect, int) and count != request.expect:
        raise RequestError(f"{count} {what} answer the request, and expect={request.expect}")


def refuse_none(request: Request, count: int, where: str) -> None:
    """Refuse that nothing answers a request that does not say that it expects so.

    Raises:
        NothingFound: naming who was asked.
    """
    if request.expect is None and not count:
        raise NothingFound(f"nothing in {where} answers the request (expect={ANY} takes that as an answer)")


@dataclass(frozen=True, slots=True)
class Plan:
    """What a retrieve is going to write, all of it.

    Attributes:
        request: What was asked.
        files: Everything that answers it.
        what: What answers are called: products, files.
        where: Who was asked, for errors.
    """

    request: Request
    files: Sequence[Planned]
    what: str
    where: str

    def check(self) -> None:
        """Refuse what should not even be begun.

        Raises:
            NothingFound: if nothing answers, and that is not expected.
            RequestError: if not as many answers are there as expected.
            TargetError: if two of them would be one file.
        """
        refuse_count(self.request, sum(one.count for one in self.files), self.what)
        refuse_none(self.request, len(self.files), self.where)
        targets.refuse_clashes(self.claims())

    def claims(self) -> Iterator[targets.Claim]:
        """Yield the path of every answer."""
        template = template_of(self.request)
        return (targets.Claim(template, one.path, one.name, one.content) for one in self.files)

    def carry_out(self, progress: Progress | None = None) -> tuple[Retrieved, ...]:
        """Write what is planned, some of it at the same time, and return it in the order of the plan.

        Where one answer fails, those that are being written are finished, and no other is begun. At an interrupt those
        that processes are writing are given up.

        Args:
            progress: Called for each answer.

        Raises:
            DafabError: as :meth:`check`, and then nothing is written; as what is written refuses.
        """
        self.check()
        return tuple(_written(self.files, progress))


def carry_out(planned: Sequence[Plan], progress: Progress | None = None) -> tuple[Retrieved, ...]:
    """Write what several requests of one text mean, after all of them were held to what is expected.

    Raises:
        DafabError: as :meth:`Plan.check` and for two answers at one path, and then nothing is written; as what is
            written refuses.
    """
    for plan in planned:
        plan.check()
    targets.refuse_clashes(claim for plan in planned for claim in plan.claims())
    return tuple(written for plan in planned for written in plan.carry_out(progress))


def _written(plan: Sequence[Planned], progress: Progress | None) -> Iterator[Retrieved]:
    by_thread = [one for one in plan if one.way is Way.THREAD]
    by_process = [one for one in plan if one.way is Way.PROCESS]
    coming: dict[Way, deque[Future[Retrieved]]] = {}
    with ExitStack() as pools:
        if by_thread:
            submit = pools.enter_context(_threads(PARALLEL)).submit
            coming[Way.THREAD] = deque(submit(one.write) for one in by_thread)
        if count := processes.worth([one.bytes for one in by_process]):
            submit_to = pools.enter_context(_processes(count))
            coming[Way.PROCESS] = deque(map(submit_to, by_process))
        for one in plan:
            written = coming[one.way].popleft().result() if one.way in coming else one.write()
            if progress:
                progress(written)
            yield written


class _Threads:
    """Threads that begin nothing more after a failure, in the order in which they are asked."""

    def __init__(self, pool: ThreadPoolExecutor) -> None:
        self._pool, self._failed = pool, False

    def submit(self, write: Callable[[], Retrieved]) -> Future[Retrieved]:
        return self._pool.submit(self._unless_failed, write)

    def stop(self) -> None:
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _unless_failed(self, write: Callable[[], Retrieved]) -> Retrieved:
        if self._failed:
            raise CancelledError  # seen by nobody: what failed was asked for before, and is raised
        try:
            return write()
        except BaseException:
            self._failed = True
            raise


@contextmanager
def _threads(count: int) -> Iterator[_Threads]:
    """Yield threads; when the block ends, those at work finish and what was not begun is dropped."""
    with ThreadPoolExecutor(count) as pool:
        threads = _Threads(pool)
        try:
            yield threads
        finally:
            threads.stop()


@contextmanager
def _processes(count: int) -> Iterator[Callable[[Planned], Future[Retrieved]]]:
    """Yield what has an answer written by one of so many processes; when the block ends, as with threads."""
    with processes.Workers() as workers, _threads(count) as threads:
        try:
            yield lambda one: threads.submit(partial(_by_process, workers, one))
        except KeyboardInterrupt:  # whoever is at the terminal does not wait for whole products
            threads.stop()
            workers.leave()
            raise


def _by_process(workers: processes.Workers, one: Planned) -> Retrieved:
    try:
        return workers.carry_out(one.write, one.name)
    except processes.Ended:
        discard(one.path)  # what it was making
        raise
