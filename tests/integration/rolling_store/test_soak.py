"""Everything at once for a while: writers, readers, retention, and all of them killed now and then."""

from pathlib import Path

import pytest

from benchmarks.dasi.soak import Soak

pytestmark = pytest.mark.integration


def test_nothing_acknowledged_is_lost_and_nothing_partial_is_seen(tmp_path: Path) -> None:
    found = Soak(tmp_path, seconds=30).run()
    for name in ("lost", "partial", "checksum", "error", "aborts", "unfinished"):
        assert found[name] == 0, found
    assert found["acknowledged"] > 5, found
    assert found["removals"] > 0, found
    assert found["read"] > 10, found
    assert found["killed"]["writers killed"] > 0, found
