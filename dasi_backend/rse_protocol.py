"""The rolling store as Rucio reads it: an RSE protocol, so that ``rucio download`` takes bytes straight from FDB.

Rucio imports this class by its name (``impl`` of the RSE's protocol) on servers, which only write addresses, and on
clients, which read. What the store is made of is loaded when the first byte is asked for. The scheme is ``file``:
Rucio's clients find no source under one that they do not know.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, NoReturn
from urllib.parse import urlsplit

from rucio.common import exception
from rucio.common.checksum import adler32
from rucio.rse.protocols import posix
from typing_extensions import override

_PATIENCE: Final = 5.0
"""Seconds that who answers others waits for a lock."""

READ_ONLY: Final = "the rolling store takes whole products (dasi archive) and lets them go itself (dasi retention)"


class Default(posix.Default):  # type: ignore[misc]  # Rucio ships no types
    """Objects of one rolling store as replicas of a volatile, non-deterministic RSE.

    The prefix of the protocol is the first root of the store; others stand in ``extended_attributes`` as ``roots``.
    """

    @override
    def exists(self, pfn: str) -> bool:
        """Say whether the store holds an object."""
        with _refusals():
            return bool(self._objects().holds(self._address(pfn)))

    @override
    def get(self, pfn: str, dest: str, transfer_timeout: int | None = None) -> None:
        """Write an object to a file; Rucio verifies its checksum.

        Raises:
            SourceNotFound: if the store does not hold it (any more).
            ServiceUnavailable: if it cannot be read, or the file not be written.
        """
        with _refusals():
            self._objects().copy(self._address(pfn), Path(dest))

    @override
    def stat(self, pfn: str) -> dict[str, Any]:
        """Return ``filesize`` (bytes) and ``adler32`` of an object, all of which is read.

        Raises:
            SourceNotFound: if the store does not hold it.
        """
        import tempfile  # noqa: PLC0415

        with _refusals(), tempfile.TemporaryDirectory(prefix="dasi-stat-") as folder:
            copy = Path(folder) / "object"
            self._objects().copy(self._address(pfn), copy)
            return {"filesize": copy.stat().st_size, "adler32": adler32(str(copy))}

    def extent(self, pfn: str) -> tuple[Path, int, int]:
        """Return where an object is on this machine: the data file, its first byte there, and how many bytes.

        Raises:
            SourceNotFound: if the store does not hold it.
            ServiceUnavailable: if the store cannot be read from here.
        """
        try:
            with _refusals():
                found = self._objects(_PATIENCE).locate(self._address(pfn))
        except ImportError as error:  # a server without what a store needs
            raise exception.ServiceUnavailable(str(error)) from error
        return found.path, found.offset, found.length

    @override
    def put(
        self, source: str, target: str, source_dir: str | None = None, transfer_timeout: int | None = None
    ) -> NoReturn:
        """Refuse: the store takes whole products."""
        raise exception.RSEOperationNotSupported(READ_ONLY)

    @override
    def delete(self, pfn: str) -> NoReturn:
        """Refuse: what leaves the store is its retention's to say."""
        raise exception.RSEOperationNotSupported(READ_ONLY)

    @override
    def rename(self, pfn: str, new_pfn: str) -> NoReturn:
        """Refuse: an object is called by what it is."""
        raise exception.RSEOperationNotSupported(READ_ONLY)

    def _address(self, pfn: str) -> str:
        # Not parse_pfns: it takes apart at the last slash what belongs together.
        path, prefix = urlsplit(pfn).path, "/" + self.attributes["prefix"].strip("/") + "/"
        if not path.startswith(prefix):
            raise exception.RSEFileNameNotSupported(f"{pfn} is not in the store at {prefix}")
        return path.removeprefix(prefix)

    def _objects(self, wait_seconds: float | None = None) -> Any:
        from dasi_backend.objects import Objects  # noqa: PLC0415  # a server need not have it

        extended = self.attributes.get("extended_attributes") or {}
        roots = [self.attributes["prefix"], *(extended.get("roots", ()) if isinstance(extended, dict) else ())]
        return Objects.at([Path(root) for root in roots], wait_seconds)


@contextmanager
def _refusals() -> Iterator[None]:
    """Say in Rucio's words what the store refuses."""
    from dasi_backend.errors import KeyRefused, NotStored  # noqa: PLC0415
    from rucio_dafab.errors import DafabError  # noqa: PLC0415

    try:
        yield
    except (NotStored, KeyRefused) as error:
        raise exception.SourceNotFound(str(error)) from error
    except DafabError as error:
        raise exception.ServiceUnavailable(str(error)) from error
