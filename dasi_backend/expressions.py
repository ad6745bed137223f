"""Requests become the query model of the catalogue: the same that Rucio filters and CQL2 become."""

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from dasi_backend.errors import RequestError
from dasi_backend.fields import FIELD_KEYS
from dasi_backend.keys import WHERE
from dasi_backend.language import Request
from rucio_dafab.query import cql2_text, rucio_filter
from rucio_dafab.query.errors import QueryError
from rucio_dafab.query.model import Expression, Property, Temporal, TemporalOperator, all_of, any_of
from rucio_dafab.vocabulary import Vocabulary
from rucio_dafab.vocabulary.queryables import ValueType
from rucio_dafab.vocabulary.times import Interval, parse_extent

COLLECTION: Final = "collection"
ASSET: Final = "asset"

_OPERATORS: Final = {"<=": "lte", ">=": "gte", "!=": "ne", "<>": "ne", "<": "lt", ">": "gt", "=": "eq"}
_OPERATOR: Final = re.compile(r"(<=|>=|!=|<>|<|>|=)\s*(.*)", re.DOTALL)
_ISA: Final = re.compile(r"isa:(.+)", re.IGNORECASE | re.DOTALL)
_ORDERED: Final[Mapping[ValueType, Callable[[str], Any]]] = {
    ValueType.NUMBER: float,
    ValueType.INTEGER: float,
    ValueType.DATETIME: lambda text: parse_extent(text).start,
}
_LAST_OF_DAY: Final = timedelta(days=1) - timedelta(microseconds=1)
STORE_ONLY: Final = {
    "product": "ask for id",
    "time": "ask for datetime",
    "baseline": "ask for processing_version",
    "kind": "ask for asset",
    "band": "ask for asset",
    "part": "ask for asset",
    "res": "ask for resolution",
}
"""Keys that the catalogue does not have, and what to ask instead."""

DOCUMENTED: Final = {
    "mission": ("platform", "constellation"),
    "level": ("processing:level",),
    "date": ("datetime",),
    "tile": ("grid:code",),
    "orbit": ("sat:relative_orbit",),
}
"""Keys of the store that the catalogue answers from other members, by the names of these."""


def expression(request: Request, vocabulary: Vocabulary) -> Expression:
    """Return what a request asks of documents; ``collection`` and ``asset`` are answered elsewhere.

    Raises:
        RequestError: if a key means nothing to the catalogue.
        QueryError: if a value does not fit its key.
        VocabularyError: for an unknown area or class.
    """
    return all_of(
        *(_key(key, values, vocabulary) for key, values in request.keys.items() if key not in {COLLECTION, ASSET})
    )


def _key(key: str, values: Sequence[str], vocabulary: Vocabulary) -> Expression:
    if key in FIELD_KEYS:
        raise RequestError(f"{key}: a key of fields, which the catalogue does not have")
    if key in STORE_ONLY:
        raise RequestError(f"{key}: a key of the rolling store, which the catalogue does not have: {STORE_ONLY[key]}")
    if key == "date":
        return _days(values)
    if special := _SPECIAL.get(key):
        return special(values, vocabulary)
    if vocabulary.queryables.resolve(key).type is ValueType.GEOMETRY:
        return _geometry(key, values, vocabulary)
    if "to" in map(str.lower, values):
        return _interval(key, values, vocabulary)
    compared = [value for value in values if _OPERATOR.fullmatch(value)]
    if compared and len(values) > 1:
        raise RequestError(f"{key}={'/'.join(values)}: one operator alone; an interval is written {key}=0/to/20")
    return any_of(*(_value(key, value, vocabulary) for value in values))


def _interval(key: str, values: Sequence[str], vocabulary: Vocabulary) -> Expression:
    """Take ``first/to/last``, both included; one that ends before it begins would silently find nothing."""
    stated = f"{key}={'/'.join(values)}"
    if len(values) != 3 or values[1].lower() != "to":
        raise RequestError(f"{stated}: an interval is written {key}=0/to/20, and is no alternative")
    first, last = values[0], values[2]
    asked = _tests({f"{key}.gte": first, f"{key}.lte": last}, vocabulary)
    order = _ORDERED.get(vocabulary.queryables.resolve(key).type)
    if order and order(last) < order(first):
        raise RequestError(f"{stated}: the interval ends before it begins")
    return asked


