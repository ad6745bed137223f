"""Streamed answers that are broken off, or whose client reads nothing: what they read from is let go at once."""

import asyncio
import gc
from collections.abc import Awaitable, Callable, Generator, Iterator

import pytest
from starlette.types import Message

from rucio_dafab.service.errors import TooManyAnswers
from rucio_dafab.service.settings import settings
from rucio_dafab.service.streams import Unhurried, streamed

SCOPE = {"type": "http", "path": "/", "asgi": {"spec_version": "2.3"}}


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Make the service wait a twentieth of a second for clients, and let an account have one answer under way."""
    monkeypatch.setenv("DAFAB_SEND_TIMEOUT", "0.05")
    monkeypatch.setenv("DAFAB_MAX_STREAMS", "1")
    settings.cache_clear()
    yield
    settings.cache_clear()


async def never() -> Message:
    """Wait for a client that stays."""
    await asyncio.sleep(3600)
    return {"type": "http.disconnect"}


def taking(messages: int) -> tuple[list[Message], Callable[[Message], Awaitable[None]]]:
    """Return what a client takes that reads so many messages and then none, and how messages are sent to it."""
    taken: list[Message] = []

    async def send(message: Message) -> None:
        if len(taken) == messages:
            await asyncio.sleep(3600)
        taken.append(message)

    return taken, send


class Lines:
    """Lines without end, that know whether somebody still holds them."""

    def __init__(self) -> None:
        self.is_open = False

    def __call__(self) -> Generator[bytes]:
        self.is_open = True
        try:
            while True:
                yield b"line\n"
        finally:
            self.is_open = False


def test_a_client_that_has_gone_keeps_nothing_open() -> None:
    lines, gone = Lines(), asyncio.Event()

    async def receive() -> Message:
        await gone.wait()
        return {"type": "http.disconnect"}

    async def send(message: Message) -> None:
        if message["type"] == "http.response.body":
            # As uvicorn does: a client that reads no more lets its answer wait.
            gone.set()
            await asyncio.sleep(3600)

    gc.disable()
    try:
        answer = streamed(lines(), "application/x-ndjson", "reader")
        asyncio.run(answer({"type": "http", "asgi": {"spec_version": "2.3"}}, receive, send))
        assert not lines.is_open
    finally:
        gc.enable()


@pytest.mark.usefixtures("impatient")
def test_a_client_that_takes_nothing_is_left() -> None:
    lines = Lines()
    taken, send = taking(3)

    asyncio.run(asyncio.wait_for(streamed(lines(), "application/x-ndjson", "reader")(SCOPE, never, send), 10))

    assert len(taken) == 3
    assert not lines.is_open


@pytest.mark.usefixtures("impatient")
def test_an_application_that_waits_for_its_client_comes_to_its_end() -> None:
    sent = 0

    async def lists(_scope: object, _receive: object, send: Callable[[Message], Awaitable[None]]) -> None:
        nonlocal sent
        for _ in range(1000):
            await send({"type": "http.response.body", "body": b"line", "more_body": True})
            sent += 1

    taken, send = taking(3)
    asyncio.run(asyncio.wait_for(Unhurried(lists)(SCOPE, never, send), 10))

    assert len(taken) == 3
    assert sent == 1000


@pytest.mark.usefixtures("impatient")
def test_an_account_has_so_many_answers_under_way() -> None:
    async def ask_twice() -> tuple[int, list[tuple[bytes, bytes]]]:
        _, stuck = taking(1)
        late = streamed(Lines()(), "application/x-ndjson", "reader")
        first = asyncio.ensure_future(streamed(Lines()(), "application/x-ndjson", "reader")(SCOPE, never, stuck))
        await asyncio.sleep(0)
        with pytest.raises(TooManyAnswers, match="reader has 1 answers under way"):
            streamed(Lines()(), "application/x-ndjson", "reader")
        streamed(Lines()(), "application/x-ndjson", "another")
        refused, take = taking(10)
        await late(SCOPE, never, take)
        await first
        # The first was left: its place is free again.
        streamed(Lines()(), "application/x-ndjson", "reader")
        return refused[0]["status"], refused[0]["headers"]

    status, headers = asyncio.run(ask_twice())
    assert status == 429
    assert (b"retry-after", b"5") in headers
