"""The one way to the files that ship beside the code: ``etc/`` and the models."""

from functools import cache
from pathlib import Path

from rucio_dafab.errors import DafabError


@cache
def resources() -> Path:
    """Return the folder that holds ``etc/`` and ``models/``.

    In a wheel they lie inside the package (``rucio_dafab/_resources``); in an editable install they are the checkout's.

    Raises:
        DafabError: if neither place holds them, which means a broken installation.
    """
    package = Path(__file__).resolve().parent
    for folder in (package / "_resources", package.parent):
        if (folder / "etc").is_dir():
            return folder
    raise DafabError(f"the resources of rucio-dafab are missing beside {package}: install the package again")
