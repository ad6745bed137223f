"""What a retrieve is going to write: planned as a whole, held to what is expected, and only then written."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from dasi_backend import targets
from dasi_backend.errors import NothingFound, RequestError
from dasi_backend.items import Retrieved
from dasi_backend.language import ANY, Request

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
    """

    path: Path
    name: str
    write: Callable[[], Retrieved]
    count: int = 1


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


def carry_out(
    request: Request, plan: Sequence[Planned], what: str, where: str, progress: Progress | None
) -> tuple[Retrieved, ...]:
    """Write what is planned.

    Args:
        request: What was asked.
        plan: Everything that answers it.
        what: What answers are called: products, files.
        where: Who was asked, for errors.
        progress: Called for each answer.

    Raises:
        NothingFound: if nothing answers, and that is not expected.
        RequestError: if not as many answers are there as expected.
        TargetError: if two of them would be one file; nothing is written then.
    """
    count = sum(one.count for one in plan)
    if isinstance(request.expect, int) and count != request.expect:
        raise RequestError(f"{count} {what} answer the request, and expect={request.expect}")
    if request.expect is None and not plan:
        raise NothingFound(f"nothing in {where} answers the request (expect={ANY} takes that as an answer)")
    targets.refuse_clashes(template_of(request), ((one.path, one.name) for one in plan))
    written = []
    for one in plan:
        written.append(one.write())
        if progress:
            progress(written[-1])
    return tuple(written)
