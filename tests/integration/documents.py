"""A table of documents as the compiler needs it, and the same documents answered in plain Python.

:func:`evaluate` is written from the definition of the query model alone (three values: true, false, ``None``), with
shapely and dictionaries, so that it can judge the compiler.
"""

import re
from collections.abc import Iterable
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

import orjson
import shapely
from geoalchemy2 import Geometry
from geoalchemy2.shape import from_shape
from sqlalchemy import ARRAY, BigInteger, Boolean, Column, DateTime, Float, Integer, MetaData, Table, Text
from sqlalchemy.dialects.postgresql import JSONB

from rucio_dafab.query import model
from rucio_dafab.query.fingerprints import fingerprints
from rucio_dafab.query.model import Comparator, DidField, SpatialOperator, TemporalOperator
from rucio_dafab.query.sql import Target
from rucio_dafab.query.sql_members import TIMES
from rucio_dafab.query.sql_time import Times, closed_range
from rucio_dafab.vocabulary import Vocabulary
from rucio_dafab.vocabulary.concepts import classes
from rucio_dafab.vocabulary.queryables import Queryable, ValueType, split_pointer
from rucio_dafab.vocabulary.times import parse_extent

_TYPES: dict[ValueType, Any] = {
    ValueType.NUMBER: Float(53),
    ValueType.INTEGER: BigInteger,
    ValueType.STRING: Text,
    ValueType.BOOLEAN: Boolean,
    ValueType.DATETIME: DateTime(timezone=True),
    ValueType.STRINGS: ARRAY(Text),
}
_DID_TYPES = ("CONTAINER", "DATASET", "FILE")
Document = dict[str, Any]


class Documents:
    """Documents in a table beside their typed columns, and the target that the compiler gets."""

    def __init__(self, vocabulary: Vocabulary, documents: list[Document]) -> None:
        self.vocabulary = vocabulary
        self.documents = documents
        self._extents = [_extent(each) for each in documents]
        self._footprints = [_footprint(each) for each in documents]
        self._classes = [classes(each, vocabulary.ontology) for each in documents]
        self._typed = {
            q.name: q for q in vocabulary.queryables if q.column and q.type in _TYPES and q.name != "datetime"
        }
        self.table = Table(
            "document",
            MetaData(),
            Column("number", Integer, primary_key=True),
            Column("name", Text),
            Column("did_type", Text),
            Column("members", JSONB),
            Column("fingerprints", ARRAY(Integer)),
            Column("geometry", Geometry("GEOMETRY", 4326, spatial_index=False)),
            Column("start", DateTime(timezone=True)),
            Column("end", DateTime(timezone=True)),
            Column("classes", ARRAY(Text)),
            *(Column(q.column, _TYPES[q.type]) for q in self._typed.values()),
        )

    @property
    def target(self) -> Target:
        c = self.table.c
        return Target(
            queryables=self.vocabulary.queryables,
            members=c.members,
            fingerprints=c.fingerprints,
            columns={name: c[q.column] for name, q in self._typed.items()},
            geometry=c.geometry,
            times=Times(c.start, c.end, closed_range(c.start, c.end)),
            classes=c.classes,
            expand=self.vocabulary.ontology.expand,
            did={DidField.NAME: c.name, DidField.DID_TYPE: c.did_type},
        )

    def rows(self) -> Iterable[dict[str, Any]]:
        for number, document in enumerate(self.documents):
            extent, footprint = self._extents[number], self._footprints[number]
            yield {
                "number": number,
                "name": f"item_{number}",
                "did_type": _DID_TYPES[number % 3][0],
                "members": document,
                # Some are still to be computed, as those of rows that a server of before wrote.
                "fingerprints": fingerprints(document) if number % 3 else None,
                "geometry": from_shape(footprint, 4326) if footprint else None,
                "start": extent and extent[0],
                "end": extent and extent[1],
                "classes": _list(self._classes[number]),
                **{q.column: _list(_declared(document, q)) for q in self._typed.values()},
            }

    def answer(self, expression: model.Expression) -> set[int]:
        """Return the numbers of the documents for which `expression` is true."""
        return {n for n, document in enumerate(self.documents) if self.evaluate(expression, document, n) is True}

    def evaluate(self, node: model.Expression, document: Document, number: int) -> bool | None:
        """Return true, false or unknown (``None``)."""
        match node:
            case model.Not(part):
                inner = self.evaluate(part, document, number)
                return None if inner is None else not inner
            case model.And(parts):
                return _every(self.evaluate(part, document, number) for part in parts)
            case model.Or(parts):
                negated = _every(_negate(self.evaluate(part, document, number)) for part in parts)
                return _negate(negated)
            case model.Spatial() | model.Temporal() | model.IsA() | model.DistanceWithin():
                return self._special(node, document, number)
            case _:
                stored = self._value(node.operand, document, number)
                if isinstance(getattr(node, "value", None), datetime) and not isinstance(stored, tuple | datetime):
                    stored = told_time(stored)
                return _test(node, stored)

    def _value(self, operand: model.Operand, document: Document, number: int) -> Any:
        if isinstance(operand, DidField):
            return f"item_{number}" if operand is DidField.NAME else _DID_TYPES[number % 3]
        queryable = self.vocabulary.queryables.at(operand.pointer)
        match queryable.type:
            case ValueType.ANY:
                return fetch(document, queryable.path)
            case ValueType.CONCEPTS:
                return _list(self._classes[number])
            case ValueType.GEOMETRY:
                return document.get("geometry")
        return self._extents[number] if queryable.name == "datetime" else _declared(document, queryable)

    def _special(self, node: Any, document: Document, number: int) -> bool | None:
        if isinstance(node, model.IsA):
            shown = self._classes[number]
            return None if shown is None else bool(set(shown) & set(self.vocabulary.ontology.expand(node.class_id)))
        if isinstance(node, model.Temporal):
            stored = self._value(node.operand, document, number)
            moment = stored if isinstance(stored, tuple | datetime) else told_time(stored)
            begin, end = moment if isinstance(moment, tuple) else (moment, moment)
            return None if begin is None or end is None else _temporal(node, begin, end)
        return None if self._footprints[number] is None else bool(self._met(node)[number])

    @lru_cache(maxsize=64)  # noqa: B019 - a table lives as long as the tests that ask it
    def _met(self, node: model.Spatial) -> Any:
        """Return the predicate for all footprints at once; false where there is none."""
        return _PREDICATES[node.operator](self._footprints, node.geometry)


