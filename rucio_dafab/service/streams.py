"""Answers that are streamed, a JSON object a line."""

from collections.abc import Generator, Iterator

from anyio import CancelScope
from fastapi.responses import StreamingResponse
from starlette.concurrency import run_in_threadpool
from starlette.types import Receive, Scope, Send
from typing_extensions import override


class _Lines(StreamingResponse):
    """A streamed answer that lets go of what it reads from when it ends, also where the client has gone.

    Left to Python's collector, which an idle service hardly calls, answers that were broken off kept their connections
    to the database until nobody could log in any more.
    """

    def __init__(self, first: bytes, others: Generator[bytes], media_type: str) -> None:
        super().__init__(_joined(first, others), media_type=media_type)
        self._others = others

    @override
    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, then close."""
        try:
            await super().__call__(scope, receive, send)
        finally:
            with CancelScope(shield=True):
                await run_in_threadpool(self._others.close)


def streamed(lines: Generator[bytes], media_type: str) -> StreamingResponse:
    """Return the answer of some lines, given in batches.

    The first batch is made before the answer begins: what is wrong with the question still gets its own status.
    """
    return _Lines(next(lines, b""), lines, media_type)


def _joined(first: bytes, others: Iterator[bytes]) -> Iterator[bytes]:
    yield first
    yield from others
