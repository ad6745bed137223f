"""What a retrieve does with its threads when whoever is told of progress fails."""

from functools import partial
from pathlib import Path
from time import sleep

import pytest

from dasi_backend.items import Retrieved
from dasi_backend.language import Request
from dasi_backend.plans import PARALLEL, Plan, Planned, Way


def test_nothing_is_written_any_more_when_the_progress_is_broken_off(tmp_path: Path) -> None:
    begun, ended = [], []

    def write(number: int) -> Retrieved:
        begun.append(number)
        sleep(0.05)
        ended.append(number)
        return Retrieved(tmp_path / str(number), str(number), 0)

    def broken_off(_: Retrieved) -> None:
        raise KeyboardInterrupt

    files = [
        Planned(tmp_path / str(number), str(number), partial(write, number), way=Way.THREAD) for number in range(40)
    ]
    with pytest.raises(KeyboardInterrupt) as kept:
        Plan(Request("retrieve", {}, target="[id]"), files, "files", "the catalogue").carry_out(broken_off)
    # The error is still held here, and with it all that a traceback keeps alive.
    assert kept.tb is not None
    assert sorted(begun) == sorted(ended)
    assert len(begun) < 3 * PARALLEL
