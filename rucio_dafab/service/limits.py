"""Bodies of requests that are too large are refused before they are held, whoever would have read them."""

from contextlib import suppress

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from rucio_dafab.service.errors import BodyTooLarge, answer


class _CutOff(Exception):
    """Ends the reading of a body that has more bytes than it may."""


class BodyLimit:
    """ASGI middleware: answers 413 to a request whose body has more than ``most`` bytes.

    One that says so (``Content-Length``) is never read by an application; one that does not is cut off where it passes
    the limit, and nothing that the application answers then is sent. Starlette's own lets the application begin, and
    answers in plain text, which Rucio's client cannot read.
    """

    def __init__(self, app: ASGIApp, most: int) -> None:
        self._app, self._most = app, most

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
        elif _declared(scope) > self._most:
            await self._refuse(scope, receive, send)
        else:
            await self._count(scope, receive, send)

    async def _count(self, scope: Scope, receive: Receive, send: Send) -> None:
        read, started = 0, False

        async def counted() -> Message:
            nonlocal read
            message = await receive()
            read += len(message.get("body", b""))
            if read > self._most:
                raise _CutOff
            return message

        async def guarded(message: Message) -> None:
            nonlocal started
            if read <= self._most:
                started = True
                await send(message)

        with suppress(_CutOff):
            await self._app(scope, counted, guarded)
        if read > self._most and not started:
            await self._refuse(scope, receive, send)

    async def _refuse(self, scope: Scope, receive: Receive, send: Send) -> None:
        refusal = answer(BodyTooLarge(f"the body of the request has more than the {self._most} bytes that are read"))
        await refusal(scope, receive, send)


def _declared(scope: Scope) -> int:
    headers: list[tuple[bytes, bytes]] = scope["headers"]
    return next((int(value) for name, value in headers if name == b"content-length" and value.isdigit()), 0)
