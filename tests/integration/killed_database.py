"""The database of a site killed under whoever uses it."""

import os
import signal
from collections.abc import Callable
from typing import Any

import psycopg

from tests.integration.waiting import eventually


def kill_database(site: Any, address: str) -> None:
    """Kill the site's PostgreSQL and wait until its supervisor has started it again."""

    def pid() -> int | None:
        return next((each["pid"] for each in site.status()["processes"] if each["name"] == "postgres"), None)

    before = pid()
    assert before is not None
    os.kill(before, signal.SIGKILL)
    wait_until(lambda: pid() not in {None, before} and answers(address))


def answers(address: str) -> bool:
    try:
        psycopg.connect(address, connect_timeout=2).close()
    except psycopg.OperationalError:
        return False
    return True


def wait_until(holds: Callable[[], bool], seconds: float = 90) -> None:
    """Wait until something holds; fail where it does not come to."""
    assert eventually(holds, seconds)
