"""Products brought over: the files of a plan side by side, then the product under its name at once."""

import errno
import fcntl
import os
import shutil
import tempfile
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from rucio_dafab.eo.readers.stac_folder import ITEM_NAME
from rucio_dafab.eo.sources.access import Access
from rucio_dafab.eo.sources.errors import SourceBusy, SourceError
from rucio_dafab.eo.sources.pace import Pace
from rucio_dafab.eo.sources.plan import (
    MANIFEST,
    Plan,
    check_usable,
    local_item,
    manifest_file,
    plan_item,
    plan_safe,
)
from rucio_dafab.eo.sources.providers import Provider, Sources
from rucio_dafab.eo.sources.stac import as_bytes
from rucio_dafab.eo.sources.transfer import PART, TAG, Progress, Stopped, Transfer
from rucio_dafab.eo.sources.values import Found
from rucio_dafab.eo.sources.web import Web
from rucio_dafab.eo.staging import link_or_copy

_SPARE_BYTES: Final = 64 * 2**20


@dataclass(frozen=True, slots=True)
class Fetched:
    """A product that is here.

    Attributes:
        plan: What of it was wanted.
        folder: Where it is: a SAFE, or a folder with ``item.json``.
        outcome: ``fetched``, or ``present`` where everything was here already.
        size: Bytes that came over the network.
    """

    plan: Plan
    folder: Path
    outcome: str
    size: int


class Downloads:
    """Downloads from one archive; what it allows holds for all that one of these does."""

    def __init__(self, sources: Sources, provider: Provider) -> None:
        self._provider = provider
        self._access = Access(sources, provider, Web(provider.patience))
        self._pace = Pace(provider.connections, provider.requests_per_minute, provider.bytes_per_second)

    def plan(self, found: Found, bands: Sequence[str], to: Path) -> Plan:
        """Return what would be fetched of a product, with all sizes; nothing is left on the disk.

        Args:
            found: The product.
            bands: The bands.
            to: The folder for products: bands of this one that are there already stay part of it.

        Raises:
            SourceBusy: if the archive is busy or away.
            SourceError: if the product cannot be used or had, or has none of the bands.
        """
        check_usable(found)
        if found.item is not None:
            plan = plan_item(found, bands, lambda path: (to / found.id / path).is_file())
        else:
            with tempfile.TemporaryDirectory(prefix="rucio-dafab-") as scratch:
                listed = Transfer(self._access, self._pace, Path(scratch)).bring(manifest_file(self._provider, found))
                plan = plan_safe(
                    self._provider, found, listed, bands, lambda path: (to / f"{found.id}.SAFE" / path).is_file()
                )
        return self._with_sizes(plan)

    def _with_sizes(self, plan: Plan) -> Plan:
        transfer = Transfer(self._access, self._pace, Path())
        sized = [file if file.size is not None else replace(file, size=transfer.size_of(file)) for file in plan.files]
        return replace(plan, files=tuple(sized))

    def fetch(self, plan: Plan, to: Path, progress: Progress | None = None) -> Fetched:
        """Bring a product into ``to``; it appears there whole or not at all, and a broken download goes on.

        Args:
            plan: From :meth:`plan`.
            to: The folder for products; made if absent.
            progress: Is told by how many bytes the product came further.

        Raises:
            SourceBusy: if the archive is busy or away, or another process fetches this product.
            SourceError: if it refuses, a file is not what it should be, or there is no room for it.
        """
        target = to / plan.folder
        if all((target / file.path).is_file() for file in plan.files) and _is_complete(target, plan):
            return Fetched(plan, target, "present", 0)
        try:
            with _working_folder(to, plan.folder) as part:
                _sweep(part, plan)
                _take_over(target, part, plan)
                here = _bytes_here(part, plan)
                _check_room(to, (plan.size or 0) - here, plan.found.id)
                self._bring_all(plan, part, progress)
                if plan.found.item is not None:
                    (part / ITEM_NAME).write_bytes(as_bytes(local_item(plan)))
                _show(part, target)
        except OSError as error:
            raise _disk(error, to) from error
        return Fetched(plan, target, "fetched", (plan.size or 0) - here)

    def _bring_all(self, plan: Plan, part: Path, progress: Progress | None) -> None:
        """Fetch all files side by side; the first refusal stops the others, which keep what they have."""
        stop = threading.Event()
        transfer = Transfer(self._access, self._pace, part, _one_at_a_time(progress), stop)
        with ThreadPoolExecutor(self._provider.connections, "fetch") as pool:
            # The largest first, so that no large one runs alone at the end.
            ordered = sorted(plan.files, key=lambda file: -(file.size or 0))
            running = [pool.submit(transfer.bring, file) for file in ordered]
            try:
                wait(running, return_when=FIRST_EXCEPTION)
            finally:
                stop.set()
                for future in running:
                    future.cancel()
        errors = [error for future in running if not future.cancelled() and (error := future.exception())]
        for error in sorted(errors, key=lambda error: isinstance(error, Stopped)):
            raise error


