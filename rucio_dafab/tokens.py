"""Where clients keep their tokens: a private folder for each server, account and virtual organisation."""

import os
import tempfile
from hashlib import sha256
from pathlib import Path
from typing import Any

from rucio_dafab.errors import DafabError


class TokenFolderError(DafabError):
    """The folder for tokens is not the user's own."""


def folder(root: Path, *identity: str) -> Path:
    """Make and return the folder of one identity below ``root``, usable by nobody else.

    Rucio's own default is one folder for all servers with a file for each account: two sites would hand each other
    their tokens.

    Raises:
        TokenFolderError: if somebody else owns the folder or can read it.
    """
    mine = root / f"rucio-dafab-{os.geteuid()}"
    leaf = mine / sha256("\0".join(identity).encode()).hexdigest()[:24]
    for path in (mine, leaf):
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        status = path.lstat()
        if status.st_uid != os.geteuid() or status.st_mode & 0o077:
            raise TokenFolderError(f"{path} holds tokens and must be a folder of mode 0700 that is yours")
    return leaf


def places(server: str, account: Any, vo: Any) -> tuple[None, str, str, str]:
    """Return what Rucio's ``BaseClient._get_auth_tokens`` does: no configured file, then expiry, token and folder.

    Raises:
        TokenFolderError: if the folder is not the user's own.
    """
    mine = folder(Path(tempfile.gettempdir()), server, str(account), str(vo))
    return None, str(mine / "expires"), str(mine / "token"), str(mine)
