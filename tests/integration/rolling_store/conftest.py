"""A store of its own for every test, and a scene to keep in it."""

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
