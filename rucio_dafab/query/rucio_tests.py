"""The tests of Rucio filters: one function a suffix, each from a subject and a value to an expression."""

import difflib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from rucio_dafab.query.errors import QueryError
from rucio_dafab.query.geometry import parse_geometry
from rucio_dafab.query.limits import Limits
from rucio_dafab.query.model import (
    Comparator,
    Comparison,
    Contains,
    DidField,
    DistanceWithin,
    Expression,
    IsEmpty,
    IsNull,
    Like,
    Operand,
    Property,
    Spatial,
    SpatialOperator,
    Temporal,
    TemporalOperator,
    all_of,
    any_of,
    negate,
    one_of,
)
from rucio_dafab.query.times import compare_time, within
from rucio_dafab.query.typed_tests import extent, from_wildcards, is_a, is_time
from rucio_dafab.vocabulary import Vocabulary
from rucio_dafab.vocabulary.coercion import Scalar, coerce, show
from rucio_dafab.vocabulary.errors import VocabularyError
from rucio_dafab.vocabulary.queryables import Queryable, ValueType

_KINDS = {
    "FILE": ("FILE",),
    "DATASET": ("DATASET",),
    "CONTAINER": ("CONTAINER",),
    "COLLECTION": ("DATASET", "CONTAINER"),
    "ALL": ("FILE", "DATASET", "CONTAINER"),
}
_METRES = re.compile(r"([\d.]+(?:[eE][-+]?\d+)?)\s*(m|km)?")


@dataclass(frozen=True)
class Subject:
    """What a test is about: the operand with its declared type, and what its value may refer to."""

    place: str
    operand: Operand
    queryable: Queryable
    vocabulary: Vocabulary
    limits: Limits

    @property
    def type(self) -> ValueType:
        """The declared type of the operand's values."""
        return self.queryable.type

    def member(self) -> Property:
        """Return the operand as a member of the document; raises :class:`QueryError` for a field of the DID."""
        if isinstance(self.operand, Property):
            return self.operand
        raise QueryError("this test is not for a field of the DID", self.place)

    def refuse(self, takes: str) -> QueryError:
        """Return the refusal of a test that does not fit the operand's type."""
        return QueryError(f"{self.queryable.name} holds {self.type.value} values: {takes}", self.place)


def unknown(operator: str, place: str) -> QueryError:
    """Return the refusal of an unknown operator: the nearest known ones, then all of them."""
    known = [*TESTS, "not", "inherited", "descendant", "link:NAME", "linked_by:NAME", "along:NAME"]
    near = difflib.get_close_matches(operator.lower(), known, n=2)
    hint = f": did you mean {' or '.join('.' + each for each in near)}?" if near else ";"
    return QueryError(f"unknown operator '.{operator[:40]}'{hint} The operators are {' '.join(known)}", place)


def is_spatial(expression: Expression) -> bool:
    """Return whether `expression` holds a geometry, whose size has a limit of its own."""
    return isinstance(expression, Spatial | DistanceWithin)


def _equal(subject: Subject, value: object) -> Expression:
    if value is None:
        return IsNull(subject.operand)
    match subject.type:
        case ValueType.GEOMETRY | ValueType.CONCEPTS:
            raise subject.refuse("ask .intersects=…" if subject.type is ValueType.GEOMETRY else "ask .isa=…")
        case ValueType.DATETIME:
            return any_of(*(_timed(subject, Comparator.EQUAL, each) for each in alternatives(value)))
        case ValueType.STRINGS:
            return _contains(subject, value)
    if subject.operand is DidField.DID_TYPE:
        return one_of(subject.operand, *_did_types(subject, value))
    patterns = [each for each in alternatives(value) if _is_pattern(subject, each)]
    values = [each for each in alternatives(value) if not _is_pattern(subject, each)]
    likes = [Like(subject.operand, from_wildcards(str(each))) for each in patterns]
    return any_of(*likes, *([_one_of(subject, values)] if values else []))


def _one_of(subject: Subject, values: list[object]) -> Expression:
    return one_of(subject.operand, *(each for value in values for each in guesses(subject.queryable, value)))


