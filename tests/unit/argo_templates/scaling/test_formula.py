"""How many pods may be in flight: bounds, growth, hysteresis."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from argo_templates.scaling.formula import Bounds, Seen, next_limit, wanted

PATIENCE = 120.0
BOUNDS = Bounds(least=2, most=32, ahead=2)
counts = st.integers(0, 10_000)
loads = st.builds(Seen, running=counts, free=counts, waited=st.floats(0, 1e6))


@st.composite
def bounds(draw: st.DrawFn) -> Bounds:
    """Return bounds that the settings would take."""
    least = draw(st.integers(1, 200))
    most = draw(st.integers(least, 400))
    return Bounds(least, most, draw(st.integers(1, 50)), draw(st.floats(0, 0.9)))


@given(loads, bounds(), st.floats(0, 1e6), st.integers(1, 10_000))
def test_a_limit_is_always_within_its_bounds(load: Seen, limits: Bounds, patience: float, now: int) -> None:
    wish = wanted(load, limits, patience)
    assert limits.least <= wish <= limits.most
    assert limits.least <= next_limit(now, wish, limits) <= limits.most


@given(loads, bounds(), st.integers(0, 1000))
def test_more_room_never_means_fewer_and_waiting_never_more(load: Seen, limits: Bounds, more: int) -> None:
    roomier = Seen(load.running, load.free + more, load.waited)
    assert wanted(roomier, limits, PATIENCE) >= wanted(load, limits, PATIENCE)
    longer = Seen(load.running, load.free, load.waited + more)
    assert wanted(longer, limits, PATIENCE) <= wanted(load, limits, PATIENCE)


@given(loads, bounds(), st.integers(1, 400))
def test_the_same_load_comes_to_rest(load: Seen, limits: Bounds, now: int) -> None:
    wish = wanted(load, limits, PATIENCE)
    steps = [now]
    for _ in range(20):
        steps.append(next_limit(steps[-1], wish, limits))
    assert steps[-1] == steps[-2]
    # It comes near what is wanted and goes one way only, once it is within its bounds.
    assert abs(steps[-1] - wish) <= limits.band * steps[-1]
    inside = steps[1:]
    assert inside in (sorted(inside), sorted(inside, reverse=True))


@given(bounds(), st.data())
def test_a_load_that_sways_within_the_band_changes_nothing(limits: Bounds, data: st.DataObject) -> None:
    now = data.draw(st.integers(limits.least, limits.most))
    swing = int(limits.band * now)
    for wish in data.draw(st.lists(st.integers(now - swing, now + swing))):
        assert next_limit(now, wish, limits) == now


@given(bounds(), st.data())
def test_no_step_takes_away_more_than_half(limits: Bounds, data: st.DataObject) -> None:
    now = data.draw(st.integers(limits.least, limits.most))
    assert 2 * next_limit(now, data.draw(st.integers(limits.least, limits.most)), limits) >= now


@pytest.mark.parametrize(
    ("load", "expected"),
    [
        (Seen(running=0, free=0), 2),
        (Seen(running=5, free=0), 7),
        (Seen(running=5, free=9), 16),
        (Seen(running=5, free=9, waited=119), 16),
        (Seen(running=5, free=9, waited=121), 7),
        (Seen(running=90, free=0), 32),
    ],
    ids=["full", "running", "room", "just submitted", "somebody waits", "most"],
)
def test_what_is_wanted(load: Seen, expected: int) -> None:
    assert wanted(load, BOUNDS, PATIENCE) == expected


@pytest.mark.parametrize(
    ("now", "wish", "expected"),
    [(2, 16, 16), (16, 18, 16), (16, 20, 20), (16, 2, 8), (8, 2, 4), (4, 2, 2), (1, 16, 2), (99, 2, 32)],
    ids=["rises at once", "band", "beyond the band", "half", "half again", "down", "below least", "above most"],
)
def test_the_next_limit(now: int, wish: int, expected: int) -> None:
    assert next_limit(now, wish, BOUNDS) == expected
