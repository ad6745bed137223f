"""The queryables of ``etc/queryables.toml``: what may be asked by name, of which type, kept in which column."""

import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from functools import cache, cached_property
from pathlib import Path
from typing import Any, Final

from rucio_dafab.resources import resources
from rucio_dafab.vocabulary.errors import VocabularyError

_TYPING_ERRORS = 2
_SHORTEST_MISSPELT = 6
_LONGEST_MISSPELT = 60


class ValueType(StrEnum):
    """The type of a queryable's values."""

    NUMBER = "number"
    INTEGER = "integer"
    STRING = "string"
    BOOLEAN = "boolean"
    DATETIME = "datetime"
    GEOMETRY = "geometry"
    CONCEPTS = "concepts"
    STRINGS = "strings"
    ANY = "any"
    """Whatever JSON holds: the type of a path that is not declared."""


@dataclass(frozen=True)
class Queryable:
    """A member of a document that may be asked by name.

    Attributes:
        name: The key of filters and of CQL2.
        pointer: RFC 6901 pointer into the document.
        type: Type of the values.
        column: Column of the catalogue's document table, or ``None`` where there is none.
        unit: UCUM code, or ``None``.
        broad: Whether it is asked for by ranges that hold much of the catalogue.
        together: Names of others that are mostly asked together with it, in the order in which they narrow an answer.
        aliases: Other keys for the same queryable.
        description: One line for people.
    """

    name: str
    pointer: str
    type: ValueType
    column: str | None = None
    unit: str | None = None
    broad: bool = False
    together: tuple[str, ...] = ()
    aliases: tuple[str, ...] = ()
    description: str = ""

    @property
    def path(self) -> tuple[str, ...]:
        """The unescaped segments of the pointer."""
        return split_pointer(self.pointer)

    @property
    def is_declared(self) -> bool:
        """Whether ``queryables.toml`` declares it, rather than a filter naming some other path."""
        return self.type is not ValueType.ANY


@dataclass(frozen=True)
class Queryables:
    """All declared queryables, in the order of the file."""

    entries: tuple[Queryable, ...]

    def __iter__(self) -> Iterator[Queryable]:
        return iter(self.entries)

    def __getitem__(self, name: str) -> Queryable:
        """Return the queryable called `name` (not an alias); raises ``KeyError``."""
        return self._names[name]

    def resolve(self, key: str) -> Queryable:
        """Return the queryable for a name, an alias, a JSON pointer, or else the property `key` of any type.

        Raises:
            VocabularyError: if `key` is empty, holds NUL, or is a malformed pointer.
        """
        if not key or "\x00" in key:
            raise VocabularyError(f"{key[:60]!r} cannot be a key")
        if known := self._keys.get(key):
            return known
        pointer = key if key.startswith("/") else f"/properties/{escape_segment(key)}"
        split_pointer(pointer)
        return self.at(pointer)

    def asked(self, key: str) -> Queryable:
        """Return the queryable that a question names; as :meth:`resolve`, but for keys that are misspelt.

        A property that nothing declares can be asked for, and finds nothing where no document has it. So a bare key of
        six letters or more within two typing errors of a declared one is refused: as a JSON pointer it is taken.

        Raises:
            VocabularyError: naming the key that was meant, or as :meth:`resolve`.
        """
        found = self.resolve(key)
        if not found.is_declared and not key.startswith("/") and (meant := self._nearest(key)):
            raise VocabularyError(f"nothing is called {key!r}: did you mean {meant}? Else write {found.pointer}")
        return found

    def _nearest(self, key: str) -> str | None:
        if not _SHORTEST_MISSPELT <= len(key) <= _LONGEST_MISSPELT:
            return None
        known = (
            each for each in self._keys if not each.startswith("/") and abs(len(each) - len(key)) <= _TYPING_ERRORS
        )
        near = min(((typing_errors(key.lower(), each.lower()), each) for each in known), default=None)
        return near[1] if near is not None and near[0] <= _TYPING_ERRORS else None

    def at(self, pointer: str) -> Queryable:
        """Return the queryable at `pointer`, declared or not."""
        return self._pointers.get(pointer) or Queryable(pointer, pointer, ValueType.ANY)

    def key_of(self, pointer: str) -> str:
        """Return the shortest unambiguous key of `pointer`: the inverse of :meth:`asked`."""
        if known := self._pointers.get(pointer):
            return known.name
        path = split_pointer(pointer)
        if len(path) == 2 and path[0] == "properties" and path[1] and not path[1].startswith("/"):
            is_plain = self.resolve(path[1]).pointer == pointer and self._nearest(path[1]) is None
            return path[1] if is_plain else pointer
        return pointer

    @cached_property
    def _names(self) -> dict[str, Queryable]:
        return {entry.name: entry for entry in self.entries}

    @cached_property
    def _pointers(self) -> dict[str, Queryable]:
        return {entry.pointer: entry for entry in self.entries}

    @cached_property
    def _keys(self) -> dict[str, Queryable]:
        return {key: entry for entry in self.entries for key in (entry.name, entry.pointer, *entry.aliases)}


