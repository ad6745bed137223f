"""Documents page by page, newest first: for services, whose callers come back for the next page."""

import base64
import binascii
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import orjson
from rucio.common.types import InternalScope
from rucio.db.sqla.constants import DIDType
from sqlalchemy import Select, literal, tuple_
from sqlalchemy.orm import Session

from rucio_dafab.catalogue import search
from rucio_dafab.catalogue.errors import CatalogueError
from rucio_dafab.catalogue.search import DID_TYPE_OF, Search, own_statement
from rucio_dafab.catalogue.tables import document as table

BATCH: Final = 200
"""Documents that are read and sent together, with one question for the replicas of all of them."""


class CursorInvalid(CatalogueError):
    """A cursor that this catalogue did not give."""


@dataclass(frozen=True, slots=True)
class FoundDocument:
    """A DID that was found, with its document as it was written (``None`` where it has none of its own)."""

    scope: InternalScope
    name: str
    did_type: DIDType
    document: bytes | None
    start: datetime | None

    @property
    def cursor(self) -> str:
        """The cursor of what follows: opaque to callers."""
        start = None if self.start is None else self.start.isoformat()
        return base64.urlsafe_b64encode(orjson.dumps([start, self.name])).decode()


def read_page(asked: Search, limit: int, cursor: str | None, *, session: Session) -> Iterator[FoundDocument]:
    """Return the next ``limit`` documents after a cursor, streamed; newest begin first, then by name downwards.

    DIDs without documents of their own (``did_type`` file or dataset) come in the order of their names.

    Raises:
        CursorInvalid: if the cursor was not given by an earlier page.
        DidTypeUnknown: if there is no such type of DID.
        UnsupportedQuery: if the catalogue cannot answer a test.
    """
    after = None if cursor is None else _position(cursor)
    if search.inherits(asked):
        return _inherited(asked, limit, after, session)
    return _own(asked, limit, after, session)


def _own(
    asked: Search, limit: int, after: tuple[datetime | None, str] | None, session: Session
) -> Iterator[FoundDocument]:
    left = limit
    for stretch in stretches(asked, after):
        if left == 0:
            return
        rows = session.execute(stretch.limit(left), execution_options={"yield_per": BATCH})
        for _, name, code, _, _, document, start in rows:
            left -= 1
            yield FoundDocument(asked.scope, name, DID_TYPE_OF[code], document.encode(), start)


def stretches(asked: Search, after: tuple[datetime | None, str] | None = None) -> Iterator[Select[Any]]:
    """Yield the SQL of documents in two stretches, each one walk along an index: with a begin, then without.

    Args:
        asked: the question.
        after: begin and name of the document before the first.
    """
    base = own_statement(asked, table.c.document, table.c.extent_start)
    key = (table.c.extent_start, table.c.name)
    order = (table.c.extent_start.desc().nulls_last(), table.c.name.desc())
    dated, undated = base.where(key[0].is_not(None)), base.where(key[0].is_(None))
    if after is None:
        yield dated.order_by(*order)
    elif after[0] is not None:
        yield dated.where(tuple_(*key) < after).order_by(*order)
    if after is not None and after[0] is None:
        undated = undated.where(key[1] < after[1])
    yield undated.order_by(key[1].desc())


def _inherited(
    asked: Search, limit: int, after: tuple[datetime | None, str] | None, session: Session
) -> Iterator[FoundDocument]:
    found = search.statement(asked).subquery()
    rows = found.select().order_by(found.c.name).limit(limit)
    if after is not None:
        rows = rows.where(found.c.name > literal(after[1]))
    for _, name, code, *_ in session.execute(rows, execution_options={"yield_per": BATCH}):
        yield FoundDocument(asked.scope, name, DID_TYPE_OF[code], None, None)


def _position(cursor: str) -> tuple[datetime | None, str]:
    try:
        start, name = orjson.loads(base64.urlsafe_b64decode(cursor))
        moment = None if start is None else datetime.fromisoformat(start)
        if not isinstance(name, str) or not name.isprintable() or (moment is not None and moment.tzinfo is None):
            raise TypeError
        return moment, name
    except (binascii.Error, ValueError, TypeError) as error:
        raise CursorInvalid(f"{cursor[:60]!r} is no cursor of this catalogue") from error
