"""``POST /dids/bulkmeta``, Rucio's own route: for our plugin's metadata it is answered by one statement.

Rucio's core asks a plugin for each DID on its own. Whatever is not about our plugin alone goes to Rucio as it came.
"""

from collections.abc import Generator
from typing import Annotated, Final

import orjson
from fastapi import APIRouter, Request
from fastapi.responses import Response
from pydantic import BaseModel, Field, ValidationError
from rucio.common.types import InternalScope
from starlette.concurrency import run_in_threadpool
from starlette.types import ASGIApp, Message, Receive, Send
from starlette.types import Scope as AsgiScope
from typing_extensions import override

from rucio_dafab.catalogue import metadata, reads
from rucio_dafab.service.auth import Issuer, Reader
from rucio_dafab.service.bodies import DidBody
from rucio_dafab.service.database import reading
from rucio_dafab.service.streams import streamed

MAX_DIDS: Final = 10_000
"""DIDs of one request that is answered here; Rucio itself takes what is more."""


class _Asked(BaseModel):
    dids: Annotated[list[DidBody], Field(max_length=MAX_DIDS)]
    plugin: str
    inherit: bool = False


class _Forwarded(Response):
    """An answer that another application gives to the request, whose body was read already."""

    def __init__(self, application: ASGIApp, body: bytes) -> None:
        super().__init__()
        self._application, self._request_body = application, body

    @override
    async def __call__(self, scope: AsgiScope, receive: Receive, send: Send) -> None:
        """Let the application answer."""
        left = [{"type": "http.request", "body": self._request_body, "more_body": False}]

        async def again() -> Message:
            return left.pop() if left else await receive()

        await self._application(scope, again, send)


def router(rucio: ASGIApp) -> APIRouter:
    """Return the route.

    Args:
        rucio: Rucio's own application.
    """
    made = APIRouter(prefix="/dids", tags=["documents"])

    @made.post("/bulkmeta", response_model=None)
    async def post_bulkmeta(request: Request, issuer: Reader) -> Response:
        """Answer with a line a DID that is there: its metadata, flat."""
        body = await request.body()
        asked = _ours(body)
        if asked is None:
            return _Forwarded(rucio, body)
        return await run_in_threadpool(streamed, _lines(asked, issuer), "application/x-json-stream", issuer.account)

    return made


def _ours(body: bytes) -> _Asked | None:
    """Return what is asked, or ``None`` where Rucio has to answer."""
    try:
        asked = _Asked.model_validate_json(body)
    except ValidationError:
        return None
    return asked if asked.plugin.casefold() == metadata.PLUGIN.casefold() else None


def _lines(asked: _Asked, issuer: Issuer) -> Generator[bytes]:
    for start in range(0, len(asked.dids), reads.ROWS):
        dids = [(InternalScope(did.scope, vo=issuer.vo), did.name) for did in asked.dids[start : start + reads.ROWS]]
        with reading() as session:
            found = metadata.of_many(dids, inherit=asked.inherit, session=session)
            piece = b"".join(orjson.dumps(each | {"scope": each["scope"].external}) + b"\n" for each in found)
        yield piece
