"""Waiting for others without holding up the rest."""

import asyncio
import fcntl
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

_PAUSE: Final = 0.2


@asynccontextmanager
async def file_lock(folder: Path, name: str) -> AsyncIterator[None]:
    """Hold a lock that other processes of this machine may want; it ends with the process, however that ends."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"mutex-{re.sub(r'[^A-Za-z0-9_.-]', '_', name)}.lock"
    with path.open("a", encoding="utf-8") as stream:
        while True:
            try:
                fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                await asyncio.sleep(_PAUSE)
        yield
