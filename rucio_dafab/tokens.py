"""Where clients keep their tokens: a private folder for each server, account and virtual organisation."""

import os
import shutil
import tempfile
from hashlib import sha256
from pathlib import Path
from typing import Any

from rucio_dafab.errors import DafabError


class TokenFolderError(DafabError):
    """The folder for tokens is not the user's own."""


def folder(root: Path, server: str, *identity: str) -> Path:
    """Make and return the folder of one identity at a server below ``root``, usable by nobody else.

    Rucio's own default is one folder for all servers with a file for each account: two sites would hand each other
    their tokens.

    Raises:
        TokenFolderError: if somebody else owns the folder or can read it.
    """
    of_server = _of_server(root, server)
    leaf = of_server / _name(*identity)
    for path in (of_server.parent, of_server, leaf):
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


def forget(server: str, root: Path | None = None) -> None:
    """Remove the tokens of every account at a server that is gone; a client that asks it again has a new one."""
    shutil.rmtree(_of_server(root or Path(tempfile.gettempdir()), server), ignore_errors=True)


def _of_server(root: Path, server: str) -> Path:
    return root / f"rucio-dafab-{os.geteuid()}" / _name(server)


def _name(*identity: str) -> str:
    return sha256("\0".join(identity).encode()).hexdigest()[:24]
