"""The search columns computed anew from the documents: after a queryable, a mapping or the ontology has changed."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import orjson
from geoalchemy2 import WKBElement
from sqlalchemy import Engine, Row, bindparam, func, select, update
from sqlalchemy.orm import Session

from rucio_dafab.catalogue.record import make_record
from rucio_dafab.catalogue.rows import KeyPages
from rucio_dafab.catalogue.tables import document as table

BATCH: Final = 500
"""Documents of one transaction: their rows are locked for a few tenths of a second."""

Progress = Callable[[int, int], None]
"""Told the documents that are done and all there are."""

_WRITTEN: Final = frozenset({"document", "searchable", "partial"})
"""What a record holds and reindexing leaves: the document is what everything else is computed from."""


@dataclass(frozen=True, slots=True)
class Reindexed:
    """How many documents were looked at, and how many had columns that were no longer right."""

    documents: int
    changed: int


def reindex(engine: Engine, progress: Progress = lambda _done, _total: None) -> Reindexed:
    """Compute the columns of every document; only rows that differ are written. Readers are not blocked.

    Args:
        engine: of Rucio's database.
        progress: told how far it is.
    """
    with Session(engine) as session:
        total = session.scalar(select(func.count()).select_from(table)) or 0
    done = changed = 0
    pages = KeyPages(select(table).with_for_update(), table.c.scope, table.c.name, BATCH)
    while True:
        with Session(engine) as session, session.begin():
            rows = pages.following(session.execute)
            changed += _rewrite(rows, session=session)
        if not rows:
            return Reindexed(done, changed)
        done += len(rows)
        progress(done, total)


def _rewrite(rows: Sequence[Row[Any]], *, session: Session) -> int:
    changed = 0
    for row in rows:
        record = make_record(orjson.loads(row.document), valid=not row.partial)
        differing = {
            name: value
            for name, value in record.items()
            if name not in _WRITTEN and not _same(value, getattr(row, name))
        }
        if differing.get("geometry") is not None:
            differing["geometry"] = func.ST_GeomFromEWKB(differing["geometry"])
        if differing:
            where = (table.c.scope == bindparam("of_scope"), table.c.name == bindparam("of_name"))
            session.execute(update(table).where(*where).values(differing), {"of_scope": row.scope, "of_name": row.name})
            changed += 1
    return changed


def _same(computed: Any, stored: Any) -> bool:
    if isinstance(stored, WKBElement):
        # Extended WKB, whoever wrote it: the same bytes for the same geometry.
        return computed is not None and computed.hex() == str(stored.as_ewkb().desc).lower()
    return bool(computed == stored)
