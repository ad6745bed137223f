"""Bytes from one file into another, a piece at a time, checked on the way."""

import hashlib
import os
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Final, NamedTuple

from blake3 import blake3

from dasi_backend.errors import ChecksumError, StoreError

PIECE: Final = 512 << 10
"""Bytes in memory at a time: what was read is still in the core's own cache when it is summed and written."""


class Extent(NamedTuple):
    """A part of a file: where it begins and how many bytes it has."""

    path: Path
    offset: int
    length: int


class Sums(NamedTuple):
    """Checksums of some bytes, hexadecimal: BLAKE3, and those that Rucio keeps."""

    blake3: str
    adler32: str
    md5: str


def sums_of(source: Extent, name: str) -> Sums:
    """Read a part of a file once and return its checksums.

    Raises:
        ChecksumError: if the file is cut off.
        StoreError: if it cannot be read.
    """
    strong, weak, md5 = blake3(), Adler32(), hashlib.md5(usedforsecurity=False)

    def update(piece: memoryview) -> None:
        for one in (strong, weak, md5):
            one.update(piece)

    try:
        with source.path.open("rb", buffering=0) as reader:
            os.lseek(reader.fileno(), source.offset, os.SEEK_SET)
            read = pump(reader.readinto, source.length, update, len)
    except OSError as error:
        raise StoreError(f"{name} cannot be read from {source.path}: {error.strerror}") from error
    _require_all(read, source, name)
    return Sums(strong.hexdigest(), weak.hexdigest(), md5.hexdigest())


def read(source: Extent, checksum: str, name: str) -> bytes:
    """Return a part of a file, its BLAKE3 verified.

    Raises:
        ChecksumError: if the bytes are not the ones that were stored, naming them and the data file.
        StoreError: if the file cannot be read.
    """
    try:
        with source.path.open("rb") as file:
            file.seek(source.offset)
            data = file.read(source.length)
    except OSError as error:
        raise StoreError(f"{name} cannot be read from {source.path}: {error.strerror}") from error
    if blake3(data).hexdigest() != checksum:
        raise ChecksumError(f"{name}: the bytes in {source.path} are not the ones that were stored")
    return data


def copy(source: Extent, target: Path, checksum: str | None, name: str) -> None:
    """Copy a part of one file to a new file and verify its BLAKE3.

    Args:
        source: What to copy.
        target: The file to write; its folder is made.
        checksum: BLAKE3, hexadecimal; ``None`` where whoever asks verifies the bytes.
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
            if checksum is None:
                read = _send(reader.fileno(), writer.fileno(), source)
            else:
                read = pump(reader.readinto, source.length, hasher.update, writer.write)
    except OSError as error:
        raise StoreError(f"{name} cannot be copied from {source.path} to {target}: {error.strerror}") from error
    _require_all(read, source, name)
    if checksum and hasher.hexdigest() != checksum:
        raise ChecksumError(f"{name}: the data file {source.path} is damaged (its checksum does not match)")


def _require_all(read: int, source: Extent, name: str) -> None:
    if read != source.length:
        raise ChecksumError(f"{name}: the data file {source.path} is cut off: {read} of {source.length} bytes")


def checksum_of(path: Path) -> str:
    """Return the BLAKE3 of a file, hexadecimal."""
    return blake3().update_mmap(path).hexdigest()


class Adler32:
    """Adler-32 with the interface of :mod:`hashlib`."""

    def __init__(self) -> None:
        self._value = 1

    def update(self, data: memoryview, /) -> None:
        """Take some bytes."""
        self._value = zlib.adler32(data, self._value)

    def hexdigest(self) -> str:
        """Return the checksum of all bytes."""
        return f"{self._value:08x}"


def _send(reader: int, writer: int, source: Extent) -> int:
    """Let the kernel copy a part of one file to another, and return how many bytes there were."""
    sent = 0
    while sent < source.length and (count := os.sendfile(writer, reader, source.offset + sent, source.length - sent)):
        sent += count
    return sent


def pump(
    readinto: Callable[[memoryview], int | None],
    length: int,
    update: Callable[[memoryview], object],
    write: Callable[[memoryview], int | None],
) -> int:
    """Move `length` bytes, a piece at a time, and return how many there were.

    Args:
        readinto: Fills a buffer as far as it can and returns how many bytes it did; none at the end.
        length: How many are wanted.
        update: Is given each piece, on the way.
        write: Takes what it can of a piece and returns how many bytes it did.
    """
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