def typing_errors(one: str, other: str) -> int:
    """Return how many letters must be added, left out, replaced or swapped with the next to make one of the other.

    Optimal string alignment distance (L. Boytsov, ACM J. Exp. Algorithmics 16, 2011, section 2.1).
    """
    earlier: list[int] = []
    before = list(range(len(other) + 1))
    for i, letter in enumerate(one, start=1):
        row = [i]
        for j, wanted in enumerate(other, start=1):
            cost = min(before[j] + 1, row[j - 1] + 1, before[j - 1] + (letter != wanted))
            if i > 1 and j > 1 and letter == other[j - 2] and one[i - 2] == wanted:
                cost = min(cost, earlier[j - 2] + 1)
            row.append(cost)
        earlier, before = before, row
    return before[-1]


LONGEST_POINTER: Final = 64
"""Segments of a JSON pointer: documents are not nested deeper."""


def split_pointer(pointer: str) -> tuple[str, ...]:
    """Return the unescaped segments of an RFC 6901 pointer.

    Raises:
        VocabularyError: if `pointer` does not begin with ``/``, has a wrong escape, or more than
            :data:`LONGEST_POINTER` segments.
    """
    if pointer.count("/") > LONGEST_POINTER:
        raise VocabularyError(f"'{pointer[:60]}…' is too long: a JSON pointer has {LONGEST_POINTER} segments at most")
    if not pointer.startswith("/"):
        raise VocabularyError(f"'{pointer[:60]}' is not a JSON pointer: it must begin with '/'")
    if "~" in pointer.replace("~0", "").replace("~1", ""):
        raise VocabularyError(f"'{pointer[:60]}' is not a JSON pointer: '~' is written '~0', '/' inside a name '~1'")
    return tuple(segment.replace("~1", "/").replace("~0", "~") for segment in pointer[1:].split("/"))


def escape_segment(name: str) -> str:
    """Return `name` as one segment of an RFC 6901 pointer."""
    return name.replace("~", "~0").replace("/", "~1")


def read(path: Path) -> Queryables:
    """Read and check a queryables file.

    Raises:
        VocabularyError: naming the entry that is wrong, or two entries that claim one key or column.
    """
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise VocabularyError(f"{path.name} cannot be read: {error}") from error
    entries = tuple(_entry(table, path.name) for table in document.get("queryable", []))
    _refuse_shared_keys(entries, path.name)
    _refuse_strange_company(entries, path.name)
    return Queryables(entries)


@cache
def load() -> Queryables:
    """Return the queryables of this installation (``etc/queryables.toml``)."""
    return read(resources() / "etc" / "queryables.toml")


def _entry(table: dict[str, Any], file: str) -> Queryable:
    try:
        values: dict[str, Any] = {**table, "type": ValueType(str(table["type"]))}
        entry = Queryable(**values | {key: tuple(table.get(key, ())) for key in ("aliases", "together")})
        split_pointer(entry.pointer)
    except (KeyError, TypeError, ValueError, VocabularyError) as error:
        raise VocabularyError(f"{file}: the queryable '{table.get('name', '?')}' is wrong: {error}") from error
    return entry


def _refuse_strange_company(entries: tuple[Queryable, ...], file: str) -> None:
    scalar = {ValueType.NUMBER, ValueType.INTEGER, ValueType.STRING, ValueType.BOOLEAN}
    able = {entry.name for entry in entries if entry.column and entry.type in scalar}
    for entry in entries:
        if entry.together and (entry.broad or entry.name not in able):
            raise VocabularyError(f"{file}: '{entry.name}' cannot be asked together with others: it is broad or a list")
        if strange := [name for name in entry.together if name not in able or name == entry.name]:
            raise VocabularyError(f"{file}: '{entry.name}' is asked together with '{strange[0]}', which has no column")


def _refuse_shared_keys(entries: tuple[Queryable, ...], file: str) -> None:
    owners: dict[str, str] = {}
    for entry in entries:
        claims = [entry.name, entry.pointer, *entry.aliases, *([f"column {entry.column}"] if entry.column else [])]
        for claim in claims:
            if owners.setdefault(claim, entry.name) != entry.name:
                raise VocabularyError(f"{file}: '{owners[claim]}' and '{entry.name}' both claim '{claim}'")
