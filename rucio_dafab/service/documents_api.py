"""``/dids/bulkmetadoc``: documents of many DIDs read and changed at once, as the live catalogue's client asks."""

import logging
from collections.abc import Generator, Iterable, Iterator, Sequence
from itertools import islice
from typing import Annotated, Any, Final

import orjson
from fastapi import APIRouter
from fastapi.responses import StreamingResponse
from pydantic import Field
from rucio.common.exception import UnsupportedOperation
from rucio.common.types import InternalScope
from rucio.core import permission
from sqlalchemy.orm import Session

from rucio_dafab.catalogue import inherited, patch, reads, sessions
from rucio_dafab.catalogue.errors import ChangeDenied
from rucio_dafab.catalogue.patch import Did, Failure, Mode
from rucio_dafab.permission import WHOLE_DOCUMENT
from rucio_dafab.service.auth import Issuer, Reader, Writer
from rucio_dafab.service.bodies import Body, DidBody
from rucio_dafab.service.database import reading
from rucio_dafab.service.errors import named, violations
from rucio_dafab.service.streams import PIECE_BYTES, streamed
from rucio_dafab.stac import pointers, schemas
from rucio_dafab.stac.errors import DocumentInvalid, SchemaUnknown
from rucio_dafab.stac.patches import Operation, read_operation, read_pointer

_LOGGER: Final = logging.getLogger(__name__)
MAX_READ: Final = 10_000
"""DIDs of one request that reads."""
MAX_CHANGED: Final = 1000
"""DIDs of one request that changes, and operations."""

Paths = dict[str, tuple[str, ...]] | None
"""Members to read, by JSON pointer; ``None`` for whole documents."""

# Rucio's clients, and the live catalogue's, do not say that they send JSON.
router = APIRouter(prefix="/dids", tags=["documents"], strict_content_type=False)


class ReadBody(Body):
    """Whose documents, or which values of them (JSON pointers), to read."""

    dids: Annotated[list[DidBody], Field(max_length=MAX_READ)]
    paths: Annotated[list[str], Field(max_length=100)] | None = None
    inherit: bool = False
    archived: bool = False


class PatchBody(Body):
    """Whose documents to change, and how; ``schema`` is one that each must satisfy, beside that of its collection."""

    dids: Annotated[list[DidBody], Field(min_length=1, max_length=MAX_CHANGED)]
    operations: Annotated[list[dict[str, Any]], Field(min_length=1, max_length=MAX_CHANGED)]
    # Strict bodies take no string for an enumeration.
    mode: Annotated[Mode, Field(strict=False)] = Mode.ATOMIC
    wanted: Annotated[str, Field(max_length=1000)] | None = Field(default=None, alias="schema")


@router.post("/bulkmetadoc")
def post_bulkmetadoc(body: ReadBody, issuer: Reader) -> StreamingResponse:
    """Answer with a line a DID, in their order: its document as it was written, or the values at the pointers."""
    if body.archived:
        raise UnsupportedOperation("archived: this catalogue cannot read documents so")
    paths = None
    if body.paths is not None:
        paths = {path: read_pointer(path, f"/paths/{number}") for number, path in enumerate(body.paths)}
    return streamed(
        _read_lines(_dids(body.dids, issuer), paths, body.inherit), "application/x-json-stream", issuer.account
    )


@router.patch("/bulkmetadoc")
def patch_bulkmetadoc(body: PatchBody, issuer: Writer) -> dict[str, Any]:
    """Change the documents of DIDs by JSON pointer, all or nothing, or as far as it goes."""
    dids = _dids(body.dids, issuer)
    if len(set(dids)) < len(dids):
        raise DocumentInvalid("/dids: a DID is named twice")
    if len(dids) * len(body.operations) > patch.MAX_CHANGES:
        raise DocumentInvalid(f"a request can change {patch.MAX_CHANGES} documents times operations at most")
    operations = [read_operation(each, f"/operations/{number}") for number, each in enumerate(body.operations)]
    report = patch.patch(
        dids,
        operations,
        body.mode,
        transactions=sessions.writing,
        check=_permission(issuer, operations),
        schema=None if body.wanted is None else schemas.load().named(body.wanted),
    )
    _LOGGER.info("changed %s of %s documents by %s", len(report.updated), len(dids), issuer.account)
    failed = [_failed(failure) for failure in report.failures]
    return {
        "updated_dids": [_did(did) for did in report.updated],
        "failed_count": len({failure.did for failure in report.failures}),
        "failed_dids": failed,
        "operation_count": len(operations),
        "mode": body.mode.value,
    }


