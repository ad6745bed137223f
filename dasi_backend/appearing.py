"""Files and folders that are whole or absent: made in a hidden folder beside their place, and there by one rename.

The hidden folder (``.name.part``) is locked by whoever works in it. What a killed process left in it is found by the
next one that writes the same target. Two that write the same target at once do not meet: the second takes
``.name.part1`` and so on, the first that nobody holds; what was left in these goes when somebody writes the target.
"""

import errno
import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import takewhile
from pathlib import Path
from typing import Final

from rucio_dafab.errors import DafabError

PART: Final = ".part"
"""How the name of a hidden folder ends, with a number where the first is taken."""

_MOST: Final = 100
"""Hidden folders of one target at most."""

_NONE_OF_OURS: Final = frozenset({errno.EACCES, errno.ELOOP, errno.ENOENT, errno.ENOTDIR, errno.EPERM})


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
    """Remove what processes that were killed left of a target, unless somebody else is at work on it."""
    _discard(target, 0)


def _discard(target: Path, begin: int) -> None:
    for folder in takewhile(os.path.lexists, (_hidden(target, number) for number in range(begin, _MOST))):
        with suppress(OSError, _NoLocks):
            if (lock := _locked(folder)) is not None:
                shutil.rmtree(folder, ignore_errors=True)
                os.close(lock)


@contextmanager
def _workshop(target: Path, keep: str | None) -> Iterator[Path]:
    target.parent.mkdir(parents=True, exist_ok=True)
    folder, lock = _taken(target)
    if folder != _hidden(target):  # somebody is at work there, or it is none of ours: nothing is kept
        keep = None
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


def _hidden(target: Path, number: int = 0) -> Path:
    # The number stands last: so it is never taken for the hidden folder of another target.
    return target.with_name(f".{target.name}{PART}{number or ''}")


def _taken(target: Path) -> tuple[Path, int | None]:
    """Take the first hidden folder that nobody is at work in; what was left in those after it is removed.

    The descriptor that holds its lock comes with it, ``None`` where the file system has no locks.
    """
    for number in range(_MOST):
        folder = _hidden(target, number)
        with suppress(FileExistsError):
            folder.mkdir(mode=0o700)
        try:
            lock = _locked(folder)
        except _NoLocks:
            with suppress(OSError):
                folder.rmdir()
            break
        if lock is not None:
            _discard(target, number + 1)
            return folder, lock
    return Path(tempfile.mkdtemp(prefix=f".{target.name}.", suffix=PART, dir=target.parent)), None


class _NoLocks(Exception):
    """The file system has no locks."""


def _locked(folder: Path) -> int | None:
    """Lock a hidden folder, and return the descriptor that holds the lock.

    ``None`` where somebody else holds it or has removed it, or where it is somebody else's or a link.

    Raises:
        _NoLocks: if the file system has no locks.
        OSError: if it cannot be opened for a reason that holds for any other, too.
    """
    try:
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError as error:
        if error.errno in _NONE_OF_OURS:
            return None
        raise
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        opened, there = os.fstat(descriptor), folder.stat(follow_symlinks=False)
        if (opened.st_dev, opened.st_ino, opened.st_uid) == (there.st_dev, there.st_ino, os.geteuid()):
            return descriptor
    except (BlockingIOError, FileNotFoundError):
        pass
    except OSError as error:
        os.close(descriptor)
        raise _NoLocks from error
    os.close(descriptor)
    return None


def _sweep(folder: Path, keep: str | None) -> None:
    for path in list(folder.iterdir()):
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path, ignore_errors=True)
        elif path.name != keep or not path.stat(follow_symlinks=False).st_size:
            path.unlink(missing_ok=True)
