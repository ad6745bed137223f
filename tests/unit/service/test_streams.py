"""Streamed answers that are broken off: what they read from is let go at once."""

import asyncio
import gc
from collections.abc import Generator

from starlette.types import Message

from rucio_dafab.service.streams import streamed


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
        answer = streamed(lines(), "application/x-ndjson")
        asyncio.run(answer({"type": "http", "asgi": {"spec_version": "2.3"}}, receive, send))
        assert not lines.is_open
    finally:
        gc.enable()
