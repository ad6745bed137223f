"""Search: the DIDs whose documents satisfy an expression, streamed or page by page.

A DID without a document answers through its nearest ancestor's: on each way up the tree of attachments, the first
document that is met. That is so for files and datasets that are asked for by type; a listing of containers, or of
collections in Rucio's sense, holds DIDs with documents of their own.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from rucio.common.types import InternalScope
from rucio.db.sqla.constants import DIDType
from sqlalchemy import (
    ARRAY,
    CTE,
    ColumnElement,
    FromClause,
    Select,
    Text,
    and_,
    any_,
    exists,
    func,
    literal,
    null,
    or_,
    select,
)
from sqlalchemy.orm import Session

from rucio_dafab import vocabulary
from rucio_dafab.catalogue.errors import CatalogueError
from rucio_dafab.catalogue.expressions import (
    has,
    is_did_test,
    is_document_test,
    is_name_test,
    is_remote_test,
    relax,
)
from rucio_dafab.catalogue.rows import read_rows, stream_rows
from rucio_dafab.catalogue.tables import document as table
from rucio_dafab.catalogue.targets import CONTENTS, DIDS, RUCIO_DID, ListedDid, make_target, own_did
from rucio_dafab.query.model import EVERYTHING, Expression, tests_did_type
from rucio_dafab.query.sql import Target, compile_filter
from rucio_dafab.query.versions import only_latest

DID_TYPES: Final[dict[str, tuple[DIDType, ...]]] = {
    "all": (DIDType.CONTAINER, DIDType.DATASET, DIDType.FILE),
    "collection": (DIDType.CONTAINER, DIDType.DATASET),
    "container": (DIDType.CONTAINER,),
    "dataset": (DIDType.DATASET,),
    "file": (DIDType.FILE,),
}
"""Rucio's names for the types of DID that a listing may hold."""

INHERITING: Final = frozenset({"dataset", "file"})
"""Types that have no documents of their own as a rule."""

DID_TYPE_OF: Final = {each.value: each for each in DIDType}
"""Rucio's type of DID by its code."""


class DidTypeUnknown(CatalogueError):
    """There is no such type of DID."""


@dataclass(frozen=True, slots=True)
class Search:
    """A question.

    Attributes:
        scope: where to look.
        expression: what the documents, or the DIDs, must satisfy; its tests of the DID's type override ``did_type``.
        did_type: a key of :data:`DID_TYPES`.
        all_versions: whether documents that have a successor are found, too, where the expression does not say it.
        recursive: whether what is attached below a DID that is found is listed too, where it satisfies the expression
            (but for its name) or has no document.
        limit: how many to give at most.
        offset: how many to leave out.
    """

    scope: InternalScope
    expression: Expression = EVERYTHING
    did_type: str = "collection"
    recursive: bool = False
    limit: int | None = None
    offset: int | None = None
    all_versions: bool = False

    @property
    def on_documents(self) -> Expression:
        """The expression as documents are asked: only of the latest versions, unless it or the question says so."""
        return self.expression if self.all_versions else only_latest(self.expression)


class FoundDid(NamedTuple):
    """A DID, as Rucio's listings show it: size in bytes and number of children where Rucio knows them.

    A tuple, since there may be a hundred thousand of them.
    """

    scope: InternalScope
    name: str
    did_type: DIDType
    bytes: int | None
    length: int | None


def list_dids(search: Search, *, session: Session) -> Iterator[FoundDid]:
    """Return the DIDs that are found, in no particular order, each once.

    The question is sent before this returns, so that what is wrong with it is raised here; the rows are streamed.

    Raises:
        DidTypeUnknown: if there is no such type of DID.
        UnsupportedQuery: if the catalogue cannot answer a test.
    """
    rows, scopes = _read(search, statement(search), session), _Scopes()
    return (FoundDid(scopes[scope], name, DID_TYPE_OF[code], size, length) for scope, name, code, size, length in rows)


def list_names(search: Search, *, session: Session) -> Iterator[str]:
    """Return the names of the DIDs that are found, as :func:`list_dids` does, and more quickly.

    Raises:
        DidTypeUnknown: if there is no such type of DID.
        UnsupportedQuery: if the catalogue cannot answer a test.
    """
    if _walks(search):
        return (row.name for row in _read(search, statement(search), session))
    rows = own_statement(search, names_only=True).offset(search.offset)
    return (name for (name,) in _read(search, rows, session))


def _read(search: Search, rows: Select[Any], session: Session) -> Iterator[Any]:
    # To walk the attachments twice would cost more than a cursor.
    return stream_rows(rows, session=session) if _walks(search) else read_rows(rows, search.limit, session=session)


class _Scopes(dict[str, InternalScope]):
    """Each scope by its name in the database: one object for all DIDs that are in it."""

    def __missing__(self, internal: str) -> InternalScope:
        self[internal] = made = InternalScope(internal, from_external=False)
        return made


def statement(search: Search) -> Select[Any]:
    """Return the SQL of a question: scope, name, did_type, bytes and length of the DIDs."""
    found = _reached_statement(search) if _walks(search) else own_statement(search)
    return found.limit(search.limit).offset(search.offset)


def _walks(search: Search) -> bool:
    return search.recursive or inherits(search)


