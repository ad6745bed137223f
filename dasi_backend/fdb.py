"""The calls to FDB that the store makes. Each read has a fresh FDB: one that read a database never sees it change."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dasi_backend import ecmwf
from dasi_backend.errors import StoreError

Selection = Mapping[str, str | Sequence[str]]


@dataclass(frozen=True, slots=True)
class Element:
    """An object that FDB lists: its key, and the bytes that hold it.

    Attributes:
        key: All keys of the object.
        path: The data file.
        offset: First byte in the data file.
        length: Bytes.
        timestamp: When it was archived, seconds since 1970; 0 where FDB does not say.
    """

    key: Mapping[str, str]
    path: Path
    offset: int
    length: int
    timestamp: int = 0


@dataclass(frozen=True, slots=True)
class Database:
    """A configured FDB. Holds no handle: every call opens its own.

    Attributes:
        schema: The schema file; a database keeps a copy of the one that it was made with.
        roots: Folders that hold databases; new ones go to the first that has room.
    """

    schema: Path
    roots: tuple[Path, ...]

    def open(self) -> Any:
        """Return a fresh ``pyfdb.FDB``."""
        pyfdb = ecmwf.load("pyfdb")
        spaces = [{"handler": "Default", "roots": [{"path": str(root)} for root in self.roots]}]
        config = {"type": "local", "engine": "toc", "schema": str(self.schema), "spaces": spaces}
        with named("the store cannot be opened"):
            return pyfdb.FDB(config)

    def objects(self, selection: Selection) -> Iterator[Element]:
        """Yield every object of the selected databases and products; level-3 keys do not narrow it reliably."""
        if not any(root.is_dir() for root in self.roots):
            return
        with named("the store cannot be listed"):
            yield from map(_element, self.open().list(dict(selection), level=3))

    def wipe(self, selection: Selection) -> list[str]:
        """Remove whole indexes or databases; nobody may be writing to them."""
        with named("the store could not remove"):
            return [str(line) for line in self.open().wipe(dict(selection), doit=True, unsafe_wipe_all=True)]


def _element(found: Any) -> Element:
    # Not uri.path(): it takes '#' and '?' in a folder's name for parts of an address.
    path = Path(str(found.uri).removeprefix("file://"))
    return Element(found.combined_key(), path, found.offset(), found.length())


@contextmanager
def named(what: str) -> Iterator[None]:
    """Turn what FDB refuses inside the block into a :class:`StoreError` that begins with ``what``."""
    try:
        yield
    except (RuntimeError, ValueError) as error:  # what pybind11 makes of eckit's exceptions
        raise StoreError(f"{what}: {ecmwf.reason(error)}") from error
