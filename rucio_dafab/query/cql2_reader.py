"""CQL2-JSON read into the query model; :mod:`rucio_dafab.query.cql2` is the front."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from rucio_dafab.query.errors import LimitError, QueryError, UnsupportedQuery, located
from rucio_dafab.query.geometry import parse_box, parse_geometry
from rucio_dafab.query.limits import LIMITS, Limits, check
from rucio_dafab.query.model import (
    EVERYTHING,
    Comparator,
    ContainedBy,
    Contains,
    DidField,
    DistanceWithin,
    Expression,
    IsEmpty,
    IsNull,
    Like,
    Operand,
    Or,
    Property,
    Relation,
    Spatial,
    SpatialOperator,
    Temporal,
    TemporalOperator,
    all_of,
    any_of,
    negate,
)
from rucio_dafab.query.typed_tests import compare, did_queryable, extent, is_a, link_relation, one_of_values, related_by
from rucio_dafab.vocabulary import Vocabulary
from rucio_dafab.vocabulary.coercion import Scalar, check_text, coerce, show
from rucio_dafab.vocabulary.queryables import Queryable, ValueType
from rucio_dafab.vocabulary.times import parse_extent


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
            return reader(self, *_property_first(operator, arguments), f"{place}/args")

    def _related(self, arguments: list[object], place: str, depth: int) -> Expression:
        relations = {relation.value: relation for relation in Relation}
        relation = relations.get(str(arguments[0])) if arguments else None
        if relation is None or len(arguments) != (3 if relation.takes_link else 2):
            usage = "ancestor or descendant and a condition, or link, linked_by or along, a name and a condition"
            raise QueryError(f"related takes {usage}", place)
        if relation.takes_link:
            link_relation(arguments[1], f"{place}/args/1")
        last = len(arguments) - 1
        condition = self.read(arguments[last], f"{place}/args/{last}", depth + 1)
        return related_by(relation, condition, arguments[1], self.vocabulary, f"{place}/args/1")

    def operand(self, node: object, place: str) -> tuple[Operand, Queryable]:
        if isinstance(node, Mapping) and isinstance(name := node.get("property"), str):
            queryable = self.vocabulary.queryables.asked(check_text(name) if name.isprintable() else "")
            return Property(queryable.pointer), queryable
        if isinstance(node, Mapping) and node.get("op") == "did":
            operator, arguments = _call(node, place)
            field = next((each for each in DidField if arguments == [each.value]), None)
            if field is None:
                fields = ", ".join(each.value for each in DidField)
                raise QueryError(f"{operator} takes one field of {fields}", place)
            return field, did_queryable(field)
        if isinstance(node, Mapping) and isinstance(function := node.get("op"), str):
            raise UnsupportedQuery(f"'{function[:40]}' of a property is not supported, only the property itself", place)
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
        return parse_geometry(node, self.vocabulary, place, self.limits)


def _compare(reader: _Reader, operator: str, arguments: list[object], place: str) -> Expression:
    operand, queryable = reader.operand(arguments[0], f"{place}/0")
    if operator == Comparator.NOT_EQUAL:
        return negate(_compare(reader, Comparator.EQUAL, arguments, place))
    queryable = _as_asked(queryable, arguments[1])
    return compare(operand, queryable, Comparator(operator), _plain(arguments[1], queryable), place)


def _between(reader: _Reader, _: str, arguments: list[object], place: str) -> Expression:
    lower = _compare(reader, ">=", [arguments[0], arguments[1]], place)
    return all_of(lower, _compare(reader, "<=", [arguments[0], arguments[2]], place))


def _in(reader: _Reader, _: str, arguments: list[object], place: str) -> Expression:
    operand, queryable = reader.operand(arguments[0], f"{place}/0")
    values = _list(arguments[1], place)
    if any(map(_is_time, values)):
        return any_of(*(_compare(reader, Comparator.EQUAL, [arguments[0], each], place) for each in values))
    return one_of_values(operand, queryable, [_plain(each, queryable) for each in values], place)


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
    values = _values(arguments[1], queryable, place)
    match operator:
        case "a_containedBy":
            return ContainedBy(operand, values)
        case "a_equals":
            return all_of(Contains(operand, values, every=len(values) > 1), ContainedBy(operand, values))
        case _:
            return Contains(operand, values, operator == "a_contains" and len(values) > 1)


def _is_null(reader: _Reader, _: str, arguments: list[object], place: str) -> Expression:
    return IsNull(reader.operand(arguments[0], f"{place}/0")[0])


def _is_empty(reader: _Reader, _: str, arguments: list[object], place: str) -> Expression:
    return IsEmpty(reader.member(arguments[0], f"{place}/0"))


def _is_a(reader: _Reader, _: str, arguments: list[object], place: str) -> Expression:
    operand = reader.member(arguments[0], f"{place}/0")
    queryable = reader.vocabulary.queryables.at(operand.pointer)
    if queryable.type is not ValueType.CONCEPTS or not isinstance(arguments[1], str):
        raise QueryError("isA takes a property that holds concepts (themes) and the name of a class", place)
    return is_a(operand, arguments[1], reader.vocabulary)


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
    if queryable.type not in {ValueType.DATETIME, ValueType.ANY}:
        raise QueryError(f"{queryable.name} holds {queryable.type.value} values, not times", f"{place}/0")
    queryable = replace(queryable, type=ValueType.DATETIME)
    interval = extent(_plain(arguments[1], queryable), queryable)
    if operator == "t_disjoint":
        return negate(Temporal(operand, TemporalOperator.INTERSECTS, interval))
    return Temporal(operand, TemporalOperator(operator), interval)


def _plain(node: object, queryable: Queryable) -> object:
    """Return a value as it is written without CQL2's marks: a date or a time as text, an interval as ``begin/end``.

    An instant compared with what is declared as something else stays a time, which it cannot be compared with.
    """
    if not isinstance(node, Mapping):
        return node
    if "property" in node or "op" in node:
        other = node.get("op") or "another property"
        raise UnsupportedQuery(f"{queryable.name} is compared with a value, not with {show(other)}")
    kind, value = next(iter(node.items()), (None, None))
    if len(node) == 1 and kind == "interval" and isinstance(value, list) and len(value) == 2:
        return "/".join(str(_unwrap(end)) for end in value)
    if len(node) == 1 and kind in {"date", "timestamp"} and isinstance(value, str):
        moment = parse_extent(value)
        return value if queryable.type is ValueType.DATETIME else moment.start
    return node


def _as_asked(queryable: Queryable, node: object) -> Queryable:
    """Return what a path holds: where nothing is declared, times if it is compared with one."""
    return replace(queryable, type=ValueType.DATETIME) if not queryable.is_declared and _is_time(node) else queryable


def _is_time(node: object) -> bool:
    return isinstance(node, Mapping) and len(node) == 1 and bool({"date", "timestamp", "interval"} & set(node))


def _unwrap(node: object) -> object:
    return next(iter(node.values())) if isinstance(node, Mapping) and len(node) == 1 else node


def _list(node: object, place: str) -> list[object]:
    if not isinstance(node, list) or not node:
        raise QueryError("the second argument must be a list of values", f"{place}/1")
    return node


def _values(node: object, queryable: Queryable, place: str) -> tuple[Scalar, ...]:
    return tuple(coerce(queryable, _plain(each, queryable)) for each in _list(node, place))


def _property_first(operator: str, arguments: list[object]) -> tuple[str, list[object]]:
    """Return ``5 < property`` as ``property > 5``; the standard lets either side be the property."""
    if operator not in _MIRRORED or _is_operand(arguments[0]) or not _is_operand(arguments[1]):
        return operator, arguments
    return _MIRRORED[operator], arguments[::-1]


def _is_operand(node: object) -> bool:
    return isinstance(node, Mapping) and ("property" in node or node.get("op") == "did")


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
    "a_containedBy": (2, _contains),
    "a_equals": (2, _contains),
    **{operator.value: (2, _spatial) for operator in SpatialOperator},
    "s_dwithin": (3, _distance_within),
    **{operator.value: (2, _temporal) for operator in TemporalOperator},
    "t_disjoint": (2, _temporal),
}
_PAIRS = (
    ("<", ">"),
    ("<=", ">="),
    ("s_within", "s_contains"),
    ("t_before", "t_after"),
    ("t_during", "t_contains"),
    ("t_meets", "t_metBy"),
    ("t_starts", "t_startedBy"),
    ("t_finishes", "t_finishedBy"),
    ("t_overlaps", "t_overlappedBy"),
    ("a_contains", "a_containedBy"),
)
_SYMMETRIC = {"=", "<>", "t_intersects", "t_disjoint", "t_equals", "a_equals", "a_overlaps"} | {
    operator.value for operator in SpatialOperator if operator not in {SpatialOperator.WITHIN, SpatialOperator.CONTAINS}
}
_MIRRORED = {each: each for each in _SYMMETRIC} | {a: b for pair in _PAIRS for a, b in (pair, pair[::-1])}
