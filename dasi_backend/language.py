"""Requests: the MARS language as metkit parses it, with our keys (``etc/fdb/metkit``).

    retrieve, collection=water_analysis, date=2026-06-01/to/2026-06-30, cloud_cover="<20",
        geometry=@luxembourg, theme=isA:Flood, target="out/[tile]_[date].tif"

A text may hold several requests. As in MARS, a request inherits the keys of the one before it with the same verb,
``target`` too; ``key=off`` drops one.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Final

import yaml

from dasi_backend import ecmwf, scan
from dasi_backend.errors import RequestError
from rucio_dafab.resources import resources

VERBS: Final = ("retrieve", "list", "archive", "wipe", "disseminate")
ANY: Final = "any"
"""The value of ``expect`` that takes any number of answers, none too."""

_CUT: Final = ("area", "grid", "interpolation")
_CONTROL: Final = ("target", "expect", "source", *_CUT)
_PLAIN: Final = re.compile(r"[A-Za-z0-9._:@/-]+")
_WRITTEN_IN_QUOTES: Final = re.compile(r"""("[^"]*"|'[^']*')\s*(/.*)?""", re.DOTALL)
_REQUESTS: Final = 1_000
_OFF: Final = "off"
_LOWER_CASE: Final = "lowercase"


@dataclass(frozen=True, slots=True)
class Request:
    """One request.

    Attributes:
        verb: ``retrieve``, ``list``, ``archive``, ``wipe`` or ``disseminate``.
        keys: What is asked for: the expanded values of each key, in the order of the language.
        target: The template of file names to write to, or ``None``.
        expect: How many answers there must be: a number, :data:`ANY`, or ``None`` for at least one.
        source: What to archive.
        area: Where to cut: north, west, south and east in degrees.
        grid: To what size of pixels.
        interpolation: How values between pixels are made.
    """

    verb: str
    keys: Mapping[str, tuple[str, ...]]
    target: str | None = None
    expect: int | str | None = None
    source: tuple[str, ...] = ()
    area: tuple[str, ...] = ()
    grid: tuple[str, ...] = ()
    interpolation: tuple[str, ...] = ()


def parse(text: str) -> tuple[Request, ...]:
    """Return the requests of a text.

    Raises:
        RequestError: naming the key, the value or the line that is not understood.
    """
    text = scan.without_comments(text)
    if not text.strip():
        raise RequestError("the request is empty")
    if not re.match(r"\s*[A-Za-z]+\s*(,|\Z)", text):
        raise RequestError(
            f"a request begins with a verb ({', '.join(VERBS)}) and a comma, not with {text.strip()[:30]!r}"
        )
    scan.check(text, _language())
    try:
        parsed = ecmwf.load("pymetkit").parse_mars_request(text, strict=True)
    except UnicodeDecodeError as error:
        raise RequestError("a value with letters beyond ASCII must be in quotes") from error
    except RuntimeError as error:  # pymetkit.MetKitException
        raise RequestError(_explained(ecmwf.reason(error))) from error
    if len(parsed) > _REQUESTS:
        raise RequestError(f"{len(parsed)} requests in one text: at most {_REQUESTS} are taken")
    return tuple(_request(each.verb(), each.selection) for each in parsed)


def keys() -> frozenset[str]:
    """Return the keys that a request may name data by."""
    return _keys() - set(_CONTROL)


@cache
def kinds() -> Mapping[str, str]:
    """Return metkit's type of every key that a request may name data by, in the order of the language."""
    return {key: kind["type"] for key, kind in _kinds().items()}


