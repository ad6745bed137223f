"""Everything at once for a while: writers, readers, retention, and all of them killed now and then."""

import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.dasi.soak import MUST_BE_NONE, Soak, faults

pytestmark = pytest.mark.integration


def test_nothing_acknowledged_is_lost_and_nothing_partial_is_seen(tmp_path: Path) -> None:
    found = Soak(tmp_path, seconds=30).run()
    assert faults(found) == [], found
    assert found["acknowledged"] > 5, found
    assert found["read"] > 10, found


PASSED = {"acknowledged": 9, "removals": 3, "read": 9, "killed": {"writers killed": 1}} | dict.fromkeys(MUST_BE_NONE, 0)


@pytest.mark.parametrize("name", MUST_BE_NONE)
def test_what_must_not_be_is_a_fault(name: str) -> None:
    assert faults(PASSED) == []
    assert faults(PASSED | {name: 2}) == [f"{name} 2"]


def test_a_run_that_did_nothing_has_not_passed() -> None:
    assert faults(PASSED | {"read": 0, "killed": {}}) == ["none: read", "none: writers killed"]


@pytest.mark.parametrize("seconds", ["abc", "nan", "0", "-1", "inf"])
def test_a_time_that_is_none_is_refused(seconds: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.dasi.soak", "--", seconds], capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1].endswith(f"invalid number of seconds up to 86400 value: '{seconds}'")


def test_a_soak_without_time_to_kill_anybody_fails(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.dasi.soak", "0.1", "--folder", str(tmp_path)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert "FAILED: none: " in done.stdout
