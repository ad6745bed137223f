"""The comparators of DaFab's JSON filter: one function each, from a test's parts to an expression."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from rucio_dafab.query.errors import QueryError
from rucio_dafab.query.geometry import parse_geometry
from rucio_dafab.query.model import (
    Comparator,
    Contains,
    Expression,
    IsEmpty,
    IsNull,
    Like,
    Operand,
    Property,
    Spatial,
    SpatialOperator,
    negate,
)
from rucio_dafab.query.typed_tests import compare, from_wildcards, is_a, one_of_values
from rucio_dafab.vocabulary import Vocabulary
from rucio_dafab.vocabulary.coercion import Scalar, coerce
from rucio_dafab.vocabulary.queryables import Queryable, ValueType


@dataclass(frozen=True)
class Subject:
    """What a comparison is made of, once its parts are known to fit each other."""

    operand: Operand
    queryable: Queryable
    comparator: str
    values: tuple[Any, ...]
    place: str
    vocabulary: Vocabulary

    def member(self) -> Property:
        """Return the operand as a member of the document; raises :class:`QueryError` for a field of the DID."""
        if isinstance(self.operand, Property):
            return self.operand
        raise self.refuse("is for documents, not for fields of the DID")

    def refuse(self, why: str) -> QueryError:
        """Return the refusal of the comparator."""
        return QueryError(f"{self.comparator} {why}", f"{self.place}/comparator")

    def given(self) -> tuple[Scalar, ...]:
        """Return the values, none of them null."""
        if any(value is None for value in self.values):
            raise QueryError(f"{self.comparator} cannot ask for null: use isNull", f"{self.place}/value")
        return tuple(value for value in self.values if value is not None)


def _equals(test: Subject) -> Expression:
    if test.values == (None,):
        return IsNull(test.operand)
    return _compared(Comparator.EQUAL)(test)


def _compared(comparator: Comparator) -> Callable[[Subject], Expression]:
    def read(test: Subject) -> Expression:
        return compare(test.operand, test.queryable, comparator, test.given()[0], test.place or "/")

    return read


def _in(test: Subject) -> Expression:
    return one_of_values(test.operand, test.queryable, test.given(), test.place or "/")


def _like(test: Subject) -> Expression:
    pattern = test.given()[0]
    if test.queryable.type not in {ValueType.STRING, ValueType.ANY} or not isinstance(pattern, str):
        raise test.refuse("takes a path that holds strings, and a pattern")
    text = coerce(Queryable(test.queryable.name, "/", ValueType.STRING), pattern)
    return Like(test.operand, from_wildcards(str(text), one="?"))


def _contains(every: bool) -> Callable[[Subject], Expression]:
    def read(test: Subject) -> Expression:
        if test.queryable.type not in {ValueType.STRINGS, ValueType.ANY}:
            raise test.refuse(f"is for lists, and {test.queryable.name} does not hold one")
        values = tuple(coerce(test.queryable, value) for value in test.given())
        if not values:
            raise test.refuse("takes at least one value")
        return Contains(test.member(), values, every and len(values) > 1)

    return read


def _not(positive: Callable[[Subject], Expression]) -> Callable[[Subject], Expression]:
    return lambda test: negate(positive(test))


def _is_null(test: Subject) -> Expression:
    return IsNull(test.operand)


def _is_empty(test: Subject) -> Expression:
    return IsEmpty(test.member())


def _is_a(test: Subject) -> Expression:
    name = test.given()[0]
    if test.queryable.type is not ValueType.CONCEPTS or not isinstance(name, str):
        raise test.refuse("takes a path that holds concepts (themes), and the name of a class")
    return is_a(test.member(), name, test.vocabulary)


def _spatial(operator: SpatialOperator) -> Callable[[Subject], Expression]:
    def read(test: Subject) -> Expression:
        if test.queryable.type is not ValueType.GEOMETRY:
            raise test.refuse(f"is for the footprint, not for {test.queryable.name}")
        geometry = parse_geometry(test.given()[0], test.vocabulary, f"{test.place}/value")
        return Spatial(test.member(), operator, geometry)

    return read


_SPATIAL: Mapping[str, Callable[[Subject], Expression]] = {
    operator.value.removeprefix("s_"): _spatial(operator)
    for operator in SpatialOperator
    if operator not in {SpatialOperator.CONTAINS, SpatialOperator.EQUALS}
}
"""Comparators of the footprint; ``contains`` and ``equals`` are words for other things."""

UNTYPED = frozenset({"isA", *_SPATIAL})
"""Comparators whose value is the name of a class or a geometry: it is taken as it is written."""

WITHOUT_VALUE = frozenset({"isNull", "isNotNull", "isEmpty", "isNotEmpty"})
"""Comparators that take no value."""

LISTS = frozenset({"in", "containsAny", "containsAll"})
"""Comparators that take a list of values."""

COMPARATORS: Mapping[str, Callable[[Subject], Expression]] = {
    "equals": _equals,
    "equal": _equals,
    "notEquals": _not(_equals),
    "lessThan": _compared(Comparator.LESS),
    "lessThanOrEqual": _compared(Comparator.LESS_OR_EQUAL),
    "greaterThan": _compared(Comparator.GREATER),
    "greaterThanOrEqual": _compared(Comparator.GREATER_OR_EQUAL),
    "in": _in,
    "like": _like,
    "notLike": _not(_like),
    "contains": _contains(every=False),
    "containsAny": _contains(every=False),
    "containsAll": _contains(every=True),
    "isNull": _is_null,
    "isNotNull": _not(_is_null),
    "isEmpty": _is_empty,
    "isNotEmpty": _not(_is_empty),
    "isA": _is_a,
    **_SPATIAL,
}
"""Every comparator by its name."""
