"""ECMWF's libraries under our language."""

import os
import subprocess
import sys

LOADED_BEFORE = """
import sys
sys.modules["pymetkit"] = object()  # as if somebody had imported it
from dasi_backend import ecmwf
from dasi_backend.errors import DasiError
try:
    ecmwf.load("pymetkit")
except DasiError as refusal:
    print(refusal)
"""


def test_a_library_that_speaks_another_language_is_refused() -> None:
    """It reads its language once a process: keys of ours would be unknown, or mean something else."""
    inherited = {name: value for name, value in os.environ.items() if name != "METKIT_HOME"}
    done = subprocess.run(
        [sys.executable, "-c", LOADED_BEFORE], env=inherited, capture_output=True, text=True, check=True
    )
    assert "pymetkit was imported before dasi_backend and speaks another language" in done.stdout
