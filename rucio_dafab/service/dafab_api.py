"""``POST /dafab/publish`` and ``POST /dafab/search``: our routes over the catalogue."""

import logging
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Annotated, Any, Final, Literal

import orjson
from fastapi import APIRouter, Request
from fastapi.responses import StreamingResponse
from pydantic import Field
from rucio.common.types import InternalScope
from rucio.db.sqla.constants import DatabaseOperationType
from rucio.db.sqla.session import db_session
from sqlalchemy.orm import Session

from rucio_dafab import vocabulary
from rucio_dafab.catalogue.assets import AssetFile, files_of
from rucio_dafab.catalogue.pages import BATCH, FoundDocument, read_page
from rucio_dafab.catalogue.search import Search
from rucio_dafab.publishing.publish import PublishRequest, publish
from rucio_dafab.publishing.published import PublishedFile
from rucio_dafab.publishing.volatile import withdraw
from rucio_dafab.query import languages
from rucio_dafab.query.languages import FilterLanguage
from rucio_dafab.query.model import EVERYTHING, Expression
from rucio_dafab.service.auth import Reader, Writer
from rucio_dafab.service.bodies import Body, Name, Scope
from rucio_dafab.service.database import reading
from rucio_dafab.service.settings import settings
from rucio_dafab.service.streams import PIECE_BYTES, streamed
from rucio_dafab.stac.asset_names import asset_names

_LOGGER: Final = logging.getLogger(__name__)
MAX_PAGE: Final = 10_000
"""Documents of one answer; the rest follows by its cursor."""

router = APIRouter(prefix="/dafab", tags=["catalogue"])


class FileBody(Body):
    """A file of an item, on its RSE already: size in bytes, checksums in hexadecimal; its path on a volatile RSE."""

    asset: Annotated[str, Field(min_length=1, max_length=250)]
    name: Name
    rse: Annotated[str, Field(pattern=r"^[^\x00-\x1f\x7f]{1,255}$")]
    bytes: Annotated[int, Field(ge=0, lt=2**63)]
    adler32: str
    md5: str
    path: Annotated[str, Field(pattern=r"^[^/\x00-\x20\x7f#?%\\][^\x00-\x20\x7f#?%\\]{0,999}$")] | None = None


class WithdrawBody(Body):
    """Files that are no longer on a volatile RSE."""

    scope: Scope
    rse: Annotated[str, Field(pattern=r"^[^\x00-\x1f\x7f]{1,255}$")]
    names: Annotated[list[Name], Field(min_length=1, max_length=1000)]


class PublishBody(Body):
    """An item to publish, see :class:`rucio_dafab.publishing.publish.PublishRequest`."""

    scope: Scope
    item: dict[str, Any]
    files: list[FileBody]
    parent: Name | None = None
    update: bool = False
    predecessor: Name | None = None
    keep: Annotated[int, Field(ge=0)] | None = None
    dry_run: bool = False


class SearchBody(Body):
    """A question: a filter in one of the languages, collections (any of them), a type of DID, and which page."""

    scope: Scope
    filter: dict[str, Any] | list[dict[str, Any]] | str | bool | None = None
    filter_lang: Annotated[FilterLanguage, Field(alias="filter-lang")] = "cql2-json"
    collections: Annotated[list[str], Field(max_length=1000)] | None = None
    did_type: Literal["all", "collection", "container", "dataset", "file"] = "collection"
    versions: Literal["latest", "all"] = "latest"
    limit: Annotated[int, Field(ge=1, le=MAX_PAGE)] | None = None
    cursor: Annotated[str, Field(max_length=2000)] | None = None


@router.post("/publish")
def post_publish(body: PublishBody, issuer: Writer, request: Request) -> dict[str, Any]:
    """Register an item, its files and its document in one transaction; again is harmless."""
    wanted = PublishRequest(
        scope=body.scope,
        item=body.item,
        files=tuple(PublishedFile(**file.model_dump()) for file in body.files),
        parent=body.parent,
        update=body.update,
        predecessor=body.predecessor,
        keep=body.keep,
    )
    with db_session(DatabaseOperationType.WRITE) as session:
        report = publish(wanted, issuer=issuer.account, vo=issuer.vo, root=_root(request), session=session)
        if body.dry_run:
            session.rollback()
    told = "would be " if body.dry_run else ""
    _LOGGER.info("%s%s %s:%s by %s", told, report.outcome, body.scope, report.item, issuer.account)
    return {
        "item": report.item,
        "dataset": report.dataset,
        "files": list(report.files),
        "outcome": report.outcome,
        "leaving": list(report.leaving),
        "replicas": report.replicas,
        "dry_run": body.dry_run,
    }


