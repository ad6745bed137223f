"""Counts: how many documents answer a question, and how they spread over a property, months, classes or places."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from sqlalchemy import Select, Text, cast, func, literal, select, text
from sqlalchemy.dialects.postgresql import ARRAY, array
from sqlalchemy.orm import Session
from sqlalchemy.sql.expression import ColumnElement

from rucio_dafab.catalogue.errors import CatalogueError
from rucio_dafab.catalogue.explain import explain
from rucio_dafab.catalogue.search import Search, own_statement
from rucio_dafab.catalogue.tables import document as table
from rucio_dafab.catalogue.typed import typed_queryables
from rucio_dafab.vocabulary.queryables import Queryables, ValueType
from rucio_dafab.vocabulary.queryables import load as load_queryables

MOST: Final = 1000
"""Values of one answer; the most frequent come first."""


class FacetUnknown(CatalogueError):
    """There is no such way to count, or its parameter makes no sense."""


class Kind(StrEnum):
    """What documents are counted by, apart from properties."""

    MONTH = "month"
    CLASS = "class"
    GRID = "grid"


@dataclass(frozen=True, slots=True)
class Facet:
    """A value and how many documents have it.

    The value is a property's as JSON; a month ``YYYY-MM`` (UTC, of the begin); the id of a class; or a cell
    ``W_S_E_N`` in degrees, as a filter takes it. ``None`` stands for the documents without any.
    """

    value: Any
    count: int


def count(asked: Search, *, session: Session) -> int:
    """Return how many documents answer a question, exactly."""
    return int(session.scalar(select(func.count()).select_from(_found(asked).subquery())) or 0)


def estimate(asked: Search, *, session: Session) -> int:
    """Return about how many do: what PostgreSQL's planner expects from its statistics, without reading a document."""
    return int(explain(_found(asked), session=session)["Plan Rows"])


def facets(asked: Search, by: str, *, cell: float = 1.0, most: int = MOST, session: Session) -> tuple[Facet, ...]:
    """Return how the documents that answer a question spread, the most frequent value first, then by value.

    A document with several classes, or several values of a property that is a list, counts once under each.

    Args:
        asked: the question; documents answer it by themselves, not through their ancestors.
        by: ``month``, ``class``, ``grid``, or a property as filters name it.
        cell: width of a cell of the grid in degrees; the centroid of a footprint says in which it is.
        most: how many values at most.
        session: the caller's transaction.

    Raises:
        FacetUnknown: if a cell is not between 0.01 and 90 degrees wide.
        VocabularyError: if there can be no such property.
    """
    value = _value(by, cell)
    found = _found(asked, value.label("value")).subquery()
    number = func.count().label("number")
    rows = session.execute(
        select(found.c.value, number).group_by(found.c.value).order_by(number.desc(), found.c.value).limit(most)
    )
    return tuple(Facet(_cell(row.value, cell) if by == Kind.GRID else row.value, row.number) for row in rows)


def _found(asked: Search, *more: Any) -> Select[Any]:
    """Return the SQL for the documents of a question with the columns wanted of them alone."""
    columns = more or (table.c.name,)
    return own_statement(asked, *columns).with_only_columns(*columns)


def _value(by: str, cell: float) -> ColumnElement[Any]:
    if by == Kind.MONTH:
        return func.to_char(func.timezone("UTC", table.c.extent_start), "YYYY-MM")
    if by == Kind.CLASS:
        return _each(table.c.classes)
    if by == Kind.GRID:
        return _corner(cell)
    return _property(by, load_queryables())


def _property(key: str, queryables: Queryables) -> ColumnElement[Any]:
    """Return a property's own column where it has one, else what the jsonb of members holds at its path."""
    queryable = queryables.asked(key)
    columns = {found.name: name for found, name in typed_queryables(queryables)} | {
        "id": "id",
        "collection": "collection",
        "latest": "latest",
    }
    if queryable.name not in columns:
        return table.c.searchable.op("#>")(literal(list(queryable.path), ARRAY(Text)))
    column: ColumnElement[Any] = table.c[columns[queryable.name]]
    if queryable.type is ValueType.DATETIME:
        return cast(func.to_jsonb(column), table.c.searchable.type)
    return _each(column) if queryable.type is ValueType.STRINGS else column


def _each(values: ColumnElement[Any]) -> ColumnElement[Any]:
    """Return the members of an array, a row each; one row with NULL where there is none."""
    return func.unnest(func.coalesce(func.nullif(values, text("'{}'::text[]")), text("ARRAY[NULL]::text[]")))


def _corner(cell: float) -> ColumnElement[Any]:
    """Return column and row of the cell that holds the centroid of a footprint, from the south-west of the globe."""
    if not 0.01 <= cell <= 90:
        raise FacetUnknown(f"a cell of {cell:g} degrees: it must be between 0.01 and 90")
    centre = func.ST_Centroid(table.c.geometry)
    steps = (func.floor((axis(centre) + half) / cell) for axis, half in ((func.ST_X, 180), (func.ST_Y, 90)))
    return func.nullif(func.array_to_string(array(steps), "_"), "")


def _cell(corner: str | None, cell: float) -> str | None:
    """Return the box of a cell as filters take it."""
    if corner is None:
        return None
    column, row = (float(step) for step in corner.split("_"))
    west, south = column * cell - 180, row * cell - 90
    edges: Sequence[float] = (west, south, min(west + cell, 180), min(south + cell, 90))
    return "_".join(f"{round(edge, 6):g}" for edge in edges)
