"""CQL2-JSON read into the query model; :mod:`rucio_dafab.query.cql2` is the front."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from rucio_dafab.query.errors import LimitError, QueryError, located
from rucio_dafab.query.geometry import parse_box, parse_geometry
from rucio_dafab.query.limits import LIMITS, Limits, check
from rucio_dafab.query.model import (
    EVERYTHING,
    Comparator,
    Comparison,
    Contains,
    DidField,
    DistanceWithin,
    Expression,
    In,
    IsA,
    IsEmpty,
    IsNull,
    Like,
    Operand,
    Or,
    Property,
    Related,
    Relation,
    Spatial,
    SpatialOperator,
    Temporal,
    TemporalOperator,
    all_of,
    any_of,
    negate,
    one_of,
)
from rucio_dafab.query.times import compare_time
from rucio_dafab.vocabulary import Vocabulary
from rucio_dafab.vocabulary.coercion import Scalar, check_text, coerce, show
from rucio_dafab.vocabulary.queryables import Queryable, ValueType
from rucio_dafab.vocabulary.times import Interval, parse_extent, parse_interval

_DID_FIELD_TYPES = {
    DidField.BYTES: ValueType.INTEGER,
    DidField.LENGTH: ValueType.INTEGER,
    DidField.CREATED_AT: ValueType.DATETIME,
    DidField.UPDATED_AT: ValueType.DATETIME,
}


def from_json(document: object, vocabulary: Vocabulary, limits: Limits = LIMITS) -> Expression:
    """Return the expression of a CQL2-JSON document.

    Args:
        document: The document, as JSON values.
        vocabulary: Properties, areas and classes.
        limits: How large the question may be.

    Raises:
        QueryError: with the JSON pointer of what is wrong.
    """
    return check(_Reader(vocabulary, limits).read(document, "", 1), limits)


@dataclass(frozen=True)
class _Reader:
    vocabulary: Vocabulary
    limits: Limits

    def read(self, node: object, place: str, depth: int) -> Expression:
        if depth > self.limits.depth:
            raise LimitError(f"the filter is nested deeper than {self.limits.depth} levels", place[:200])
        if isinstance(node, bool):
            return EVERYTHING if node else Or(())
        operator, arguments = _call(node, place)
        match operator:
            case "and" | "or":
                parts = [self.read(each, f"{place}/args/{i}", depth + 1) for i, each in enumerate(arguments)]
                return (all_of if operator == "and" else any_of)(*parts)
            case "not":
                _count(arguments, 1, operator, place)
                return negate(self.read(arguments[0], f"{place}/args/0", depth + 1))
            case "related":
                return self._related(arguments, place, depth)
        if operator not in _PREDICATES:
            known = " ".join(["and", "or", "not", "related", *_PREDICATES])
            raise QueryError(f"unknown operator '{operator[:40]}'; the operators are {known}", f"{place}/op")
        count, reader = _PREDICATES[operator]
        _count(arguments, count, operator, place)
        with located(f"{place}/args"):
            return reader(self, operator, arguments, f"{place}/args")

    def _related(self, arguments: list[object], place: str, depth: int) -> Expression:
        relations = {relation.value: relation for relation in Relation}
        relation = relations.get(str(arguments[0])) if arguments else None
        link = arguments[1] if relation is Relation.LINK and len(arguments) == 3 else None
        if relation is None or len(arguments) != (3 if relation is Relation.LINK else 2):
            raise QueryError("related takes ancestor or descendant and a condition, or link, its name and one", place)
        if relation is Relation.LINK and not (isinstance(link, str) and link):
            raise QueryError("a link relation is a name such as derived_from", f"{place}/args/1")
        last = len(arguments) - 1
        condition = self.read(arguments[last], f"{place}/args/{last}", depth + 1)
        return Related(relation, condition, link if isinstance(link, str) else None)

    def operand(self, node: object, place: str) -> tuple[Operand, Queryable]:
        if isinstance(node, Mapping) and isinstance(name := node.get("property"), str):
            queryable = self.vocabulary.queryables.resolve(check_text(name) if name.isprintable() else "")
            return Property(queryable.pointer), queryable
        if isinstance(node, Mapping) and node.get("op") == "did":
            operator, arguments = _call(node, place)
            field = next((each for each in DidField if arguments == [each.value]), None)
            if field is None:
                fields = ", ".join(each.value for each in DidField)
                raise QueryError(f"{operator} takes one field of {fields}", place)
            return field, Queryable(field.value, "/", _DID_FIELD_TYPES.get(field, ValueType.STRING))
        raise QueryError('the first argument must be {"property": name}', place)

    def member(self, node: object, place: str) -> Property:
        operand, _ = self.operand(node, place)
        if isinstance(operand, Property):
            return operand
        raise QueryError("this test is not for a field of the DID", place)

    def geometry(self, node: object, place: str) -> Any:
        if isinstance(node, Mapping) and isinstance(box := node.get("bbox"), list):
            if len(box) != 4 or not all(isinstance(each, int | float) for each in box):
                raise QueryError("a bbox has four numbers: west, south, east, north", place)
            return parse_box(tuple(float(each) for each in box), place)
        return parse_geometry(node, self.vocabulary.areas, place, self.limits)


def _compare(reader: _Reader, operator: str, arguments: list[object], place: str) -> Expression:
    operand, queryable = reader.operand(arguments[0], f"{place}/0")
    if operator == Comparator.NOT_EQUAL:
        return negate(_compare(reader, Comparator.EQUAL, arguments, place))
    comparator = Comparator(operator)
    if queryable.type in {ValueType.GEOMETRY, ValueType.CONCEPTS, ValueType.STRINGS}:
        raise QueryError(f"{queryable.name} holds {queryable.type.value}, which cannot be compared so", place)
    if queryable.type is ValueType.DATETIME:
        return compare_time(operand, comparator, _extent(arguments[1], queryable), place)
    return Comparison(operand, comparator, _scalar(arguments[1], queryable))


def _between(reader: _Reader, _: str, arguments: list[object], place: str) -> Expression:
    lower = _compare(reader, ">=", [arguments[0], arguments[1]], place)
    return all_of(lower, _compare(reader, "<=", [arguments[0], arguments[2]], place))


def _in(reader: _Reader, _: str, arguments: list[object], place: str) -> Expression:
    operand, queryable = reader.operand(arguments[0], f"{place}/0")
    values = _values(arguments[1], queryable, place)
    if queryable.type is ValueType.DATETIME:
        return any_of(*(Comparison(operand, Comparator.EQUAL, value) for value in values))
    return In(operand, values) if len(values) > 1 else one_of(operand, *values)


def _like(reader: _Reader, _: str, arguments: list[object], place: str) -> Expression:
    operand, queryable = reader.operand(arguments[0], f"{place}/0")
    pattern = arguments[1]
    if queryable.type not in {ValueType.STRING, ValueType.ANY} or not isinstance(pattern, str):
        raise QueryError("like takes a property that holds strings and a pattern", place)
    if (len(pattern) - len(pattern.rstrip("\\"))) % 2:
        raise QueryError("a pattern cannot end with the escape character", f"{place}/1")
    return Like(operand, str(coerce(Queryable(queryable.name, "/", ValueType.STRING), pattern)))


def _contains(reader: _Reader, operator: str, arguments: list[object], place: str) -> Expression:
    operand = reader.member(arguments[0], f"{place}/0")
    queryable = reader.vocabulary.queryables.at(operand.pointer)
    if queryable.type not in {ValueType.STRINGS, ValueType.ANY}:
        raise QueryError(f"{queryable.name} does not hold a list", place)
    return Contains(operand, _values(arguments[1], queryable, place), operator == "a_contains")


def _is_null(reader: _Reader, _: str, arguments: list[object], place: str) -> Expression:
    return IsNull(reader.operand(arguments[0], f"{place}/0")[0])


def _is_empty(reader: _Reader, _: str, arguments: list[object], place: str) -> Expression:
    return IsEmpty(reader.member(arguments[0], f"{place}/0"))


def _is_a(reader: _Reader, _: str, arguments: list[object], place: str) -> Expression:
    operand = reader.member(arguments[0], f"{place}/0")
    queryable = reader.vocabulary.queryables.at(operand.pointer)
    if queryable.type is not ValueType.CONCEPTS or not isinstance(arguments[1], str):
        raise QueryError("isA takes a property that holds concepts (themes) and the name of a class", place)
    return IsA(operand, reader.vocabulary.ontology.resolve(arguments[1]))


def _spatial(reader: _Reader, operator: str, arguments: list[object], place: str) -> Expression:
    return Spatial(
        _footprint(reader, arguments, place), SpatialOperator(operator), reader.geometry(arguments[1], place)
    )


def _distance_within(reader: _Reader, _: str, arguments: list[object], place: str) -> Expression:
    metres = coerce(Queryable("the distance", "/", ValueType.NUMBER, unit="m"), arguments[2])
    if not isinstance(metres, int | float) or metres < 0:
        raise QueryError(f"a distance cannot be {show(arguments[2])}", f"{place}/2")
    return DistanceWithin(_footprint(reader, arguments, place), reader.geometry(arguments[1], place), float(metres))


def _footprint(reader: _Reader, arguments: list[object], place: str) -> Property:
    operand = reader.member(arguments[0], f"{place}/0")
    if reader.vocabulary.queryables.at(operand.pointer).type is not ValueType.GEOMETRY:
        raise QueryError("only geometry can be asked so", f"{place}/0")
    return operand


def _temporal(reader: _Reader, operator: str, arguments: list[object], place: str) -> Expression:
    operand = reader.member(arguments[0], f"{place}/0")
    queryable = reader.vocabulary.queryables.at(operand.pointer)
    if queryable.type is not ValueType.DATETIME:
        raise QueryError(f"{queryable.name} is not declared as a time", f"{place}/0")
    interval = _extent(arguments[1], queryable)
    if operator == "t_disjoint":
        return negate(Temporal(operand, TemporalOperator.INTERSECTS, interval))
    return Temporal(operand, TemporalOperator(operator), interval)


def _extent(node: object, queryable: Queryable) -> Interval:
    """Return what a date, a timestamp, an interval or a string covers."""
    if isinstance(node, Mapping) and len(node) == 1:
        kind, value = next(iter(node.items()))
        if kind == "interval" and isinstance(value, list) and len(value) == 2:
            return parse_interval("/".join(str(_unwrap(end)) for end in value))
        if kind in {"date", "timestamp"} and isinstance(value, str):
            return parse_extent(value)
    if isinstance(node, str):
        return parse_interval(node)
    moment = coerce(queryable, node)
    return parse_extent(str(moment))


def _unwrap(node: object) -> object:
    return next(iter(node.values())) if isinstance(node, Mapping) and len(node) == 1 else node


def _scalar(node: object, queryable: Queryable) -> Scalar:
    if isinstance(node, Mapping) and set(node) in ({"timestamp"}, {"date"}):
        start = parse_extent(str(_unwrap(node))).start
        if isinstance(start, datetime):
            node = start
    return coerce(queryable, node)


def _values(node: object, queryable: Queryable, place: str) -> tuple[Scalar, ...]:
    if not isinstance(node, list) or not node:
        raise QueryError("the second argument must be a list of values", f"{place}/1")
    return tuple(_scalar(each, queryable) for each in node)


def _call(node: object, place: str) -> tuple[str, list[object]]:
    if isinstance(node, Mapping) and isinstance(operator := node.get("op"), str):
        arguments = node.get("args")
        if isinstance(arguments, list):
            return operator, arguments
    raise QueryError(f'{show(node)} is not a condition: write {{"op": …, "args": […]}}', place or "/")


def _count(arguments: list[object], count: int, operator: str, place: str) -> None:
    if len(arguments) != count:
        raise QueryError(f"'{operator}' takes {count} arguments, not {len(arguments)}", f"{place}/args")


_Reading = Callable[[_Reader, str, list[object], str], Expression]
_PREDICATES: Mapping[str, tuple[int, _Reading]] = {
    **{comparator.value: (2, _compare) for comparator in Comparator},
    "between": (3, _between),
    "in": (2, _in),
    "like": (2, _like),
    "isNull": (1, _is_null),
    "isEmpty": (1, _is_empty),
    "isA": (2, _is_a),
    "a_contains": (2, _contains),
    "a_overlaps": (2, _contains),
    **{operator.value: (2, _spatial) for operator in SpatialOperator},
    "s_dwithin": (3, _distance_within),
    **{operator.value: (2, _temporal) for operator in TemporalOperator},
    "t_disjoint": (2, _temporal),
}
