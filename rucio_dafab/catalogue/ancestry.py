"""The tree of attachments: to which collections a DID belongs, and what lies above and below it."""

from collections.abc import Iterable
from typing import Final

from rucio.common.types import InternalScope
from rucio.db.sqla import models
from sqlalchemy import CTE, ColumnElement, Text, and_, case, exists, func, literal, select, tuple_
from sqlalchemy.orm import Session

from rucio_dafab.catalogue.tables import document as table
from rucio_dafab.catalogue.tables import is_of_type

MAX_DEPTH: Final = 20
"""Levels that are climbed, as many as Rucio's own inherited metadata."""


def collection_id() -> ColumnElement[str | None]:
    """Return the collection of a row of the table: its item's, or itself where it is a collection."""
    return func.coalesce(table.c.collection, case((is_of_type("Collection"), table.c.id)))


def collections_of(dids: Iterable[tuple[InternalScope, str]], *, session: Session) -> dict[tuple[str, str], set[str]]:
    """Return the ids of the collections that each DID belongs to, by (scope, name); none for a DID outside of the tree.

    They are those of its own document, or where that names none, of the nearest documents on each way up that do. Ways
    stay in the scope: who attaches a DID to something in another one does not thereby say where it belongs.
    """
    wanted = list(dids)
    found: dict[tuple[str, str], set[str]] = {(scope.internal, name): set() for scope, name in wanted}
    did, contents = models.DataIdentifier.__table__.c, models.DataIdentifierAssociation.__table__.c
    start = select(
        did.scope, did.name, did.scope.label("of_scope"), did.name.label("of_name"), literal(0).label("depth")
    ).where(tuple_(did.scope, did.name).in_(wanted))
    way = start.cte("way", recursive=True)
    named = exists().where(table.c.scope == way.c.scope, table.c.name == way.c.name, collection_id().is_not(None))
    step = select(contents.scope, contents.name, way.c.of_scope, way.c.of_name, way.c.depth + 1).where(
        and_(contents.child_scope == way.c.scope, contents.child_name == way.c.name, contents.scope == way.c.scope),
        ~named,
        way.c.depth < MAX_DEPTH,
    )
    way = way.union(step)
    statement = select(way.c.of_scope, way.c.of_name, collection_id().cast(Text)).where(
        table.c.scope == way.c.scope, table.c.name == way.c.name, collection_id().is_not(None)
    )
    session.flush()
    for scope, name, collection in session.execute(statement) if wanted else ():
        found[scope.internal, name].add(collection)
    return found


def descendants_of(scope: InternalScope, name: str, *, session: Session) -> list[tuple[InternalScope, str]]:
    """Return every DID that is attached below another one, each once."""
    return _reached(scope, name, downwards=True, session=session)


def ancestors_of(scope: InternalScope, name: str, *, session: Session) -> list[tuple[InternalScope, str]]:
    """Return every DID that another one is attached to, directly or not, each once."""
    return _reached(scope, name, downwards=False, session=session)


def walk(start: CTE, *, downwards: bool) -> CTE:
    """Return (scope, name) of everything below, or above, the DIDs of a table expression with these columns."""
    contents = models.DataIdentifierAssociation.__table__.c
    parent, child = (contents.scope, contents.name), (contents.child_scope, contents.child_name)
    known, reached = (parent, child) if downwards else (child, parent)
    scope, name = reached[0].label("scope"), reached[1].label("name")
    first = select(scope, name).where(known[0] == start.c.scope, known[1] == start.c.name)
    walked = first.cte(recursive=True)
    return walked.union(select(scope, name).where(known[0] == walked.c.scope, known[1] == walked.c.name))


def _reached(scope: InternalScope, name: str, *, downwards: bool, session: Session) -> list[tuple[InternalScope, str]]:
    did = models.DataIdentifier.__table__.c
    start = select(did.scope, did.name).where(did.scope == scope, did.name == name)
    reached = walk(start.cte(), downwards=downwards)
    return [(row.scope, row.name) for row in session.execute(select(reached.c.scope, reached.c.name))]
