"""Items of a file made ready for the table: validated, with their columns."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from rucio_dafab.catalogue.lines import LONGEST_LINE, Line
from rucio_dafab.catalogue.record import make_record
from rucio_dafab.stac.errors import DocumentInvalid
from rucio_dafab.stac.links import Link, links_of
from rucio_dafab.stac.names import checked_name
from rucio_dafab.stac.validate import check_document, check_size


@dataclass(frozen=True, slots=True)
class Reject:
    """A line that was not loaded: its number, the id of its item where it has one, and the reason."""

    line: int
    id: str | None
    reason: str


@dataclass(frozen=True, slots=True)
class ParsedItem:
    """A line that is a JSON object with an id."""

    line: int
    id: str
    document: dict[str, Any]


@dataclass(frozen=True, slots=True)
class PreparedItem:
    """A valid item with its links, and its columns (see ``record.make_record``)."""

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
    return ParsedItem(line.number, name, document)


def prepare(item: ParsedItem) -> PreparedItem | Reject:
    """Validate an item and make its columns."""
    document = item.document
    try:
        check_document(document, parsed=True)
        if document["type"] != "Feature":
            raise DocumentInvalid("/type must be Feature: only items are loaded so")
        checked_name(document["collection"], "/collection")
        record = make_record(document, valid=True)
        check_size(len(record["document"]))
    except DocumentInvalid as fault:
        return Reject(item.line, item.id, str(fault))
    return PreparedItem(item.line, item.id, document["collection"], record, links_of(document, item.id))