def _in(subject: Subject, value: object) -> Expression:
    if subject.type in {ValueType.DATETIME, ValueType.STRINGS} or subject.operand is DidField.DID_TYPE:
        return _equal(subject, value)
    if subject.type in {ValueType.GEOMETRY, ValueType.CONCEPTS}:
        raise subject.refuse("ask .intersects=… or .isa=…")
    return _one_of(subject, alternatives(value))


def _not_equal(subject: Subject, value: object) -> Expression:
    return negate(_equal(subject, value))


def _ordered(comparator: Comparator) -> Callable[[Subject, object], Expression]:
    def test(subject: Subject, value: object) -> Expression:
        if subject.type in {ValueType.GEOMETRY, ValueType.CONCEPTS, ValueType.STRINGS, ValueType.BOOLEAN}:
            raise subject.refuse(f"they have no order, so .{_NAME_OF[comparator]} cannot be asked")
        if subject.type is ValueType.DATETIME or (subject.type is ValueType.ANY and is_time(value)):
            return _timed(subject, comparator, value)
        # Of what a string may mean, order is asked of the number if it is one.
        ordered = [each for each in guesses(subject.queryable, value) if not isinstance(each, bool)]
        if not ordered:
            raise subject.refuse("true and false have no order")
        return Comparison(subject.operand, comparator, ordered[-1])

    return test


def _timed(subject: Subject, comparator: Comparator, value: object) -> Expression:
    return compare_time(subject.operand, comparator, extent(value, subject.queryable), subject.place)


def _temporal(operator: TemporalOperator) -> Callable[[Subject, object], Expression]:
    def test(subject: Subject, value: object) -> Expression:
        if subject.type not in {ValueType.DATETIME, ValueType.ANY}:
            raise subject.refuse("only times can be asked so")
        return Temporal(subject.member(), operator, extent(value, subject.queryable))

    return test


def _during(subject: Subject, value: object) -> Expression:
    """Ask for the whole time within the closed interval: people who write two dates mean both days, too."""
    if subject.type not in {ValueType.DATETIME, ValueType.ANY}:
        raise subject.refuse("only times can be asked so")
    return within(subject.operand, extent(value, subject.queryable))


def _spatial(operator: SpatialOperator) -> Callable[[Subject, object], Expression]:
    def test(subject: Subject, value: object) -> Expression:
        asks_time = subject.type is ValueType.DATETIME or (subject.type is ValueType.ANY and is_time(value))
        if asks_time and operator is SpatialOperator.INTERSECTS:
            return _temporal(TemporalOperator.INTERSECTS)(subject, value)
        if subject.type is not ValueType.GEOMETRY:
            raise subject.refuse(f"'{operator.value.removeprefix('s_')}' is asked of geometry")
        geometry = parse_geometry(value, subject.vocabulary, subject.place, subject.limits)
        return Spatial(subject.member(), operator, geometry)

    return test


def _distance_within(subject: Subject, value: object) -> Expression:
    """Read ``GEOMETRY|METRES`` (``@luxembourg|5000``, ``POINT(6 50)|5km``) or a pair of both."""
    if subject.type is not ValueType.GEOMETRY:
        raise subject.refuse("'dwithin' is asked of geometry")
    where, bar, distance = value.rpartition("|") if isinstance(value, str) else ("", "", "")
    if isinstance(value, list | tuple) and len(value) == 2:
        where, bar, distance = value[0], "|", str(value[1])
    measured = _METRES.fullmatch(distance.strip())
    if not bar or not measured:
        raise QueryError("write a geometry, '|' and a distance: POINT(6.1 49.6)|5000 or @luxembourg|5km", subject.place)
    metres = float(measured[1]) * (1000 if measured[2] == "km" else 1)
    geometry = parse_geometry(where, subject.vocabulary, subject.place, subject.limits)
    return DistanceWithin(subject.member(), geometry, metres)


def _contains(subject: Subject, value: object) -> Expression:
    if subject.type is ValueType.GEOMETRY:
        return _spatial(SpatialOperator.CONTAINS)(subject, value)
    if subject.type not in {ValueType.STRINGS, ValueType.ANY}:
        raise subject.refuse("'contains' is asked of lists")
    every = isinstance(value, str) and "&" in value
    parts = value.split("&") if isinstance(value, str) and every else alternatives(value)
    # A string may be a number in the list: each part is any of what it may mean, all parts must be there.
    groups = [guesses(subject.queryable, part) for part in parts]
    if every and any(len(group) > 1 for group in groups):
        return all_of(*(Contains(subject.member(), group) for group in groups))
    return Contains(subject.member(), tuple(each for group in groups for each in group), every)


