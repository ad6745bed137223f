"""The database is killed while it is asked: whoever asks once it is back gets an answer."""

from concurrent.futures import ThreadPoolExecutor
from threading import Event
from typing import Any

import pytest

from rucio_dafab.client import ClientError
from tests.integration.killed_database import kill_database, wait_until

pytestmark = pytest.mark.integration

CLIENTS = 6
QUESTION = "name=RE_*"


def test_after_a_restart_under_load_the_next_call_works(
    site: Any, publish: Any, make_item: Any, database_address: str, rucio_as: Any
) -> None:
    publish(make_item("RE_before"))
    stop, asked = Event(), [0] * CLIENTS
    clients = [site.client("dafab_admin") for _ in range(CLIENTS)]

    def ask(number: int) -> list[str]:
        failures = []
        while not stop.is_set():
            try:
                list(clients[number].search("dafab", QUESTION, filter_lang="rucio"))
                asked[number] += 1
            except ClientError as error:
                failures.append(str(error))
        return failures

    with ThreadPoolExecutor(CLIENTS) as pool:
        asking = [pool.submit(ask, number) for number in range(CLIENTS)]
        try:
            wait_until(lambda: min(asked) > 3)
            kill_database(site, database_address)
            assert [found.name for found in site.client().search("dafab", QUESTION, filter_lang="rucio")] == [
                "RE_before"
            ]
            assert list(rucio_as("dafab_admin").list_dids("dafab", [{"name": "RE_*"}], did_type="container")) == [
                "RE_before"
            ]
            served = list(asked)
            wait_until(lambda: all(now > before for now, before in zip(asked, served, strict=True)))
        finally:
            stop.set()
        told = [line for each in asking for line in each.result()]
    assert all(len(line.splitlines()) == 1 for line in told)
    publish(make_item("RE_after"))
