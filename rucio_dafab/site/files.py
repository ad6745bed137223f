"""Files that are either whole or absent, and readable by nobody else where they must be."""

import json
import os
import tempfile
from pathlib import Path
from typing import Any, Final

from rucio_dafab.errors import DafabError

PRIVATE: Final = 0o600
"""Mode of a file that holds a password."""


class SiteFileError(DafabError):
    """A file of the site cannot be read or written; the text names it."""


def write_file(path: Path, text: str, mode: int = 0o644) -> None:
    """Replace a file at once: under another name with its final mode, then renamed.

    Raises:
        SiteFileError: if the folder cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
            os.fchmod(stream.fileno(), mode)
            stream.write(text)
            stream.flush()
            os.fsync(stream.fileno())
        Path(name).replace(path)
    except OSError as error:
        raise SiteFileError(f"cannot write {path}: {error.strerror}") from error


def write_json(path: Path, value: Any, mode: int = 0o644) -> None:
    """Replace a JSON file at once."""
    write_file(path, json.dumps(value, indent=2, ensure_ascii=False) + "\n", mode)


def read_json(path: Path) -> dict[str, Any] | None:
    """Return the object in a JSON file, or ``None`` when there is no such file.

    Raises:
        SiteFileError: if the file cannot be read or holds no JSON object.
    """
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except OSError as error:
        raise SiteFileError(f"cannot read {path}: {error.strerror}") from error
    except ValueError as error:
        raise SiteFileError(f"{path} is not JSON: {error}") from error
    if not isinstance(value, dict):
        raise SiteFileError(f"{path} should hold a JSON object")
    return value
