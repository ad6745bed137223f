"""When a site that does not run is on its way."""

from typing import Any

import pytest

from rucio_dafab.site.status import is_starting
from rucio_dafab.site.supervisor import ProcessState


def program(name: str, state: str, seconds: int) -> ProcessState:
    return ProcessState(name, state, 1, seconds, 0)


WELL: dict[str, Any] = {"status": "ok"}
POSTGRES = program("postgres", "RUNNING", 600)


@pytest.mark.parametrize(
    ("states", "answer", "starting"),
    [
        ((program("service", "STARTING", 1), program("daemons", "STOPPED", 0)), None, True),
        ((program("service", "RUNNING", 5), program("daemons", "BACKOFF", 0)), WELL, True),
        ((program("service", "RUNNING", 600), program("daemons", "STARTING", 1)), WELL, True),
        ((program("service", "RUNNING", 600), program("daemons", "STOPPED", 0)), WELL, False),
        ((program("service", "FATAL", 0), program("daemons", "STARTING", 1)), None, False),
        ((program("service", "RUNNING", 5), program("daemons", "RUNNING", 3)), {"status": "degraded"}, False),
        ((program("service", "RUNNING", 600), program("daemons", "RUNNING", 600)), None, False),
    ],
)
def test_what_began_lately_and_was_not_given_up(
    states: tuple[ProcessState, ...], answer: dict[str, Any] | None, starting: bool
) -> None:
    assert is_starting((POSTGRES, *states), answer) is starting


def test_a_site_that_is_down_is_not_starting() -> None:
    assert not is_starting((), None)
