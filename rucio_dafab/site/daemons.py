"""Rucio's daemons that rules and deletion need, one round after another in one process.

Rucio ships each daemon as a process of its own with some 150 MB of memory. A site on one machine has little for them to
do: here they share one interpreter and one connection pool, and each runs its own ``--run-once`` in turn.
"""

import argparse
import logging
import signal
import threading
import time
from collections.abc import Callable
from functools import partial
from types import FrameType
from typing import Final

from rucio.daemons.abacus import account as abacus_account
from rucio.daemons.abacus import rse as abacus_rse
from rucio.daemons.badreplicas import necromancer
from rucio.daemons.judge import cleaner, evaluator, injector, repairer
from rucio.daemons.reaper import reaper
from rucio.daemons.undertaker import undertaker

_LOGGER: Final = logging.getLogger("dafab.daemons")

_MODULES: Final = (
    injector,
    evaluator,
    repairer,
    undertaker,
    cleaner,
    necromancer,
    reaper,
    abacus_account,
    abacus_rse,
)

ROUND: Final[tuple[tuple[str, Callable[[], None]], ...]] = (
    ("judge-injector", partial(injector.run, once=True)),
    ("judge-evaluator", partial(evaluator.run, once=True)),
    ("judge-repairer", partial(repairer.run, once=True)),
    ("undertaker", partial(undertaker.run, once=True)),
    ("judge-cleaner", partial(cleaner.run, once=True)),
    ("necromancer", partial(necromancer.run, once=True)),
    ("reaper", partial(reaper.run, once=True)),
    ("abacus-account", partial(abacus_account.run, once=True)),
    ("abacus-rse", partial(abacus_rse.run, once=True)),
)
"""The daemons in the order in which one leaves work for the next: an expired DID expires rules, these free replicas."""


def end_round() -> None:
    """Wake every daemon that waits, so that the round ends soon; none can run in this process afterwards."""
    for module in _MODULES:
        module.stop()


def run_round(stop: threading.Event) -> dict[str, float]:
    """Run every daemon once and return the seconds each took; one that fails is logged and hinders no other."""
    seconds = {}
    for name, run in ROUND:
        if stop.is_set():
            break
        started = time.monotonic()
        try:
            run()
        except Exception:
            # The database may be away for a moment; the next round tries again.
            _LOGGER.exception("%s failed", name)
        seconds[name] = time.monotonic() - started
    return seconds


def main() -> None:
    """Run rounds until the process is told to end."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pause", type=float, default=15, help="seconds between two rounds")
    parser.add_argument("--once", action="store_true", help="one round, then end")
    arguments = parser.parse_args()
    stop = threading.Event()

    def end(_signal: int, _frame: FrameType | None) -> None:
        stop.set()
        end_round()

    signal.signal(signal.SIGTERM, end)
    signal.signal(signal.SIGINT, end)
    while not stop.is_set():
        run_round(stop)
        if arguments.once:
            break
        stop.wait(arguments.pause)


if __name__ == "__main__":
    main()
