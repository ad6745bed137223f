"""Files of one JSON document a line (NDJSON), plain or packed by gzip, read and written without holding them."""

import gzip
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Final, cast

from rucio_dafab.catalogue.errors import CatalogueError
from rucio_dafab.stac.validate import MAX_BYTES

LONGEST_LINE: Final = 4 * MAX_BYTES
"""Bytes of a line that is read: a document of the largest size may be written with much space between its members."""

_GZIP: Final = b"\x1f\x8b"
_PARQUET: Final = b"PAR1"


class FileUnreadable(CatalogueError):
    """A file of items cannot be read, or not be written."""


@dataclass(frozen=True, slots=True)
class Line:
    """A line and its number, from one; blank ones are counted but not given.

    One with more than :data:`LONGEST_LINE` bytes has no ``text``, and ``whole`` is false.
    """

    number: int
    text: bytes
    whole: bool = True


def is_parquet(path: Path) -> bool:
    """Return whether a file that can be read begins as Parquet does."""
    try:
        with path.open("rb") as stored:
            return stored.read(len(_PARQUET)) == _PARQUET
    except OSError:
        return False


def read_lines(path: Path, progress: Callable[[int], object] | None = None) -> Iterator[Line]:
    """Yield the lines of a file.

    Args:
        path: the file; whether it is packed is seen from its first bytes, not from its name.
        progress: told how many bytes of the file, as it lies on the disk, have been read so far.

    Raises:
        FileUnreadable: if it cannot be opened or breaks off.
    """
    try:
        with path.open("rb") as stored:
            packed = stored.read(len(_GZIP)) == _GZIP
            stored.seek(0)
            with gzip.open(stored) if packed else stored as stream:
                for line in lines_of(stream):
                    if progress is not None:
                        progress(stored.tell())
                    yield line
    except (OSError, EOFError) as error:
        raise FileUnreadable(f"{path} cannot be read: {error}") from error


def lines_of(stream: Any) -> Iterator[Line]:
    """Yield the lines of a binary stream; one that is too long is read past without being held."""
    number = 0
    while text := stream.readline(LONGEST_LINE + 1):
        number += 1
        if len(text) > LONGEST_LINE:
            while text and not text.endswith(b"\n"):
                text = stream.readline(LONGEST_LINE)
            yield Line(number, b"", whole=False)
        elif text.strip():
            yield Line(number, text)


@contextmanager
def written_whole(path: Path) -> Iterator[BinaryIO]:
    """Give what to write a file into: it appears under its name when the block ends, and not at all where that fails.

    It is packed by gzip where its name ends with ``.gz``.

    Raises:
        FileUnreadable: if it cannot be written.
    """
    part = path.with_name(f"{path.name}.part")
    try:
        with gzip.open(part, "wb") if path.suffix == ".gz" else part.open("wb") as stream:
            yield cast("BinaryIO", stream)
        part.replace(path)
    except OSError as error:
        raise FileUnreadable(f"{path} cannot be written: {error}") from error
    finally:
        discard(part)


def discard(path: Path) -> None:
    """Remove a file if it is there; one that could not be made for its name cannot be removed by it either."""
    with suppress(OSError):
        path.unlink()
