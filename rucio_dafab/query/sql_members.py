"""Tests of undeclared paths, on the one jsonb of a document's searchable members.

No stored value can raise: a value is cast only inside a ``CASE`` that has looked at its JSON type. Equality and
containment are asked as ``@>`` of the whole document, and before that of its fingerprints, which an index serves. Every
function takes `negated`, since a test and its negation are both false or NULL where the value is of another type.
"""

from collections.abc import Callable, Iterable
from datetime import datetime
from itertools import groupby
from typing import Any

from sqlalchemy import (
    ARRAY,
    ColumnElement,
    DateTime,
    Integer,
    Numeric,
    Text,
    and_,
    case,
    cast,
    false,
    func,
    literal,
    not_,
    or_,
)
from sqlalchemy.dialects.postgresql import JSONB

from rucio_dafab.query.errors import UnsupportedQuery
from rucio_dafab.query.fingerprints import fingerprint
from rucio_dafab.query.model import Comparator
from rucio_dafab.vocabulary.coercion import Scalar

Condition = ColumnElement[bool]

OPERATIONS: dict[Comparator, Callable[[Any, Any], Any]] = {
    Comparator.EQUAL: lambda left, right: left == right,
    Comparator.NOT_EQUAL: lambda left, right: left != right,
    Comparator.LESS: lambda left, right: left < right,
    Comparator.LESS_OR_EQUAL: lambda left, right: left <= right,
    Comparator.GREATER: lambda left, right: left > right,
    Comparator.GREATER_OR_EQUAL: lambda left, right: left >= right,
}
INVERSE = {
    Comparator.EQUAL: Comparator.NOT_EQUAL,
    Comparator.NOT_EQUAL: Comparator.EQUAL,
    Comparator.LESS: Comparator.GREATER_OR_EQUAL,
    Comparator.LESS_OR_EQUAL: Comparator.GREATER,
    Comparator.GREATER: Comparator.LESS_OR_EQUAL,
    Comparator.GREATER_OR_EQUAL: Comparator.LESS,
}
_EMPTY: tuple[object, ...] = ("", [], {})
_LONG_MONTHS = r"(?:0[13578]|1[02])-(?:0[1-9]|[12][0-9]|3[01])"
_SHORT_MONTHS = r"(?:0[469]|11)-(?:0[1-9]|[12][0-9]|30)|02-(?:0[1-9]|1[0-9]|2[0-8])"
_LEAP_YEARS = r"[0-9]{2}(?:0[48]|[2468][048]|[13579][26])|(?:[02468][048]|[13579][26])00"
TIMES = (
    rf"^(?!0000)(?:[0-9]{{4}}-(?:{_LONG_MONTHS}|{_SHORT_MONTHS})|(?:{_LEAP_YEARS})-02-29)"
    r"(?:[Tt ](?:[01][0-9]|2[0-3]):[0-5][0-9](?::[0-5][0-9](?:[.][0-9]{1,9})?)?"
    r"(?:[Zz]|[+-](?:0[0-9]|1[0-4]):[0-5][0-9])?)?$"
)
"""What a stored string must be to be read as a time: a date, or an RFC 3339 time. PostgreSQL can cast all of these."""

_ZONE = r"([Zz]|[+-][0-9]{2}:[0-9]{2})$"


