"""A site made by ``make demo``, as a new user makes it, shared by all end-to-end tests."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).resolve().parents[2]
PATIENCE = 900


@dataclass(frozen=True)
class Shell:
    """A shell in the checkout, with ``DAFAB_HOME`` set and nothing else of ours."""

    home: Path

    def run(self, line: str, *, patience: float = PATIENCE) -> "subprocess.CompletedProcess[str]":
        """Run a line of bash and return what it said, whatever its status."""
        return subprocess.run(
            ["bash", "-c", line],
            cwd=CHECKOUT,
            env=self.environment(),
            capture_output=True,
            text=True,
            timeout=patience,
            check=False,
        )

    def ask(self, line: str) -> "subprocess.CompletedProcess[str]":
        """Run a line after ``eval "$(rucio-dafab env)"``, as the README says."""
        return self.run(f'eval "$(.venv/bin/rucio-dafab env)" && {line}')

    def environment(self) -> dict[str, str]:
        """Return the environment: the caller's without what another site or a virtual environment left in it."""
        mine = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("DAFAB_", "RUCIO_", "DASI_", "METKIT_", "FDB", "MAKE", "MFLAGS", "VIRTUAL_ENV"))
        }
        return mine | {"DAFAB_HOME": str(self.home)}


@pytest.fixture(scope="session")
def shell() -> Iterator[Shell]:
    """Return a shell on a home that was never used; whatever runs there is stopped at the end."""
    folder = Path(tempfile.mkdtemp(prefix="dafab-e2e-", dir="/tmp"))
    folder.chmod(0o711)
    opened = Shell(folder / "home")
    yield opened
    stopped = opened.run("make down")
    shutil.rmtree(folder)
    assert stopped.returncode == 0, stopped.stderr


@pytest.fixture(scope="session")
def demo(shell: Shell) -> "subprocess.CompletedProcess[str]":
    """Run ``make demo`` once and return what it said."""
    return shell.run("make demo")
