"""Pauses between attempts."""

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rucio_dafab.eo.sources.errors import SourceBusy
from rucio_dafab.eo.sources.pace import Pace
from rucio_dafab.eo.sources.retry import Attempts, Patience, is_temporary, pause, seconds_to_wait

NOW = datetime(2026, 6, 14, 10, 0, tzinfo=UTC)


def test_retry_after_is_seconds_or_a_date() -> None:
    assert seconds_to_wait("120") == 120
    assert seconds_to_wait(" 0 ") == 0
    assert seconds_to_wait(format_datetime(NOW + timedelta(seconds=90), usegmt=True), NOW) == 90
    assert seconds_to_wait(format_datetime(NOW - timedelta(hours=1), usegmt=True), NOW) == 0
    assert [seconds_to_wait(text) for text in (None, "", "soon", "-3", "1.5")] == [None] * 5


@given(st.text(max_size=60))
def test_any_header_is_a_pause_or_nothing(text: str) -> None:
    wait = seconds_to_wait(text, NOW)
    assert wait is None or wait >= 0


@given(st.integers(1, 10_000), st.floats(0.001, 10), st.floats(0.001, 100))
def test_pauses_grow_and_have_an_end(failed: int, first: float, longest: float) -> None:
    patience = Patience(5, first, longest)
    assert 0 <= pause(patience, failed, None) <= min(longest, first * 2.0 ** min(failed - 1, 30))
    assert longest <= pause(patience, failed, longest) <= longest + first


def test_pauses_differ() -> None:
    assert len({pause(Patience(), 5, None) for _ in range(10)}) > 1


def test_the_last_refusal_is_passed_on() -> None:
    attempts = Attempts(Patience(tries=3, first=0.0, longest=0.0))
    refusal = SourceBusy("busy")
    attempts.pause_after(refusal)
    attempts.pause_after(refusal)
    with pytest.raises(SourceBusy, match=r"^busy$"):
        attempts.pause_after(refusal)


def test_progress_forgets_failures() -> None:
    attempts = Attempts(Patience(tries=2, first=0.0, longest=0.0))
    for _ in range(5):
        attempts.pause_after(SourceBusy("busy"))
        attempts.progressed()


def test_a_server_that_asks_for_too_long_a_pause_is_not_waited_for() -> None:
    with pytest.raises(SourceBusy, match="asks to come back in 3600 s") as refused:
        Attempts(Patience(longest=10.0)).pause_after(SourceBusy("busy", 3600.0))
    assert refused.value.exit_code == 75


def test_which_statuses_are_temporary() -> None:
    statuses = (200, 400, 401, 403, 404, 408, 416, 429, 500, 501, 502, 503, 504)
    assert [status for status in statuses if is_temporary(status)] == [408, 429, 500, 502, 503, 504]


def test_requests_are_spaced_and_bytes_slowed() -> None:
    pace = Pace(connections=4, requests_per_minute=1200, bytes_per_second=100_000)
    begin = datetime.now(UTC)
    for _ in range(3):
        with pace.connection() as speed:
            speed.took(2_000)
    # Two gaps of 50 ms, and 20 ms for the last bytes.
    assert (datetime.now(UTC) - begin).total_seconds() >= 0.12
