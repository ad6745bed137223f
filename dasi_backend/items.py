"""What DASI hands out: keys, queries and the items that answer them."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Self, cast

from typing_extensions import override

from dasi_backend.errors import KeyRefused, StoreError
from dasi_backend.keys import WHERE
from rucio_dafab.pfn import local_file

Values = str | int | Sequence[str | int]

_WHOLE: Final = frozenset({WHERE})
"""Keys whose values are texts in which ``/`` parts nothing."""


class Key(Mapping[str, str]):
    """A key: one value a name, written ``k1=v1,k2=v2``."""

    def __init__(self, key: Mapping[str, str | int] | str = "") -> None:
        self._values = {name: _text(name, value) for name, value in _named(key)}

    @override
    def __getitem__(self, name: str) -> str:
        return self._values[name]

    @override
    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    @override
    def __len__(self) -> int:
        return len(self._values)

    @override
    def __str__(self) -> str:
        return ",".join(f"{name}={value}" for name, value in self._values.items())

    @override
    def __repr__(self) -> str:
        return f"Key({str(self)!r})"

    @override
    def __hash__(self) -> int:
        return hash(frozenset(self._values.items()))

    @override
    def __eq__(self, other: object) -> bool:
        return isinstance(other, Mapping) and self._values == dict(other)


class Query(Mapping[str, tuple[str, ...]]):
    """A query: one or more values a name, written ``k1=v1/v2,k2=v``."""

    def __init__(self, query: Mapping[str, Values] | str = "") -> None:
        self._values = {name: _values(name, value) for name, value in _named(query)}

    @override
    def __getitem__(self, name: str) -> tuple[str, ...]:
        return self._values[name]

    @override
    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    @override
    def __len__(self) -> int:
        return len(self._values)

    @override
    def __str__(self) -> str:
        return ",".join(f"{name}={'/'.join(values)}" for name, values in self._values.items())

    @override
    def __repr__(self) -> str:
        return f"Query({str(self)!r})"


@dataclass(frozen=True, slots=True)
class Item:
    """An object that a query found.

    Attributes:
        key: Its key.
        name: The file it is, relative to its product, or the name of its DID.
        uri: Where its bytes are.
        length: How many there are.
        offset: Where they begin in that file.
        timestamp: When it was archived, seconds since 1970; 0 where nothing says.
        verified: Brings its bytes and verifies them, where ``retrieve`` gave it.
    """

    key: Key
    name: str
    uri: str
    length: int
    offset: int = 0
    timestamp: int = 0
    verified: Callable[[], bytes] | None = field(default=None, repr=False, compare=False)

    @property
    def data(self) -> bytes:
        """Its bytes, all in memory, read when they are asked for; ``retrieve`` to files is the way for large ones.

        Those of a listing are read where they lie; those of ``retrieve`` are brought from there and verified.

        Raises:
            ChecksumError: if they are not the ones that were stored.
            StoreError: if they are not on this machine or cannot be read.
        """
        if self.verified is not None:
            return self.verified()
        path = self.local_path
        try:
            with path.open("rb") as file:
                file.seek(self.offset)
                return file.read(self.length)
        except OSError as error:
            raise StoreError(f"{self.name} cannot be read from {path}: {error.strerror}") from error

    @property
    def is_part(self) -> bool:
        """Whether it is a part of a larger file, as in the store, and not a file of its own."""
        return self.uri.startswith("/")

    @property
    def local_path(self) -> Path:
        """The file on this machine that holds its bytes.

        Raises:
            StoreError: if they are elsewhere.
        """
        # The store says plain paths, in which '#' and '%' mean themselves; the catalogue says addresses.
        path = Path(self.uri) if self.is_part else local_file(self.uri)
        if path is None:
            raise StoreError(f"{self.name} is not on this machine but at {self.uri}: retrieve it to a file")
        return path

    def record(self) -> dict[str, object]:
        """Return it as JSON says it."""
        return {
            "key": dict(self.key),
            "name": self.name,
            "uri": self.uri,
            "length": self.length,
            "offset": self.offset,
            "timestamp": self.timestamp,
        }


@dataclass(frozen=True, slots=True)
class Retrieved:
    """A file, or a staged folder, that ``retrieve`` wrote.

    Attributes:
        path: Where.
        name: What: the name of a DID, or the id of a product.
        bytes: How many.
        kept: Whether it was there already, with the right checksum.
    """

    path: Path
    name: str
    bytes: int
    kept: bool = False

    @classmethod
    def of(cls, path: Path, item: Item, kept: bool) -> Self:
        """Return what was written of an item."""
        return cls(path, item.name, item.length, kept)

    def record(self) -> dict[str, object]:
        """Return it as JSON says it."""
        return {"path": str(self.path), "name": self.name, "bytes": self.bytes, "kept": self.kept}


def _values(name: str, value: Values) -> tuple[str, ...]:
    if isinstance(value, str) and name in _WHOLE:
        return (value,)
    if isinstance(value, str):
        return tuple(part.strip() for part in value.split("/"))
    several = isinstance(value, Sequence) and not isinstance(value, bytes)
    values = cast("Sequence[object]", value) if several else (value,)
    return tuple(_text(name, each) for each in values)


def _text(name: str, value: object) -> str:
    if not isinstance(value, str | int) or isinstance(value, bool):
        raise KeyRefused(f"{name}: a value is a text or a whole number, or several of them, not {value!r}")
    return str(value)


def _named(values: object) -> Iterator[tuple[str, Any]]:
    """Yield the names and values of a key or query, however it is written."""
    if isinstance(values, str):
        yield from _pairs(values)
    elif isinstance(values, Mapping) and all(isinstance(name, str) for name in values):
        yield from values.items()
    else:
        raise KeyRefused(f"a key or query is a mapping of names, or a text such as k1=v1,k2=v, not {values!r}")


def _pairs(text: str) -> Iterator[tuple[str, str]]:
    for part in filter(None, (part.strip() for part in text.split(","))):
        name, equals, value = part.partition("=")
        if not equals or not name.strip() or not value.strip():
            raise KeyRefused(f"'{part}' is not key=value")
        yield name.strip(), value.strip()
