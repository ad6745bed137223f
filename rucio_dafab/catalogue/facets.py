"""Counts: how many documents answer a question, and how they spread over a property, months, classes or places."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from typing import Any, Final

from sqlalchemy import FromClause, Select, Text, cast, func, literal, select, tablesample, text
from sqlalchemy.dialects.postgresql import ARRAY, array
from sqlalchemy.orm import Session
from sqlalchemy.sql.expression import ColumnElement

from rucio_dafab.catalogue.errors import CatalogueError
from rucio_dafab.catalogue.explain import explain
from rucio_dafab.catalogue.search import Search, own_statement
from rucio_dafab.catalogue.tables import TABLE
from rucio_dafab.catalogue.tables import document as table
from rucio_dafab.catalogue.typed import value_columns
from rucio_dafab.vocabulary import ontology
from rucio_dafab.vocabulary.queryables import Queryables, ValueType
from rucio_dafab.vocabulary.queryables import load as load_queryables

MOST: Final = 1000
"""Values of one answer; the most frequent come first."""

SAMPLE: Final = 20_000
"""Documents that an estimate looks at: a value that one in a hundred has is then right within a tenth or so."""


class FacetUnknown(CatalogueError):
    """There is no such way to count, or its parameter makes no sense."""


class Kind(StrEnum):
    """What documents are counted by, apart from properties."""

    MONTH = "month"
    CLASS = "class"
    GRID = "grid"


_OTHERWISE: Final = {ValueType.GEOMETRY: Kind.GRID, ValueType.CONCEPTS: Kind.CLASS}
"""Types whose values no one counts as they are, and what counts documents by them."""


@dataclass(frozen=True, slots=True)
class Facet:
    """A value and how many documents have it, or about how many where it is not ``exact``.

    The value is a property's as JSON; a month ``YYYY-MM`` (UTC, of the begin); the id of a class; or a cell
    ``W_S_E_N`` in degrees, as a filter takes it. ``None`` stands for the documents without any.
    """

    value: Any
    count: int
    exact: bool = True


@dataclass(frozen=True, slots=True)
class By:
    """What documents are counted by.

    Attributes:
        key: ``month``, ``class``, ``grid``, or a property as filters name it.
        cell: width of a cell of the grid in degrees; the centroid of a footprint says in which it is.
        subclasses: whether a document counts under every class that is above one of its own, too.

    Raises:
        FacetUnknown: if a cell is not between 0.01 and 90 degrees wide, or what is counted by has no subclasses.
    """

    key: str
    cell: float = 1.0
    subclasses: bool = False

    def __post_init__(self) -> None:
        if not 0.01 <= self.cell <= 90:
            raise FacetUnknown(f"a cell of {self.cell:g} degrees: it must be between 0.01 and 90")
        if self.subclasses and self.key != Kind.CLASS:
            raise FacetUnknown(f"{self.key} has no subclasses: only class has")


def count(asked: Search, *, session: Session) -> int:
    """Return how many documents answer a question, exactly."""
    return int(session.scalar(select(func.count()).select_from(_found(asked).subquery())) or 0)


def estimate(asked: Search, *, session: Session) -> int:
    """Return about how many do: what PostgreSQL's planner expects from its statistics, without reading a document."""
    return int(explain(_found(asked), session=session)["Plan Rows"])


def facets(asked: Search, by: By, *, most: int = MOST, session: Session) -> tuple[Facet, ...]:
    """Return how the documents that answer a question spread, the most frequent value first, then by value.

    A document with several classes, or several values of a property that is a list, counts once under each.

    Args:
        asked: the question; documents answer it by themselves, not through their ancestors.
        by: what they are counted by.
        most: how many values at most.
        session: the caller's transaction.

    Raises:
        VocabularyError: if there can be no such property.
        FacetUnknown: if documents cannot be counted by it, or it is not declared and none that was found has it.
    """
    found = _counted(statement(asked, by), by, most, 1.0, session)
    if found and all(each.value is None for each in found) and by.key not in set(Kind):
        known = load_queryables()
        if not known.asked(by.key).is_declared:
            raise FacetUnknown(f"no document that was found has {by.key}: count by {_countable(known)}")
    return found


def estimate_facets(asked: Search, by: By, *, most: int = MOST, session: Session) -> tuple[Facet, ...]:
    """Return about how the documents spread, as :func:`facets` does, from a sample of the catalogue's pages.

    Where the planner expects few documents to answer, all are counted. Rare values may be missing.

    Raises:
        VocabularyError: if there can be no such property.
        FacetUnknown: if documents cannot be counted by it.
    """
    expected = estimate(asked, session=session)
    if expected <= 2 * SAMPLE:
        return facets(asked, by, most=most, session=session)
    share = SAMPLE / expected
    sample = tablesample(table, func.system(100 * share), name=TABLE)
    return _counted(statement(asked, by, sample), by, most, share, session)


