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
    Column("rule", Text),
    ForeignKeyConstraint(
        ["scope", "name"], [documents.c.scope, documents.c.name], ondelete="CASCADE", name="link_document"
    ),
)
"""``dafab.link``: a link of a document to another DID, once each; that DID need not be there.
``rule`` is name and version of the rule that made it, if one did (:mod:`rucio_dafab.catalogue.interlinking`).

Triggers of the database keep ``dafab.document.latest`` right: it is false where some link ``predecessor-version`` names
the document.
"""

Index("link_source", link.c.scope, link.c.name, link.c.rel)
Index("link_target", link.c.target_scope, link.c.target_name, link.c.rel)
Index(
    "link_rule",
    link.c.scope,
    link.c.rule,
    postgresql_ops={"rule": "text_pattern_ops"},
    postgresql_where=link.c.rule.is_not(None),
)

Row = tuple[InternalScope, str, str, InternalScope, str, str | None]
"""A row of the table: the DID of the document, the relation, the DID that it names, the rule."""


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
    _replace(scope, {name: document}, are_new=is_new, session=session)


def write_all(scope: InternalScope, documents: Mapping[str, Mapping[str, Any]], *, session: Session) -> None:
    """Write the links of documents that are stored, by name, in place of any that they had: as :func:`write`."""
    _replace(scope, documents, are_new=False, session=session)


def _replace(
    scope: InternalScope, written: Mapping[str, Mapping[str, Any]], *, are_new: bool, session: Session
) -> None:
    wanted = {row for name, document in written.items() for row in rows(scope, name, links_of(document, name))}
    if are_new and not wanted:
        return
    own = (link.c.scope == scope, link.c.name.in_(list(written)))
    known = set() if are_new else set(session.execute(select(link).where(*own)).tuples())
    if gone := known - wanted:
        target = tuple_(link.c.name, link.c.rel, link.c.target_scope, link.c.target_name)
        session.execute(delete(link).where(*own, target.in_([row[1:5] for row in gone])))
    if made := wanted - known:
        columns = [column.name for column in link.columns]
        session.execute(insert(link), [dict(zip(columns, row, strict=True)) for row in sorted(made, key=str)])


def rows(scope: InternalScope, name: str, links: Iterable[Link]) -> Iterator[Row]:
    """Yield the links of a document as rows of the table, without any to itself."""
    for each in links:
        to = scope if each.scope is None else InternalScope(each.scope, vo=scope.vo)
        if (to, each.name) != (scope, name):
            yield scope, name, each.rel, to, each.name, each.rule


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
