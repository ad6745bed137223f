"""Bodies that are too large: refused unread where they say so, cut off where they do not."""

import asyncio
import json
from collections.abc import Iterable
from typing import Any

from starlette.types import Message, Receive, Scope, Send

from rucio_dafab.service.limits import BodyLimit

MOST = 1000


class Reader:
    """An application that reads the whole body and answers with its size; what it held is seen afterwards."""

    def __init__(self, *, answers_first: bool = False, goes_on: bool = False) -> None:
        self.held = 0
        self._answers_first, self._goes_on = answers_first, goes_on

    async def __call__(self, _scope: Scope, receive: Receive, send: Send) -> None:
        if self._answers_first:
            await send({"type": "http.response.start", "status": 200, "headers": []})
        try:
            more = True
            while more:
                message = await receive()
                self.held += len(message["body"])
                more = message["more_body"]
        except Exception:
            if not self._goes_on:
                raise
        if not self._answers_first:
            await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": str(self.held).encode()})


def ask(application: Reader, chunks: Iterable[bytes], declared: bytes | None = None) -> list[Message]:
    """Return what is sent for a body in chunks."""
    left = list(chunks)
    sent: list[Message] = []

    async def receive() -> Message:
        return {"type": "http.request", "body": left.pop(0), "more_body": bool(left)}

    async def send(message: Message) -> None:
        sent.append(message)

    headers: Any = [] if declared is None else [(b"content-length", declared)]
    scope = {"type": "http", "method": "POST", "path": "/", "headers": headers}
    asyncio.run(BodyLimit(application, MOST)(scope, receive, send))
    return sent


def refused(sent: list[Message]) -> bool:
    assert [message["type"] for message in sent] == ["http.response.start", "http.response.body"]
    if sent[0]["status"] == 200:
        return False
    assert sent[0]["status"] == 413
    told = json.loads(sent[1]["body"])
    assert told["ExceptionClass"] == "InputValidationError"
    assert str(MOST) in told["ExceptionMessage"]
    return True


def test_a_body_within_the_limit_passes() -> None:
    application = Reader()
    assert not refused(ask(application, [b"x" * 400, b"x" * 600], b"1000"))
    assert not refused(ask(application, [b"x" * 400, b"x" * 600]))
    assert application.held == 2000


def test_one_that_says_it_is_larger_is_not_read() -> None:
    application = Reader()
    assert refused(ask(application, [], b"1001"))
    assert refused(ask(application, [], b"9" * 100))
    assert application.held == 0


def test_one_that_does_not_say_so_is_cut_off() -> None:
    for goes_on in (False, True):
        application = Reader(goes_on=goes_on)
        assert refused(ask(application, [b"x" * 600] * 100))
        assert application.held == 600


def test_an_answer_that_has_begun_is_not_followed_by_another() -> None:
    sent = ask(Reader(answers_first=True), [b"x" * 600] * 100)
    assert [message["type"] for message in sent] == ["http.response.start"]
