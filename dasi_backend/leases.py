"""Leases: who uses a product, so that nobody removes it meanwhile.

A lease ends when it is released, when its time is up, or when the process that it is bound to has ended. A lease of a
workflow whose steps are processes of their own is bound to none and ends by its time alone.
"""

import os
import socket
import time
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final, Self

import orjson
from blake3 import blake3

from dasi_backend.errors import StoreError
from rucio_dafab.files import write_file

FOLDER: Final = "leases"
SIX_HOURS: Final = 21_600.0
"""How long a lease lasts unless it is renewed, in seconds: as long as a workflow may run."""

_SEPARATOR: Final = "~"
"""Between product and holder in a file's name: a character that no product has."""


@dataclass(frozen=True, slots=True)
class Process:
    """A process, so named that no other one is taken for it.

    Attributes:
        pid: Its number.
        started: When it began, in the kernel's ticks since the machine began.
        machine: The run of the machine's kernel and the space of process numbers that it is in.
    """

    pid: int
    started: int
    machine: str

    @classmethod
    def current(cls, pid: int | None = None) -> Self:
        """Return this process, or another one of this machine.

        Raises:
            StoreError: if there is no such process.
        """
        number = os.getpid() if pid is None else pid
        started = _started(number)
        if started is None:
            raise StoreError(f"there is no process {number}")
        return cls(number, started, _machine())

    def has_ended(self) -> bool:
        """Say whether it has certainly ended: that of another machine never has."""
        return self.machine == _machine() and _started(self.pid) != self.started


@dataclass(frozen=True, slots=True)
class Lease:
    """Somebody's use of a product.

    Attributes:
        product: The canonical id of the product.
        holder: Who uses it; one holder has one lease of a product.
        host: Where the lease was taken.
        taken: When, seconds since 1970.
        expires: When it ends, seconds since 1970.
        process: The process that it is bound to, or ``None``.
    """

    product: str
    holder: str
    host: str
    taken: float
    expires: float
    process: Process | None = None

    def __str__(self) -> str:
        """Return who holds it, for people."""
        bound = f", process {self.process.pid}" if self.process else ""
        until = time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(self.expires))
        return f"{self.holder} ({self.host}{bound}, until {until})"

    def holds(self, now: float) -> bool:
        """Say whether it is in force at `now`, seconds since 1970."""
        return now < self.expires and not (self.process and self.process.has_ended())


@dataclass(frozen=True, slots=True)
class Leases:
    """The leases of one store. Whoever changes them holds the product's lock.

    Attributes:
        folder: Where they lie.
    """

    folder: Path

    def take(self, product: str, holder: str, seconds: float, process: Process | None) -> Lease:
        """Write a lease, in place of an earlier one of the same holder."""
        now = time.time()
        lease = Lease(product, holder, socket.gethostname(), now, now + seconds, process)
        write_file(self._path(product, holder), orjson.dumps(asdict(lease)).decode())
        return lease

    def release(self, product: str, holder: str) -> bool:
        """End a lease, and say whether there was one."""
        try:
            self._path(product, holder).unlink()
        except FileNotFoundError:
            return False
        return True

    def all(self, product: str | None = None) -> list[Lease]:
        """Return every lease, or those of one product, in force or not.

        Raises:
            StoreError: naming a lease that cannot be read: nobody may take it for none.
        """
        pattern = f"{product or '[!.]*'}{_SEPARATOR}*.json"
        found = (_read(path) for path in self.folder.glob(pattern))
        return sorted((lease for lease in found if lease), key=lambda lease: (lease.product, lease.taken))

    def in_force(self, product: str | None = None) -> list[Lease]:
        """Return the leases that hold now."""
        now = time.time()
        return [lease for lease in self.all(product) if lease.holds(now)]

    def _path(self, product: str, holder: str) -> Path:
        return self.folder / f"{product}{_SEPARATOR}{blake3(holder.encode()).hexdigest()[:16]}.json"


def _read(path: Path) -> Lease | None:
    try:
        stated: dict[str, Any] = orjson.loads(path.read_bytes())
        process = stated.pop("process")
        return Lease(**stated, process=Process(**process) if process else None)
    except FileNotFoundError:
        return None
    except (OSError, orjson.JSONDecodeError, TypeError, AttributeError, KeyError) as error:
        raise StoreError(f"the lease {path} cannot be read: {error}") from error


def _started(pid: int) -> int | None:
    """Return when a process of this machine began (proc(5), field 22 of ``stat``); ``None`` where it has ended."""
    try:
        # The name of the program is in brackets and may hold anything: the fields are counted behind it.
        fields = Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None
    return None if fields[0] in {b"Z", b"X"} else int(fields[19])


@cache
def _machine() -> str:
    boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    return f"{boot} {Path('/proc/self/ns/pid').readlink()}"
