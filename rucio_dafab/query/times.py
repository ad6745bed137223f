"""Comparisons with a date or an interval, in one place, so that every language means the same by them.

A date covers its whole day: ``datetime <= 2026-06-30`` takes in the 30th, ``datetime = 2026-06-30`` asks for some
instant of it.
"""

from rucio_dafab.query.errors import QueryError
from rucio_dafab.query.model import (
    Comparator,
    Comparison,
    Expression,
    Operand,
    Property,
    Temporal,
    TemporalOperator,
    all_of,
)
from rucio_dafab.vocabulary.times import Interval


def compare_time(operand: Operand, comparator: Comparator, extent: Interval, place: str = "") -> Expression:
    """Return the comparison of a time with what a date, a time or an interval covers.

    Raises:
        QueryError: if the side of `extent` that decides is open.
    """
    if comparator is Comparator.EQUAL:
        if not extent.is_instant:
            return _meets(operand, extent)
        bound = extent.start
    else:
        late = comparator in {Comparator.LESS_OR_EQUAL, Comparator.GREATER}
        bound = extent.end if late else extent.start
    if bound is None:
        raise QueryError("an order cannot be asked against the open end of an interval", place)
    return Comparison(operand, comparator, bound)


def within(operand: Operand, interval: Interval) -> Expression:
    """Return the test that the whole time lies in the closed `interval`."""
    tests: list[Expression] = []
    if interval.start is not None:
        tests.append(Comparison(operand, Comparator.GREATER_OR_EQUAL, interval.start))
    if interval.end is not None:
        tests.append(Comparison(operand, Comparator.LESS_OR_EQUAL, interval.end))
    return all_of(*tests)


def _meets(operand: Operand, interval: Interval) -> Expression:
    if isinstance(operand, Property):
        return Temporal(operand, TemporalOperator.INTERSECTS, interval)
    return within(operand, interval)
