"""From a document to the columns that are searched.

A value of the wrong type leaves its column NULL and harms no other.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any, Final

import orjson

from rucio_dafab.catalogue.typed import typed_queryables
from rucio_dafab.query.fingerprints import fingerprints
from rucio_dafab.stac import pointers
from rucio_dafab.stac.errors import DocumentInvalid
from rucio_dafab.stac.geometry import read_footprint
from rucio_dafab.stac.validate import faults, parse_time
from rucio_dafab.vocabulary import concepts, ontology
from rucio_dafab.vocabulary.ontology_rules import classify
from rucio_dafab.vocabulary.queryables import Queryables, ValueType
from rucio_dafab.vocabulary.queryables import load as load_queryables

NOT_SEARCHED: Final = frozenset({"geometry", "assets", "links"})
"""Members of a document that are no part of ``searchable``: large, and never compared."""


LONGEST_TEXT: Final = 1000
"""Bytes (UTF-8) of a string that has a column: an index entry holds 2.7 kB. A longer one counts as absent there."""


def make_record(document: dict[str, Any], *, valid: bool | None = None) -> dict[str, Any]:
    """Return the columns of a document, by name, without those of its DID.

    ``geometry`` is EWKB; ``document`` and ``searchable`` are compact JSON in UTF-8.

    Args:
        document: JSON that passed :func:`rucio_dafab.stac.validate.check_json`.
        valid: whether it is valid STAC, where the caller has found out already.
    """
    start, end = _extent(document)
    return _typed(document, _installed_columns()) | {
        "id": _text(document.get("id")),
        "collection": _text(document.get("collection")),
        "geometry": _geometry(document.get("geometry")),
        "extent_start": start,
        "extent_end": end,
        "classes": _classes(document),
        "fingerprints": fingerprints(document),
        "partial": any(faults(document)) if valid is None else not valid,
        "searchable": orjson.dumps({key: value for key, value in document.items() if key not in NOT_SEARCHED}),
        "document": orjson.dumps(document),
    }


def later_reader(queryables: Queryables) -> Callable[[dict[str, Any]], dict[str, Any]]:
    """Return what gives the columns of a document that came after the first migration, by name, and no others."""
    groups = _columns(queryables)
    return lambda document: _typed(document, groups) | {"fingerprints": fingerprints(document)}


@dataclass(frozen=True, slots=True)
class _Group:
    """The typed columns whose members share a parent.

    Attributes:
        path: of the parent.
        members: name of the column, member and reader of each.
        nothing: the columns of a document without the parent.
    """

    path: tuple[str, ...]
    members: tuple[tuple[str, str, Callable[[Any], Any]], ...]
    nothing: Mapping[str, None]


def _columns(queryables: Queryables) -> tuple[_Group, ...]:
    """Return the typed columns by parent: most are properties, and most properties are absent."""
    groups: dict[tuple[str, ...], list[tuple[str, str, Callable[[Any], Any]]]] = {}
    for queryable, name in typed_queryables(queryables):
        *parent, member = queryable.path
        groups.setdefault(tuple(parent), []).append((name, member, _READERS[queryable.type]))
    return tuple(
        _Group(path, tuple(members), dict.fromkeys(name for name, _, _ in members)) for path, members in groups.items()
    )


@cache
def _installed_columns() -> tuple[_Group, ...]:
    return _columns(load_queryables())


def _typed(document: dict[str, Any], groups: tuple[_Group, ...]) -> dict[str, Any]:
    record: dict[str, Any] = {}
    for group in groups:
        parent = pointers.get(document, group.path)
        if not isinstance(parent, dict | list):
            record.update(group.nothing)
            continue
        for name, member, read in group.members:
            value = parent.get(member) if isinstance(parent, dict) else pointers.get(parent, (member,))
            record[name] = None if value is None else read(value)
    return record


def _geometry(value: Any) -> bytes | None:
    try:
        return None if value is None else read_footprint(value, "/geometry").ewkb
    except DocumentInvalid:
        return None


def _extent(document: Mapping[str, Any]) -> tuple[datetime | None, datetime | None]:
    """Return begin and end: of the extent where both are given, else the instant (STAC 1.1, date and time range)."""
    properties = document.get("properties")
    if not isinstance(properties, dict):
        return None, None
    instant, start, end = (_time(properties.get(key)) for key in ("datetime", "start_datetime", "end_datetime"))
    if start is None or end is None or end < start:
        return instant, instant
    return start, end


def _classes(document: dict[str, Any]) -> list[str] | None:
    """Return the ids of the classes that a document's themes name and its values tell, sorted; ``None`` for none."""
    words = ontology.recent()
    named = {each for each in concepts.classes(document, words) or () if _text(each)}
    return sorted(named | classify(document, words.rules)) or None


def _number(value: Any) -> float | None:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def _integer(value: Any) -> int | None:
    number = _number(value)
    return int(number) if number is not None and number.is_integer() and abs(number) < 2**63 else None


def _text(value: Any) -> str | None:
    if not isinstance(value, str):
        return None
    # No character has more than four bytes.
    return value if len(value) <= LONGEST_TEXT // 4 or len(value.encode()) <= LONGEST_TEXT else None


def _boolean(value: Any) -> bool | None:
    return value if isinstance(value, bool) else None


def _time(value: Any) -> datetime | None:
    try:
        return None if value is None else parse_time(value, "time")
    except DocumentInvalid:
        return None


def _texts(value: Any) -> list[str] | None:
    return value if isinstance(value, list) and all(_text(each) is not None for each in value) else None


_READERS: Final[dict[ValueType, Callable[[Any], Any]]] = {
    ValueType.NUMBER: _number,
    ValueType.INTEGER: _integer,
    ValueType.STRING: _text,
    ValueType.BOOLEAN: _boolean,
    ValueType.DATETIME: lambda value: _time(None if value is pointers.ABSENT else value),
    ValueType.STRINGS: _texts,
}