@router.post("/withdraw")
def post_withdraw(body: WithdrawBody, issuer: Writer) -> dict[str, Any]:
    """Take back that files are on a volatile RSE, in one transaction; their DIDs and documents stay."""
    scope = InternalScope(body.scope, vo=issuer.vo)
    with db_session(DatabaseOperationType.WRITE) as session:
        names = withdraw(scope, body.rse, body.names, issuer=issuer.account, session=session)
    _LOGGER.info("%s files withdrawn from %s by %s", len(names), body.rse, issuer.account)
    return {"rse": body.rse, "withdrawn": list(names)}


@router.post("/search")
def post_search(body: SearchBody, issuer: Reader) -> StreamingResponse:
    """Answer with NDJSON, a line a DID: document, assets and their replicas; then the cursor of what is left."""
    asked = Search(
        InternalScope(body.scope, vo=issuer.vo),
        _expression(body),
        did_type=body.did_type,
        all_versions=body.versions == "all",
    )
    lines = _lines(asked, body.limit or settings().search_page, body.cursor)
    return streamed(lines, "application/x-ndjson", issuer.account)


def _expression(body: SearchBody) -> Expression:
    known = vocabulary.load()
    asked = EVERYTHING if body.filter is None else languages.read(body.filter, body.filter_lang, known)
    return asked if body.collections is None else languages.in_collections(asked, body.collections, known)


@dataclass(frozen=True, slots=True)
class _Piece:
    """Some lines of a page: how many they are, and the cursor of what follows them (``None``: nothing does)."""

    lines: bytes
    given: int
    cursor: str | None


def _lines(asked: Search, limit: int, cursor: str | None) -> Generator[bytes]:
    """Yield the lines of a page in pieces, each read in a transaction of its own: none is open while a client reads."""
    left = limit
    while True:
        with reading() as session:
            piece = _read_piece(asked, left, cursor, session)
        left, cursor = left - piece.given, piece.cursor
        if cursor is None or not left:
            yield piece.lines + (b"" if cursor is None else orjson.dumps({"next": cursor}) + b"\n")
            return
        yield piece.lines


def _read_piece(asked: Search, limit: int, cursor: str | None, session: Session) -> _Piece:
    """Read documents in batches, with one question a batch for the replicas."""
    # One more than asked for tells whether there is a next page.
    found = read_page(asked, limit + 1, cursor, session=session)
    lines: list[bytes] = []
    given, last, size = 0, None, 0
    while size < PIECE_BYTES and (batch := list(islice(found, min(BATCH, limit - given)))):
        made = b"".join(_batch(batch, session))
        lines.append(made)
        given, last, size = given + len(batch), batch[-1], size + len(made)
    more = last is not None and next(found, None) is not None
    return _Piece(b"".join(lines), given, last.cursor if last is not None and more else None)


def _batch(batch: list[FoundDocument], session: Session) -> Iterator[bytes]:
    """Yield a line for each document, with the replicas of all of them read at once."""
    names = [_names(found) for found in batch]
    files = files_of(
        {(found.scope, name) for found, each in zip(batch, names, strict=True) for name in each.values()},
        session=session,
    )
    for found, each in zip(batch, names, strict=True):
        known = {key: files.get((found.scope.internal, name)) for key, name in each.items()}
        yield _line(found, {key: file for key, file in known.items() if file is not None})


def _names(found: FoundDocument) -> dict[str, str]:
    if found.document is None:
        return {"data": found.name} if found.did_type.name == "FILE" else {}
    return asset_names(orjson.loads(found.document))


def _line(found: FoundDocument, files: dict[str, AssetFile]) -> bytes:
    line = {
        "scope": found.scope.external,
        "name": found.name,
        "did_type": found.did_type.name,
        "document": None if found.document is None else orjson.Fragment(found.document),
        "assets": {key: _asset(file) for key, file in files.items()},
    }
    return orjson.dumps(line) + b"\n"


def _asset(file: AssetFile) -> dict[str, Any]:
    return {
        "scope": file.scope.external,
        "name": file.name,
        "bytes": file.bytes,
        "adler32": file.adler32,
        "md5": file.md5,
        "replicas": [{"rse": replica.rse, "pfn": replica.pfn} for replica in file.replicas],
    }


def _root(request: Request) -> str:
    return settings().root_url or str(request.base_url).rstrip("/")
