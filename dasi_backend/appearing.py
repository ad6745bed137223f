"""Files and folders that are whole or absent: made in a hidden folder beside their place, and there by one rename.

The hidden folder (``.name.part``) is locked by whoever works in it. What a killed process left in it is found by the
next one that writes the same target; two that write the same target at once do not meet.
"""

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from rucio_dafab.errors import DafabError

PART: Final = ".part"
"""How the name of a hidden folder ends."""


@contextmanager
def appearing(target: Path, refusal: type[DafabError], keep: str | None = None) -> Iterator[Path]:
    """Yield a path at which a file or folder is to be made; it becomes `target` when the block ends without an error.

    A file that is there already is replaced, a folder only if it is empty; where the block makes nothing, nothing is.

    Args:
        target: What appears; its folder is made.
        refusal: The error to raise where it cannot be written.
        keep: The name of a file that stays after an error, for the next one who writes `target` with this name: he
            finds it at the path that he is given. Everything else that was left there is removed.

    Raises:
        refusal: if it cannot be written.
    """
    try:
        with _workshop(target, keep) as folder:
            made = folder / (keep or target.name)
            yield made
            with suppress(FileNotFoundError):
                made.replace(target)
    except OSError as error:
        raise refusal(f"{target} cannot be written: {error.strerror or error}") from error


def discard(target: Path) -> None:
    """Remove what a process that was killed left of a target, unless somebody else is at work on it."""
    folder = _hidden(target)
    if (lock := _locked(folder)) is not None:
        shutil.rmtree(folder, ignore_errors=True)
        os.close(lock)


@contextmanager
def _workshop(target: Path, keep: str | None) -> Iterator[Path]:
    target.parent.mkdir(parents=True, exist_ok=True)
    folder = _hidden(target)
    with suppress(FileExistsError):
        folder.mkdir(mode=0o700)
    if (lock := _locked(folder)) is None:  # somebody is at work in it, or it is none of ours: nothing is kept
        folder, keep = Path(tempfile.mkdtemp(prefix=f".{target.name}.", suffix=PART, dir=target.parent)), None
    try:
        _sweep(folder, keep)
        try:
            yield folder
        except BaseException:
            _sweep(folder, keep)
            raise
        _sweep(folder, None)
    finally:
        with suppress(OSError):
            folder.rmdir()  # unless something is kept in it
        if lock is not None:
            os.close(lock)


def _hidden(target: Path) -> Path:
    return target.with_name(f".{target.name}{PART}")


def _locked(folder: Path) -> int | None:
    """Lock a hidden folder, and return the descriptor that holds the lock.

    ``None`` where somebody else holds it or has removed it, where it is somebody else's or a link, or where the file
    system has no locks.
    """
    try:
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        opened, there = os.fstat(descriptor), folder.stat(follow_symlinks=False)
        if (opened.st_dev, opened.st_ino, opened.st_uid) == (there.st_dev, there.st_ino, os.geteuid()):
            return descriptor
    except OSError:
        pass
    os.close(descriptor)
    return None


def _sweep(folder: Path, keep: str | None) -> None:
    for path in list(folder.iterdir()):
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path, ignore_errors=True)
        elif path.name != keep or not path.stat(follow_symlinks=False).st_size:
            path.unlink(missing_ok=True)