def _like(subject: Subject, value: object) -> Expression:
    if subject.type not in {ValueType.STRING, ValueType.ANY}:
        raise subject.refuse("'like' is asked of strings")
    return any_of(
        *(Like(subject.operand, from_wildcards(_text(subject, each), one="?")) for each in alternatives(value))
    )


def _is_null(subject: Subject, value: object) -> Expression:
    return _flag(subject, IsNull(subject.operand), value)


def _is_empty(subject: Subject, value: object) -> Expression:
    return _flag(subject, IsEmpty(subject.member()), value)


def _is_a(subject: Subject, value: object) -> Expression:
    if subject.type is not ValueType.CONCEPTS:
        raise subject.refuse("'isa' is asked of theme")
    every = isinstance(value, str) and "&" in value
    names = value.split("&") if isinstance(value, str) and every else alternatives(value)
    tests = [is_a(subject.member(), _text(subject, name), subject.vocabulary) for name in names]
    return (all_of if every else any_of)(*tests)


def _flag(subject: Subject, expression: Expression, value: object) -> Expression:
    asked = coerce(Queryable(subject.place, "/", ValueType.BOOLEAN), bool(value) if value in (0, 1) else value)
    return expression if asked else negate(expression)


def _did_types(subject: Subject, value: object) -> tuple[str, ...]:
    names = [str(each).strip().upper() for each in alternatives(value)]
    if wrong := [name for name in names if name not in _KINDS]:
        raise QueryError(f"did_type is {', '.join(_KINDS)}, not {show(wrong[0])}", subject.place)
    return tuple(sorted({kind for name in names for kind in _KINDS[name]}))


def alternatives(value: object) -> list[object]:
    """Return the values of a list, of a string with ``|`` between them, or the single value."""
    if isinstance(value, list | tuple):
        return list(value)
    return list(value.split("|")) if isinstance(value, str) else [value]


def guesses(queryable: Queryable, value: object) -> tuple[Scalar, ...]:
    """Return what `value` may mean: itself, or for an undeclared path every type a string can stand for.

    A command line sends ``5`` as a string, and the document may hold a number; the last guess is the most specific one.
    """
    typed = coerce(queryable, value)
    if queryable.is_declared or not isinstance(value, str):
        return (typed,)
    more: list[Scalar] = [typed]
    for kind in (ValueType.BOOLEAN, ValueType.NUMBER):
        try:
            more.append(coerce(Queryable(queryable.name, queryable.pointer, kind), value))
        except VocabularyError:
            continue
    return tuple(more)


def _is_pattern(subject: Subject, value: object) -> bool:
    return isinstance(value, str) and "*" in value and subject.type in {ValueType.STRING, ValueType.ANY}


def _text(subject: Subject, value: object) -> str:
    return str(coerce(Queryable(subject.queryable.name, subject.queryable.pointer, ValueType.STRING), value))


_ORDERED = {
    "lt": Comparator.LESS,
    "lte": Comparator.LESS_OR_EQUAL,
    "gt": Comparator.GREATER,
    "gte": Comparator.GREATER_OR_EQUAL,
}
_NAME_OF = {comparator: name for name, comparator in _ORDERED.items()}

TESTS: Mapping[str, Callable[[Subject, object], Expression]] = {
    "eq": _equal,
    "ne": _not_equal,
    **{name: _ordered(comparator) for name, comparator in _ORDERED.items()},
    "in": _in,
    "like": _like,
    "contains": _contains,
    "isnull": _is_null,
    "isempty": _is_empty,
    "isa": _is_a,
    **{
        operator.value.removeprefix("s_"): _spatial(operator)
        for operator in SpatialOperator
        if operator is not SpatialOperator.CONTAINS
    },
    "dwithin": _distance_within,
    "before": _temporal(TemporalOperator.BEFORE),
    "after": _temporal(TemporalOperator.AFTER),
    "during": _during,
}
"""Every suffix that ends a key."""
