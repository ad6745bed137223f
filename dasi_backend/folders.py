"""The store as files: which products have bytes where, told by names alone.

FDB names the folder of a database by its keys, and each file in it by the product, so an account of a thousand
databases reads folders and opens nothing.
"""

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from dasi_backend.errors import StoreError

REMOVED: Final = ".removed"
"""Folder, in each root, of databases that are gone for everybody and wait to be deleted."""

INDEX: Final = ".index"
"""How the name of an index ends."""

DATA: Final = ".data"
"""How the name of a data file ends."""

_VALUES: Final = {"mission": r"[a-z0-9._-]+", "level": r"[a-z0-9._-]+", "date": r"\d{8}"}
_FDB_LOCKS: Final = ("list.lock", "retrieve.lock", "archive.lock", "wipe.lock")


@dataclass(slots=True)
class Occupied:
    """What the files of one product take.

    Attributes:
        bytes: Of data and index files.
        indexed: Whether an index was written: without one, FDB knows nothing of the data.
    """

    bytes: int = 0
    indexed: bool = False


def databases(roots: Sequence[Path], selection: Mapping[str, Sequence[str]] | None = None) -> Iterator[Path]:
    """Yield the folder of every database, or of those that a selection (values by key) means."""
    wanted = (selection or {}).get
    parts = ("|".join(map(re.escape, wanted(key) or ())) or any_value for key, any_value in _VALUES.items())
    named = re.compile(":".join(f"(?:{part})" for part in parts))
    for root in roots:
        try:
            with os.scandir(root) as entries:
                yield from (Path(entry.path) for entry in entries if named.fullmatch(entry.name))
        except (FileNotFoundError, NotADirectoryError):
            continue


def names(folder: Path) -> frozenset[str]:
    """Return the names of the files of a database; none where it was removed meanwhile, or is no folder.

    Raises:
        StoreError: if it cannot be read.
    """
    try:
        with os.scandir(folder) as entries:
            return frozenset(entry.name for entry in entries)
    except (FileNotFoundError, NotADirectoryError):
        return frozenset()
    except OSError as error:
        raise StoreError(f"the database {folder} cannot be read: {error.strerror}") from error


def occupied(roots: Sequence[Path]) -> dict[tuple[str, str], Occupied]:
    """Return what every product takes, by name of the database and product, published or not."""
    found: dict[tuple[str, str], Occupied] = {}
    for folder in databases(roots):
        try:
            with os.scandir(folder) as entries:
                for entry in entries:
                    product, colon, _ = entry.name.partition(":")
                    if colon:
                        one = found.setdefault((folder.name, product), Occupied())
                        one.indexed |= entry.name.endswith(INDEX)
                        one.bytes += entry.stat().st_size
        except (FileNotFoundError, NotADirectoryError):  # removed meanwhile: the folder, or a file of it; or no folder
            continue
    return found


def unlock(roots: Sequence[Path], database: str) -> None:
    """Take off the locks that FDB's own wipe puts on a database, and leaves there when it is killed.

    They hide the whole database and refuse every writer. Right only where no wipe can be at work.
    """
    for root in roots:
        for lock in _FDB_LOCKS:
            (root / database / lock).unlink(missing_ok=True)


def files_of(roots: Sequence[Path], database: str, product: str) -> Iterator[Path]:
    """Yield the files of one product."""
    for root in roots:
        folder = root / database
        yield from folder.glob(f"{product}:*") if folder.is_dir() else ()