def _dids(bodies: Iterable[DidBody], issuer: Issuer) -> list[Did]:
    return [(InternalScope(body.scope, vo=issuer.vo), body.name) for body in bodies]


def _read_lines(dids: Sequence[Did], paths: Paths, inherit: bool) -> Generator[bytes]:
    """Yield the lines in pieces, each read in a transaction of its own: none is open while a client reads."""
    given = 0
    while given < len(dids):
        piece: list[bytes] = []
        with reading() as session:
            found = reads.read_many(dids[given:], session=session)
            while sum(map(len, piece)) < PIECE_BYTES and (batch := list(islice(found, reads.ROWS))):
                piece.append(b"".join(orjson.dumps(line) + b"\n" for line in _batch(batch, paths, inherit, session)))
                given += len(batch)
        yield b"".join(piece)


def _batch(
    batch: Sequence[reads.ReadDocument], paths: Paths, inherit: bool, session: Session
) -> Iterator[dict[str, Any]]:
    above = inherited.ancestors([(each.scope, each.name) for each in batch], session=session) if inherit else {}
    for each in batch:
        line = _read_line(each, paths)
        if inherit:
            ancestors = above[each.scope, each.name]
            line["ancestors"] = [_read_line(up.read, paths) | {"depth": up.depth} for up in ancestors]
        yield line


def _read_line(found: reads.ReadDocument, paths: Paths) -> dict[str, Any]:
    line: dict[str, Any] = _did((found.scope, found.name)) | {"schema": _schema(found)}
    if paths is None:
        line["document"] = {} if found.text is None else orjson.Fragment(found.text)
    else:
        document = found.parsed()
        line["values"] = {pointer: _value(document, path) for pointer, path in paths.items()}
    return line


def _schema(found: reads.ReadDocument) -> dict[str, str] | None:
    """Return the schema that a document names itself; most name none, and are not parsed to find out."""
    if found.text is None or schemas.BASE not in found.text:
        return None
    try:
        schema = schemas.load().declared(found.parsed())
    except SchemaUnknown:
        return None
    return None if schema is None else {"uri": schema.uri, "version": schema.version}


def _value(document: dict[str, Any], path: tuple[str, ...]) -> dict[str, Any]:
    value = pointers.get(document, path)
    return {"found": False} if value is pointers.ABSENT else {"found": True, "value": value}


def _permission(issuer: Issuer, operations: Sequence[Operation]) -> patch.Check:
    """Return the check whether an account may change a DID so: Rucio's permission to set the metadata."""
    asked = [*_asked(operations)]

    def check(did: Did, session: Session) -> None:
        scope, name = did
        for meta in asked:
            arguments = {"scope": scope, "name": name, "meta": meta, "issuer": issuer.account}
            if not permission.has_permission(
                issuer=issuer.internal, action="set_metadata_bulk", kwargs=arguments, session=session
            ):
                raise ChangeDenied(f"account {issuer.account} may not change the document of {scope.external}:{name}")

    return check


def _asked(operations: Sequence[Operation]) -> Iterator[dict[str, Any]]:
    """Yield the metadata that is set, by pointer, and each collection that a document would get on its own."""
    yield {pointers.join(*each.path): each.value for each in operations if each.path}
    for each in operations:
        collection = each.value if each.path == ("collection",) else None
        if not each.path:
            yield {WHOLE_DOCUMENT: each.value}
            collection = (each.value or {}).get("collection")
        if collection:
            yield {"/collection": collection}


def _did(did: Did) -> dict[str, str]:
    return {"scope": did[0].external, "name": did[1]}


def _failed(failure: Failure) -> dict[str, Any]:
    _, name = named(failure.error)
    told = {"operation": failure.operation, "exception": name, "error": str(failure.error)}
    return _did(failure.did) | told | violations(failure.error)
