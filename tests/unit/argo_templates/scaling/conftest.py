"""API servers on loopback."""

from collections.abc import Iterator

import pytest

from tests.kubernetes_recorder import ApiServer, serving


@pytest.fixture
def api_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApiServer]:
    """Return an API server with the config map of limits."""
    with serving(tmp_path_factory.mktemp("server")) as server:
        yield server


@pytest.fixture
def other_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApiServer]:
    """Return another, whose authority is not the first one's."""
    with serving(tmp_path_factory.mktemp("other")) as server:
        yield server
