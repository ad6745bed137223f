"""Clients that ask for a lot and read nothing: what they hold, and what is left for the others."""

import json
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from subprocess import CompletedProcess
from typing import Any
from urllib.parse import urlsplit

import psycopg
import pytest
import requests

from rucio_dafab.site import credentials
from rucio_dafab.site.home import SCOPE
from tests.integration.killed_database import wait_until

pytestmark = [pytest.mark.integration, pytest.mark.timeout(300)]

CLIENTS, MOST = 40, 32
# One that sockets do not swallow whole: 10,000 documents of a collection.
DIDS = json.dumps({"dids": [{"scope": SCOPE, "name": "sentinel_2_l2a"}] * 10_000}).encode()
# Held for a second: daemons and requests under way are idle between two statements too.
IDLE = (
    "SELECT count(*) FROM pg_stat_activity WHERE state = 'idle in transaction' AND datname = current_database() "
    "AND state_change < clock_timestamp() - interval '1 second'"
)


@pytest.fixture
def token(site: Any) -> str:
    """Return a token of the reading account."""
    password = credentials.load(site.home).accounts["user_dafab"]
    headers = {"X-Rucio-Account": "user_dafab", "X-Rucio-Username": "user_dafab", "X-Rucio-Password": password}
    return requests.get(f"{site.url}/auth/userpass", headers=headers, timeout=30).headers["X-Rucio-Auth-Token"]


@pytest.fixture
def silent(site: Any, token: str) -> Iterator[list[socket.socket]]:
    """Return connections of clients that have asked and read nothing."""
    address = urlsplit(site.url)
    head = (
        "POST /dids/bulkmetadoc HTTP/1.1\r\nHost: dafab\r\nContent-Type: application/json\r\n"
        f"X-Rucio-Auth-Token: {token}\r\nContent-Length: {len(DIDS)}\r\n\r\n"
    )
    with ExitStack() as stack:
        opened = []
        for _ in range(CLIENTS):
            client = stack.enter_context(socket.socket())
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
            client.connect((address.hostname, address.port))
            client.sendall(head.encode() + DIDS)
            opened.append(client)
        yield opened


def test_clients_that_read_nothing_hold_no_connection_to_the_database(
    site: Any, token: str, silent: list[socket.socket], database: psycopg.Connection[Any]
) -> None:
    def idle() -> int:
        row = database.execute(IDLE).fetchone()
        return int(row[0]) if row else 0

    def ask() -> requests.Response:
        headers = {"X-Rucio-Auth-Token": token}
        return requests.get(f"{site.url}/dids/{SCOPE}/stac/meta", headers=headers, timeout=60)

    assert ask().status_code == 200
    wait_until(lambda: idle() == 0)
    refused = [client.recv(2000) for client in silent if b" 429 " in client.recv(20, socket.MSG_PEEK)]
    assert len(refused) == CLIENTS - MOST
    assert b"retry-after: 5\r\n" in refused[0]
    assert b"user_dafab has 32 answers under way" in refused[0]
    for client in silent:
        client.close()
    begun = time.monotonic()
    assert ask().status_code == 200
    assert time.monotonic() - begun < 10


PIECES = """
import json
from rucio.common.types import InternalScope
from rucio.db.sqla.session import get_engine
from rucio_dafab.catalogue.search import Search
from rucio_dafab.query.model import EVERYTHING
from rucio_dafab.service import dafab_api, documents_api
from rucio_dafab.service.auth import Issuer

asked = Search(InternalScope("dafab"), EVERYTHING)
whole = b"".join(dafab_api._lines(asked, 3, None))
dids = [(InternalScope("dafab"), name) for name in ("stac", "water_analysis", "stac")]
documents = b"".join(documents_api._read_lines(dids, None, True))
dafab_api.PIECE_BYTES = documents_api.PIECE_BYTES = dafab_api.BATCH = documents_api.reads.ROWS = 1
pieces, held = [], []
for piece in dafab_api._lines(asked, 3, None):
    pieces.append(piece)
    held.append(get_engine().pool.checkedout())
one_by_one = list(documents_api._read_lines(dids, None, True))
print(json.dumps({
    "same": b"".join(pieces) == whole, "pieces": len(pieces), "held": held, "lines": whole.count(b"\\n"),
    "next": b'"next"' in pieces[-1], "documents": [len(one_by_one), b"".join(one_by_one) == documents],
}))
"""


def test_an_answer_in_pieces_is_the_same_answer(in_server: Callable[..., CompletedProcess[str]]) -> None:
    ran = in_server(PIECES)
    assert ran.returncode == 0, ran.stderr
    found = json.loads(ran.stdout.splitlines()[-1])
    assert found == {
        "same": True,
        "pieces": 3,
        "held": [0] * 3,
        "lines": 4,
        "next": True,
        "documents": [3, True],
    }
