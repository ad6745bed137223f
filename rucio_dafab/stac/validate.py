"""What a document must be before the catalogue keeps it: JSON that PostgreSQL can hold, and the shape of STAC 1.1."""

import math
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, Final

import orjson

from rucio_dafab import vocabulary
from rucio_dafab.stac import pointers
from rucio_dafab.stac.errors import DocumentInvalid, DocumentTooLarge
from rucio_dafab.stac.geometry import read_footprint
from rucio_dafab.stac.schemas import check_profile, may_lack_place
from rucio_dafab.vocabulary.queryables import ValueType

MAX_DEPTH: Final = 64
"""Nesting allowed in a document; STAC items seen so far stay below ten."""

MAX_BYTES: Final = 4 * 2**20
"""Bytes of a document as compact JSON in UTF-8: real items have 3 to 70 kB, most of a larger one is its outline."""

MAX_INTEGER: Final = 2**63
"""Integers must fit 64 bits, like those of every reader of JSON that we serve."""


def check_size(size: int) -> None:
    """Check the size of a document in bytes, as compact JSON.

    Raises:
        DocumentTooLarge: if it is above :data:`MAX_BYTES`.
    """
    if size > MAX_BYTES:
        raise DocumentTooLarge(f"the document has {size} bytes: more than the {MAX_BYTES} that one may have")


def check_json(value: Any, *path: str | int) -> None:
    """Check that a value is JSON that can be stored and read back unchanged.

    Args:
        value: the value.
        path: the members that lead to it, for the message.

    Raises:
        DocumentInvalid: naming the pointer of the first NaN or infinity, integer beyond 64 bits, string with a NUL
            or a lone surrogate, key that is no string, nesting beyond :data:`MAX_DEPTH`, or value that is no JSON.
    """
    if len(path) > MAX_DEPTH:
        raise DocumentInvalid(f"{pointers.join(*path[:4])}/… is nested deeper than {MAX_DEPTH} levels")
    if isinstance(value, dict):
        for key, member in value.items():
            _check_text(key, path)
            check_json(member, *path, key)
    elif isinstance(value, list):
        for index, member in enumerate(value):
            check_json(member, *path, index)
    else:
        _check_scalar(value, path)


def _check_scalar(value: Any, path: tuple[str | int, ...]) -> None:
    if value is None or isinstance(value, bool):
        return
    if isinstance(value, str):
        _check_text(value, path)
    elif isinstance(value, int):
        if not -MAX_INTEGER <= value < MAX_INTEGER:
            raise DocumentInvalid(f"{_place(path)} is an integer of more than 64 bits")
    elif isinstance(value, float):
        if not math.isfinite(value):
            raise DocumentInvalid(f"{_place(path)} is {value}, which JSON cannot hold")
    else:
        raise DocumentInvalid(f"{_place(path)} is a {type(value).__name__}, which JSON cannot hold")


def _check_text(value: Any, path: tuple[str | int, ...]) -> None:
    if not isinstance(value, str):
        raise DocumentInvalid(f"{_place(path)} has a key that is no string: {value!r}")
    if "\0" in value:
        raise DocumentInvalid(f"{_place(path)} has a NUL character")
    if not value.isascii() and any("\ud800" <= character <= "\udfff" for character in value):
        raise DocumentInvalid(f"{_place(path)} has half a surrogate pair")


def _place(path: tuple[str | int, ...]) -> str:
    return pointers.join(*path) or "the document"


_NUL: Final = b"\\u0000"
_TOO_DEEP: Final = b"\n" + b" " * (2 * (MAX_DEPTH + 1))
"""Where orjson indents, what stands deeper than :data:`MAX_DEPTH` follows so many blanks."""


def is_plain(value: Any, *, parsed: bool = False) -> bool:
    """Return whether :func:`check_json` surely passes a value, in an eighth of its time; false says nothing.

    Args:
        value: the value.
        parsed: whether it is what orjson made of JSON, and so nothing but JSON.
    """
    try:
        text = orjson.dumps(value, option=orjson.OPT_STRICT_INTEGER | orjson.OPT_INDENT_2)
    except orjson.JSONEncodeError:
        return False
    if _NUL in text or _TOO_DEEP in text:
        return False
    # What is no JSON (NaN, a time, a tuple) is written as something else, and does not come back as it was.
    return parsed or bool(orjson.loads(text) == value)


def check_document(document: Any, *, parsed: bool = False) -> None:
    """Check that a document is a STAC item or collection that can be published.

    Args:
        document: the document.
        parsed: whether it is what orjson made of JSON.

    Raises:
        ProfileViolated: if an item does not fit the schema of its collection, with all that it violates.
        DocumentInvalid: with the first other fault, by JSON pointer.
    """
    if not isinstance(document, dict):
        raise DocumentInvalid("the document is no JSON object")
    if not is_plain(document, parsed=parsed):
        check_json(document)
    kind = document.get("type")
    if kind not in ("Feature", "Collection"):
        raise DocumentInvalid(f"/type must be Feature (an item) or Collection, not {kind!r}")
    _require_text(document, "id")
    if kind == "Feature":
        _check_item(document)


