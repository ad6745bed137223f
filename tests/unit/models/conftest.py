"""Training is tested where torch is installed; elsewhere its tests are deselected, and counted."""

from importlib.util import find_spec

import pytest


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Deselect the tests of training when torch, which only training needs, is not installed."""
    if find_spec("torch") is not None:
        return
    absent = [item for item in items if item.path.name == "test_training.py"]
    if not absent:
        return
    items[:] = [item for item in items if item not in absent]
    config.hook.pytest_deselected(items=absent)
    reporter = config.pluginmanager.get_plugin("terminalreporter")
    if reporter is not None:
        reporter.write_line(f"{len(absent)} tests of training need torch (extra train) and were deselected")