def inherits(search: Search) -> bool:
    """Return whether DIDs without a document answer through their ancestors'."""
    asked = tests_did_type(search.expression) or search.did_type.lower() in INHERITING
    return asked and has(search.expression, is_document_test)


def own_statement(search: Search, *more: Any, names_only: bool = False, documents: FromClause = table) -> Select[Any]:
    """Return the SQL for DIDs that satisfy the question by themselves.

    Args:
        search: the question; its limit and offset are left to the caller.
        more: further columns of the table of documents.
        names_only: whether of the DID its name is enough.
        documents: the table of documents, or a sample of it.
    """
    with_documents = bool(more) or has(search.expression, is_document_test)
    wanted = search.on_documents if with_documents else search.expression
    did = own_did(documents) if with_documents else RUCIO_DID
    target = make_target(documents, DIDS, vocabulary.load(), own=with_documents)
    columns = (did.name,) if names_only else did.shown
    conditions = (did.scope == search.scope.internal, *_shown(search, did), compile_filter(wanted, target))
    rows = select(*columns, *more).where(*conditions)
    if with_documents and has(wanted, is_remote_test):
        # The scope on both sides: PostgreSQL does not carry a condition over a join of two columns to both indexes.
        rows = rows.where(DIDS.c.scope == search.scope, *_same(documents, DIDS))
    return rows


def _shown(search: Search, did: ListedDid) -> list[ColumnElement[bool]]:
    """Return what holds for a DID apart from the expression: that it is not suppressed, and of a type that is asked.

    Raises:
        DidTypeUnknown: if there is no such type of DID.
    """
    wanted = DID_TYPES.get(search.did_type.lower())
    if wanted is None:
        raise DidTypeUnknown(f"{search.did_type[:40]!r} is no type of DID: they are {', '.join(DID_TYPES)}")
    if tests_did_type(search.expression) or len(wanted) == len(DID_TYPES["all"]):
        return [did.suppressed.is_(False)]
    # One array rather than IN, whose text SQLAlchemy would write anew each time.
    return [did.suppressed.is_(False), did.did_type == any_(literal([each.value for each in wanted], ARRAY(Text)))]


def _reached_statement(search: Search) -> Select[Any]:
    """Return the SQL for DIDs that are reached from those that satisfy the question by themselves."""
    reached = _reached(search)
    rows = select(*RUCIO_DID.shown).distinct().where(*_same(reached, DIDS), *_shown(search, RUCIO_DID))
    if not search.recursive:
        rows = rows.where(DIDS.c.scope == search.scope)
    left = relax(search.expression, is_name_test) if search.recursive else search.expression
    if not has(left, is_did_test):
        return rows
    if has(left, is_document_test):
        rows = rows.where(table.c.scope == reached.c.of_scope, table.c.name == reached.c.of_name)
    return rows.where(compile_filter(left, _target()))


def _reached(search: Search) -> CTE:
    """Return the walk down the tree: (scope, name) and the document that answers for it, (of_scope, of_name)."""
    on_documents = has(search.expression, is_document_test)
    reached = _seeds(search, on_documents=on_documents).cte("reached", recursive=True)
    below = table.alias("below")
    step = select(CONTENTS.c.child_scope, CONTENTS.c.child_name, reached.c.of_scope, reached.c.of_name).where(
        CONTENTS.c.scope == reached.c.scope, CONTENTS.c.name == reached.c.name
    )
    if not on_documents:
        return reached.union(step)
    child = and_(below.c.scope == CONTENTS.c.child_scope, below.c.name == CONTENTS.c.child_name)
    if not search.recursive:
        return reached.union(step.where(~exists().where(child)))
    wanted = compile_filter(relax(search.on_documents, is_did_test), make_target(below, DIDS, vocabulary.load()))
    step = select(
        CONTENTS.c.child_scope,
        CONTENTS.c.child_name,
        _first(below.c.scope, reached.c.of_scope),
        _first(below.c.name, reached.c.of_name),
    ).select_from(CONTENTS.join(reached, and_(*_same(CONTENTS, reached))).outerjoin(below, child))
    return reached.union(step.where(or_(below.c.name.is_(None), wanted)))


def _seeds(search: Search, *, on_documents: bool) -> Select[Any]:
    """Return where the walk begins: a recursive listing with what it finds, any other with what may answer."""
    if search.recursive:
        own = own_statement(search)
        scope, name, *_ = own.selected_columns
        return own.with_only_columns(scope, name, *_answering(on_documents))
    wanted = compile_filter(relax(search.on_documents, is_did_test), _target())
    return select(table.c.scope, table.c.name, *_answering(on_documents)).where(wanted)


def _answering(on_documents: bool) -> list[ColumnElement[Any]]:
    if not on_documents:
        columns: list[ColumnElement[Any]] = [null(), null()]
    else:
        columns = [table.c.scope, table.c.name]
    return [column.label(label) for column, label in zip(columns, ("of_scope", "of_name"), strict=True)]


def _first(column: ColumnElement[Any], otherwise: ColumnElement[Any]) -> ColumnElement[Any]:
    return func.coalesce(column, otherwise, type_=column.type)


def _same(one: Any, other: Any) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
    return one.c.scope == other.c.scope, one.c.name == other.c.name


def _target() -> Target:
    return make_target(table, DIDS, vocabulary.load())
