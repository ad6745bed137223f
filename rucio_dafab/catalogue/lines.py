"""Files of one JSON document a line (NDJSON), plain or packed by gzip, read without holding them."""

import gzip
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from rucio_dafab.catalogue.errors import CatalogueError

LONGEST_LINE: Final = 16 * 2**20
"""Bytes of one line; an item of the live catalogue has 5 kB, one with a very fine outline a few hundred."""

_GZIP: Final = b"\x1f\x8b"


class FileUnreadable(CatalogueError):
    """A file of items cannot be read, or its lines have no end."""


@dataclass(frozen=True, slots=True)
class Line:
    """A line and its number, from one; blank ones are counted but not given."""

    number: int
    text: bytes


def read_lines(path: Path, progress: Callable[[int], object] | None = None) -> Iterator[Line]:
    """Yield the lines of a file.

    Args:
        path: the file; whether it is packed is seen from its first bytes, not from its name.
        progress: told how many bytes of the file, as it lies on the disk, have been read so far.

    Raises:
        FileUnreadable: if it cannot be opened, breaks off, or a line has more than :data:`LONGEST_LINE` bytes.
    """
    try:
        with path.open("rb") as stored:
            packed = stored.read(len(_GZIP)) == _GZIP
            stored.seek(0)
            with gzip.open(stored) if packed else stored as stream:
                for line in _lines(stream, path):
                    if progress is not None:
                        progress(stored.tell())
                    yield line
    except (OSError, EOFError) as error:
        raise FileUnreadable(f"{path} cannot be read: {error}") from error


def _lines(stream: Any, path: Path) -> Iterator[Line]:
    number = 0
    while text := stream.readline(LONGEST_LINE + 1):
        number += 1
        if len(text) > LONGEST_LINE:
            raise FileUnreadable(f"line {number} of {path} has more than {LONGEST_LINE} bytes: is it NDJSON?")
        if text.strip():
            yield Line(number, text)
