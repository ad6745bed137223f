"""One command at a time changes a site."""

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final, TextIO

from rucio_dafab.errors import DafabError
from rucio_dafab.site.home import Home


class SiteBusy(DafabError):
    """Another command is changing the site; the text names its process."""

    exit_code: int = 75  # EX_TEMPFAIL: the same command works a little later


LIFECYCLE: Final = "site"
"""Starting and stopping: what ``up`` and ``down`` hold."""

NAMED_WITHIN_S: Final = 2.0
"""How long a holder that has not yet written its name is waited for before it goes unnamed."""


@contextmanager
def exclusive(home: Home, command: str, lock: str = LIFECYCLE) -> Iterator[None]:
    """Hold a lock of the site while the block runs; it ends with the process, however that ends.

    Args:
        home: the site.
        command: what is shown to whoever finds the lock taken.
        lock: the name of the lock; commands under different names do not exclude each other.

    Raises:
        SiteBusy: at once, if another process holds it.
    """
    home.run.mkdir(parents=True, exist_ok=True)
    path = home.run / f"{lock}.lock"
    with _taken(path, home) as stream:
        stream.truncate(0)
        stream.write(f"{command} (process {os.getpid()})")
        stream.flush()
        try:
            yield
        finally:
            # While it is held: a folder does not fill with the locks of scenes that were processed long ago.
            path.unlink(missing_ok=True)


def _taken(path: Path, home: Home) -> TextIO:
    """Open and lock a file that is still at its path: the holder before may have removed the one that was opened."""
    while True:
        stream = path.open("a+", encoding="utf-8")
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
            with suppress(FileNotFoundError):
                if path.stat().st_ino == os.fstat(stream.fileno()).st_ino:
                    return stream
            stream.close()
        except BlockingIOError as error:
            holder = _holder(stream)
            stream.close()
            raise SiteBusy(f"{holder} is at work on {home.root}: wait until it ends") from error


def _holder(stream: TextIO) -> str:
    """Who holds a lock; one that has only just taken it has a moment to write its name."""
    deadline = time.monotonic() + NAMED_WITHIN_S
    while True:
        stream.seek(0)
        if holder := stream.read().strip():
            return holder
        if time.monotonic() > deadline:
            return "another command"
        time.sleep(0.01)
