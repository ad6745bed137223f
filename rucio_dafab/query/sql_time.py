"""Tests of time in SQL: of a document's extent, which an index may know as a range, or of one column."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Boolean, ColumnElement, DateTime, Text, and_, cast, false, func, literal, literal_column, or_

from rucio_dafab.query.model import Comparator, Temporal, TemporalOperator
from rucio_dafab.query.sql_members import INVERSE, OPERATIONS, Condition

_INSTANT = DateTime(timezone=True)
_UPPER = frozenset({Comparator.LESS, Comparator.LESS_OR_EQUAL, Comparator.EQUAL})
_LOWER = frozenset({Comparator.GREATER, Comparator.GREATER_OR_EQUAL, Comparator.EQUAL})


@dataclass(frozen=True)
class Times:
    """Columns of an extent in time.

    Attributes:
        start: Its begin, timestamptz.
        end: Its end, not before its begin, timestamptz.
        extent: Both as a tstzrange with its ends, where an index has that; a comparison of begin or end then asks also
            that the extent overlaps what satisfies it, which is always so, for the index to narrow down place and time
            together.
    """

    start: ColumnElement[Any]
    end: ColumnElement[Any]
    extent: ColumnElement[Any] | None = None


Needed = tuple[str, Comparator, datetime | str]
"""A side of the extent, a comparison, and the instant: ``infinity`` and ``-infinity`` are infinitely far away."""


def compare_extent(times: Times, comparator: Comparator, moment: datetime, negated: bool) -> Condition:
    """Compare the whole extent: it must begin after, or end before, the instant."""
    if comparator is Comparator.NOT_EQUAL:
        comparator, negated = Comparator.EQUAL, not negated
    needed = _sides(comparator, moment)
    if not negated:
        return _all(times, needed)
    inverse = [_inverse(each) for each in needed]
    return _all(times, inverse) if len(inverse) == 1 else or_(*(_compared(times, each) for each in inverse))


def compare_extents(times: Times, tests: Iterable[tuple[Comparator, datetime]]) -> Condition:
    """Compare the extent with several instants; all tests must hold, and none is that it differs."""
    return _all(times, [each for comparator, moment in tests for each in _sides(comparator, moment)])


def _sides(comparator: Comparator, moment: datetime) -> list[Needed]:
    if comparator is Comparator.EQUAL:
        return [("start", comparator, moment), ("end", comparator, moment)]
    return [("end" if comparator in _UPPER else "start", comparator, moment)]


def lies(node: Temporal, times: Times, negated: bool) -> Condition:
    """Return how an extent lies to the interval of `node`; never true where the extent is NULL."""
    ends = {"begin": node.interval.start or "-infinity", "stop": node.interval.end or "infinity"}
    needed: list[Needed] = [
        (side, Comparator(comparator), ends[end]) for side, comparator, end in _EXTENT[node.operator]
    ]
    if negated:
        return or_(false(), *(_compared(times, _inverse(each)) for each in needed))
    return and_(times.start.is_not(None), _all(times, needed))


def _all(times: Times, needed: list[Needed]) -> Condition:
    return and_(*(_compared(times, each) for each in needed), *_overlaps(times, needed))


def _inverse(needed: Needed) -> Needed:
    side, comparator, moment = needed
    return side, INVERSE[comparator], moment


def _compared(times: Times, needed: Needed) -> Condition:
    side, comparator, moment = needed
    column = times.start if side == "start" else times.end
    bound = cast(literal(moment, Text), _INSTANT) if isinstance(moment, str) else literal(moment, _INSTANT)
    condition: Condition = OPERATIONS[comparator](column, bound)
    return condition


def _overlaps(times: Times, needed: list[Needed]) -> list[Condition]:
    """Return what follows for the extent as a range."""
    if times.extent is None:
        return []
    lower, upper = (
        [moment for _, comparator, moment in needed if comparator in side and isinstance(moment, datetime)]
        for side in (_LOWER, _UPPER)
    )
    low, high = max(lower, default=None), min(upper, default=None)
    if low is not None and high is not None and low > high:
        return [_overlap(times.extent, low, None), _overlap(times.extent, None, high)]
    return [] if low is None and high is None else [_overlap(times.extent, low, high)]


def _overlap(extent: ColumnElement[Any], low: datetime | None, high: datetime | None) -> Condition:
    ends = (None if each is None else literal(each, _INSTANT) for each in (low, high))
    return extent.op("&&", return_type=Boolean())(closed_range(*ends))


def closed_range(low: Any, high: Any) -> ColumnElement[Any]:
    """Return the tstzrange between two instants, both in it; ``None`` leaves a side open."""
    # No bound value: in an index and in a question the words must be the same.
    made: ColumnElement[Any] = func.tstzrange(low, high, literal_column("'[]'"))
    return made


# What must hold between the extent (start, end) and the interval (begin, stop).
_EXTENT: Mapping[TemporalOperator, tuple[tuple[str, str, str], ...]] = {
    TemporalOperator.BEFORE: (("end", "<", "begin"),),
    TemporalOperator.AFTER: (("start", ">", "stop"),),
    TemporalOperator.DURING: (("start", ">", "begin"), ("end", "<", "stop")),
    TemporalOperator.CONTAINS: (("start", "<", "begin"), ("end", ">", "stop")),
    TemporalOperator.INTERSECTS: (("start", "<=", "stop"), ("end", ">=", "begin")),
    TemporalOperator.EQUALS: (("start", "=", "begin"), ("end", "=", "stop")),
    TemporalOperator.MEETS: (("end", "=", "begin"),),
    TemporalOperator.MET_BY: (("start", "=", "stop"),),
    TemporalOperator.STARTS: (("start", "=", "begin"), ("end", "<", "stop")),
    TemporalOperator.STARTED_BY: (("start", "=", "begin"), ("end", ">", "stop")),
    TemporalOperator.FINISHES: (("start", ">", "begin"), ("end", "=", "stop")),
    TemporalOperator.FINISHED_BY: (("start", "<", "begin"), ("end", "=", "stop")),
    TemporalOperator.OVERLAPS: (("start", "<", "begin"), ("end", ">", "begin"), ("end", "<", "stop")),
    TemporalOperator.OVERLAPPED_BY: (("start", ">", "begin"), ("start", "<", "stop"), ("end", ">", "stop")),
}
