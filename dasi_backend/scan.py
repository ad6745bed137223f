"""A look at the text of a request before metkit reads it: unknown keys, odd dates and ranges without end.

metkit expands ``1/to/1000000000`` in memory while it parses, reads ``2024-06`` as the sixth day of 2024, ``2`` as
February and ``8/to/x`` as eight down to 0, takes the beginning of a key for the key and the last of two values for
both, lets ``#`` begin a comment even within quotes, and has escapes of its own. None of that reaches it.
"""

import difflib
import re
from collections import deque
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

from dasi_backend.errors import RequestError

MAX_TEXT: Final = 4 << 20
"""Bytes of a text of requests: geometries may be long."""

MAX_VALUES: Final = 10_000
"""Values that a range may have."""

_PIECES: Final = re.compile(r"\"[^\"]*\"|'[^']*'|#[^\n]*|[^\"'#]+|[\"']")
_PAIR: Final = re.compile(r"(?:,|^)\s*([A-Za-z_][\w:.-]*)\s*=\s*((?:[^,=/\n]|\s*/\s*)*)", re.MULTILINE)
_HIDDEN: Final = re.compile(r"\0(\d+)\0")
"""What stands for a text in quotes while the others are looked at; no request holds the character itself."""

_DAY: Final = re.compile(r"\d{4}-\d{2}-\d{2}|\d{8}|-\d{1,5}|0")
_WHOLE: Final = re.compile(r"-?\d+")
_TO: Final = "to"
_BY: Final = "by"
_OFF: Final = "off"
DATES: Final = "date"
NUMBERS: Final = "to-by-list"
RANGES: Final = frozenset({DATES, NUMBERS})
"""Types of keys whose ``a/to/b`` metkit expands."""

_WORDS: Final = frozenset({"lowercase", "enum"})
"""Types of keys that have no ranges."""

Language = Mapping[str, Mapping[str, Any]]
"""What metkit's language file says of each verb: its keys, and under ``_aliases`` its other names."""


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


def check(text: str, language: Language) -> None:
    """Refuse what metkit would misread or choke on.

    Args:
        text: The request without comments.
        language: The verbs and their keys.

    Raises:
        RequestError: naming the key and the value.
    """
    said: set[str] = set()
    for verb, key, parts in _pairs(text):
        if verb is not None:
            keys, said = _keys_of(verb, language), set()
        _check_key_of(key, keys, language)
        if key in said:
            raise RequestError(f"{key} is named twice in one request: write {key}=a/b for several values")
        said.add(key)
        if not all(parts):
            raise RequestError(f"{key}={'/'.join(parts)}: a value is missing")
        check_values(key, keys[key], parts)


def check_values(key: str, kind: Mapping[str, Any], values: Sequence[str]) -> None:
    """Refuse values that are none of a key's type, before metkit makes others of them.

    Args:
        key: The key.
        kind: What the language says of it.
        values: Its values, with the words ``to``, ``by`` and ``off`` among them.

    Raises:
        RequestError: naming the key and the value.
    """
    words, stated = [value.lower() for value in values], f"{key}={'/'.join(values)}"
    if words == [_OFF]:
        return
    if _OFF in words:
        raise RequestError(f"{stated}: 'off' drops a key, and stands alone")
    if kind["type"] in RANGES:
        _check_ranges(key, stated, words, _day if kind["type"] == DATES else _number)
    elif kind["type"] in _WORDS and {_TO, _BY} & set(words):
        raise RequestError(f"{stated}: {key} has no ranges: write each value")
    known = [each[0] for each in kind.get("values", ())]
    if known and (unknown := [word for word in words if word not in known]):
        raise RequestError(f"{key}={unknown[0]}: write {' or '.join(known)}")


def check_key(key: str, keys: Collection[str]) -> None:
    """Refuse a key that the language does not have.

    Raises:
        RequestError: naming it, and the nearest known ones.
    """
    if key not in keys:
        near = difflib.get_close_matches(key, keys, n=2)
        raise RequestError(f"unknown key '{key}'" + (f": did you mean {' or '.join(near)}?" if near else ""))


def _keys_of(verb: str, language: Language) -> Mapping[str, Any]:
    """Return the keys of a verb; of an unknown one, which metkit refuses, all."""
    for name, keys in language.items():
        if verb.lower() in {name, *keys.get("_aliases", ())}:
            return keys
    return {key: kind for keys in language.values() for key, kind in keys.items()}


def _check_key_of(key: str, keys: Mapping[str, Any], language: Language) -> None:
    """Refuse a key that the verb does not have.

    Raises:
        RequestError: naming it, and the verbs that have it or the nearest known keys.
    """
    if key in keys and not key.startswith("_"):
        return
    names = [name for name, others in language.items() if key in others and not key.startswith("_")]
    if names:
        raise RequestError(f"{key}: a key of {', '.join(names)} alone")
    check_key(key, {each for others in language.values() for each in others if not each.startswith("_")})


def _pairs(text: str) -> Iterator[tuple[str | None, str, list[str]]]:
    """Yield key and values as written, without quotes, and the verb before the first pair of each request."""
    quoted: list[str] = []

    def hidden(piece: str) -> str:
        if piece[0] not in {'"', "'"}:
            return piece
        quoted.append(piece[1:-1] or " ")
        return f"\0{len(quoted) - 1}\0"

    bare, end = "".join(map(hidden, _PIECES.findall(text))), 0
    for found in _PAIR.finditer(bare):
        before = bare[end : found.start()].split()
        end = found.end()
        parts = [_HIDDEN.sub(lambda place: quoted[int(place[1])], part.strip()) for part in found[2].split("/")]
        yield before[-1] if before else None, found[1].lower(), parts


def _check_ranges(key: str, stated: str, words: Sequence[str], number: Callable[[str, str], int]) -> None:
    """Refuse what is none of ``a``, ``a/b``, ``a/to/b`` and ``a/to/b/by/step``, one after another."""
    rest = deque(words)
    while rest:
        first = number(key, rest.popleft())
        if not rest or rest[0] != _TO:
            continue
        rest.popleft()
        if not rest:
            raise RequestError(f"{stated}: an end is missing after to")
        last, step = number(key, rest.popleft()), 1
        if rest and rest[0] == _BY:
            rest.popleft()
            if not rest or not _WHOLE.fullmatch(rest[0]):
                raise RequestError(f"{stated}: a whole number is missing after by")
            step = _number(key, rest.popleft())
        if not step:
            raise RequestError(f"{stated}: a step of 0 has no end")
        if (count := abs(last - first) // abs(step) + 1) > MAX_VALUES:
            raise RequestError(f"{stated}: {count:,} values, at most {MAX_VALUES:,} are taken")


def _number(key: str, text: str) -> int:
    """Return a value as a whole number."""
    if not _WHOLE.fullmatch(text):
        raise RequestError(f"{key}={text}: not a whole number")
    return int(text) if len(text) <= 18 else 10**18


def _day(key: str, text: str) -> int:
    """Return a day as a number: metkit takes 2026-02-30 for the second of March, and 2 for February."""
    if not _DAY.fullmatch(text):
        raise RequestError(f"{key}={text}: write 20260601, 2026-06-01, or days before today such as -1 (0 is today)")
    compact = text if text.startswith("-") else text.replace("-", "")
    if len(compact) != 8 or compact.startswith("-"):
        return datetime.now(UTC).toordinal() + int(compact)
    try:
        return datetime.strptime(compact, "%Y%m%d").replace(tzinfo=UTC).toordinal()
    except ValueError as error:
        raise RequestError(f"{key}={text}: not a real day") from error
