"""A running site for the tests that need real servers: started once, shared, stopped at the end."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from rucio_dafab.client import DafabClient
from rucio_dafab.site import accounts, environment, record
from rucio_dafab.site.home import Home
from tests.integration.dasi_masks import catalogue, published  # noqa: F401 - fixtures
from tests.integration.podman import podman, server_image, worker_gpu_image, worker_image  # noqa: F401 - fixtures
from tests.integration.scenes import copied  # noqa: F401 - a fixture

COMMANDS = Path(sys.executable).parent
PATIENCE = 180


class CommandFailed(AssertionError):
    """A command of a test ended with a status that the test did not expect; the text is all it said."""


def run_command(
    command: list[str], environment_of: dict[str, str] | None = None, folder: Path | None = None
) -> "subprocess.CompletedProcess[str]":
    """Run a command to its end, whatever its status, and return what it said."""
    return subprocess.run(
        command, env=environment_of, cwd=folder, capture_output=True, text=True, check=False, timeout=PATIENCE
    )


def output(ran: "subprocess.CompletedProcess[str]") -> str:
    """Return the standard output of a command that must have succeeded."""
    if ran.returncode:
        raise CommandFailed(f"{ran.args} ended with {ran.returncode}\n{ran.stdout}\n{ran.stderr}")
    return ran.stdout


@dataclass(frozen=True)
class Site:
    """A site and the ways to use it in a test."""

    home: Home

    @property
    def url(self) -> str:
        """The address of the service."""
        return record.require(self.home).url

    def client(self, account: str = "dafab_admin") -> DafabClient:
        """Return the client of the catalogue for one account."""
        return accounts.client(self.home, account)

    def rucio_client(self, account: str = "dafab_admin") -> Any:
        """Return Rucio's own whole client for one account."""
        return accounts.rucio_client(self.home, account)

    def environment(self, account: str = "dafab_admin") -> dict[str, str]:
        """Return the environment of a command run as one account."""
        return environment.process_environment(self.home, account)

    def run(self, command: list[str], account: str = "dafab_admin", folder: Path | None = None) -> Any:
        """Run any command as one account and return the ``CompletedProcess``."""
        return run_command(command, self.environment(account), folder)

    def rucio(self, account: str, *arguments: str) -> str:
        """Run the stock ``rucio`` as one account and return its standard output; it must succeed."""
        return output(self.run([str(COMMANDS / "rucio"), *arguments], account))

    def dafab(self, *arguments: str) -> str:
        """Run ``rucio-dafab`` and return its standard output; it must succeed."""
        return output(self.run_dafab(*arguments))

    def run_dafab(self, *arguments: str) -> Any:
        """Run ``rucio-dafab`` and return the ``CompletedProcess``, whatever its status."""
        return run_dafab(self.home, *arguments)

    def status(self) -> dict[str, Any]:
        """Return what ``status --json`` says."""
        found: dict[str, Any] = json.loads(self.run_dafab("status", "--json").stdout)
        return found


def run_dafab(home: Home, *arguments: str) -> Any:
    """Run ``rucio-dafab`` on a home and return the ``CompletedProcess``, whatever its status."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("DAFAB_", "RUCIO_"))}
    return run_command([str(COMMANDS / "rucio-dafab"), *arguments], inherited | {"DAFAB_HOME": str(home.root)})


@pytest.fixture(scope="session")
def dafab_at() -> Callable[..., Any]:
    """Return :func:`run_dafab`, for tests that make a home of their own."""
    return run_dafab


@pytest.fixture(scope="session")
def site_folder() -> Iterator[Path]:
    """Return a temporary folder that the unprivileged database may pass through, which pytest's own are not."""
    folder = Path(tempfile.mkdtemp(prefix="dafab-test-", dir="/tmp"))
    folder.chmod(0o711)
    yield folder
    shutil.rmtree(folder)


@pytest.fixture(scope="session")
def site(site_folder: Path) -> Iterator[Site]:
    """Return the running site that all integration tests share: leave it running, and clean in your own names."""
    shared = Site(Home(site_folder / "site"))
    output(shared.run_dafab("up"))
    yield shared
    output(shared.run_dafab("down"))
