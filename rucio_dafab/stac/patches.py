"""Changes of a document by JSON pointer (RFC 6901): insert, update, delete, upsert. Pure: no database.

Where a change applies:

==========  ==========================================  ===============================================
            an object's member                          an array's element
==========  ==========================================  ===============================================
insert      must be absent                              the first free number, or ``-``: appends
update      must be there                               must be there
delete      must be there                               must be there; what follows moves up
upsert      either                                      there: replaces; first free number or ``-``: appends
==========  ==========================================  ===============================================

An occupied number of an array refuses an insert instead of moving what is there: of two who append to the same
number, one is told. Insert and upsert make the objects on their way. The pointer ``""`` is the whole document.
"""

from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from rucio_dafab.stac import pointers
from rucio_dafab.stac.errors import DocumentInvalid, PathInvalid, PathOccupied, PathUnknown
from rucio_dafab.stac.validate import check_json
from rucio_dafab.vocabulary.errors import VocabularyError
from rucio_dafab.vocabulary.queryables import split_pointer

APPEND: Final = "-"
"""The segment that names the element after the last one of an array."""

LONGEST_POINTER: Final = 2000
"""Characters of a pointer."""

_SHOWN: Final = 200

Document = dict[str, Any]


class Operator(StrEnum):
    """What a change does."""

    INSERT = "insert"
    UPDATE = "update"
    DELETE = "delete"
    UPSERT = "upsert"

    @property
    def makes(self) -> bool:
        """Whether it may put something where nothing is."""
        return self in {Operator.INSERT, Operator.UPSERT}


@dataclass(frozen=True, slots=True)
class Operation:
    """One change: what it does, the unescaped segments of where, and with which value."""

    operator: Operator
    path: tuple[str, ...]
    value: Any = None

    def __str__(self) -> str:
        """Return what it does and where, for messages; a long pointer is cut."""
        pointer = pointers.join(*self.path) or "the document"
        return f"{self.operator} {pointer if len(pointer) <= _SHOWN else f'{pointer[:_SHOWN]}…'}"


def read_operation(wire: Mapping[str, Any], place: str) -> Operation:
    """Return a change from ``{"op", "path", "value"?}``.

    Args:
        wire: the object that was sent.
        place: pointer to where it stands, for the message.

    Raises:
        PathInvalid: if ``path`` is no JSON pointer.
        DocumentInvalid: if the operator is unknown, a value is missing, not wanted or no JSON that can be kept.
    """
    try:
        operator = Operator(wire.get("op", ""))
    except ValueError as error:
        raise DocumentInvalid(f"{place}/op must be one of {', '.join(Operator)}, not {wire.get('op')!r:.60}") from error
    path = read_pointer(wire.get("path"), f"{place}/path")
    if operator is Operator.DELETE:
        if "value" in wire:
            raise DocumentInvalid(f"{place}: delete takes no value")
        return Operation(operator, path)
    if "value" not in wire:
        raise DocumentInvalid(f"{place}: {operator} needs a value")
    if not path and not isinstance(wire["value"], dict):
        raise DocumentInvalid(f"{place}/value: a document must be an object")
    check_json(wire["value"], *place.split("/")[1:], "value")
    return Operation(operator, path, wire["value"])


def read_pointer(pointer: Any, place: str) -> tuple[str, ...]:
    """Return the segments of a JSON pointer, unescaped; none for ``""``, the whole document.

    Args:
        pointer: what was sent.
        place: pointer to where it stands, for the message.

    Raises:
        PathInvalid: if it is no pointer, too long, or holds what no document can.
    """
    if not isinstance(pointer, str) or len(pointer) > LONGEST_POINTER:
        raise PathInvalid(f"{place} must be a JSON pointer of at most {LONGEST_POINTER} characters")
    try:
        check_json(pointer, *place.split("/")[1:])
        return split_pointer(pointer) if pointer else ()
    except (VocabularyError, DocumentInvalid) as error:
        raise PathInvalid(f"{place}: {error}") from error


def apply(document: Document | None, operation: Operation) -> Document | None:
    """Return the document as a change leaves it; ``None`` is no document.

    The document may be changed in place, also when a later change is refused; a value is copied.

    Raises:
        PathOccupied: if an insert finds something at its place.
        PathUnknown: if an update or a delete finds nothing.
        PathInvalid: if the pointer leads through something that is neither object nor array, or past an array's end.
    """
    if not operation.path:
        return _apply_whole(document, operation)
    if document is None and not operation.operator.makes:
        raise PathUnknown(f"{operation}: there is no document")
    changed: Document = {} if document is None else document
    parent = _parent(changed, operation)
    if isinstance(parent, dict):
        _apply_member(parent, operation)
    else:
        _apply_element(parent, operation)
    return changed


def _apply_whole(document: Document | None, operation: Operation) -> Document | None:
    _check_presence(operation, present=document is not None)
    return None if operation.operator is Operator.DELETE else deepcopy(operation.value)


def _parent(document: Document, operation: Operation) -> Document | list[Any]:
    """Return the object or array that holds the last segment; objects on the way are made where the change may."""
    found: Any = document
    path = operation.path
    for depth, segment in enumerate(path[:-1]):
        following = pointers.get(found, (segment,))
        if following is pointers.ABSENT:
            following = {}
            _make(found, segment, following, operation, depth)
        found = following
    if not isinstance(found, dict | list):
        raise PathInvalid(f"{operation}: {pointers.join(*path[:-1])} is neither object nor array")
    return found


def _make(parent: Any, segment: str, made: Document, operation: Operation, depth: int) -> None:
    """Put an object on the way, unless the change may make nothing or an array is missing there."""
    place = pointers.join(*operation.path[: depth + 1])
    if isinstance(parent, dict | list) and not operation.operator.makes:
        raise PathUnknown(f"{operation}: there is no {place}")
    if not isinstance(parent, dict):
        raise PathInvalid(f"{operation}: there is no {place}, and it cannot be made")
    following = operation.path[depth + 1]
    if following == APPEND or pointers.element_number(following) is not None:
        raise PathInvalid(f"{operation}: there is no array {place}")
    parent[segment] = made


def _apply_member(parent: Document, operation: Operation) -> None:
    name = operation.path[-1]
    _check_presence(operation, present=name in parent)
    if operation.operator is Operator.DELETE:
        del parent[name]
    else:
        parent[name] = deepcopy(operation.value)


def _apply_element(parent: list[Any], operation: Operation) -> None:
    index = _index(parent, operation)
    _check_presence(operation, present=index < len(parent))
    if operation.operator is Operator.DELETE:
        del parent[index]
    elif index < len(parent):
        parent[index] = deepcopy(operation.value)
    else:
        parent.append(deepcopy(operation.value))


def _index(parent: list[Any], operation: Operation) -> int:
    segment = operation.path[-1]
    if segment == APPEND:
        return len(parent)
    index = pointers.element_number(segment)
    if index is None:
        raise PathInvalid(f"{operation}: {segment[:60]!r} is no number of an array's element")
    if index > len(parent):
        if operation.operator.makes:
            raise PathInvalid(f"{operation}: the array has {len(parent)} elements, the next one is {len(parent)}")
        raise PathUnknown(f"{operation}: the array has {len(parent)} elements")
    return index


def _check_presence(operation: Operation, *, present: bool) -> None:
    if present and operation.operator is Operator.INSERT:
        raise PathOccupied(f"{operation}: there is something already")
    if not present and not operation.operator.makes:
        raise PathUnknown(f"{operation}: there is no such member")
