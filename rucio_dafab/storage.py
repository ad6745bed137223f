"""Bytes onto an RSE, through the protocols that Rucio's client library knows."""

import errno
import hashlib
import logging
import os
import tempfile
import zlib
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from rucio.common.exception import FileReplicaAlreadyExists, RucioException
from rucio.rse import rsemanager

from rucio_dafab.errors import DafabError
from rucio_dafab.names import is_name

# Rucio would log through the root logger, which installs a handler on it.
_LOG: Final = logging.getLogger(__name__).log
_NO_ROOM: Final = (errno.ENOSPC, errno.EDQUOT)
CHUNK_BYTES: Final = 1 << 20
"""Bytes of a file that are read at once."""


class StorageError(DafabError):
    """A file cannot be stored on an RSE; the text names both."""


@dataclass(frozen=True, slots=True)
class Checksums:
    """Size in bytes and checksums (lower-case hexadecimal) of a file."""

    bytes: int
    adler32: str
    md5: str
    sha256: str


class StorageFull(StorageError):
    """An RSE has no room for a file, or no quota; another try may find some."""

    exit_code: int = os.EX_TEMPFAIL


class OtherBytes(StorageError):
    """Other bytes are on the RSE under that name."""


@dataclass(frozen=True, slots=True)
class UploadedFile:
    """A file that is on an RSE; ``present`` says that its bytes were there already."""

    name: str
    rse: str
    pfn: str
    bytes: int
    adler32: str
    md5: str
    sha256: str
    present: bool


def checksums(path: Path) -> Checksums:
    """Read a file once and return its size and checksums.

    Raises:
        StorageError: if it cannot be read.
    """
    size, adler32 = 0, 1
    md5, sha256 = hashlib.md5(usedforsecurity=False), hashlib.sha256()
    try:
        with path.open("rb") as stream:
            while chunk := stream.read(CHUNK_BYTES):
                size += len(chunk)
                adler32 = zlib.adler32(chunk, adler32)
                md5.update(chunk)
                sha256.update(chunk)
    except OSError as error:
        raise StorageError(f"cannot read {path}: {error.strerror}") from error
    return Checksums(size, f"{adler32:08x}", md5.hexdigest(), sha256.hexdigest())


def store_file(path: Path, settings: Mapping[str, Any], scope: str, name: str) -> UploadedFile:
    """Copy a file to the place where a deterministic RSE keeps ``scope:name``: under another name, checked, renamed.

    Args:
        path: the local file.
        settings: the RSE as ``RSEClient.get_rse`` describes it.
        scope: the scope of the DID.
        name: the name of the DID.

    Raises:
        OtherBytes: if other bytes are there already.
        StorageFull: if the RSE has no room for it; what was written of it is gone again.
        StorageError: if the name cannot be kept, or the RSE cannot be written.
    """
    rse = str(settings["rse"])
    check_writable(settings)
    _check_name(name)
    sums = checksums(path)
    lfn = {"scope": scope, "name": name}
    try:
        pfn = str(next(iter(rsemanager.lfns2pfns(settings, [lfn], operation="write", logger=_LOG).values())))
        present = _put(path, settings, lfn, sums)
    except RucioException as error:
        raise StorageError(f"cannot store {scope}:{name} on {rse}: {' '.join(str(error).split())}") from error
    except (OSError, KeyError) as error:
        # Rucio's POSIX protocol stumbles (KeyError: 'prefix') over the error of a place that is full or not writable.
        cause = error if isinstance(error, OSError) else error.__context__
        if not isinstance(cause, OSError):
            raise
        if cause.errno in _NO_ROOM:
            _remove_part(settings, pfn)
            why = f"{sums.bytes:,} bytes to write ({cause.strerror})"
            raise StorageFull(f"RSE {rse} is full: no room for {scope}:{name}, {why}") from error
        raise StorageError(f"cannot store {scope}:{name} on {rse}: {cause.strerror} ({cause.filename})") from error
    if present and _present_sha256(settings, lfn, pfn) != sums.sha256:
        raise OtherBytes(f"{scope}:{name} is on {rse} with other bytes ({pfn}); what is published is never replaced")
    return UploadedFile(name, rse, pfn, sums.bytes, sums.adler32, sums.md5, sums.sha256, present)


def remove_file(settings: Mapping[str, Any], scope: str, name: str) -> None:
    """Remove what an RSE keeps as ``scope:name``; nothing there is as good.

    Raises:
        StorageError: if the RSE does not let it be removed.
    """
    try:
        rsemanager.delete(settings, [{"scope": scope, "name": name}], logger=_LOG)
    except (RucioException, OSError) as error:
        raise StorageError(
            f"cannot remove {scope}:{name} from {settings['rse']}: {' '.join(str(error).split())}"
        ) from error


def check_writable(settings: Mapping[str, Any]) -> None:
    """Check that files can be written to an RSE at all, as far as Rucio knows.

    Raises:
        StorageError: if it is not deterministic or takes no writes.
    """
    rse = settings["rse"]
    if not settings.get("deterministic"):
        raise StorageError(f"RSE {rse} is not deterministic: the place of a file on it cannot be told")
    if not settings.get("availability_write", True):
        raise StorageError(f"RSE {rse} takes no writes at present")


def _remove_part(settings: Mapping[str, Any], pfn: str) -> None:
    """Remove what Rucio's upload left of a file that did not fit: on a full RSE it only takes room from others."""
    protocol = rsemanager.create_protocol(settings, "delete", logger=_LOG)
    with suppress(RucioException, OSError):
        protocol.connect()
        protocol.delete(f"{pfn}.rucio.upload")


def _check_name(name: str) -> None:
    if not all(is_name(part) for part in name.split("/")):
        raise StorageError(f"{name!r} is no name that Rucio can keep")


def _put(path: Path, settings: Mapping[str, Any], lfn: Mapping[str, str], sums: Checksums) -> bool:
    """Upload unless a file is there; return whether one was."""
    upload = {**lfn, "filename": path.name, "filesize": sums.bytes, "adler32": sums.adler32}
    try:
        rsemanager.upload(settings, [upload], source_dir=str(path.parent), logger=_LOG)
    except FileReplicaAlreadyExists:
        return True
    return False


def _present_sha256(settings: Mapping[str, Any], lfn: Mapping[str, str], pfn: str) -> str:
    """Fetch what is stored and return its checksum: an RSE's own Adler-32 is too weak to tell files apart."""
    with tempfile.TemporaryDirectory(prefix="dafab-present-") as folder:
        copy = Path(folder) / "present"
        protocol = rsemanager.create_protocol(settings, "read", logger=_LOG)
        protocol.connect()
        try:
            protocol.get(pfn, str(copy))
        except RucioException as error:
            raise StorageError(f"{lfn['scope']}:{lfn['name']} is stored and cannot be read: {error}") from error
        finally:
            protocol.close()
        return checksums(copy).sha256
