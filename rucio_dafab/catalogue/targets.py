"""What the query compiler needs to know of our tables: which column answers which test."""

from dataclasses import dataclass
from functools import partial
from typing import Any, Final

from rucio.db.sqla import models
from sqlalchemy import (
    Boolean,
    ColumnElement,
    Exists,
    FromClause,
    String,
    Text,
    and_,
    cast,
    exists,
    func,
    select,
    tuple_,
    type_coerce,
)

from rucio_dafab.catalogue import ancestry, links, ways
from rucio_dafab.catalogue.expressions import has, is_remote_test
from rucio_dafab.catalogue.tables import document, extent_range
from rucio_dafab.catalogue.typed import value_columns
from rucio_dafab.query.model import DidField, Expression, Related, Relation
from rucio_dafab.query.sql import Target, compile_filter
from rucio_dafab.query.sql_space import Predicate
from rucio_dafab.query.sql_time import Times
from rucio_dafab.query.versions import only_latest
from rucio_dafab.stac.links import VERSIONS
from rucio_dafab.vocabulary import Vocabulary
from rucio_dafab.vocabulary.ontology_relations import Way

DIDS = models.DataIdentifier.__table__
CONTENTS = models.DataIdentifierAssociation.__table__

_SHOWN: Final = ("scope", "name", "did_type", "bytes", "length")


@dataclass(frozen=True, slots=True)
class ListedDid:
    """The columns of what a listing says of a DID, of Rucio's own table or as they are kept beside the document.

    Scope and type are plain texts: to make an object of each would take longer than to read the row.
    """

    scope: ColumnElement[Any]
    name: ColumnElement[Any]
    did_type: ColumnElement[Any]
    bytes: ColumnElement[Any]
    length: ColumnElement[Any]
    suppressed: ColumnElement[Any]

    @property
    def shown(self) -> tuple[ColumnElement[Any], ...]:
        """Scope, name, did_type, bytes and length, so labelled."""
        columns = (self.scope, self.name, self.did_type, self.bytes, self.length)
        return tuple(each.label(label) for each, label in zip(columns, _SHOWN, strict=True))


def _rucio_did(dids: FromClause) -> ListedDid:
    c = dids.c
    return ListedDid(
        type_coerce(c.scope, String), c.name, cast(c.did_type, Text), c.bytes, c.length, suppressed=c.suppressed
    )


RUCIO_DID: Final = _rucio_did(DIDS)
"""Any DID."""


def own_did(documents: FromClause) -> ListedDid:
    """Return the DIDs of documents: to ask Rucio's table for each of many would take longer than to find them."""
    c = documents.c
    return ListedDid(
        type_coerce(c.scope, String), c.name, c.did_type, c.did_bytes, c.did_length, suppressed=c.did_suppressed
    )


def make_target(documents: FromClause, dids: FromClause, vocabulary: Vocabulary, *, own: bool = False) -> Target:
    """Return the columns of an alias of ``dafab.document`` and of one of Rucio's ``dids`` for the compiler.

    Args:
        documents: the documents that answer.
        dids: the DIDs that are found.
        vocabulary: what names mean.
        own: whether each document is that of the DID itself, so that `dids` is needed for remote tests only
            (:func:`rucio_dafab.catalogue.expressions.is_remote_test`).
    """
    return Target(
        queryables=vocabulary.queryables,
        members=documents.c.searchable,
        fingerprints=documents.c.fingerprints,
        columns={name: documents.c[column] for name, column in value_columns(vocabulary.queryables).items()},
        geometry=documents.c.geometry,
        times=Times(documents.c.extent_start, documents.c.extent_end, extent_range(documents)),
        classes=documents.c.classes,
        expand=partial(_expand, vocabulary),
        did=_did_columns(dids, own_did(documents) if own else _rucio_did(dids)),
        related=partial(_related, documents, vocabulary),
        predicate=_predicate,
    )


def _predicate(name: str) -> Predicate:
    """Return the catalogue's own spatial predicate: PostGIS's, at a cost by which the planner weighs it right."""
    predicate = getattr(func.dafab, name.removeprefix("ST_").lower())
    return partial(predicate, type_=Boolean)


def _expand(vocabulary: Vocabulary, class_id: str) -> tuple[str, ...]:
    """Return a class and what is below it; only now is the ontology loaded."""
    return vocabulary.ontology.expand(class_id)


def _did_columns(dids: FromClause, listed: ListedDid) -> dict[DidField, ColumnElement[Any]]:
    """Return the fields of a DID as plain types: Rucio's own would refuse to bind strings."""
    return {
        DidField.SCOPE: listed.scope,
        DidField.NAME: listed.name,
        DidField.DID_TYPE: listed.did_type,
        DidField.BYTES: listed.bytes,
        DidField.LENGTH: listed.length,
        DidField.ACCOUNT: type_coerce(dids.c.account, String),
        # Rucio keeps times in UTC without saying so.
        DidField.CREATED_AT: func.timezone("UTC", dids.c.created_at),
        DidField.UPDATED_AT: func.timezone("UTC", dids.c.updated_at),
    }


def _related(documents: FromClause, vocabulary: Vocabulary, test: Related) -> ColumnElement[bool]:
    """Return the test that some one related document satisfies a condition.

    The DIDs with such an ancestor are those below the ones that satisfy it: one walk for the whole question.
    """
    other, dids = document.alias(), DIDS.alias()
    condition = compile_filter(_of_related(test, vocabulary), make_target(other, dids, vocabulary, own=True))
    if has(test.condition, is_remote_test):
        condition = and_(condition, other.c.scope == dids.c.scope, other.c.name == dids.c.name)
    if test.relation is Relation.ALONG:
        reached = ways.reaching(select(other.c.scope, other.c.name).where(condition), _way(test, vocabulary))
        return tuple_(documents.c.scope, documents.c.name).in_(select(reached.c.scope, reached.c.name))
    if test.relation.takes_link:
        return _linked(documents, other, test).where(condition)
    found = select(other.c.scope, other.c.name).where(condition)
    reached = ancestry.walk(found.cte(), downwards=test.relation is Relation.ANCESTOR)
    return tuple_(documents.c.scope, documents.c.name).in_(select(reached.c.scope, reached.c.name))


def _way(test: Related, vocabulary: Vocabulary) -> Way:
    """Return what a relation of the ontology follows; only where a question was made is the ontology asked."""
    return test.way or vocabulary.ontology.way(str(test.link))


def _of_related(test: Related, vocabulary: Vocabulary) -> Expression:
    """Return what must hold on the related document.

    What lies above a document, or what it names, is that very version. Of what points at it, products above all, the
    latest versions answer, unless the condition or the relation is about versions.
    """
    if test.relation in {Relation.ANCESTOR, Relation.LINK} or test.link in VERSIONS:
        return test.condition
    if test.relation is Relation.ALONG and _way(test, vocabulary).is_forward:
        return test.condition
    return only_latest(test.condition)


def _linked(documents: FromClause, other: FromClause, test: Related) -> Exists:
    """Return that a link leads from one document to another: from the one at hand, or to it."""
    link = links.link.alias()
    source, target = (link.c.scope, link.c.name), (link.c.target_scope, link.c.target_name)
    near, far = (source, target) if test.relation is Relation.LINK else (target, source)
    return exists().where(
        link.c.rel == test.link,
        near[0] == documents.c.scope,
        near[1] == documents.c.name,
        far[0] == other.c.scope,
        far[1] == other.c.name,
    )
