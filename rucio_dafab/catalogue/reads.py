"""Documents of many DIDs by one statement, in the order in which they were asked for, streamed."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any, Final

import orjson
from rucio.common.types import InternalScope
from sqlalchemy import TableValuedAlias, Text, and_, bindparam, column, func, select
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Session

from rucio_dafab.catalogue.errors import DidUnknown
from rucio_dafab.catalogue.tables import document as table
from rucio_dafab.catalogue.targets import DIDS

ROWS: Final = 200
"""Rows that a server-side cursor hands over at once: about 2 MB of documents."""


def asked_dids() -> TableValuedAlias:
    """Return the DIDs of a question as rows ``scope``, ``name`` and ``number``: two parameters, however many there are.

    :func:`parameters_of` gives these.
    """
    lists = (bindparam(each, type_=ARRAY(Text)) for each in ("scopes", "names"))
    columns = (column("scope", DIDS.c.scope.type), "name")
    return func.unnest(*lists).table_valued(*columns, with_ordinality="number", name="asked").render_derived()


def parameters_of(dids: Sequence[tuple[InternalScope, str]]) -> dict[str, Any]:
    """Return the parameters of :func:`asked_dids`."""
    return {"scopes": [scope.internal for scope, _ in dids], "names": [name for _, name in dids]}


_asked: Final = asked_dids()
_known: Final = DIDS.c.name.is_not(None)
_statement: Final = (
    select(_asked.c.scope, _asked.c.name, _known.label("known"), table.c.document)
    .select_from(
        _asked.outerjoin(DIDS, and_(DIDS.c.scope == _asked.c.scope, DIDS.c.name == _asked.c.name)).outerjoin(
            table, and_(table.c.scope == DIDS.c.scope, table.c.name == DIDS.c.name)
        )
    )
    # What is not there comes first, so that it is known before anything is given.
    .order_by(_known, _asked.c.number)
)


@dataclass(frozen=True, slots=True)
class ReadDocument:
    """The document of a DID as it was written; ``None`` where it has none."""

    scope: InternalScope
    name: str
    text: str | None

    def parsed(self) -> dict[str, Any]:
        """Return the document; an empty one where there is none."""
        found: dict[str, Any] = {} if self.text is None else orjson.loads(self.text)
        return found


def read_many(dids: Sequence[tuple[InternalScope, str]], *, session: Session) -> Iterator[ReadDocument]:
    """Return the documents of DIDs in their order, one each time that a DID is named; memory stays flat.

    Args:
        dids: the DIDs.
        session: a transaction that stays open until the last document was given.

    Raises:
        DidUnknown: naming one of the DIDs that are not there; before anything is given.
    """
    rows = _rows(dids, session)
    first = next(rows, None)
    if first is None:
        return iter(())
    if not first.known:
        raise DidUnknown(f"there is no DID {first.scope.external}:{first.name}")
    return map(_read, chain((first,), rows))


def read_known(dids: Sequence[tuple[InternalScope, str]], *, session: Session) -> Iterator[ReadDocument]:
    """Return the documents of those of the DIDs that are there; else as :func:`read_many`."""
    return (_read(row) for row in _rows(dids, session) if row.known)


def _rows(dids: Sequence[tuple[InternalScope, str]], session: Session) -> Iterator[Any]:
    if not dids:
        return iter(())
    return iter(session.execute(_statement, parameters_of(dids), execution_options={"yield_per": ROWS}))


def _read(row: Any) -> ReadDocument:
    return ReadDocument(row.scope, row.name, row.document)
