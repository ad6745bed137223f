"""One file of the catalogue onto this machine: from a replica here or over its protocol, verified, in one act."""

import hashlib
import logging
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Protocol
from urllib.parse import urlsplit

from blake3 import blake3
from requests import RequestException
from rucio.common.exception import RucioException
from rucio.rse import rsemanager

from dasi_backend.copying import PIECE, Adler32
from dasi_backend.errors import ChecksumError, StoreError, TargetError
from rucio_dafab.client import Replica
from rucio_dafab.pfn import local_file

_LOG: Final = logging.getLogger(__name__).log


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


def fetch(wanted: Wanted, target: Path, settings_of: Callable[[str], Mapping[str, Any]]) -> bool:
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
        if target.is_file() and _fault(target, wanted) is None:
            return True
        raise TargetError(f"{target} is there and is not {wanted.name}: remove it or choose another target")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=f".{target.name}.", dir=target.parent) as folder:
            partial = Path(folder) / "partial"
            _from_any(wanted, partial, settings_of)
            partial.rename(target)
    except OSError as error:
        raise TargetError(f"{target} cannot be written: {error.strerror}") from error
    return False


def _from_any(wanted: Wanted, partial: Path, settings_of: Callable[[str], Mapping[str, Any]]) -> None:
    reasons = []
    for replica in wanted.replicas:
        partial.unlink(missing_ok=True)
        here = local_file(replica.pfn)
        reason = _copied(here, partial, wanted) if here else _downloaded(replica, partial, wanted, settings_of)
        if reason is None:
            return
        reasons.append(f"{replica.rse}: {reason}")
    if not reasons:
        raise StoreError(f"{wanted.name} has no replica")
    damaged = all("checksum" in reason or "bytes" in reason for reason in reasons)
    raise (ChecksumError if damaged else StoreError)(
        f"{wanted.name}: no replica could be fetched ({'; '.join(reasons)})"
    )


def _copied(source: Path, partial: Path, wanted: Wanted) -> str | None:
    """Copy and verify in one pass; return why it failed."""
    sums = _Sums(wanted.checksums)
    try:
        reader = source.open("rb", buffering=0)
    except OSError as error:
        return f"{source}: {error.strerror}"
    with reader, partial.open("xb", buffering=0) as writer:
        buffer = memoryview(bytearray(PIECE))
        while True:
            try:
                count = reader.readinto(buffer)
            except OSError as error:
                return f"{source}: {error.strerror}"
            if not count:
                return sums.fault(wanted, source)
            sums.update(buffer[:count])
            _write_all(writer.write, buffer[:count])


def _write_all(write: Callable[[memoryview], int | None], piece: memoryview) -> None:
    while piece:
        piece = piece[(write(piece) or 0) :]


def _downloaded(
    replica: Replica, partial: Path, wanted: Wanted, settings_of: Callable[[str], Mapping[str, Any]]
) -> str | None:
    """Fetch over the RSE's own protocol and verify what came; return why it failed."""
    try:
        scheme = urlsplit(replica.pfn).scheme
        protocol = rsemanager.create_protocol(settings_of(replica.rse), "read", scheme=scheme, logger=_LOG)
        protocol.connect()
        try:
            protocol.get(replica.pfn, str(partial))
        finally:
            protocol.close()
    except (RucioException, StoreError, RequestException) as error:  # also of settings_of: the next replica is tried
        return " ".join(str(error).split()) or type(error).__name__
    return _fault(partial, wanted) if partial.is_file() else "nothing came"


def _fault(path: Path, wanted: Wanted) -> str | None:
    """Return why a file is not the wanted one, or ``None``."""
    if path.stat().st_size != wanted.bytes:
        return f"{path.stat().st_size} bytes instead of {wanted.bytes}"
    sums = _Sums(wanted.checksums)
    with path.open("rb", buffering=0) as reader:
        while piece := reader.read(PIECE):
            sums.update(memoryview(piece))
    return sums.fault(wanted, path)


class _Hash(Protocol):
    def update(self, data: memoryview, /) -> object: ...
    def hexdigest(self) -> str: ...


class _Sums:
    """Several checksums and the size of one stream."""

    def __init__(self, functions: Mapping[str, str]) -> None:
        self._hashes: dict[str, _Hash] = {function: _new(function) for function in functions}
        self._bytes = 0

    def update(self, piece: memoryview) -> None:
        self._bytes += len(piece)
        for one in self._hashes.values():
            one.update(piece)

    def fault(self, wanted: Wanted, path: Path) -> str | None:
        """Return what is wrong with the stream, or ``None``."""
        if self._bytes != wanted.bytes:
            return f"{path} has {self._bytes} bytes instead of {wanted.bytes}"
        for function, one in self._hashes.items():
            if one.hexdigest() != wanted.checksums[function]:
                return f"{path} is damaged (its {function} checksum does not match)"
        return None


def _new(function: str) -> _Hash:
    if function == "adler32":
        return Adler32()
    return blake3() if function == "blake3" else hashlib.new(function, usedforsecurity=False)
