"""What a stock Rucio holds: the metadata of its JSON plugin (``did_meta``), taken over as documents of ours.

Rucio's own table is read and never written: to go back, its configuration is all that has to change.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import orjson
from rucio.common.types import InternalScope
from rucio.db.sqla import models
from sqlalchemy import Engine, func, select
from sqlalchemy.orm import Session

from rucio_dafab.catalogue import documents
from rucio_dafab.catalogue.document_rows import COLUMNS, copy_in, cursor_of, row_of
from rucio_dafab.catalogue.record import make_record
from rucio_dafab.catalogue.rows import KeyPages
from rucio_dafab.catalogue.tables import document as table
from rucio_dafab.stac import members, pointers
from rucio_dafab.stac.errors import DocumentError
from rucio_dafab.stac.validate import check_json

BATCH: Final = 1000
"""DIDs of one transaction."""

Progress = Callable[[int, int], None]
"""Told the DIDs that are done and all there are."""


@dataclass(frozen=True, slots=True)
class Imported:
    """What became of the metadata of a stock Rucio.

    Attributes:
        documents: DIDs that got a document.
        completed: DIDs that had one, to which keys were added that it lacked.
        unchanged: DIDs whose document had every key.
        odd: Values that do not fit what their key declares, by ``scope:name key``: kept as they are, found by no
            typed filter.
        refused: Values that no document can hold (a NUL character, an integer of more than 64 bits), likewise.
    """

    documents: int = 0
    completed: int = 0
    unchanged: int = 0
    odd: tuple[str, ...] = ()
    refused: tuple[str, ...] = ()

    def plus(self, other: "Imported") -> "Imported":
        """Return both together."""
        return Imported(
            self.documents + other.documents,
            self.completed + other.completed,
            self.unchanged + other.unchanged,
            self.odd + other.odd,
            self.refused + other.refused,
        )


Row = tuple[InternalScope, str, Mapping[str, Any]]


def import_json(engine: Engine, progress: Progress = lambda _done, _total: None) -> Imported:
    """Make documents of what Rucio's JSON plugin keeps; run again, it finishes what broke off and changes nothing else.

    A key becomes what :func:`rucio_dafab.catalogue.documents.set_keys` would make of it; a member that a document has
    already stays.

    Args:
        engine: of Rucio's database, with our tables at their newest revision.
        progress: told how far it is.
    """
    meta, done, report = models.DidMeta, 0, Imported()
    with Session(engine) as session:
        total = session.scalar(select(func.count()).select_from(meta)) or 0
    for batch in _batches(engine):
        with Session(engine) as session, session.begin():
            report = report.plus(_import(batch, session=session))
        done += len(batch)
        progress(done, total)
    return report


def _batches(engine: Engine) -> Iterator[Sequence[Row]]:
    meta = models.DidMeta
    pages = KeyPages(select(meta.scope, meta.name, meta.meta), meta.scope, meta.name, BATCH)
    while True:
        with Session(engine) as session:
            batch = [(row.scope, row.name, _values(row.meta)) for row in pages.following(session.execute)]
        if not batch:
            return
        yield batch


def _values(meta: Any) -> Mapping[str, Any]:
    """Return a row's values: Rucio's type allows the text of JSON in place of it."""
    values = orjson.loads(meta) if isinstance(meta, str) else meta
    return values if isinstance(values, dict) else {}


def _import(batch: Sequence[Row], *, session: Session) -> Imported:
    dids = [(scope, name) for scope, name, _ in batch]
    known = {(stored.scope, stored.name) for stored in documents.get_bulk(dids, session=session)}
    report, new = Imported(), []
    for scope, name, values in batch:
        if (scope, name) in known:
            report = report.plus(_complete(scope, name, values, session=session))
            continue
        document: dict[str, Any] = {"properties": {}}
        odd, refused = _set(document, values, f"{scope.external}:{name}")
        new.append(row_of(scope, name, make_record(document, valid=False)))
        report = report.plus(Imported(documents=1, odd=odd, refused=refused))
    if new:
        with cursor_of(session) as cursor:
            copy_in(cursor, table, COLUMNS, new)
    return report


def _complete(scope: InternalScope, name: str, values: Mapping[str, Any], *, session: Session) -> Imported:
    """Add to the document of a DID the keys that it lacks."""
    stored = documents.hold(scope, name, session=session)
    document = dict(stored.document)
    lacking = {key: value for key, value in values.items() if not _has(document, key)}
    if not lacking:
        return Imported(unchanged=1)
    odd, refused = _set(document, lacking, f"{scope.external}:{name}")
    documents.rewrite(stored, document, session=session)
    return Imported(completed=1, odd=odd, refused=refused)


def _has(document: Mapping[str, Any], key: str) -> bool:
    return pointers.get(document, _path(key)) is not pointers.ABSENT


def _path(key: str) -> tuple[str, ...]:
    """Return where a key stands; one that names nothing in our language is a property of that very name."""
    try:
        return tuple(members.resolve(key).path)
    except DocumentError:
        return ("properties", key)


def _set(document: dict[str, Any], values: Mapping[str, Any], did: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Set members and return the keys whose values do not fit, and those whose values cannot be held at all."""
    odd, refused = [], []
    for key, value in values.items():
        try:
            check_json({key: value})
        except DocumentError:
            refused.append(f"{did} {key}")
            continue
        try:
            pointers.put(document, _path(key), members.fitting(members.resolve(key), key, value))
        except DocumentError:
            odd.append(f"{did} {key}")
            _put_anyway(document, key, value)
    return tuple(odd), tuple(refused)


def _put_anyway(document: dict[str, Any], key: str, value: Any) -> None:
    try:
        pointers.put(document, _path(key), value)
    except DocumentError:
        # The pointer leads through a value: the key itself becomes the name of a property.
        pointers.put(document, ("properties", key), value)