class Member:
    """One path in the jsonb of searchable members.

    Args:
        members: the jsonb.
        prints: the fingerprints of the same document, integer[]; NULL where they have not been computed yet.
        path: the keys, from the document down.
    """

    def __init__(self, members: ColumnElement[Any], prints: ColumnElement[Any], path: tuple[str, ...]) -> None:
        self._members, self._prints = members, prints
        self._path = path
        steps = literal(list(path), ARRAY(Text))
        self._value = members.op("#>", return_type=JSONB())(steps)
        self._text = members.op("#>>", return_type=Text())(steps)

    def compare(self, comparator: Comparator, value: Scalar, negated: bool) -> Condition:
        """Compare with one value of its own JSON type; strings by code point, or as times where the value is one."""
        comparator = INVERSE[comparator] if negated else comparator
        if isinstance(value, datetime):
            return self.at_time(lambda moment: OPERATIONS[comparator](moment, literal(value, DateTime(timezone=True))))
        if comparator is Comparator.EQUAL:
            return self._equals_any((value,))
        return self._typed(value, OPERATIONS[comparator])

    def one_of(self, values: Iterable[Scalar], negated: bool) -> Condition:
        """Test equality with any of `values`, or with none."""
        if not negated:
            return self._equals_any(tuple(values))
        kinds = groupby(sorted(values, key=_json_type), key=_json_type)
        return or_(*(self._none_of(tuple(group)) for _, group in kinds))

    def like(self, pattern: str, negated: bool) -> Condition:
        """Match a string with a pattern whose escape is the backslash."""
        return self._typed(pattern, lambda stored, bound: not_(stored.like(bound)) if negated else stored.like(bound))

    def contains(self, values: tuple[Scalar, ...], every: bool, negated: bool) -> Condition:
        """Test whether an array contains any one, or all, of `values`."""
        for value in values:
            _json_type(value)
        wanted: list[list[Scalar]] = [list(values)] if every else [[value] for value in values]
        if not negated and not self._has_index:
            return self._holds_any([(each, each) for each in wanted])
        found = or_(*(self._value.contains(literal(each, JSONB)) for each in wanted))
        return self._when("array", not_(found) if negated else found)

    def contained_by(self, values: tuple[Scalar, ...], negated: bool) -> Condition:
        """Test whether every element of an array is one of `values`."""
        for value in values:
            _json_type(value)
        # jsonb also lets an array contain a bare scalar; the type keeps that out.
        found = self._value.contained_by(literal(list(values), JSONB))
        return self._when("array", not_(found) if negated else found)

    def at_time(self, test: Callable[[ColumnElement[Any]], Any]) -> Condition:
        """Test the time that a string tells, in UTC where it has no zone; a date is its first instant."""
        # PostgreSQL would round what Python, and the catalogue's own columns, cut.
        cut = func.regexp_replace(self._text, r"([.][0-9]{6})[0-9]+", r"\1")
        whole = case(
            (func.length(self._text) == len("2026-06-01"), self._text.concat("T00:00:00Z")),
            (self._text.regexp_match(_ZONE), cut),
            else_=cut.concat("Z"),
        )
        is_time = and_(self._type == "string", self._text.regexp_match(TIMES))
        return case((is_time, test(cast(whole, DateTime(timezone=True)))))

    def is_null(self, negated: bool) -> Condition:
        """Test whether the member is absent or null."""
        kind = func.coalesce(self._type, "null")
        return kind != "null" if negated else kind == "null"

    def is_empty(self, negated: bool) -> Condition:
        """Test whether the member is an empty string, array or object."""
        empty = [literal(value, JSONB) for value in _EMPTY]
        if negated:
            return and_(self._type != "null", self._value.not_in(empty))
        return self._value.in_(empty)

    @property
    def _type(self) -> ColumnElement[str]:
        return func.jsonb_typeof(self._value)

    @property
    def _has_index(self) -> bool:
        """Whether a segment may be an array index, which ``@>`` cannot express."""
        return any(segment.lstrip("-").isdigit() for segment in self._path)

    def _equals_any(self, values: tuple[Scalar, ...]) -> Condition:
        kinds = {_json_type(value) for value in values}
        if not self._has_index:
            return self._holds_any([(value, [value]) for value in values])
        same = self._value.in_([literal(value, JSONB) for value in values])
        return and_(self._type.in_(sorted(kinds)), same)

    def _holds_any(self, wanted: Iterable[tuple[Scalar | list[Scalar], Iterable[Scalar]]]) -> Condition:
        """Test whether any value stands at the path, or is part of the array there.

        Args:
            wanted: values, each with the parts of it that may have fingerprints.
        """
        found, unknown = [], []
        for value, parts in wanted:
            there: Condition = self._members.contains(_nest(self._path, value))
            known = [number for part in parts if (number := fingerprint(self._path, part)) is not None]
            if known:
                # The planner knows how many rows have a fingerprint, and nothing of what they hold: it takes half of
                # them, where it would take a thousandth of them for the bare test.
                has_prints = self._prints.bool_op("@>")(literal(known, ARRAY(Integer)))
                found.append(and_(has_prints, func.coalesce(there, false())))
                unknown.append(there)
            else:
                found.append(there)
        if unknown:
            found.append(and_(self._prints.is_(None), or_(*unknown)))
        return or_(*found)

    def _none_of(self, values: tuple[Scalar, ...]) -> Condition:
        return self._typed(values[0], lambda stored, _: and_(*(stored != _bound(value) for value in values)))

    def _typed(self, value: Scalar, test: Callable[[Any, Any], Any]) -> Condition:
        kind = _json_type(value)
        stored: ColumnElement[Any] = self._value
        if kind == "number":
            stored = cast(self._value, Numeric)
        elif kind == "string":
            stored = self._text.collate("C")
        return self._when(kind, test(stored, _bound(value)))

    def _when(self, kind: str, condition: Any) -> Condition:
        return case((self._type == kind, condition))


def _bound(value: Scalar) -> ColumnElement[Any]:
    if isinstance(value, bool):
        return literal(value, JSONB)
    if isinstance(value, int | float):
        return cast(literal(repr(value), Text), Numeric)
    return literal(value, Text)


def _json_type(value: Scalar) -> str:
    if isinstance(value, datetime):
        raise UnsupportedQuery("a list of a path that queryables.toml does not declare cannot be asked for times")
    if isinstance(value, bool):
        return "boolean"
    return "number" if isinstance(value, int | float) else "string"


def _nest(path: tuple[str, ...], value: object) -> ColumnElement[Any]:
    for segment in reversed(path):
        value = {segment: value}
    return literal(value, JSONB)