def expanded(query: Mapping[str, Sequence[str]]) -> dict[str, tuple[str, ...]]:
    """Return a query that is no text as a request has it: known keys, ranges and days expanded, ids in lower case.

    Raises:
        RequestError: naming the key and the value that is not understood.
    """
    found: dict[str, tuple[str, ...]] = {}
    for key, values in query.items():
        scan.check_key(key, keys())
        if not values or any(not value.strip() for value in values):
            raise RequestError(f"{key}: a value is missing")
        if any(value.lower() == _OFF for value in values):
            raise RequestError(f"{key}=off: leave the key out")
        scan.check_values(key, _kinds()[key], values)
        if (kind := kinds()[key]) in scan.RANGES:
            found |= parse(f"list, {key}={'/'.join(values)}")[0].keys
        else:
            found[key] = tuple(value.lower() for value in values) if kind == _LOWER_CASE else tuple(values)
    return found


def from_arguments(verb: str, arguments: Iterable[str]) -> str:
    """Return the text of a request whose keys are arguments of a command line, ``key=value`` each.

    A value with anything but plain letters is put in quotes, so that a shell's arguments need none of their own.

    Raises:
        RequestError: if an argument is not of that form.
    """
    parts = [verb]
    for argument in arguments:
        key, equals, value = argument.partition("=")
        if not equals or not key.strip():
            raise RequestError(f"'{argument}' is not key=value, nor a file that holds a request")
        parts.append(f"{key.strip()}={_quoted(key.strip().lower(), value.strip())}")
    return ", ".join(parts)


def _quoted(key: str, value: str) -> str:
    if _WRITTEN_IN_QUOTES.fullmatch(value) or (key not in {*_CONTROL} - {*_CUT} and _PLAIN.fullmatch(value)):
        return value
    if '"' not in value:
        return f'"{value}"'
    if "'" not in value:
        return f"'{value}'"
    raise RequestError(f"{key}={value}: a value cannot hold both kinds of quotes")


def expected(expect: int | str | None) -> int | str | None:
    """Return how many answers a caller expects, as :class:`Request` has it.

    Raises:
        RequestError: if it is neither a number nor :data:`ANY`.
    """
    return None if expect is None else _expect([str(expect)])


def _request(verb: str, selection: Mapping[str, list[str]]) -> Request:
    if verb not in VERBS:
        raise RequestError(f"the verb '{verb}' is not one of {', '.join(VERBS)}")
    for key, values in selection.items():
        if not values or any(not value.strip() for value in values):
            raise RequestError(f"{key}: a value is missing")
        if len(values) > scan.MAX_VALUES:
            raise RequestError(f"{key}: {len(values):,} values, at most {scan.MAX_VALUES:,} are taken")
    target = selection.get("target")
    return Request(
        verb=verb,
        keys={key: tuple(values) for key, values in selection.items() if key not in _CONTROL},
        target=target[0] if target else None,
        expect=_expect(selection.get("expect")),
        source=tuple(selection.get("source", ())),
        **{key: tuple(selection.get(key, ())) for key in _CUT},
    )


def _expect(values: list[str] | None) -> int | str | None:
    if not values:
        return None
    if values[0].lower() == ANY:
        return ANY
    if not re.fullmatch(r"\d{1,9}", values[0]):
        raise RequestError(f"expect={values[0]}: write a number of files, or any")
    return int(values[0])


def _explained(reason: str) -> str:
    """Add what to do where metkit's own words do not say it."""
    if "invalid char" in reason or "Only one value possible for 'target'" in reason:
        return f'{reason}: put operators, geometries and targets in quotes, as in cloud_cover="<20"'
    if "reached eof" in reason or "expecting" in reason:
        return f"the request is cut short or a comma is in the wrong place ({reason})"
    return reason


@cache
def _language() -> dict[str, Any]:
    path = resources() / "etc" / "fdb" / "metkit" / "share" / "metkit" / "language.yaml"
    language: dict[str, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))
    return {verb: language[verb] for verb in VERBS}


@cache
def _keys() -> frozenset[str]:
    return frozenset(key for verb in _language().values() for key in verb if not key.startswith("_"))


@cache
def _kinds() -> Mapping[str, Mapping[str, Any]]:
    return {
        key: kind
        for verb in _language().values()
        for key, kind in verb.items()
        if isinstance(kind, dict) and "type" in kind and key not in _CONTROL
    }
