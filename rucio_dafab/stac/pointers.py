"""Members of a document by the path of their JSON pointer (RFC 6901): read, set and remove one."""

import re
from collections.abc import Sequence
from typing import Any, Final

from rucio_dafab.stac.errors import DocumentInvalid, KeyUnknown
from rucio_dafab.vocabulary.queryables import escape_segment

ABSENT: Final = object()
"""What :func:`get` answers where the document has no such member (``None`` is JSON's null)."""


_NUMBER: Final = re.compile("0|[1-9][0-9]{0,8}")


def join(*members: str | int) -> str:
    """Return the pointer to a member, escaped."""
    return "".join(f"/{escape_segment(str(member))}" for member in members)


def element_number(segment: str) -> int | None:
    """Return the number of an array's element that a segment is (no leading zeros: RFC 6901, 4), or ``None``."""
    return int(segment) if _NUMBER.fullmatch(segment) else None


def get(document: Any, path: Sequence[str]) -> Any:
    """Return the member at a path, or :data:`ABSENT`; array elements are named by their number."""
    found = document
    for member in path:
        if isinstance(found, dict) and member in found:
            found = found[member]
        elif isinstance(found, list) and (number := element_number(member)) is not None and number < len(found):
            found = found[number]
        else:
            return ABSENT
    return found


def put(document: dict[str, Any], path: Sequence[str], value: Any) -> None:
    """Set the member at a path, making the objects on the way.

    Raises:
        DocumentInvalid: if something on the way is no object.
    """
    parent: Any = document
    for member in path[:-1]:
        parent = parent.setdefault(member, {}) if isinstance(parent, dict) else parent
    if not isinstance(parent, dict) or not isinstance(get(document, path[:-1]), dict):
        raise DocumentInvalid(f"{join(*path)} cannot be set: a member above it is no object")
    parent[path[-1]] = value


def remove(document: dict[str, Any], path: Sequence[str]) -> None:
    """Remove the member at a path.

    Raises:
        KeyUnknown: if the document has none.
    """
    parent = get(document, path[:-1])
    if not isinstance(parent, dict) or path[-1] not in parent:
        raise KeyUnknown(f"the document has no member {join(*path)}")
    del parent[path[-1]]
