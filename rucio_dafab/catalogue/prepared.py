"""Items of a file made ready for the table: validated, with their columns as PostgreSQL's COPY wants them."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import orjson

from rucio_dafab.catalogue.lines import LONGEST_LINE, Line
from rucio_dafab.catalogue.record import make_record
from rucio_dafab.stac.errors import DocumentInvalid
from rucio_dafab.stac.links import Link, links_of
from rucio_dafab.stac.names import checked_name
from rucio_dafab.stac.validate import MAX_DEPTH, check_document, check_size


@dataclass(frozen=True, slots=True)
class Reject:
    """A line that was not loaded: its number, the id of its item where it has one, and the reason."""

    line: int
    id: str | None
    reason: str


@dataclass(frozen=True, slots=True)
class ParsedItem:
    """A line that is a JSON object with an id; ``storable`` where it is known that ``check_json`` passes it."""

    line: int
    id: str
    document: dict[str, Any]
    storable: bool


@dataclass(frozen=True, slots=True)
class PreparedItem:
    """A valid item with its links, and its columns (see ``record.make_record``) as COPY takes them."""

    line: int
    name: str
    collection: str
    columns: Mapping[str, Any]
    links: tuple[Link, ...]


def parse(line: Line, collections: Mapping[str, str]) -> ParsedItem | Reject:
    """Parse a line and give its item the collection that it has here.

    Args:
        line: the line.
        collections: names of collections here, by those that the file uses; others keep theirs.
    """
    if not line.whole:
        return Reject(line.number, None, f"the line has more than {LONGEST_LINE} bytes")
    try:
        document = orjson.loads(line.text)
    except orjson.JSONDecodeError as error:
        return Reject(line.number, None, f"no JSON: {error}")
    if not isinstance(document, dict):
        return Reject(line.number, None, "the document is no JSON object")
    name = document.get("id")
    if not isinstance(name, str):
        return Reject(line.number, None, f"/id must be a string, not {name!r}")
    try:
        checked_name(name, "/id")
    except DocumentInvalid as fault:
        return Reject(line.number, name[:250], str(fault))
    collection = document.get("collection")
    if isinstance(collection, str) and collection in collections:
        document["collection"] = collections[collection]
    return ParsedItem(line.number, name, document, storable=_is_storable(line.text, document))


def prepare(item: ParsedItem) -> PreparedItem | Reject:
    """Validate an item and make its columns."""
    document = item.document
    try:
        check_document(document, storable=item.storable)
        if document["type"] != "Feature":
            raise DocumentInvalid("/type must be Feature: only items are loaded so")
        checked_name(document["collection"], "/collection")
        record = make_record(document, valid=True)
        check_size(len(record["document"].encode()))
    except DocumentInvalid as fault:
        return Reject(item.line, item.id, str(fault))
    columns = {name: _COPIED.get(name, _unchanged)(value) for name, value in record.items()}
    return PreparedItem(item.line, item.id, document["collection"], columns, links_of(document, item.id))


def _is_storable(text: bytes, document: dict[str, Any]) -> bool:
    """Return whether nothing in a line can be what ``check_json`` refuses, which takes many times as long to find out.

    orjson has refused half surrogate pairs, NaN and infinities; left are NUL, large integers, and nesting.
    """
    if b"\\u0000" in text or _depth(document) == MAX_DEPTH:
        return False
    try:
        orjson.dumps(document, option=orjson.OPT_STRICT_INTEGER)
    except orjson.JSONEncodeError:
        return False
    return True


def _depth(document: dict[str, Any]) -> int:
    """Return how deep containers are nested, as far as ``check_json`` allows."""
    level: list[Any] = [document]
    depth = 0
    while level and depth < MAX_DEPTH:
        level = [
            member
            for each in level
            for member in (each.values() if isinstance(each, dict) else each)
            if isinstance(member, dict | list)
        ]
        depth += 1
    return depth


def _unchanged(value: Any) -> Any:
    return value


def _hexadecimal(value: Any) -> str | None:
    """Return a geometry as extended well-known binary, which names its CRS, in hexadecimal."""
    return None if value is None else str(value.as_ewkb().desc)


_COPIED: Final[dict[str, Callable[[Any], Any]]] = {
    "geometry": _hexadecimal,
    "searchable": lambda value: orjson.dumps(value).decode(),
}
"""Columns whose values COPY wants in another form than the statements of SQLAlchemy."""
