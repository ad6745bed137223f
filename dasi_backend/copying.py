"""Bytes from one file into another, a piece at a time, checked on the way."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Final, NamedTuple

from blake3 import blake3

from dasi_backend.errors import ChecksumError, StoreError

PIECE: Final = 4 << 20
"""Bytes in memory at a time: large enough for the disk, small enough for the processor's cache to help."""


class Extent(NamedTuple):
    """A part of a file: where it begins and how many bytes it has."""

    path: Path
    offset: int
    length: int


def copy(source: Extent, target: Path, checksum: str, name: str) -> None:
    """Copy a part of one file to a new file and verify its BLAKE3.

    Args:
        source: What to copy.
        target: The file to write; its folder is made.
        checksum: BLAKE3, hexadecimal.
        name: What the bytes are, for errors.

    Raises:
        ChecksumError: if the bytes are not the ones that were stored, naming them and the data file.
        StoreError: if a file cannot be read or written.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    hasher = blake3()
    try:
        with source.path.open("rb", buffering=0) as reader, target.open("xb", buffering=0) as writer:
            os.lseek(reader.fileno(), source.offset, os.SEEK_SET)
            read = _pump(reader.readinto, source.length, hasher.update, writer.write)
    except OSError as error:
        raise StoreError(f"{name} cannot be copied from {source.path} to {target}: {error.strerror}") from error
    if read != source.length:
        raise ChecksumError(f"{name}: the data file {source.path} is cut off: {read} of {source.length} bytes")
    if hasher.hexdigest() != checksum:
        raise ChecksumError(f"{name}: the data file {source.path} is damaged (its checksum does not match)")


def checksum_of(path: Path) -> str:
    """Return the BLAKE3 of a file, hexadecimal."""
    return blake3().update_mmap(path).hexdigest()


def _pump(
    readinto: Callable[[memoryview], int | None],
    length: int,
    update: Callable[[memoryview], object],
    write: Callable[[memoryview], int | None],
) -> int:
    """Move `length` bytes and return how many there were."""
    buffer = memoryview(bytearray(min(PIECE, max(length, 1))))
    left = length
    while left:
        count = readinto(buffer[: min(left, len(buffer))]) or 0
        if not count:
            break
        piece = buffer[:count]
        update(piece)
        while piece:
            piece = piece[(write(piece) or 0) :]
        left -= count
    return length - left
