"""The one table of ours: a document a DID, in schema ``dafab`` of Rucio's database.

The fixed columns below belong to the migrations. A typed column a queryable stands beside them: those come from
``etc/queryables.toml`` and are kept up to date by :mod:`rucio_dafab.catalogue.columns`.
"""

from typing import Any, Final

from geoalchemy2 import Geometry
from rucio.db.sqla import models
from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ColumnElement,
    DateTime,
    Double,
    ForeignKeyConstraint,
    FromClause,
    Index,
    Integer,
    MetaData,
    Table,
    Text,
    false,
    func,
    true,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.exc import ProgrammingError
from sqlalchemy.types import TypeEngine

from rucio_dafab.catalogue.typed import typed_queryables
from rucio_dafab.query.sql_time import closed_range
from rucio_dafab.stac.geometry import SRID
from rucio_dafab.vocabulary.queryables import Queryable, Queryables, ValueType
from rucio_dafab.vocabulary.queryables import load as load_queryables

SCHEMA: Final = "dafab"
TABLE: Final = "document"

COLUMN_TYPES: Final[dict[ValueType, type[TypeEngine[Any]] | TypeEngine[Any]]] = {
    ValueType.NUMBER: Double,
    ValueType.INTEGER: BigInteger,
    ValueType.STRING: Text,
    ValueType.BOOLEAN: Boolean,
    ValueType.DATETIME: DateTime(timezone=True),
    ValueType.STRINGS: ARRAY(Text),
}
"""Type of the column of a queryable; a geometry and concepts have columns of the migrations."""

AT_ONCE: Final = {"fastupdate": "off"}
"""Of GIN indexes of a value or two a document: to keep these in a list first, which questions read, costs more."""

FINGERPRINTS: Final = "fingerprints"
"""The column of :func:`rucio_dafab.query.fingerprints.fingerprints`.

NULL are those of a document that a server wrote which knows nothing of them: it is asked without them until they have
been computed. Where there is nothing to tell they are ``{}``.
"""

FINGERPRINTS_INDEX: Final = "document_fingerprints"
"""Its index, and"""
FORMER_INDEX: Final = "document_searchable"
"""the one that it replaces."""

_UNDEFINED_TABLE: Final = "42P01"
KEPT_BY_DATABASE: Final = frozenset({"updated_at", "latest", "did_type", "did_suppressed", "did_bytes", "did_length"})
"""Columns that nobody needs to write: defaults and triggers do."""

LISTED: Final = ("scope", "name", "did_type", "did_suppressed", "latest")
"""What a listing of names reads of every document."""

metadata = MetaData(schema=SCHEMA)


