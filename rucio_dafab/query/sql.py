"""The one compiler: an expression of the query model becomes one SQLAlchemy condition, every value bound.

Negation is pushed down to the tests, so that each is compiled in both polarities and stays index-friendly: the
condition is true exactly on the rows where the expression is true, and false or NULL where it is false or unknown. It
must therefore not be negated again.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import (
    ARRAY,
    BigInteger,
    Boolean,
    ColumnElement,
    DateTime,
    Float,
    Text,
    and_,
    false,
    func,
    literal,
    not_,
    or_,
    true,
)
from sqlalchemy.types import TypeEngine

from rucio_dafab.query.errors import QueryError, UnsupportedQuery
from rucio_dafab.query.model import (
    And,
    Comparator,
    Comparison,
    ContainedBy,
    Contains,
    DidField,
    DistanceWithin,
    Expression,
    In,
    IsA,
    IsEmpty,
    IsNull,
    Like,
    Not,
    Operand,
    Or,
    Related,
    Spatial,
    Temporal,
)
from rucio_dafab.query.sql_members import INVERSE, OPERATIONS, Condition, Member
from rucio_dafab.query.sql_space import Predicate, is_near, postgis, relates
from rucio_dafab.query.sql_time import Times, compare_extent, compare_extents, lies
from rucio_dafab.query.typed_tests import did_queryable
from rucio_dafab.vocabulary.coercion import Scalar
from rucio_dafab.vocabulary.queryables import Queryable, Queryables, ValueType

_DATETIME = "/properties/datetime"
_DID_TYPE_CODES = {"FILE": "F", "DATASET": "D", "CONTAINER": "C"}


@dataclass(frozen=True)
class Target:
    """The columns that an expression is compiled to; the catalogue hands it down.

    Attributes:
        queryables: The declared queryables.
        members: jsonb of the document's searchable members, in the document's own shape (so that the pointer
            ``/properties/x`` is the path ``{properties,x}``), with everything that has no column of its own.
        fingerprints: Those of the document (:func:`rucio_dafab.query.fingerprints.fingerprints`), integer[]; NULL
            where they have not been computed yet.
        columns: The typed column by queryable *name*; a queryable that is missing here is looked for in `members`.
            Types: double precision, bigint or integer, text, boolean, timestamptz, text[] (``strings``).
        geometry: The footprint, ``geometry(Geometry, 4326)``, valid.
        times: The document's extent in time (its ``datetime`` where it is an instant).
        classes: Asserted class ids, text[]; NULL where the document names none.
        did: Columns of the DID by field; `did_type` holds Rucio's codes (``F``, ``D``, ``C``).
        expand: Class id → that class and every class below it.
        related: Compiles the test on a related document, as ``EXISTS`` (never NULL); ``None`` where there is none.
        predicate: Spatial predicate by PostGIS's name for it.
    """

    queryables: Queryables
    members: ColumnElement[Any]
    fingerprints: ColumnElement[Any]
    columns: Mapping[str, ColumnElement[Any]]
    geometry: ColumnElement[Any]
    times: Times
    classes: ColumnElement[Any]
    expand: Callable[[str], Sequence[str]]
    did: Mapping[DidField, ColumnElement[Any]] = field(default_factory=dict)
    related: Callable[[Related], Condition] | None = None
    predicate: Callable[[str], Predicate] = postgis


def compile_filter(expression: Expression, target: Target) -> Condition:
    """Return the condition that is true on the rows of `target` where `expression` is true.

    Raises:
        UnsupportedQuery: if the target has nothing to answer a test with.
    """
    return _compile(expression, target, negated=False)


def _compile(node: Expression, target: Target, negated: bool) -> Condition:
    match node:
        case Not(part):
            return _compile(part, target, not negated)
        case And(parts) if not negated:
            return and_(true(), *_conjunction(parts, target))
        case And(parts) | Or(parts):
            every = isinstance(node, Or) and negated
            start: Condition = true() if every else false()
            return (and_ if every else or_)(start, *(_compile(part, target, negated) for part in parts))
        case Related():
            if target.related is None:
                raise UnsupportedQuery(f"tests on a related document ({node.relation}) are not supported yet here")
            condition = target.related(node)
            return not_(condition) if negated else condition
        case _:
            return _LEAVES[type(node)](node, target, negated)


def _conjunction(parts: Sequence[Expression], target: Target) -> Iterator[Condition]:
    """Yield the conditions of what must all hold; instants at once, so that an index knows both ends of a period."""
    on_time = [
        (part.comparator, _instant(part.value))
        for part in parts
        if isinstance(part, Comparison) and _compares_extent(part)
    ]
    if on_time:
        yield compare_extents(target.times, on_time)
    yield from (_compile(part, target, negated=False) for part in parts if not _compares_extent(part))


def _compares_extent(node: Expression) -> bool:
    return (
        isinstance(node, Comparison)
        and node.comparator is not Comparator.NOT_EQUAL
        and _pointer(node.operand) == _DATETIME
    )


def _comparison(node: Comparison, target: Target, negated: bool) -> Condition:
    comparator = INVERSE[node.comparator] if negated else node.comparator
    if _pointer(node.operand) == _DATETIME:
        return compare_extent(target.times, node.comparator, _instant(node.value), negated)
    column, queryable = _column(node.operand, target)
    if column is None:
        return _member(queryable, target).compare(node.comparator, node.value, negated)
    if queryable.type is ValueType.STRING and comparator not in {Comparator.EQUAL, Comparator.NOT_EQUAL}:
        column = column.collate("C")
    value = _did_value(node.operand, node.value)
    condition: Condition = OPERATIONS[comparator](column, _bound(value, queryable))
    return condition


def _in(node: In, target: Target, negated: bool) -> Condition:
    if _pointer(node.operand) == _DATETIME:
        tests = [Comparison(node.operand, Comparator.EQUAL, value) for value in node.values]
        return _compile(Or(tuple(tests)), target, negated)
    column, queryable = _column(node.operand, target)
    if column is None:
        return _member(queryable, target).one_of(node.values, negated)
    values = [_bound(_did_value(node.operand, value), queryable) for value in node.values]
    return column.not_in(values) if negated else column.in_(values)


def _like(node: Like, target: Target, negated: bool) -> Condition:
    column, queryable = _column(node.operand, target)
    if column is None:
        return _member(queryable, target).like(node.pattern, negated)
    _require(queryable, ValueType.STRING)
    matched = column.like(literal(node.pattern, Text))
    return not_(matched) if negated else matched


def _contains(node: Contains, target: Target, negated: bool) -> Condition:
    column, queryable = _column(node.operand, target)
    if column is None:
        return _member(queryable, target).contains(node.values, node.every, negated)
    _require(queryable, ValueType.STRINGS)
    values = literal([str(value) for value in node.values], ARRAY(Text))
    found = column.op("@>" if node.every else "&&", return_type=Boolean())(values)
    return not_(found) if negated else found


def _contained_by(node: ContainedBy, target: Target, negated: bool) -> Condition:
    column, queryable = _column(node.operand, target)
    if column is None:
        return _member(queryable, target).contained_by(node.values, negated)
    _require(queryable, ValueType.STRINGS)
    values = literal([str(value) for value in node.values], ARRAY(Text))
    found = column.op("<@", return_type=Boolean())(values)
    return not_(found) if negated else found


def _is_null(node: IsNull, target: Target, negated: bool) -> Condition:
    column, queryable = _column(node.operand, target)
    if column is None:
        return _member(queryable, target).is_null(negated)
    return column.is_not(None) if negated else column.is_(None)


def _is_empty(node: IsEmpty, target: Target, negated: bool) -> Condition:
    column, queryable = _column(node.operand, target)
    if column is None:
        return _member(queryable, target).is_empty(negated)
    if queryable.type is ValueType.STRING:
        return column != "" if negated else column == ""
    if queryable.type in {ValueType.STRINGS, ValueType.CONCEPTS}:
        count = func.cardinality(column)
        return count > 0 if negated else count == 0
    # A number, a time or a footprint that is there is never empty.
    return column.is_not(None) if negated else false()


def _spatial(node: Spatial, target: Target, negated: bool) -> Condition:
    return relates(node, target.geometry, target.predicate, negated)


def _distance_within(node: DistanceWithin, target: Target, negated: bool) -> Condition:
    return is_near(node, target.geometry, target.predicate, negated)


def _temporal(node: Temporal, target: Target, negated: bool) -> Condition:
    if node.operand.pointer == _DATETIME:
        return lies(node, target.times, negated)
    column, queryable = _column(node.operand, target)
    if column is None and not queryable.is_declared:
        return _member(queryable, target).at_time(lambda moment: lies(node, Times(moment, moment), negated))
    _require(queryable, ValueType.DATETIME)
    if column is None:
        raise UnsupportedQuery(f"{queryable.name} has no column, so it cannot be asked as a time")
    return lies(node, Times(column, column), negated)


def _is_a(node: IsA, target: Target, negated: bool) -> Condition:
    classes = literal(list(node.below or target.expand(node.class_id)), ARRAY(Text))
    shown = target.classes.op("&&", return_type=Boolean())(classes)
    return not_(shown) if negated else shown


def _instant(value: Scalar) -> datetime:
    if not isinstance(value, datetime):
        raise QueryError(f"datetime is compared with times, not with {value!r}")
    return value


def _pointer(operand: Operand) -> str | None:
    return None if isinstance(operand, DidField) else operand.pointer


def _column(operand: Operand, target: Target) -> tuple[ColumnElement[Any] | None, Queryable]:
    """Return the column that holds `operand` (``None``: look in the members) and what is declared about it."""
    if isinstance(operand, DidField):
        if operand not in target.did:
            raise UnsupportedQuery(f"the DID field {operand.value} cannot be asked here")
        return target.did[operand], did_queryable(operand)
    queryable = target.queryables.at(operand.pointer)
    if queryable.pointer == _DATETIME:
        return target.times.start, queryable
    if queryable.type is ValueType.GEOMETRY:
        return target.geometry, queryable
    if queryable.type is ValueType.CONCEPTS:
        return target.classes, queryable
    return target.columns.get(queryable.name), queryable


def _member(queryable: Queryable, target: Target) -> Member:
    return Member(target.members, target.fingerprints, queryable.path)


def _require(queryable: Queryable, kind: ValueType) -> None:
    if queryable.type is not kind:
        raise QueryError(f"{queryable.name} holds {queryable.type.value} values: this test is for {kind.value} values")


def _did_value(operand: Operand, value: Scalar) -> Scalar:
    return _DID_TYPE_CODES.get(str(value), value) if operand is DidField.DID_TYPE else value


def _bound(value: Scalar, queryable: Queryable) -> Any:
    """Return `value` bound with a type wide enough for anything the parsers let through."""
    kinds: dict[ValueType, TypeEngine[Any]] = {
        ValueType.NUMBER: Float(53),
        ValueType.INTEGER: BigInteger(),
        ValueType.DATETIME: DateTime(timezone=True),
    }
    # Strings take the column's own type: Rucio's are enumerations and domains of its own.
    return literal(value, kinds[queryable.type]) if queryable.type in kinds else value


_LEAVES: Mapping[type, Callable[[Any, Target, bool], Condition]] = {
    Comparison: _comparison,
    In: _in,
    Like: _like,
    Contains: _contains,
    ContainedBy: _contained_by,
    IsNull: _is_null,
    IsEmpty: _is_empty,
    Spatial: _spatial,
    DistanceWithin: _distance_within,
    Temporal: _temporal,
    IsA: _is_a,
}