def faults(document: Any) -> Iterator[DocumentInvalid]:
    """Yield what keeps a document out of STAC: nothing, or the first fault."""
    try:
        check_document(document)
    except DocumentInvalid as fault:
        yield fault


def _check_item(item: dict[str, Any]) -> None:
    _require_text(item, "collection")
    properties = item.get("properties")
    if not isinstance(properties, dict):
        raise DocumentInvalid("/properties must be an object")
    check_times(properties)
    if item.get("geometry") is not None:
        read_footprint(item["geometry"], "/geometry")
    elif not may_lack_place(item):
        raise DocumentInvalid("/geometry is missing")
    _check_bbox(item.get("bbox"))
    assets = item.get("assets", {})
    if not isinstance(assets, dict) or not all(isinstance(asset, dict) for asset in assets.values()):
        raise DocumentInvalid("/assets must be an object of objects")
    links = item.get("links", [])
    if not isinstance(links, list) or not all(isinstance(link, dict) for link in links):
        raise DocumentInvalid("/links must be an array of objects")
    check_profile(item)


def _require_text(document: dict[str, Any], member: str) -> None:
    value = document.get(member)
    if not isinstance(value, str) or not value:
        raise DocumentInvalid(f"/{member} must be a string, not {value!r}")


def check_times(properties: dict[str, Any]) -> None:
    """Check ``datetime``, or ``start_datetime`` and ``end_datetime`` where it is null (STAC 1.1, common metadata).

    Raises:
        DocumentInvalid: if a time is missing, unreadable, without time zone, or ends before it starts.
    """
    times = {
        key: parse_time(properties[key], f"/properties/{key}")
        for key in ("datetime", "start_datetime", "end_datetime")
        if properties.get(key) is not None
    }
    if "datetime" not in times and not {"start_datetime", "end_datetime"} <= times.keys():
        raise DocumentInvalid("/properties/datetime is missing, and so are start_datetime and end_datetime")
    if "start_datetime" in times and "end_datetime" in times and times["end_datetime"] < times["start_datetime"]:
        raise DocumentInvalid("/properties/end_datetime is before /properties/start_datetime")


def parse_time(value: Any, place: str) -> datetime:
    """Return an RFC 3339 time.

    Raises:
        DocumentInvalid: if it is no such string, has no time zone, or lies outside of the years 1 to 9999 in UTC.
    """
    try:
        found = datetime.fromisoformat(value)
    except (TypeError, ValueError) as error:
        raise DocumentInvalid(f"{place} is no RFC 3339 time: {value!r}") from error
    if found.tzinfo is None:
        raise DocumentInvalid(f"{place} has no time zone: {value!r} (write {value}Z for UTC)")
    try:
        found.astimezone(UTC)
    except OverflowError as error:
        # PostgreSQL could keep it, and no listing that holds it could be read again.
        raise DocumentInvalid(f"{place} lies outside of the years 1 to 9999 in UTC: {value!r}") from error
    return found


def _check_bbox(bbox: Any) -> None:
    """Check an optional bounding box: 4 or 6 numbers, south below north (west may exceed east: RFC 7946, 5.2)."""
    if bbox is None:
        return
    numbers = isinstance(bbox, list) and all(isinstance(v, int | float) and not isinstance(v, bool) for v in bbox)
    if not numbers or len(bbox) not in {4, 6}:
        raise DocumentInvalid(f"/bbox must be 4 or 6 numbers, not {bbox!r}")
    half = len(bbox) // 2
    if bbox[1] > bbox[half + 1]:
        raise DocumentInvalid(f"/bbox has its south {bbox[1]} above its north {bbox[half + 1]}")


_TYPES: Final[dict[ValueType, tuple[type, ...]]] = {
    ValueType.NUMBER: (int, float),
    ValueType.INTEGER: (int,),
    ValueType.STRING: (str,),
    ValueType.BOOLEAN: (bool,),
    ValueType.STRINGS: (list,),
}


def check_types(document: dict[str, Any]) -> None:
    """Check that every declared queryable of a document has a value of its type, or none.

    Raises:
        DocumentInvalid: naming the pointer, the type and the value of the first that has not.
    """
    for queryable in vocabulary.load().queryables:
        wanted = _TYPES.get(queryable.type)
        value = pointers.get(document, queryable.path)
        if wanted is None or value is None or value is pointers.ABSENT:
            continue
        if not isinstance(value, wanted) or (isinstance(value, bool) and bool not in wanted):
            raise DocumentInvalid(f"{queryable.pointer} must be of type {queryable.type}, not {value!r}")