def _value(key: str, value: str, vocabulary: Vocabulary) -> Expression:
    if found := _ISA.fullmatch(value):
        return _tests({f"{key}.isa": found[1].strip()}, vocabulary)
    if found := _OPERATOR.fullmatch(value):
        if not found[2].strip():
            raise RequestError(f"{key}={value}: a value is missing after {found[1]}")
        return _tests({f"{key}.{_OPERATORS[found[1]]}": found[2].strip()}, vocabulary)
    return _tests({key: value}, vocabulary)


def _geometry(key: str, values: Sequence[str], vocabulary: Vocabulary) -> Expression:
    """Take ``W/S/E/N`` as four values; anything else as alternatives."""
    if len(values) == 4 and all(re.fullmatch(r"[-+]?[\d.]+(?:[eE][-+]?\d+)?", value) for value in values):
        values = ["_".join(values)]
    return any_of(*(_tests({f"{key}.intersects": value.replace("/", "_")}, vocabulary) for value in values))


def _days(values: Sequence[str]) -> Expression:
    """Return that the observation has some instant in one of the days; neighbouring days become one interval."""
    days = sorted({datetime.strptime(value, "%Y%m%d").replace(tzinfo=UTC) for value in values})
    spans: list[tuple[datetime, datetime]] = []
    for day in days:
        if spans and day - spans[-1][1] == timedelta(days=1):
            spans[-1] = (spans[-1][0], day)
        else:
            spans.append((day, day))
    when = Property("/properties/datetime")
    intervals = [Interval(first, last + _LAST_OF_DAY) for first, last in spans]
    return any_of(*(Temporal(when, TemporalOperator.INTERSECTS, interval) for interval in intervals))


def _mission(values: Sequence[str], vocabulary: Vocabulary) -> Expression:
    """Take ``s2`` as a constellation and ``s2a`` as a platform."""
    tests = []
    for value in values:
        found = re.fullmatch(r"s(?:entinel-?)?([1-6])([a-d]?)", value.lower())
        name = f"sentinel-{found[1]}{found[2]}" if found else value
        tests.append(_tests({"platform" if found and found[2] else "constellation": name}, vocabulary))
    return any_of(*tests)


def _where(values: Sequence[str], vocabulary: Vocabulary) -> Expression:
    return any_of(*(_cql2(value, vocabulary) for value in values))


def _cql2(text: str, vocabulary: Vocabulary) -> Expression:
    if not text.strip():
        raise RequestError(f"{WHERE}: a value is missing")  # to CQL2 a blank text asks for everything
    try:
        return cql2_text.parse(text, vocabulary)
    except QueryError as error:
        raise RequestError(f"{WHERE}: {error}") from error


def _level(values: Sequence[str], vocabulary: Vocabulary) -> Expression:
    return any_of(*(_tests({"processing:level": value.upper()}, vocabulary) for value in values))


def _tile(values: Sequence[str], vocabulary: Vocabulary) -> Expression:
    codes = [value.upper() if "-" in value else f"MGRS-{value.upper()}" for value in values]
    return any_of(*(_tests({"grid:code": code}, vocabulary) for code in codes))


def _orbit(values: Sequence[str], vocabulary: Vocabulary) -> Expression:
    return any_of(*(_tests({"sat:relative_orbit": value}, vocabulary) for value in values))


def _tests(tests: Mapping[str, str], vocabulary: Vocabulary) -> Expression:
    return rucio_filter.parse([dict(tests)], vocabulary)


_SPECIAL: Final[Mapping[str, Callable[[Sequence[str], Vocabulary], Expression]]] = {
    WHERE: _where,
    "mission": _mission,
    "level": _level,
    "tile": _tile,
    "orbit": _orbit,
}
