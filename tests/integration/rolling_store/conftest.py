"""A store of its own for every test, a scene to keep in it, a disk that can be full, and the command ``dasi``."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from dasi_backend.store import Store
from tests.integration.rolling_store.scenes import make_scene


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store", wait_seconds=30)


@pytest.fixture
def scene(tmp_path: Path) -> Path:
    return make_scene(tmp_path / "staged")


@pytest.fixture
def full_disk(tmp_path: Path) -> Iterator[Path]:
    """Yield a folder on a disk of 4 MB; where nobody may mount one, the test is skipped."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(folder)], check=False, capture_output=True
    )
    if mounted.returncode:
        pytest.skip("a small disk cannot be mounted here")
    try:
        yield folder
    finally:
        subprocess.run(["umount", str(folder)], check=True)


Dasi = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def dasi(tmp_path: Path, store: Store) -> Dasi:
    """Return what runs ``dasi`` over the store; its sites are ``PARTNER``, ``P`` and ``FULL`` (the folder ``disk``)."""
    sites = {"PARTNER": "partner", "P": "short", "FULL": "disk"}
    settings = {"spaces": [{"roots": [{"path": str(store.root)}]}], "sites": sites}
    (tmp_path / "dasi.yml").write_text(json.dumps(settings))

    def run(*arguments: str) -> "subprocess.CompletedProcess[str]":
        command = [sys.executable, "-c", "from dasi_backend.cli import run; run()", *arguments]
        environment = os.environ | {"DASI_CONFIG": str(tmp_path / "dasi.yml")}
        return subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)

    return run
