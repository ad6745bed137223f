"""The string form of a Rucio filter, cut into tests: ``;`` is OR, ``,`` is AND, then ``< <= > >= = == !=``.

Reads everything that the stock CLI reads, to the same tests. Beyond it, what stands in brackets is left whole, so that
WKT and GeoJSON may keep their commas.
"""

import re
from typing import TypeAlias

from rucio_dafab.query.errors import QueryError

Tests: TypeAlias = list[tuple[str, object]]
"""Keys with their operator suffixes, and values; all must hold."""

_OPERATOR = re.compile(r"<=|>=|==|!=|<|>|=")
_SUFFIX = {"<=": "lte", ">=": "gte", "==": "", "!=": "ne", "<": "lt", ">": "gt", "=": ""}
_REVERSED = {"<": ">", "<=": ">=", ">": "<", ">=": "<="}


def split(text: str) -> list[Tests]:
    """Return the alternatives of `text`, each a list of tests that must all hold; nothing for an empty text.

    Raises:
        QueryError: naming the part that is not ``key operator value``.
    """
    return [[test for part in _cut(group, ",") for test in _tests(part)] for group in _cut(text, ";")]


def _cut(text: str, separator: str) -> list[str]:
    """Split at `separator` outside of brackets; empty parts fall away, as they do in Rucio."""
    parts, depth, begin = [], 0, 0
    for place, letter in enumerate(text):
        if letter in "([{":
            depth += 1
        elif letter in ")]}":
            depth = max(0, depth - 1)
        elif letter == separator and depth == 0:
            parts.append(text[begin:place])
            begin = place + 1
    parts.append(text[begin:])
    return [part.strip() for part in parts if part.strip()]


def _tests(part: str) -> Tests:
    """Read ``key operator value``, or ``value < key < value`` as two tests."""
    first = _OPERATOR.search(part)
    if first is None or not part[: first.start()].strip():
        raise QueryError(f"'{part[:80]}' is not a test: write key operator value, such as eo:cloud_cover.lt=20")
    left, operator, right = part[: first.start()].strip(), first.group(), part[first.end() :].strip()
    second = _OPERATOR.search(right) if operator in _REVERSED else None
    if second is None:
        return [(_key(left, operator), right)]
    key, value = right[: second.start()].strip(), right[second.end() :].strip()
    return [(_key(key, _REVERSED[operator]), left), (_key(key, second.group()), value)]


def _key(key: str, operator: str) -> str:
    suffix = _SUFFIX[operator]
    return f"{key}.{suffix}" if suffix else key
