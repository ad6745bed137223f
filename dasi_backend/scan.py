"""A look at the text of a request before metkit reads it: unknown keys, odd dates and ranges without end.

metkit expands ``1/to/1000000000`` in memory while it parses, reads ``2024-06`` as the sixth day of 2024, takes the
beginning of a key for the key, lets ``#`` begin a comment even within quotes, and has escapes of its own. None of
that reaches it.
"""

import difflib
import re
from collections.abc import Collection, Iterator
from datetime import UTC, datetime
from typing import Final

from dasi_backend.errors import RequestError

MAX_TEXT: Final = 4 << 20
"""Bytes of a text of requests: geometries may be long."""

MAX_VALUES: Final = 10_000
"""Values that a range may have."""

_PIECES: Final = re.compile(r"\"[^\"]*\"|'[^']*'|#[^\n]*|[^\"'#]+|[\"']")
_PAIR: Final = re.compile(r"(?:,|^)\s*([A-Za-z_][\w:.-]*)\s*=\s*((?:[^,\s=/]|\s*/\s*)*)", re.MULTILINE)
_QUOTED: Final = '""'
_DAY: Final = re.compile(r"\d{4}-\d{2}-\d{2}|\d{8}|-?\d{1,5}")
_WHOLE: Final = re.compile(r"-?\d+")


def without_comments(text: str) -> str:
    """Return the text less its comments.

    Raises:
        RequestError: if the text is too long, holds NUL or a backslash, leaves a quote open, has a ``#`` in quotes,
            or was no UTF-8.
    """
    try:
        if len(text) > MAX_TEXT or len(text.encode()) > MAX_TEXT:
            raise RequestError(f"the request is longer than {MAX_TEXT >> 20} MiB")
    except UnicodeEncodeError as error:  # surrogates: what Python makes of bytes that it cannot decode
        raise RequestError("the request holds bytes that are no UTF-8") from error
    for character, name in (("\0", "NUL character"), ("\\", "backslash, which is no part of any name")):
        if character in text:
            raise RequestError(f"the request holds a {name}")
    kept = []
    for piece in _PIECES.findall(text):
        if piece in {'"', "'"}:
            raise RequestError(f"a quote ({piece}) is opened and not closed")
        if piece[0] in {'"', "'"} and "#" in piece:
            raise RequestError(f"{piece[:60]}: the language has no way to write '#', which begins a comment")
        kept.append("" if piece.startswith("#") else piece)
    return "".join(kept)


def check(text: str, keys: Collection[str], ranges: Collection[str]) -> None:
    """Refuse what metkit would misread or choke on.

    Args:
        text: The request without comments.
        keys: The keys of the language.
        ranges: Those of them whose ``a/to/b`` metkit expands.

    Raises:
        RequestError: naming the key and the value.
    """
    for key, value in _pairs(text):
        check_key(key, keys)
        if value in {"", "/"} or value.startswith("/") or value.endswith("/") or "//" in value:
            raise RequestError(f"{key}={value}: a value is missing")
        parts = value.split("/")
        if key == "date":
            _check_dates(parts)
        if key in ranges:
            _check_length(key, parts)


def check_key(key: str, keys: Collection[str]) -> None:
    """Refuse a key that the language does not have.

    Raises:
        RequestError: naming it, and the nearest known ones.
    """
    if key not in keys:
        near = difflib.get_close_matches(key, keys, n=2)
        raise RequestError(f"unknown key '{key}'" + (f": did you mean {' or '.join(near)}?" if near else ""))


def _pairs(text: str) -> Iterator[tuple[str, str]]:
    """Yield key and value as written, values in quotes as a pair of quotes."""
    bare = "".join(_QUOTED if piece[0] in {'"', "'"} else piece for piece in _PIECES.findall(text))
    for key, value in _PAIR.findall(bare):
        yield key.lower(), re.sub(r"\s*/\s*", "/", value.strip())


def _check_dates(parts: list[str]) -> None:
    for part in parts:
        if part == _QUOTED:
            raise RequestError("date: a day is written without quotes")
        if part.lower() not in {"to", "by", "off"} and not _DAY.fullmatch(part):
            raise RequestError(f"date={part}: write 20260601, 2026-06-01, or days from today such as -1")
        _number("date", part.lower())  # metkit makes of 2026-02-30 the second of March, and says so without the key


def _check_length(key: str, parts: list[str]) -> None:
    lower = [part.lower() for part in parts]
    for place, word in enumerate(lower):
        if word != "to" or not 0 < place < len(parts) - 1:
            continue
        first, last = _number(key, lower[place - 1]), _number(key, lower[place + 1])
        step = lower[place + 3] if lower[place + 2 : place + 3] == ["by"] and len(lower) > place + 3 else "1"
        if first is None or last is None or not _WHOLE.fullmatch(step):
            continue
        if not int(step):
            raise RequestError(f"{key}={'/'.join(parts)}: a step of 0 has no end")
        if (count := abs(last - first) // abs(int(step)) + 1) > MAX_VALUES:
            raise RequestError(f"{key}={'/'.join(parts)}: {count:,} values, at most {MAX_VALUES:,} are taken")


def _number(key: str, text: str) -> int | None:
    """Return a value as a number that ranges count with: days for dates."""
    compact = text.replace("-", "") if key == "date" and not text.startswith("-") else text
    if not _WHOLE.fullmatch(compact) or len(compact) > 18:
        return None if len(compact) <= 18 else 10**18
    if key != "date":
        return int(compact)
    if len(compact) != 8 or compact.startswith("-"):
        return datetime.now(UTC).toordinal() + int(compact)
    try:
        return datetime.strptime(compact, "%Y%m%d").replace(tzinfo=UTC).toordinal()
    except ValueError as error:
        raise RequestError(f"date={text}: not a real day") from error
