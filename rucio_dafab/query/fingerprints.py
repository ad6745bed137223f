"""Numbers that stand for what a document says, for an index of equality on paths that nothing declares.

A fingerprint is made of a path and the string, the boolean or the number that stands there, or in an array there. Rows
that lack the fingerprint of what is asked for cannot have it; of those that have it, few have another value with the
same one. So whoever asks for a fingerprint asks for the value as well; and, of rows that have none computed yet, for
the value alone.

Times and numbers of more than three decimals have none. They are asked for as ranges, which no index of equality
serves, and nearly each document has another one: in the index they were nine entries of ten and most of what an
insertion cost. Numbers that people type have some, and so have strings that read as one: of a filter that says 05.11
nobody knows which of both is meant (ADR 31).

Fingerprints are stored: whoever changes what is hashed adds a revision that empties the column.
"""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Final
from zlib import crc32

APART: Final = frozenset(
    {"type", "stac_version", "stac_extensions", "id", "collection", "bbox", "geometry", "assets", "links"}
)
"""Members of a document without fingerprints: with columns of their own, the same in most, or never compared."""

DECIMALS: Final = 3
"""Of a number that people type, at most. A measured one has more."""

_SCALE: Final = 10**DECIMALS
_EXACT: Final = 2.0**53
"""Below this, floating-point numbers hold each integer (IEEE 754 binary64)."""

_HALF: Final = 2**31
_TIME_LETTERS: Final = 20
"""Letters of the shortest time in RFC 3339: 2026-06-01T10:00:00Z."""


def fingerprints(document: Mapping[str, Any]) -> list[int]:
    """Return the fingerprints of a document, ascending, each once, as signed 32-bit integers."""
    texts: list[str] = []
    for key, value in document.items():
        if key not in APART:
            _tell(f"/{key}", value, texts)
    return sorted({_hashed(text) for text in texts})


def fingerprint(path: tuple[str, ...], value: object) -> int | None:
    """Return the fingerprint of a value at a path; ``None`` where such a value has none.

    Args:
        path: keys of objects, from the document down.
        value: a string, boolean or number.
    """
    texts: list[str] = []
    if path and path[0] not in APART:
        _tell("".join(f"/{key}" for key in path), value, texts)
    return _hashed(texts[0]) if texts else None


def _tell(path: str, value: Any, texts: list[str]) -> None:
    """Add what is hashed of a value, of the members of an object, and of the values in an array."""
    if isinstance(value, str):
        if len(value) < _TIME_LETTERS or not _is_time(value):
            texts.append(f'{path}="{value}')
    elif isinstance(value, float):
        if text := _written(value):
            texts.append(f"{path}={text}")
    elif isinstance(value, int):  # a boolean is one, and is written True or False
        texts.append(f"{path}={value}")
    elif isinstance(value, dict | list):
        _tell_parts(path, value, texts)


def _tell_parts(path: str, value: dict[str, Any] | list[Any], texts: list[str]) -> None:
    if isinstance(value, dict):
        for key, member in value.items():
            # Most numbers have none: neither a path nor a call for these.
            if not isinstance(member, float):
                _tell(f"{path}/{key}", member, texts)
            elif text := _written(member):
                texts.append(f"{path}/{key}={text}")
        return
    for element in value:
        if not isinstance(element, dict | list):
            _tell(path, element, texts)


def _written(value: float) -> str | None:
    """Return a number as it is hashed, one that is whole as an integer is; ``None`` where it has too many decimals."""
    scaled = value * _SCALE
    if -_EXACT < scaled < _EXACT and round(scaled) / _SCALE != value:
        return None  # so nearly all of them: found out in half of the time that their texts take
    text = repr(value)
    if value.is_integer():
        # JSON shows the shortest text that is read as this number again: 1e23 is another integer than int(1e23).
        return str(int(Decimal(text)))
    # With an exponent, or where it is no number, there is no point so near the end.
    return text if "." in text[-1 - DECIMALS :] else None


def _is_time(value: str) -> bool:
    return value[10] in "Tt" and value[4] == value[7] == "-"


def _hashed(text: str) -> int:
    return crc32(text.encode("utf-8", "surrogatepass")) - _HALF
