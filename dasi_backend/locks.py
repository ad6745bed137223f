"""Advisory locks on files (flock): the kernel drops them when their holder dies.

On Lustre the client must be mounted with ``flock``.
"""

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from blake3 import blake3

from dasi_backend.errors import StoreError

SHARED: Final = fcntl.LOCK_SH
EXCLUSIVE: Final = fcntl.LOCK_EX
WAIT_SECONDS: Final = 600.0
GATE_SECONDS: Final = 1.0
"""How long a removal keeps newcomers out while it waits for those who are in."""
_FIRST_PAUSE: Final = 0.005
_LONGEST_PAUSE: Final = 0.25


class _Busy(StoreError):
    """Somebody holds a lock for longer than was waited."""

    def __init__(self, what: str, seconds: float) -> None:
        super().__init__(f"{what} is in use: not free within {seconds:g} s")


@dataclass(frozen=True, slots=True)
class Locks:
    """The locks of one store: of its list of databases, of each database, of each product.

    Attributes:
        folder: Where the lock files lie.
        wait_seconds: How long to wait for a holder before refusing.
    """

    folder: Path
    wait_seconds: float = WAIT_SECONDS

    @contextmanager
    def listing(self, mode: int) -> Iterator[None]:
        """Lock the list of databases: shared while it is read, exclusive while one of them is removed."""
        with self._gated("store", "the store", mode):
            yield

    @contextmanager
    def database(self, name: str, mode: int) -> Iterator[None]:
        """Lock one database: writers and readers share it; removing is exclusive, or FDB aborts the writer."""
        with self._gated(f"database-{name}", f"database {name}", mode):
            yield

    @contextmanager
    def _gated(self, lock: str, what: str, mode: int) -> Iterator[None]:
        """Hold a lock to which everybody comes through a gate.

        Who wants it alone closes the gate and waits for those inside to leave: readers that come and go would
        otherwise keep a removal out for good. It opens the gate again now and then, so that whoever is inside and must
        come in a second time does not wait for itself.
        """
        gate = f"{lock}-gate"
        with ExitStack() as held:
            if mode == SHARED:
                with self._held(gate, what, SHARED):
                    held.enter_context(self._held(lock, what, SHARED))
            else:
                held.enter_context(self._alone(gate, lock, what))
            yield

    @contextmanager
    def _alone(self, gate: str, lock: str, what: str) -> Iterator[None]:
        deadline = time.monotonic() + self.wait_seconds
        with ExitStack() as held:
            while True:
                left = max(deadline - time.monotonic(), 0.0)
                with self._held(gate, what, EXCLUSIVE, left), suppress(_Busy):
                    held.enter_context(self._held(lock, what, EXCLUSIVE, min(left, GATE_SECONDS)))
                    break
                if left <= 0:
                    raise _Busy(what, self.wait_seconds)
                time.sleep(_LONGEST_PAUSE)
            yield

    @contextmanager
    def product(self, product: str) -> Iterator[None]:
        """Keep other writers from one product. 256 locks serve all products, so that the folder stays small."""
        with self._held(f"product-{blake3(product.encode()).hexdigest()[:2]}", f"product {product}", EXCLUSIVE):
            yield

    @contextmanager
    def retention(self) -> Iterator[None]:
        """Keep other runs of retention away, or be refused at once."""
        with self._held("retention", "retention", EXCLUSIVE, wait_seconds=0.0):
            yield

    @contextmanager
    def _held(self, name: str, what: str, mode: int, wait_seconds: float | None = None) -> Iterator[None]:
        descriptor = _opened(self.folder / f"{name}.lock", what, mode)
        try:
            _wait(descriptor, what, mode, self.wait_seconds if wait_seconds is None else wait_seconds)
            yield
        finally:
            os.close(descriptor)


def _opened(path: Path, what: str, mode: int) -> int:
    """Open the file of a lock, which is made when it is first needed.

    Sharing a lock needs no right to write: who may only read a store reads it beside those who write.

    Raises:
        StoreError: if it cannot be opened.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
    except OSError as error:
        if mode == SHARED:
            with suppress(OSError):
                return os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        raise StoreError(f"{what} cannot be locked, {path}: {error.strerror}") from error


def _wait(descriptor: int, what: str, mode: int, seconds: float) -> None:
    deadline, pause = time.monotonic() + seconds, _FIRST_PAUSE
    while True:
        try:
            fcntl.flock(descriptor, mode | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > deadline:
                raise _Busy(what, seconds) from None
            time.sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE)
        else:
            return
