"""The one way to ECMWF's libraries: metkit reads its language when it is first loaded, and never again.

``METKIT_HOME`` is global to the process, so it is set here, before the first import of ``pyfdb`` or ``pymetkit``.
"""

import os
import sys
from functools import cache
from importlib import import_module
from typing import Any, Final

from dasi_backend.errors import DasiError
from rucio_dafab.resources import resources

_LIBRARIES: Final = ("pyfdb", "pymetkit")


@cache
def load(library: str) -> Any:
    """Import and return ``pyfdb`` or ``pymetkit`` under our language (``etc/fdb/metkit``).

    Raises:
        DasiError: if the library is not installed, or was imported before under another language.
    """
    home = str(resources() / "etc" / "fdb" / "metkit")
    loaded = [name for name in _LIBRARIES if name in sys.modules]
    if loaded and os.environ.get("METKIT_HOME") != home:
        raise DasiError(f"{loaded[0]} was imported before dasi_backend and speaks another language: import this first")
    os.environ["METKIT_HOME"] = home
    try:
        return import_module(library)
    except ImportError as error:
        raise DasiError(f"{library} is missing: install rucio-dafab[worker] ({error})") from error


def reason(error: BaseException) -> str:
    """Return what one of ECMWF's exceptions says, without its class names and source places, on one line."""
    line = " ".join(str(error).split()) or type(error).__name__
    for prefix in ("UserError: ", "Bad value: ", "Serious bug: ", "FDB: "):
        line = line.replace(prefix, "")
    return line.split(" request=")[0].split(" (/")[0].strip()