def _one_at_a_time(progress: Progress | None) -> Progress:
    """Return what threads may tell of their progress, which the listener hears from one of them at a time."""
    lock = threading.Lock()

    def tell(count: int) -> None:
        with lock:
            if progress is not None:
                progress(count)

    return tell


@contextmanager
def _working_folder(to: Path, name: str) -> Iterator[Path]:
    """Yield the hidden folder in which a product grows; it stays when the download breaks off.

    Raises:
        SourceBusy: if another process works in it.
    """
    to.mkdir(parents=True, exist_ok=True)
    part = to / f".{name}{PART}"
    part.mkdir(exist_ok=True)
    lock = os.open(part, os.O_RDONLY | os.O_DIRECTORY)
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise SourceBusy(f"{name} is being fetched into {to} by another process") from error
        yield part
    finally:
        os.close(lock)


def _is_complete(target: Path, plan: Plan) -> bool:
    name = ITEM_NAME if plan.found.item is not None else MANIFEST
    return (target / name).is_file()


def _sweep(part: Path, plan: Plan) -> None:
    """Forget what a broken download left behind that is no part of this plan, or of another size."""
    sizes = {file.path: file.size for file in plan.files}
    growing = {f"{path}{suffix}" for path in sizes for suffix in (PART, TAG)}
    for path in [path for path in part.rglob("*") if path.is_file()]:
        name = path.relative_to(part).as_posix()
        if name not in growing and sizes.get(name) != path.stat().st_size:
            path.unlink()


def _take_over(target: Path, part: Path, plan: Plan) -> None:
    """Take what a product has that is here already with fewer bands: its files, and what its user put beside them."""
    sizes = {file.path: file.size for file in plan.files}
    for old in [path for path in target.rglob("*") if path.is_file()]:
        name = old.relative_to(target).as_posix()
        new = part / name
        # The item is written anew, and a link of it would be written, too.
        if name == ITEM_NAME or new.exists() or sizes.get(name, old.stat().st_size) != old.stat().st_size:
            continue
        new.parent.mkdir(parents=True, exist_ok=True)
        link_or_copy(old, new)


def _bytes_here(part: Path, plan: Plan) -> int:
    return sum(
        path.stat().st_size
        for file in plan.files
        for path in (part / file.path, part / f"{file.path}{PART}")
        if path.is_file()
    )


def _check_room(to: Path, needed: int, product: str) -> None:
    free = shutil.disk_usage(to).free
    if needed + _SPARE_BYTES > free:
        raise SourceError(f"{product} needs {needed / 1e6:.0f} MB more in {to}, and {free / 1e6:.0f} MB are free")


def _show(part: Path, target: Path) -> None:
    """Give a whole product its name; one that was there with fewer bands makes room."""
    old = target.with_name(f".{target.name}.old")
    if target.exists():
        shutil.rmtree(old, ignore_errors=True)
        target.rename(old)
    part.rename(target)
    shutil.rmtree(old, ignore_errors=True)


def _disk(error: OSError, to: Path) -> SourceError:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return SourceError(f"the disk of {to} is full; what came stays, and the same command goes on from there")
    return SourceError(f"{error.filename or to} cannot be written: {error.strerror}")