def statement(asked: Search, by: By, documents: FromClause = table) -> Select[Any]:
    """Return the SQL that counts: each value and how many documents have it, sets of classes as they are together.

    Args:
        asked: the question.
        by: what is counted by.
        documents: the table of documents, or a sample of it.
    """
    found = _found(asked, _value(by, documents).label("value"), documents=documents).subquery()
    return select(found.c.value, func.count().label("number")).group_by(found.c.value)


def _counted(counts: Select[Any], by: By, most: int, share: float, session: Session) -> tuple[Facet, ...]:
    """Return the facets of a share of the documents, as those of all."""
    if by.key == Kind.CLASS:
        rows = _by_class(session.execute(counts).tuples(), subclasses=by.subclasses)[:most]
    else:
        number, value = counts.selected_columns["number"], counts.selected_columns["value"]
        rows = [*session.execute(counts.order_by(number.desc(), value).limit(most)).tuples()]
    named = partial(_cell, by.cell) if by.key == Kind.GRID else _same
    return tuple(Facet(named(value), round(number / share), exact=share == 1) for value, number in rows)


def _by_class(sets: Iterable[tuple[list[str] | None, int]], *, subclasses: bool) -> list[tuple[str | None, int]]:
    """Return how many documents have each class, from how many have each set of classes."""
    above = _above(ontology.load()) if subclasses else {}
    counted: Counter[str | None] = Counter()
    for classes, number in sets:
        asserted: list[str | None] = [*classes] if classes else [None]
        named = {each for one in asserted for each in (one, *above.get(one, ()))}
        counted.update(dict.fromkeys(named, number))
    return sorted(counted.items(), key=lambda each: (-each[1], each[0] is None, each[0] or ""))


def _above(known: ontology.Ontology) -> dict[str | None, set[str]]:
    """Return the classes of the ontology that each class id stands below."""
    above: dict[str | None, set[str]] = {}
    for class_id in known.classes:
        for below in known.expand(class_id):
            above.setdefault(below, set()).add(class_id)
    return above


def _found(asked: Search, *more: Any, documents: FromClause = table) -> Select[Any]:
    """Return the SQL for the documents of a question with the columns wanted of them alone."""
    columns = more or (documents.c.name,)
    return own_statement(asked, *columns, documents=documents).with_only_columns(*columns)


def _value(by: By, documents: FromClause) -> ColumnElement[Any]:
    if by.key == Kind.MONTH:
        return func.to_char(func.timezone("UTC", documents.c.extent_start), "YYYY-MM")
    if by.key == Kind.CLASS:
        classes: ColumnElement[Any] = documents.c.classes
        return classes
    if by.key == Kind.GRID:
        return _corner(by.cell, documents)
    return _property(by.key, load_queryables(), documents)


def _property(key: str, queryables: Queryables, documents: FromClause) -> ColumnElement[Any]:
    """Return a property's own column where it has one, else what the jsonb of members holds at its path."""
    queryable = queryables.asked(key)
    if queryable.type in _OTHERWISE:
        raise FacetUnknown(
            f"documents cannot be counted by {key}: {_OTHERWISE[queryable.type]} does, or {_countable(queryables)}"
        )
    columns = value_columns(queryables)
    if queryable.name not in columns:
        return documents.c.searchable.op("#>")(literal(list(queryable.path), ARRAY(Text)))
    column: ColumnElement[Any] = documents.c[columns[queryable.name]]
    if queryable.type is ValueType.DATETIME:
        return cast(func.to_jsonb(column), documents.c.searchable.type)
    return _each(column) if queryable.type is ValueType.STRINGS else column


def _countable(queryables: Queryables) -> str:
    """Return what documents can be counted by, for a message."""
    declared = sorted(each.name for each in queryables if each.type not in _OTHERWISE)
    return f"{', '.join([*Kind, *declared])}, or any property that documents have"


def _each(values: ColumnElement[Any]) -> ColumnElement[Any]:
    """Return the members of an array, a row each; one row with NULL where there is none."""
    return func.unnest(func.coalesce(func.nullif(values, text("'{}'::text[]")), text("ARRAY[NULL]::text[]")))


def _corner(cell: float, documents: FromClause) -> ColumnElement[Any]:
    """Return column and row of the cell that holds the centroid of a footprint, from the south-west of the globe."""
    centre = func.ST_Centroid(documents.c.geometry)
    steps = (func.floor((axis(centre) + half) / cell) for axis, half in ((func.ST_X, 180), (func.ST_Y, 90)))
    return func.nullif(func.array_to_string(array(steps), "_"), "")


def _same(value: Any) -> Any:
    return value


def _cell(cell: float, corner: str | None) -> str | None:
    """Return the box of a cell as filters take it."""
    if corner is None:
        return None
    column, row = (float(step) for step in corner.split("_"))
    west, south = column * cell - 180, row * cell - 90
    edges: Sequence[float] = (west, south, min(west + cell, 180), min(south + cell, 90))
    return "_".join(f"{round(edge, 6):g}" for edge in edges)
