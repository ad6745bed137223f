"""Answers that are streamed, a JSON object a line: what a client that reads slowly can hold.

It holds the piece that is being sent (:data:`PIECE_BYTES`), and no connection to the database: what makes the lines
reads a piece, gives its session back and only then yields. One that takes nothing is left after a while, and an account
has only so many answers under way.
"""

import logging
from collections import Counter
from collections.abc import AsyncIterator, Generator, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Final

import anyio
from fastapi.responses import StreamingResponse
from starlette.concurrency import iterate_in_threadpool
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from typing_extensions import override

from rucio_dafab.service.errors import TooManyAnswers, answer
from rucio_dafab.service.settings import settings

PIECE_BYTES: Final = 8 << 20
"""Bytes of lines that are read before they are sent: about a page of documents."""

RUCIO_LINES: Final = 100_000
"""Lines of an answer of Rucio's own routes that wait for a client, so that its thread and its session need not."""

_STEP: Final = 256 << 10
"""Bytes that are sent at once: a client has the time limit for each."""

_LOGGER: Final = logging.getLogger(__name__)


class _Stalled(Exception):
    """A client takes nothing."""


class _UnderWay:
    """How many answers each account has under way; of the event loop alone."""

    def __init__(self) -> None:
        self._open: Counter[str] = Counter()

    def check(self, account: str) -> None:
        """Refuse one answer more than an account may have.

        Raises:
            TooManyAnswers: naming the account.
        """
        most = settings().max_streams
        if self._open[account] >= most:
            raise TooManyAnswers(f"{account} has {most} answers under way: read one to its end before asking for more")

    @contextmanager
    def one(self, account: str) -> Iterator[None]:
        """Count one answer inside of the block."""
        self._open[account] += 1
        try:
            yield
        finally:
            self._open[account] -= 1
            if not self._open[account]:
                del self._open[account]


_UNDER_WAY: Final = _UnderWay()


class _Lines(StreamingResponse):
    """A streamed answer that lets go of its lines when it ends, also where the client has gone or reads nothing."""

    def __init__(self, first: bytes, others: Generator[bytes], media_type: str, account: str) -> None:
        super().__init__(_steps(first, others), media_type=media_type)
        self._others, self._account = others, account

    @override
    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, then close."""
        try:
            _UNDER_WAY.check(self._account)
        except TooManyAnswers as refusal:
            await answer(refusal)(scope, receive, send)
            return
        try:
            with _UNDER_WAY.one(self._account):
                await super().__call__(scope, receive, partial(_send_in_time, send))
        except _Stalled:
            _LOGGER.warning("an answer to %s was broken off: its client reads nothing", self._account)
        finally:
            # It waits where it holds nothing: a thread, of which all may be waiting for a connection, is not needed.
            self._others.close()


class Unhurried:
    """ASGI middleware: drops what a client does not take in time, so that the application can come to its end.

    For applications that wait in a thread for each of their messages to be sent.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        is_stalled = False

        async def in_time(message: Message) -> None:
            nonlocal is_stalled
            if is_stalled:
                return
            try:
                await _send_in_time(send, message)
            except _Stalled:
                is_stalled = True
                _LOGGER.warning("the answer to %s was broken off: its client reads nothing", scope.get("path"))

        await self._app(scope, receive, in_time)


def streamed(lines: Generator[bytes], media_type: str, account: str) -> StreamingResponse:
    """Return the answer of some lines, given in pieces.

    The first piece is made before the answer begins: what is wrong with the question still gets its own status.

    Args:
        lines: pieces of whole lines; it must hold nothing where it yields.
        media_type: of the answer.
        account: who asks.

    Raises:
        TooManyAnswers: if the account has too many others under way.
    """
    _UNDER_WAY.check(account)
    return _Lines(next(lines, b""), lines, media_type, account)


async def _send_in_time(send: Send, message: Message) -> None:
    try:
        with anyio.fail_after(settings().send_timeout):
            await send(message)
    except TimeoutError:
        raise _Stalled from None


async def _steps(first: bytes, others: Generator[bytes]) -> AsyncIterator[bytes]:
    for step in _cut(first):
        yield step
    del first
    async for piece in iterate_in_threadpool(others):
        for step in _cut(piece):
            yield step


def _cut(piece: bytes) -> Iterator[bytes]:
    return (piece[start : start + _STEP] for start in range(0, len(piece), _STEP))
