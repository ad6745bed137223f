"""Fixtures and rules that every test shares."""

import os
from pathlib import Path

import pytest

SHARED = Path(os.environ.get("DAFAB_SHARED") or Path(__file__).resolve().parents[2] / "shared")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Deselect the tests that need the real data when it is absent; with ``DAFAB_REQUIRE_SHARED`` that is an error."""
    if (SHARED / "data").is_dir():
        return
    if os.environ.get("DAFAB_REQUIRE_SHARED"):
        raise pytest.UsageError(f"the real data is required and not at {SHARED} (set DAFAB_SHARED)")
    absent = [item for item in items if item.get_closest_marker("shared")]
    items[:] = [item for item in items if not item.get_closest_marker("shared")]
    config.hook.pytest_deselected(items=absent)
    _say(config, f"{len(absent)} tests need the real data and were deselected: nothing at {SHARED}")


def _say(config: pytest.Config, line: str) -> None:
    reporter = config.pluginmanager.get_plugin("terminalreporter")
    if reporter is not None:
        reporter.write_line(line)


@pytest.fixture(scope="session")
def shared() -> Path:
    """Return the folder of the real data (``data/scenes``, ``data/labels``, …)."""
    return SHARED / "data"
