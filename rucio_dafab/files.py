"""Files that are either whole or absent, and readable by nobody else where they must be."""

import errno
import json
import os
import tempfile
from pathlib import Path
from typing import Any, Final

from rucio_dafab.errors import DafabError

PRIVATE: Final = 0o600
"""Mode of a file that holds a password."""


class FileError(DafabError):
    """A file of ours cannot be read or written; the text names it."""


class NoRoom(FileError):
    """A file cannot be written since the disk is full, or what its owner may take of it."""


def write_file(path: Path, text: str, mode: int = 0o644) -> None:
    """Replace a file at once: under another name with its final mode, then renamed.

    Raises:
        FileError: if it cannot be written (:class:`NoRoom` where the disk is full); nothing is left beside it.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        try:
            with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
                os.fchmod(stream.fileno(), mode)
                stream.write(text)
                stream.flush()
                os.fsync(stream.fileno())
            Path(name).replace(path)
        except OSError:
            Path(name).unlink(missing_ok=True)
            raise
    except OSError as error:
        refusal = NoRoom if error.errno in {errno.ENOSPC, errno.EDQUOT} else FileError
        raise refusal(f"cannot write {path}: {error.strerror}") from error


def write_json(path: Path, value: Any, mode: int = 0o644) -> None:
    """Replace a JSON file at once."""
    write_file(path, json.dumps(value, indent=2, ensure_ascii=False) + "\n", mode)


def read_json(path: Path) -> dict[str, Any] | None:
    """Return the object in a JSON file, or ``None`` when there is no such file.

    Raises:
        FileError: if the file cannot be read or holds no JSON object.
    """
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except OSError as error:
        raise FileError(f"cannot read {path}: {error.strerror}") from error
    except ValueError as error:
        raise FileError(f"{path} is not JSON: {error}") from error
    if not isinstance(value, dict):
        raise FileError(f"{path} should hold a JSON object")
    return value
