"""A throw-away PostgreSQL cluster with PostGIS for tests: ``pytest_plugins = ["tests.integration.postgres"]``.

The fixture ``postgres`` is the SQLAlchemy URL of an empty database with PostGIS, one cluster a session. The server is a
child that the kernel ends with the test process, however that ends.
"""

import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import URL

from rucio_dafab.site.cluster import ServerUser, binary, server_user

START_SECONDS = 30
# Nothing here outlives the test, so nothing has to reach the disk.
SETTINGS = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off", "shared_buffers": "64MB"}


@pytest.fixture(scope="session")
def postgres() -> Iterator[URL]:
    """Yield the URL of a database with PostGIS in a cluster of its own."""
    with cluster() as url:
        yield url


@contextmanager
def cluster() -> Iterator[URL]:
    """Run a cluster on a free loopback port for as long as the block lasts."""
    user = server_user()
    # Short, and outside of the user's temporary folder: an unprivileged server must be able to enter.
    folder = Path(tempfile.mkdtemp(prefix="dafab-pg-", dir="/tmp"))
    server: subprocess.Popen[bytes] | None = None
    try:
        _make(folder, user)
        port = _free_port()
        server = _start(folder, user, port)
        url = URL.create("postgresql+psycopg", "postgres", host="127.0.0.1", port=port, database="postgres")
        _wait(url, server, folder / "log")
        yield url
    finally:
        if server is not None:
            server.terminate()
            server.wait(timeout=START_SECONDS)
        shutil.rmtree(folder)


def _make(folder: Path, user: ServerUser | None) -> None:
    if user is not None:
        os.chown(folder, user.uid, user.gid)
    command = [binary("initdb"), "-D", str(folder / "data"), "-U", "postgres", "-A", "trust", "-E", "UTF8", "--no-sync"]
    subprocess.run([*_as(user), *command, "--locale=C.UTF-8"], check=True, capture_output=True, cwd=folder)


def _start(folder: Path, user: ServerUser | None, port: int) -> "subprocess.Popen[bytes]":
    options = {**SETTINGS, "listen_addresses": "127.0.0.1", "unix_socket_directories": "", "port": str(port)}
    settings = [part for name, value in options.items() for part in ("-c", f"{name}={value}")]
    command = [*_as(user), binary("postgres"), "-D", str(folder / "data"), *settings]
    # A client of an earlier test may have named its site in the environment: this server is none of that site's.
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("DAFAB_", "RUCIO_"))}
    with (folder / "log").open("wb") as log:
        return subprocess.Popen(command, stdout=log, stderr=log, cwd=folder, env=environment)


def _as(user: ServerUser | None) -> list[str]:
    # SIGINT is PostgreSQL's fast shutdown.
    command = ["setpriv", "--pdeathsig", "INT"]
    return command if user is None else [*command, f"--reuid={user.uid}", f"--regid={user.gid}", "--clear-groups"]


def _free_port() -> int:
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _wait(url: URL, server: "subprocess.Popen[bytes]", log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while True:
        try:
            with psycopg.connect(host=url.host, port=url.port, user=url.username, dbname=url.database) as connection:
                connection.execute("CREATE EXTENSION IF NOT EXISTS postgis")
            return
        except psycopg.OperationalError:
            if server.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"PostgreSQL did not start: {log.read_text()[-2000:]}") from None
            time.sleep(0.05)
