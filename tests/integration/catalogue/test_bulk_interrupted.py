"""``rucio-dafab catalogue load`` killed, interrupted and cut off from its database: finished by starting it again."""

import gzip
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import psycopg
import pytest

from tests.integration.catalogue.loaded import paused, rows
from tests.integration.killed_database import kill_database, wait_until

pytestmark = pytest.mark.integration

COMMAND = Path(sys.executable).parent / "rucio-dafab"


@pytest.fixture(scope="module")
def scopes(make_scopes: Any, site: Any) -> None:
    """Make a scope for each load."""
    names = (f"bulk.{name}" for name in ("whole", "loader", "writer", "stopped", "database"))
    make_scopes(*names, collections=("water",))


TABLES = ("rucio.dids", "rucio.contents", "rucio.updated_dids", "rucio.messages", "dafab.document", "dafab.link")
MANY = 2000


@pytest.fixture(scope="module")
def many(make_item: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a packed file of items of several kinds, with links between them."""
    file = tmp_path_factory.mktemp("many") / "many.ndjson.gz"
    with gzip.open(file, "wt") as stream:
        for number in range(MANY):
            properties = {"eo:cloud_cover": number / 20, "platform": None if number % 3 else "S2A", "turn": [number]}
            theme = "river_flood" if number % 5 == 0 else None
            item = make_item(f"BU_many{number:04}", "water", (number % 90, 1, 91, 2 + number / MANY), theme=theme)
            item["properties"] |= properties
            if number % 4 == 1:
                item["links"] = [{"rel": "predecessor-version", "href": f"BU_many{number - 1:04}"}]
            stream.write(json.dumps(item) + "\n")
    return file


@pytest.fixture(scope="module")
def whole(site: Any, many: Path, scopes: Any, database_address: str) -> dict[str, list[str]]:
    """Return the rows of a load that nothing disturbed."""
    # Made before the test that holds the daemons is told to.
    with paused(site):
        report = json.loads(site.dafab("catalogue", "load", str(many), "--scope", "bulk.whole", "--json"))
        assert report["created"] == MANY
        with psycopg.connect(database_address, autocommit=True) as connection:
            return {table: rows(connection, table, "bulk.whole") for table in TABLES}


FEW_FILES = """
import gc, multiprocessing, os, resource
from rucio_dafab.catalogue import writers
from rucio_dafab.catalogue.errors import LoadBroken
most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
for more in range(16):
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    # Anew each time: Python leaves a pipe open where it gets no second one.
    highest = max(map(int, os.listdir("/proc/self/fd")))
    resource.setrlimit(resource.RLIMIT_NOFILE, (highest + more, most))
    try:
        with writers.running(None, 2, None, lambda: None):
            said = "ran"
    except LoadBroken as refusal:
        said = str(refusal)
    print(said, *multiprocessing.active_children(), gc.get_freeze_count(), sep="|")
"""


def test_a_system_that_gives_no_more_processes_is_one_line_and_leaves_none(server_config: Path) -> None:
    """Connections, and what a process is started with, need files: so each step of starting two fails once."""
    environment = os.environ | {"RUCIO_CONFIG": str(server_config)}
    command = [sys.executable, "-W", "ignore", "-c", FEW_FILES]
    ran = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=60)
    assert ran.returncode == 0, ran.stderr
    refused = "2 processes cannot be started (Too many open files): give fewer|0"
    told = ran.stdout.splitlines()
    assert set(told) == {refused, "ran|0"}
    assert told == sorted(told)


def test_a_load_that_is_interrupted_finishes_what_it_writes_and_leaves_no_process(
    site: Any, many: Path, scopes: Any, database_address: str
) -> None:
    arguments = ["catalogue", "load", str(many), "--scope", "bulk.stopped", "--batch", "20", "--json"]
    environment = os.environ | {"DAFAB_HOME": str(site.home.root)}
    ran = subprocess.Popen(
        # Whoever runs tests in the background has the signal ignored, and so would the command.
        ["env", "--default-signal=INT", str(COMMAND), *arguments],
        env=environment,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    with halfway(ran, database_address, "bulk.stopped"):
        writers = writers_of(ran.pid)
        # A terminal's ^C reaches all processes of the command.
        os.killpg(ran.pid, signal.SIGINT)
    told = ran.communicate(timeout=60)[1]
    assert ran.returncode == 130, told
    assert "Traceback" not in told
    assert not any(Path(f"/proc/{pid}").exists() for pid in writers)
    half = documents(database_address, "bulk.stopped")
    assert 0 < half < MANY
    assert half % 20 == 0
    assert json.loads(site.dafab(*arguments))["created"] == MANY - half


@pytest.mark.usefixtures("paused_daemons")
@pytest.mark.parametrize("victim", ["loader", "writer", "database"])
def test_a_load_that_is_killed_is_finished_by_starting_it_again(
    site: Any, many: Path, whole: dict[str, list[str]], database_address: str, victim: str
) -> None:
    scope = f"bulk.{victim}"
    arguments = ["catalogue", "load", str(many), "--scope", scope, "--batch", "20", "--json"]
    environment = os.environ | {"DAFAB_HOME": str(site.home.root)}
    ran = subprocess.Popen(
        [str(COMMAND), *arguments], env=environment, stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    with halfway(ran, database_address, scope):
        if victim == "loader":
            kill(ran)
        elif victim == "writer":
            os.kill(writers_of(ran.pid)[0], signal.SIGKILL)
        else:
            kill_database(site, database_address)
    told = ran.communicate(timeout=60)[1]
    if victim != "loader":
        assert ran.returncode == 1
        assert told.startswith("error: the database failed after")
        assert len(told.splitlines()) == 1
    half = documents(database_address, scope)
    assert 0 < half < MANY
    report = json.loads(site.dafab(*arguments))
    assert (report["created"], report["skipped"], report["rejected"]) == (MANY - half, half, 0)
    with psycopg.connect(database_address, autocommit=True) as connection:
        for table in TABLES:
            # A mark for the judge is left by every batch; how many of them there are says nothing.
            made = set if table == "rucio.updated_dids" else list
            assert made(rows(connection, table, scope)) == made(whole[table]), table
    assert json.loads(site.dafab(*arguments, "--update"))["unchanged"] == MANY


@contextmanager
def halfway(loader: "subprocess.Popen[str]", address: str, scope: str) -> Iterator[None]:
    """Hold a load and its processes once some of it is written: it would be done before anything could happen to it."""
    wait_until(lambda: loader.poll() is not None or documents(address, scope) > 100)
    os.killpg(loader.pid, signal.SIGSTOP)
    try:
        yield
    finally:
        with suppress(ProcessLookupError):
            os.killpg(loader.pid, signal.SIGCONT)


def kill(loader: "subprocess.Popen[str]") -> None:
    loader.send_signal(signal.SIGKILL)
    assert loader.wait() == -signal.SIGKILL


def writers_of(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def documents(address: str, scope: str) -> int:
    with psycopg.connect(address, autocommit=True) as connection:
        found = connection.execute("SELECT count(*) FROM dafab.document WHERE scope = %s", (scope,)).fetchone()
        assert found is not None
        return int(found[0])