def fetch(document: Any, path: tuple[str, ...]) -> Any:
    """Return the member at `path`, or ``None``; a list takes an index, also from its end, as PostgreSQL does."""
    for segment in path:
        if isinstance(document, list) and re.fullmatch(r"-?\d+", segment):
            index = int(segment)
            document = document[index] if -len(document) <= index < len(document) else None
        else:
            document = document.get(segment) if isinstance(document, dict) else None
    return document


def told_time(value: Any) -> datetime | None:
    """Return the time that a string tells: a date its first instant, without a zone in UTC, to the microsecond."""
    if not isinstance(value, str) or not re.fullmatch(TIMES.strip("^$"), value):
        return None
    text = re.sub(r"([.]\d{6})\d+", r"\1", value.upper())
    moment = datetime.fromisoformat(text)
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment


def kind(value: Any) -> str | None:
    """Return the JSON type of `value`; a time is a type of its own."""
    if value is None:
        return None
    if isinstance(value, tuple | datetime):
        return "time"
    names = {bool: "boolean", int: "number", float: "number", str: "string", list: "array", dict: "object"}
    return names[type(value)]


def _test(node: Any, stored: Any) -> bool | None:  # noqa: PLR0911 - one return a test
    if isinstance(node, model.IsNull):
        return stored is None
    if stored is None:
        return None
    match node:
        case model.IsEmpty():
            return kind(stored) in {"string", "array", "object"} and len(stored) == 0
        case model.Comparison(_, comparator, value):
            return _compare(comparator, stored, value) if kind(stored) == kind(value) else None
        case model.In(_, values):
            same = [value for value in values if kind(value) == kind(stored)]
            return any(_compare(Comparator.EQUAL, stored, value) for value in same) if same else None
        case model.Like(_, pattern):
            return bool(re.fullmatch(_regex(pattern), stored, re.DOTALL)) if isinstance(stored, str) else None
        case model.Contains() | model.ContainedBy():
            return _test_list(node, stored) if isinstance(stored, list) else None
    raise TypeError(node)


def _test_list(node: model.Contains | model.ContainedBy, stored: list[Any]) -> bool:
    def is_in(one: Any, many: Iterable[Any]) -> bool:
        return any(kind(one) == kind(each) and one == each for each in many)

    if isinstance(node, model.ContainedBy):
        return all(is_in(each, node.values) for each in stored)
    return (all if node.every else any)(is_in(value, stored) for value in node.values)


