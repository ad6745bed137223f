"""What a retrieve is going to write: planned as a whole, held to what is expected, and only then written."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from dasi_backend import targets
from dasi_backend.errors import NothingFound, RequestError
from dasi_backend.items import Retrieved
from dasi_backend.language import ANY, Request

PARALLEL: Final = 4
"""Answers that are written at the same time; a site takes so many connections of one user gladly."""

Progress = Callable[[Retrieved], None]
"""Called with each answer when it is written."""


@dataclass(frozen=True, slots=True)
class Planned:
    """One answer to a retrieve.

    Attributes:
        path: Where it is going to be.
        name: What it is: the name of a DID, or the id of a product.
        write: Writes it, whole and verified.
        count: How many answers it holds.
        parallel: Whether it may be written while others are.
    """

    path: Path
    name: str
    write: Callable[[], Retrieved]
    count: int = 1
    parallel: bool = False


def template_of(request: Request) -> str:
    """Return the target of a request.

    Raises:
        RequestError: if it has none.
        TargetError: if it is none that could be filled.
    """
    if request.target is None:
        raise RequestError('retrieve needs a target, such as target="out/[id]"')
    targets.check(request.target)
    return request.target


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
        expect, count = self.request.expect, sum(one.count for one in self.files)
        if isinstance(expect, int) and count != expect:
            raise RequestError(f"{count} {self.what} answer the request, and expect={expect}")
        if expect is None and not self.files:
            raise NothingFound(f"nothing in {self.where} answers the request (expect={ANY} takes that as an answer)")
        targets.refuse_clashes(template_of(self.request), ((one.path, one.name) for one in self.files))

    def carry_out(self, progress: Progress | None = None) -> tuple[Retrieved, ...]:
        """Write what is planned, some of it at the same time, and return it in the order of the plan.

        Where one answer fails, those that are being written are finished, and no other is begun.

        Args:
            progress: Called for each answer.

        Raises:
            DafabError: as :meth:`check`, and then nothing is written; as what is written refuses.
        """
        self.check()
        return tuple(_told(_written(self.files), progress))


def _written(plan: Sequence[Planned]) -> Iterator[Retrieved]:
    with ThreadPoolExecutor(PARALLEL) as pool:
        try:
            coming = deque(pool.submit(one.write) for one in plan if one.parallel)
            for one in plan:
                yield coming.popleft().result() if one.parallel else one.write()
        finally:
            pool.shutdown(cancel_futures=True)


def _told(written: Iterable[Retrieved], progress: Progress | None) -> Iterator[Retrieved]:
    for one in written:
        if progress:
            progress(one)
        yield one
