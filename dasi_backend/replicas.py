"""The bytes of one replica, from any of them on: a file of this machine, or over the protocol of its RSE.

Over HTTP (Rucio's class ``webdav``) a range request begins in the middle. Rucio's other protocol classes write whole
files and nothing else: with them a file that broke off is begun anew.
"""

import errno
import logging
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import requests
from requests import RequestException
from rucio.common.exception import RucioException
from rucio.rse import rsemanager
from urllib3.exceptions import HTTPError

from dasi_backend.errors import StoreError
from rucio_dafab.client import Replica
from rucio_dafab.pfn import local_file

_LOG: Final = logging.getLogger(__name__).log
_WEB: Final = frozenset({"http", "https"})
_GRID_AUTHORITIES: Final = Path("/etc/grid-security/certificates")
_PARTIAL_CONTENT: Final = 206
_SECONDS: Final = 300.0
"""How long a server may say nothing, as with Rucio's class."""

_FULL: Final = frozenset({errno.ENOSPC, errno.EDQUOT})

SettingsOf = Callable[[str], Mapping[str, Any]]
"""The settings of an RSE by name (``RSEClient.get_rse``)."""


class Unreadable(Exception):
    """A replica that cannot be read, or not any further; the text says why."""


@dataclass(frozen=True, slots=True)
class Stream:
    """Bytes that come.

    Attributes:
        begins: The number of the first of them; less than was asked for where a server cannot begin there.
        length: Bytes of the whole file, as whoever has it says.
        readinto: Fills a buffer as far as it can and returns how many bytes it did; raises :class:`Unreadable`.
        written: Whether a protocol has written them all already.
    """

    begins: int
    length: int
    readinto: Callable[[memoryview], int]
    written: bool = False


@contextmanager
def opened(replica: Replica, begin: int, part: Path, settings_of: SettingsOf) -> Iterator[Stream]:
    """Yield the bytes of a replica.

    Args:
        replica: Which one.
        begin: The first byte that is wanted.
        part: The file that has those before; a protocol that gives nothing but whole files writes it anew.
        settings_of: The settings of its RSE.

    Raises:
        Unreadable: if it cannot be read.
    """
    here = local_file(replica.pfn)
    with _of_file(here, begin) if here else _of_protocol(replica, begin, part, settings_of) as stream:
        yield stream


@contextmanager
def _of_file(path: Path, begin: int, written: bool = False) -> Iterator[Stream]:
    try:
        file = path.open("rb", buffering=0)
    except OSError as error:
        raise Unreadable(f"{path}: {error.strerror}") from error

    def readinto(buffer: memoryview) -> int:
        try:
            return file.readinto(buffer) or 0
        except OSError as error:
            raise Unreadable(f"{path}: {error.strerror}") from error

    with file:
        file.seek(begin)
        yield Stream(begin, os.fstat(file.fileno()).st_size, readinto, written)


@contextmanager
def _of_protocol(replica: Replica, begin: int, part: Path, settings_of: SettingsOf) -> Iterator[Stream]:
    scheme = urlsplit(replica.pfn).scheme
    with _reasons():
        protocol = rsemanager.create_protocol(settings_of(replica.rse), "read", scheme=scheme, logger=_LOG)
    if scheme in _WEB and _has_ranges(protocol):
        with _of_web(replica.pfn, begin, signed=protocol.rse["sign_url"] is not None) as stream:
            yield stream
        return
    with _reasons():
        protocol.connect()
    try:
        _write_whole(protocol, replica.pfn, part)
    finally:
        protocol.close()
    with _of_file(part, 0, written=True) as stream:
        yield stream


def _write_whole(protocol: Any, pfn: str, part: Path) -> None:
    whole = part.with_name("whole")  # what came from others stays until this one has come
    whole.unlink(missing_ok=True)
    try:
        with _reasons():
            protocol.get(pfn, str(whole))
        if not whole.is_file():
            raise Unreadable("nothing came")
        whole.replace(part)
    finally:
        whole.unlink(missing_ok=True)


def _has_ranges(protocol: Any) -> bool:
    from rucio.rse.protocols import webdav  # noqa: PLC0415  # a third of a second, loaded by now if it is one

    return isinstance(protocol, webdav.Default)


@contextmanager
def _of_web(pfn: str, begin: int, signed: bool) -> Iterator[Stream]:
    """Ask as Rucio's class does, but for the part that is wanted, and of a server that its certificate proves.

    That class itself is not connected: it greets a server that nobody has proven, with the user's certificate.
    """
    headers = {"Accept-Encoding": "identity"} | ({"Range": f"bytes={begin}-"} if begin else {})
    authorities = os.environ.get("X509_CERT_DIR") or (_GRID_AUTHORITIES.is_dir() and str(_GRID_AUTHORITIES)) or True
    with _reasons():
        user = None if signed else _certificate()
        answer = requests.get(pfn, headers=headers, stream=True, timeout=_SECONDS, cert=user, verify=authorities)

    def readinto(buffer: memoryview) -> int:
        with _reasons():
            return int(answer.raw.readinto(buffer))

    with answer:
        if answer.status_code not in {200, _PARTIAL_CONTENT}:
            raise Unreadable(f"the server answers {answer.status_code} {answer.reason}".strip())
        begins = begin if answer.status_code == _PARTIAL_CONTENT else 0
        yield Stream(begins, _length(answer.headers, begins), readinto)


def _certificate() -> str | None:
    """Return the file of the user's certificate and key, where Rucio looks for it."""
    usual = Path(f"/tmp/x509up_u{os.geteuid()}")  # noqa: S108  # the place of proxies on the grid
    return os.environ.get("X509_USER_PROXY") or (str(usual) if usual.is_file() else None)


def _length(headers: Mapping[str, str], begins: int) -> int:
    """Return the bytes of the whole file, as a server says them."""
    span, _, whole = headers.get("Content-Range", "").partition("/")
    if begins and not span.startswith(f"bytes {begins}-"):
        raise Unreadable(f"the server answers another part than the one from byte {begins} on")
    said = whole if begins else headers.get("Content-Length", "")
    if not said.isdecimal():
        raise Unreadable("the server does not say how many bytes the file has")
    return int(said)


@contextmanager
def _reasons() -> Iterator[None]:
    """Say in one line what Rucio and the libraries below it refuse; also of the RSE: the next replica is tried."""
    try:
        yield
    except (RucioException, StoreError, RequestException, HTTPError, OSError) as error:
        if isinstance(error, OSError) and error.errno in _FULL:
            raise
        raise Unreadable(" ".join(str(error).split()) or type(error).__name__) from error