def _compare(comparator: Comparator, stored: Any, value: Any) -> bool:
    begin, end = stored if isinstance(stored, tuple) else (stored, stored)
    return {
        Comparator.EQUAL: lambda: begin == value == end,
        Comparator.NOT_EQUAL: lambda: not (begin == value == end),
        Comparator.LESS: lambda: end < value,
        Comparator.LESS_OR_EQUAL: lambda: end <= value,
        Comparator.GREATER: lambda: begin > value,
        Comparator.GREATER_OR_EQUAL: lambda: begin >= value,
    }[comparator]()


def _temporal(node: model.Temporal, begin: datetime, end: datetime) -> bool:
    """Decide by the signs of the four differences between the ends, as Allen's interval algebra is drawn."""
    first = node.interval.start or datetime.min.replace(tzinfo=UTC)
    last = node.interval.end or datetime.max.replace(tzinfo=UTC)
    to_first, to_last = (begin > first) - (begin < first), (begin > last) - (begin < last)
    end_first, end_last = (end > first) - (end < first), (end > last) - (end < last)
    return {
        TemporalOperator.BEFORE: end_first < 0,
        TemporalOperator.AFTER: to_last > 0,
        TemporalOperator.DURING: to_first > 0 and end_last < 0,
        TemporalOperator.CONTAINS: to_first < 0 and end_last > 0,
        TemporalOperator.INTERSECTS: to_last <= 0 <= end_first,
        TemporalOperator.EQUALS: to_first == 0 == end_last,
        TemporalOperator.MEETS: end_first == 0,
        TemporalOperator.MET_BY: to_last == 0,
        TemporalOperator.STARTS: to_first == 0 > end_last,
        TemporalOperator.STARTED_BY: to_first == 0 < end_last,
        TemporalOperator.FINISHES: to_first > 0 == end_last,
        TemporalOperator.FINISHED_BY: to_first < 0 == end_last,
        TemporalOperator.OVERLAPS: to_first < 0 < end_first and end_last < 0,
        TemporalOperator.OVERLAPPED_BY: to_first > 0 > to_last and end_last > 0,
    }[node.operator]


_PREDICATES: dict[SpatialOperator, Any] = {
    SpatialOperator.INTERSECTS: shapely.intersects,
    SpatialOperator.WITHIN: shapely.within,
    SpatialOperator.CONTAINS: shapely.contains,
    SpatialOperator.DISJOINT: shapely.disjoint,
    SpatialOperator.CROSSES: shapely.crosses,
    SpatialOperator.TOUCHES: shapely.touches,
    SpatialOperator.OVERLAPS: shapely.overlaps,
    SpatialOperator.EQUALS: shapely.equals,
}


def _regex(pattern: str) -> str:
    out, escaped = [], False
    for letter in pattern:
        if not escaped and letter == "\\":
            escaped = True
            continue
        out.append({"%": ".*", "_": "."}.get(letter, re.escape(letter)) if not escaped else re.escape(letter))
        escaped = False
    return "".join(out)


def _every(values: Iterable[bool | None]) -> bool | None:
    seen = list(values)
    if any(value is False for value in seen):
        return False
    return None if any(value is None for value in seen) else True


def _negate(value: bool | None) -> bool | None:
    return None if value is None else not value


def _declared(document: Document, queryable: Queryable) -> Any:
    """Return the stored value if it has the declared type, as the catalogue fills its columns."""
    value = fetch(document, split_pointer(queryable.pointer))
    match queryable.type, value:
        case (ValueType.NUMBER | ValueType.INTEGER, bool()):
            return None
        case (ValueType.NUMBER, int() | float()) | (ValueType.INTEGER, int()) | (ValueType.STRING, str()):
            return value
        case (ValueType.STRINGS, list()):
            return value if all(isinstance(each, str) for each in value) else None
        case (ValueType.DATETIME, str()):
            return parse_extent(value).start
    return None


def _extent(document: Document) -> tuple[datetime, datetime] | None:
    properties = document.get("properties", {})
    instant = properties.get("datetime")
    begin, end = (instant, instant) if instant else (properties.get("start_datetime"), properties.get("end_datetime"))
    if not begin or not end:
        return None
    first, last = parse_extent(begin).start, parse_extent(end).start
    return None if first is None or last is None else (first, last)


def _footprint(document: Document) -> shapely.Geometry | None:
    return shapely.from_geojson(orjson.dumps(document["geometry"])) if document.get("geometry") else None


def _list(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value
