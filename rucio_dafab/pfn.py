"""The address of a replica (Rucio's PFN) as a file of this machine."""

from pathlib import Path, PurePosixPath
from typing import Final
from urllib.parse import unquote, urlsplit

_HERE: Final = frozenset({"", "localhost", "127.0.0.1"})


def local_file(pfn: str) -> Path | None:
    """Return the file behind an address if it is one on this machine that is there, otherwise ``None``.

    Rucio allows dots in names: an address that climbs by ``..`` could leave its RSE and is none of ours.
    """
    parts = urlsplit(pfn)
    path = PurePosixPath(unquote(parts.path))
    if parts.scheme not in {"", "file"} or (parts.hostname or "") not in _HERE:
        return None
    plain = path.is_absolute() and ".." not in path.parts and "\0" not in str(path)
    return Path(path) if plain and Path(path).is_file() else None
