"""All that keeps a document out of a collection, told at once: what a load or a publication would refuse it for."""

import re
from collections.abc import Iterator
from typing import Any, Final

import orjson

from rucio_dafab.stac.errors import DocumentInvalid
from rucio_dafab.stac.names import checked_name
from rucio_dafab.stac.schemas import ProfileViolated, Schema, Violation, check_profile
from rucio_dafab.stac.validate import check_document, check_json, check_size, check_types

_PLACED: Final = re.compile(r"(/\S*?):? (.*)", re.DOTALL)


def violations(document: Any, schema: Schema | None = None) -> tuple[Violation, ...]:
    """Return what is wrong with a document, the first at each place.

    Args:
        document: parsed JSON.
        schema: one that it must satisfy; by default the one that it is held to.
    """
    found: dict[str, Violation] = {}
    for each in _all(document, schema):
        found.setdefault(each.pointer, each)
    return tuple(found.values())


def _all(document: Any, schema: Schema | None) -> Iterator[Violation]:
    if not isinstance(document, dict):
        yield Violation("", "is no JSON object")
        return
    unreadable = [*_told(check_json, document)]
    yield from unreadable
    if unreadable:
        return
    yield from _told(check_size, len(orjson.dumps(document)))
    yield from _told(check_profile, document, schema)
    yield from _told(check_document, document)
    yield from _told(check_types, document)
    for member in ("id", "collection"):
        if isinstance(document.get(member), str):
            yield from _told(checked_name, document[member], f"/{member}")


def _told(check: Any, *arguments: Any) -> Iterator[Violation]:
    try:
        check(*arguments)
    except ProfileViolated as refused:
        yield from refused.violations
    except DocumentInvalid as refused:
        placed = _PLACED.fullmatch(str(refused))
        yield Violation(placed[1], placed[2]) if placed else Violation("", str(refused))