def fixed_columns() -> list[Column[Any]]:
    """Return the columns that the migrations make.

    ``extent_start`` and ``extent_end`` hold the instant twice where a document has one, so that one index serves both
    kinds. Times are in UTC, ``geometry`` in EPSG:4326. ``searchable`` is the document without what is never compared:
    geometry, assets and links; ``fingerprints`` are what is looked for first of it. ``latest`` is false where another
    document names this one as its predecessor. What begins with ``did_`` is the state of the DID, type as Rucio's code.
    """
    did = models.DataIdentifier.__table__.c
    return [
        Column("scope", did.scope.type, primary_key=True),
        Column("name", did.name.type, primary_key=True),
        Column("id", Text),
        Column("collection", Text),
        Column("geometry", Geometry(srid=SRID, spatial_index=False)),
        Column("extent_start", DateTime(timezone=True)),
        Column("extent_end", DateTime(timezone=True)),
        Column("classes", ARRAY(Text)),
        Column("partial", Boolean, nullable=False),
        Column("searchable", JSONB, nullable=False),
        Column(FINGERPRINTS, ARRAY(Integer)),
        Column("document", Text, nullable=False),
        Column("updated_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
        Column("latest", Boolean, nullable=False, server_default=true()),
        Column("did_type", Text, nullable=False),
        Column("did_suppressed", Boolean, nullable=False, server_default=false()),
        Column("did_bytes", BigInteger),
        Column("did_length", BigInteger),
    ]


def fixed_indexes(table: Table) -> list[Index]:
    """Return the indexes that the migrations make; what each is for stands in ADR 0005 and 0013."""
    c = table.c
    newest = (c.extent_start.desc().nulls_last(), c.name.desc())
    return [
        Index("document_geometry_extent", c.geometry, extent_range(table), postgresql_using="gist"),
        Index("document_collection_newest", c.collection, *newest),
        Index("document_newest", c.scope, *newest),
        Index("document_extent_end", c.extent_end),
        Index("document_id", c.id),
        Index("document_classes", c.classes, postgresql_using="gin", postgresql_with=AT_ONCE),
    ]


def extent_range(documents: FromClause) -> ColumnElement[Any]:
    """Return the extent in time as a range with both ends, the words of the index."""
    return closed_range(documents.c.extent_start, documents.c.extent_end)


def typed_column(queryable: Queryable, name: str) -> Column[Any]:
    """Return the column of a queryable."""
    return Column(name, COLUMN_TYPES[queryable.type])


def typed_index(table: Table, queryables: Queryables, queryable: Queryable, name: str) -> Index:
    """Return the index of a queryable's column: GIN for several strings, else a B-tree without the absent values.

    Where it is mostly asked together with others, their columns follow: an index of each would be read as far as the
    catalogue has that value, this one as far as it has all of them.

    That of a broad one holds what a listing of names reads besides, so that no row is visited for it: of names that
    come by the ten thousand, the visits would take nine tenths of the time.
    """
    column = table.c[name]
    if queryable.type is ValueType.STRINGS:
        return Index(f"document_{name}", column, postgresql_using="gin", postgresql_with=AT_ONCE)
    if queryable.broad:
        present = column.is_not(None)
        return Index(f"document_{name}_listed", column, postgresql_where=present, postgresql_include=list(LISTED))
    if queryable.together:
        others = [table.c[str(queryables[each].column)] for each in queryable.together]
        return Index(f"document_{name}_together", column, *others, postgresql_where=column.is_not(None))
    return Index(f"document_{name}", column, postgresql_where=column.is_not(None))


def former_indexes(queryable: Queryable, name: str) -> frozenset[str]:
    """Return what else the index of a queryable may be called: it is, or no longer is, broad or one of several."""
    kind = "_listed" if queryable.broad else "_together" if queryable.together else ""
    return frozenset(f"document_{name}{other}" for other in ("", "_listed", "_together") if other != kind)


def later_indexes(table: Table) -> list[Index]:
    """Return the indexes that came after the first migration: made like those of queryables, blocking nobody."""
    c = table.c
    return [
        Index("document_superseded", c.scope, c.collection, postgresql_where=~c.latest),
        # Empty, and nothing for whoever asks, but while the fingerprints of some rows are to be computed.
        Index("document_without_fingerprints", c.scope, c.name, postgresql_where=c.fingerprints.is_(None)),
        # The last one: once it is there, the former one goes.
        Index(FINGERPRINTS_INDEX, c.fingerprints, postgresql_using="gin"),
    ]


def make_table(queryables: Queryables, into: MetaData) -> Table:
    """Return the table as the migrations and the queryables together make it."""
    did = models.DataIdentifier.__table__
    table = Table(
        TABLE,
        into,
        *fixed_columns(),
        *(typed_column(queryable, name) for queryable, name in typed_queryables(queryables)),
        ForeignKeyConstraint(["scope", "name"], [did.c.scope, did.c.name], ondelete="CASCADE", name="document_did"),
    )
    fixed_indexes(table)
    later_indexes(table)
    for queryable, name in typed_queryables(queryables):
        typed_index(table, queryables, queryable, name)
    return table


document: Final = make_table(load_queryables(), metadata)
"""``dafab.document``."""


def is_of_type(kind: str) -> ColumnElement[bool]:
    """Return the test whether a document says that it is a ``Feature``, or a ``Collection``."""
    said: ColumnElement[bool] = document.c.searchable["type"].astext == kind
    return said


def lacks_table(error: ProgrammingError) -> bool:
    """Return whether a question failed since a table is not there: a database at an older revision has fewer."""
    return getattr(error.orig, "sqlstate", None) == _UNDEFINED_TABLE
