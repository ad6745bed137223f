"""Values become what their queryable declares: command lines send strings, JSON sends types."""

import math
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import TypeAlias

from rucio_dafab.vocabulary.errors import VocabularyError
from rucio_dafab.vocabulary.queryables import Queryable, ValueType
from rucio_dafab.vocabulary.times import parse_extent

Scalar: TypeAlias = str | int | float | bool | datetime
"""A value of the query model. Times are aware and in UTC; numbers are finite."""

# Doubles keep integers exactly up to here; JSON readers round beyond it, so a test of equality would lie.
_LARGEST_INTEGER = 2**53
_TRUE, _FALSE = {"true", "1"}, {"false", "0"}


class UnfitValue(Exception):
    """A value is not of the type asked for; the text, if any, says more than the type does."""


def coerce(queryable: Queryable, value: object) -> Scalar:
    """Return `value` as one value of `queryable`.

    Strings are read as the declared type; a typed value must already fit. A path of no declared type takes any JSON
    scalar as it is.

    Raises:
        VocabularyError: naming the queryable, what it takes and the value that does not fit.
    """
    reader = _READERS.get(queryable.type, _any)
    try:
        return reader(value)
    except UnfitValue as error:
        reason = f" ({error})" if str(error) else ""
        raise VocabularyError(f"{queryable.name} takes {_takes(queryable)}, not {show(value)}{reason}") from error


def show(value: object) -> str:
    """Return `value` for a message: short, on one line."""
    text = value if isinstance(value, str) else repr(value)
    text = text if len(text) <= 60 else f"{text[:57]}..."
    return repr(text) if isinstance(value, str) else text


def check_text(value: str) -> str:
    """Return `value` if PostgreSQL can keep it as text.

    Raises:
        UnfitValue: if it holds NUL or half of a surrogate pair.
    """
    if "\x00" in value:
        raise UnfitValue("it holds NUL")
    try:
        value.encode("utf-8")
    except UnicodeEncodeError:
        raise UnfitValue("it is not valid Unicode") from None
    return value


def check_number(value: float) -> float:
    """Return `value` if it is finite and, as an integer, within what JSON keeps exactly.

    Raises:
        UnfitValue: saying which of these it is not.
    """
    if isinstance(value, int) and abs(value) > _LARGEST_INTEGER:
        raise UnfitValue("integers beyond 2^53 are not exact in JSON")
    if not math.isfinite(value):
        raise UnfitValue("it must be finite")
    return value


def _number(value: object) -> Scalar:
    if isinstance(value, str):
        return check_number(_read_number(value))
    return check_number(_typed_number(value))


def _integer(value: object) -> Scalar:
    number = _number(value)
    if not isinstance(number, int | float) or not float(number).is_integer():
        raise UnfitValue
    return int(check_number(int(number)))


def _read_number(text: str) -> float:
    """Read what ``float`` reads, without what no JSON number has: underscores and digits of other scripts."""
    if not text.isascii() or "_" in text:
        raise UnfitValue
    try:
        return float(text)
    except ValueError:
        raise UnfitValue from None


def _typed_number(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise UnfitValue
    return value


def _string(value: object) -> Scalar:
    if not isinstance(value, str):
        raise UnfitValue
    return check_text(value)


def _boolean(value: object) -> Scalar:
    if isinstance(value, bool):
        return value
    # `rucio download --filter` rewrites true and false to 1 and 0 before it sends them.
    if isinstance(value, str) and value.strip().lower() in _TRUE | _FALSE:
        return value.strip().lower() in _TRUE
    raise UnfitValue


def _datetime(value: object) -> Scalar:
    if isinstance(value, datetime):
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)
    if not isinstance(value, str):
        raise UnfitValue
    try:
        start = parse_extent(value).start
    except VocabularyError as error:
        raise UnfitValue(str(error)) from error
    if start is None:  # parse_extent gives both ends
        raise UnfitValue
    return start


def _any(value: object) -> Scalar:
    if isinstance(value, str):
        return check_text(value)
    if isinstance(value, bool):
        return value
    if isinstance(value, datetime):
        return _datetime(value)
    return check_number(_typed_number(value))


_READERS: Mapping[ValueType, Callable[[object], Scalar]] = {
    ValueType.NUMBER: _number,
    ValueType.INTEGER: _integer,
    ValueType.STRING: _string,
    ValueType.BOOLEAN: _boolean,
    ValueType.DATETIME: _datetime,
    ValueType.STRINGS: _string,
    ValueType.CONCEPTS: _string,
}
_NOUNS = {
    ValueType.NUMBER: "a number",
    ValueType.INTEGER: "an integer",
    ValueType.STRING: "a string",
    ValueType.BOOLEAN: "true or false",
    ValueType.DATETIME: "a time such as 2026-06-01 or 2026-06-01T10:30:00Z",
    ValueType.GEOMETRY: "a geometry",
    ValueType.CONCEPTS: "a class",
    ValueType.STRINGS: "strings",
    ValueType.ANY: "a string, a number, true or false",
}


def _takes(queryable: Queryable) -> str:
    return _NOUNS[queryable.type] + (f" in {queryable.unit}" if queryable.unit else "")
