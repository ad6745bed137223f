"""One file of the catalogue onto this machine: from a replica here or over its protocol, verified, in one act.

What came of a file that broke off stays hidden beside its place, and is gone on with: from the same replica or from
another one, now or by a later run. The checksums are those of the whole, whoever brought its parts.
"""

import hashlib
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

from blake3 import blake3

from dasi_backend.appearing import appearing
from dasi_backend.copying import Adler32, pump
from dasi_backend.errors import ChecksumError, StoreError, TargetError
from dasi_backend.replicas import SettingsOf, Stream, Unreadable, opened
from rucio_dafab.client import Replica
from rucio_dafab.pfn import local_file

_BREAKS: Final = 3
"""How often a replica that breaks off is gone on with at once."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """A file to fetch.

    Attributes:
        name: ``scope:name``, for errors.
        bytes: Its size.
        checksums: Hexadecimal, by function.
        replicas: Where it is, the ones to try first first.
    """

    name: str
    bytes: int
    checksums: Mapping[str, str]
    replicas: Sequence[Replica]

    @property
    def identity(self) -> str:
        """What has the same one has the same bytes: a part of a file is gone on with under it, from any replica."""
        said = (self.name, self.bytes, sorted(self.checksums.items()))
        return blake3(repr(said).encode()).hexdigest(length=16)


def fetch(wanted: Wanted, target: Path, settings_of: SettingsOf) -> bool:
    """Write a file, whole and verified, or nothing; return whether it was there already.

    Args:
        wanted: What to fetch.
        target: Where to write; its folder is made.
        settings_of: The settings of an RSE by name (``RSEClient.get_rse``).

    Raises:
        TargetError: if the target holds other bytes or cannot be written.
        StoreError: if no replica could be read, with each one's reason.
    """
    if not wanted.checksums:
        raise ChecksumError(f"{wanted.name} has no checksum in the catalogue: nothing would tell a damaged copy")
    if target.exists():
        if target.is_file() and _is_wanted(target, wanted):
            return True
        raise TargetError(f"{target} is there and is not {wanted.name}: remove it or choose another target")
    with appearing(target, TargetError, keep=wanted.identity) as part:
        _from_any(wanted, part, settings_of)
    return False


def _from_any(wanted: Wanted, part: Path, settings_of: SettingsOf) -> None:
    """Bring a file from the first replica that has it; each goes on with what others brought."""
    reasons, damaged = [], True
    for replica in wanted.replicas:
        try:
            _from_one(replica, wanted, part, settings_of)
        except _Damaged as error:
            reasons.append(f"{replica.rse}: {error}")
        except Unreadable as error:
            reasons.append(f"{replica.rse}: {error}")
            damaged = False
        else:
            return
    if not reasons:
        raise StoreError(f"{wanted.name} has no replica")
    kept = ", and the same request goes on from there" if _size(part) else ""
    raise (ChecksumError if damaged else StoreError)(
        f"{wanted.name}: no replica could be fetched ({'; '.join(reasons)}){kept}"
    )


def _from_one(replica: Replica, wanted: Wanted, part: Path, settings_of: SettingsOf) -> None:
    """Bring a file from one replica, which is asked again where it breaks off in the middle.

    Raises:
        Unreadable: if it cannot be read; what came stays.
        _Damaged: if these are not the bytes that are wanted.
    """
    breaks = 0
    while True:
        begun = _size(part)
        try:
            _bring(replica, wanted, part, settings_of)
        except Unreadable:
            breaks += 1
            if breaks > _BREAKS or _size(part) <= begun:
                raise
        except _Damaged as error:
            if error.came:
                part.unlink(missing_ok=True)
            if not error.begun:  # else the bytes of another try may be the damaged ones
                raise
        else:
            return


def _bring(replica: Replica, wanted: Wanted, part: Path, settings_of: SettingsOf) -> None:
    """Append what is missing, and verify the whole in the same pass."""
    if _size(part) > wanted.bytes:  # whole from a protocol, and nobody came to look at it
        os.truncate(part, wanted.bytes)
    sums, begun = _Sums(wanted.checksums), _size(part)
    if begun:
        with part.open("rb", buffering=0) as file:
            pump(file.readinto, begun, sums.update, len)
    if not begun or begun < wanted.bytes:
        with opened(replica, begun, part, settings_of) as stream:
            if stream.length != wanted.bytes:
                raise _Damaged(f"{stream.length} bytes instead of {wanted.bytes}", came=stream.written)
            if stream.begins < begun:
                sums, begun = _Sums(wanted.checksums), stream.begins
            came = _append(stream, wanted.bytes - begun, part, sums.update)
        if begun + came < wanted.bytes:
            raise Unreadable(f"it broke off after {begun + came} of {wanted.bytes} bytes")
    if fault := sums.fault(wanted):
        raise _Damaged(f"{local_file(replica.pfn) or replica.pfn} is damaged ({fault})", begun)


def _append(stream: Stream, length: int, part: Path, update: Callable[[memoryview], object]) -> int:
    if stream.written:
        return pump(stream.readinto, length, update, len)
    if not stream.begins:
        # Rather than cut to nothing: ext4 would write such a file to disk when it is closed.
        part.unlink(missing_ok=True)
    with part.open("r+b" if stream.begins else "xb", buffering=0) as file:
        if stream.begins:
            file.truncate(stream.begins)
            file.seek(stream.begins)
        return pump(stream.readinto, length, update, file.write)


def _size(part: Path) -> int:
    return part.stat().st_size if part.exists() else 0


class _Damaged(Exception):
    """A replica has not the bytes that are wanted.

    `begun` of those that were tried are not its own; `came` says whether any of its own are among them.
    """

    def __init__(self, text: str, begun: int = 0, *, came: bool = True) -> None:
        super().__init__(text)
        self.begun, self.came = begun, came


def _is_wanted(path: Path, wanted: Wanted) -> bool:
    """Say whether a file has the bytes that are wanted."""
    if path.stat().st_size != wanted.bytes:
        return False
    sums = _Sums(wanted.checksums)
    with path.open("rb", buffering=0) as file:
        pump(file.readinto, wanted.bytes, sums.update, len)
    return sums.fault(wanted) is None


class _Hash(Protocol):
    def update(self, data: memoryview, /) -> object: ...
    def hexdigest(self) -> str: ...


class _Sums:
    """Several checksums of one stream."""

    def __init__(self, functions: Mapping[str, str]) -> None:
        self._hashes: dict[str, _Hash] = {function: _new(function) for function in functions}

    def update(self, piece: memoryview) -> None:
        for one in self._hashes.values():
            one.update(piece)

    def fault(self, wanted: Wanted) -> str | None:
        """Return which checksum does not match, or ``None``."""
        for function, one in self._hashes.items():
            if one.hexdigest() != wanted.checksums[function]:
                return f"its {function} checksum does not match"
        return None


def _new(function: str) -> _Hash:
    if function == "adler32":
        return Adler32()
    return blake3() if function == "blake3" else hashlib.new(function, usedforsecurity=False)
