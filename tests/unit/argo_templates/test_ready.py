"""From when on the scenes of a period wait for no others."""

from datetime import date

import pytest

from argo_templates.campaigns import window
from argo_templates.steps.ready import Deadline
from argo_templates.work import WorkError

END = date(2026, 6, 30)


def waits(text: str, end_text: str, today: date, acquired: date) -> bool:
    return not Deadline.of(text, end_text, END if end_text == END.isoformat() else today, today).of_a_scene(acquired)


@pytest.mark.parametrize(
    ("text", "today", "expected"),
    [
        ("", date(2027, 6, 30), True),
        ("2026-07-03", date(2026, 7, 2), True),
        ("2026-07-03", date(2026, 7, 3), False),
        ("+5d", date(2026, 7, 4), True),
        ("+5d", date(2026, 7, 5), False),
        ("+0d", END, False),
    ],
)
def test_a_period_of_days_has_one_deadline_for_all_its_scenes(text: str, today: date, expected: bool) -> None:
    assert waits(text, END.isoformat(), today, date(2026, 6, 1)) is expected
    assert waits(text, END.isoformat(), today, date(2026, 6, 29)) is expected


def test_in_a_period_that_moves_with_the_clock_each_scene_has_its_own() -> None:
    today = date(2026, 11, 24)
    assert waits("+5d", "today", today, date(2026, 11, 20))
    assert not waits("+5d", "today", today, date(2026, 11, 19))
    assert waits("", "today", today, date(2026, 11, 14))


def test_what_a_clock_submits_leaves_no_scene_waiting_until_its_window_has_passed() -> None:
    given = {each.name: each.value for each in window().arguments or []}  # type: ignore[union-attr]
    start, end, deadline = (str(given[name]) for name in ("start", "end", "deadline"))
    assert (start, end) == ("-10d", "today")
    today = date(2026, 11, 24)
    # The last days of the window are those on which nothing keeps a scene back.
    assert not waits(deadline, end, today, date(2026, 11, 15))


@pytest.mark.parametrize(
    ("text", "line"),
    [("2026-06-29", "the deadline 2026-06-29 is before the end 2026-06-30 of the period"), ("+d", "is no day")],
)
def test_what_is_no_deadline_of_the_period(text: str, line: str) -> None:
    with pytest.raises(WorkError, match=line):
        Deadline.of(text, END.isoformat(), END, date(2026, 6, 1))
