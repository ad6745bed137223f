"""The table ``dafab.link``: which DIDs the links of documents name, indexed from either end."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from rucio.common.types import InternalScope
from rucio.db.sqla import models
from sqlalchemy import (
    Column,
    ForeignKeyConstraint,
    Index,
    Table,
    Text,
    delete,
    insert,
    select,
    tuple_,
    update,
)
from sqlalchemy.orm import Session

from rucio_dafab.catalogue.tables import document as documents
from rucio_dafab.catalogue.tables import metadata
from rucio_dafab.stac.links import PREDECESSOR, Link, links_of

_SCOPE_TYPE: Final = models.DataIdentifier.__table__.c.scope.type
_NAME_TYPE: Final = models.DataIdentifier.__table__.c.name.type

link: Final = Table(
    "link",
    metadata,
    Column("scope", _SCOPE_TYPE, nullable=False),
    Column("name", _NAME_TYPE, nullable=False),
    Column("rel", Text, nullable=False),
    Column("target_scope", _SCOPE_TYPE, nullable=False),
    Column("target_name", _NAME_TYPE, nullable=False),
    ForeignKeyConstraint(
        ["scope", "name"], [documents.c.scope, documents.c.name], ondelete="CASCADE", name="link_document"
    ),
)
"""``dafab.link``: a link of a document to another DID, once each; that DID need not be there.

Triggers of the database keep ``dafab.document.latest`` right: it is false where some link ``predecessor-version`` names
the document.
"""

Index("link_source", link.c.scope, link.c.name, link.c.rel)
Index("link_target", link.c.target_scope, link.c.target_name, link.c.rel)

Row = tuple[InternalScope, str, str, InternalScope, str]
"""A row of the table: the DID of the document, the relation, the DID that it names."""


def write(
    scope: InternalScope, name: str, document: Mapping[str, Any], *, is_new: bool = False, session: Session
) -> None:
    """Write the links of a document that is stored, in place of any that it had.

    Whoever calls this holds the DID, so that no other writes them at the same time.

    Args:
        scope: scope of the DID.
        name: name of the DID.
        document: its document.
        is_new: whether it is known to have had none.
        session: the caller's transaction.
    """
    wanted = {row[2:] for row in rows(scope, name, links_of(document, name))}
    if is_new and not wanted:
        return
    own = (link.c.scope == scope, link.c.name == name)
    target = (link.c.rel, link.c.target_scope, link.c.target_name)
    known = set() if is_new else set(session.execute(select(*target).where(*own)).tuples())
    if gone := known - wanted:
        session.execute(delete(link).where(*own, tuple_(*target).in_(gone)))
    if made := wanted - known:
        columns = [column.name for column in link.columns]
        session.execute(
            insert(link), [dict(zip(columns, (scope, name, *to), strict=True)) for to in sorted(made, key=str)]
        )


def rows(scope: InternalScope, name: str, links: Iterable[Link]) -> Iterator[Row]:
    """Yield the links of a document as rows of the table, without any to itself."""
    for each in links:
        to = scope if each.scope is None else InternalScope(each.scope, vo=scope.vo)
        if (to, each.name) != (scope, name):
            yield scope, name, each.rel, to, each.name


def superseded(scope: InternalScope, names: Iterable[str], *, session: Session) -> set[str]:
    """Return those of the names that some document names as its predecessor."""
    statement = select(link.c.target_name).where(
        link.c.target_scope == scope, link.c.target_name.in_(list(names)), link.c.rel == PREDECESSOR
    )
    return set(session.scalars(statement))


def settle(scope: InternalScope, *, session: Session) -> None:
    """Mark the documents that have a successor and are not marked.

    Of two transactions that write an item and its successor at the same moment, neither sees the other.
    """
    is_named = (link.c.target_scope == documents.c.scope, link.c.target_name == documents.c.name)
    statement = update(documents).values(latest=False)
    session.execute(
        statement.where(*is_named, link.c.rel == PREDECESSOR, documents.c.scope == scope, documents.c.latest)
    )
