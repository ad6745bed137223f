"""Waiting for others without holding up the rest."""

import asyncio
import fcntl
import re
from collections.abc import AsyncIterator, Sequence
from contextlib import ExitStack, asynccontextmanager
from hashlib import sha256
from pathlib import Path
from typing import IO, Final

_PAUSE: Final = 0.2


@asynccontextmanager
async def file_lock(folder: Path, name: str) -> AsyncIterator[None]:
    """Hold a lock that other processes of this machine may want; it ends with the process, however that ends."""
    async with _one_of([_path(folder, f"mutex-{name}")]):
        yield


@asynccontextmanager
async def file_slot(folder: Path, name: str, count: int) -> AsyncIterator[None]:
    """Hold one of ``count`` places that other processes of this machine may want; it ends with the process."""
    async with _one_of([_path(folder, f"semaphore-{name}-{number}") for number in range(count)]):
        yield


def _path(folder: Path, name: str) -> Path:
    """Return the file of a lock; names that differ in signs that no file should have do not share it."""
    plain = re.sub(r"[^A-Za-z0-9_.-]", "_", name)[:100]
    return folder / (f"{plain}.lock" if plain == name else f"{plain}-{sha256(name.encode()).hexdigest()[:12]}.lock")


@asynccontextmanager
async def _one_of(paths: Sequence[Path]) -> AsyncIterator[None]:
    with ExitStack() as stack:
        for path in paths:
            path.parent.mkdir(parents=True, exist_ok=True)
        streams = [stack.enter_context(path.open("a", encoding="utf-8")) for path in paths]
        while not any(map(_locked, streams)):
            await asyncio.sleep(_PAUSE)
        yield


def _locked(stream: IO[str]) -> bool:
    """Lock a file that nobody holds; tell whether that was so."""
    try:
        fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
