"""The site on one machine, through its commands: real PostgreSQL, real Rucio, real supervisor."""

import json
import os
import re
import signal
import socket
import stat
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
import requests

from rucio_dafab.site import credentials, record
from rucio_dafab.site.home import ACCOUNTS, RSES, STORE_RSE, Home
from tests.integration.waiting import eventually

pytestmark = [pytest.mark.integration, pytest.mark.timeout(300)]

DafabAt = Callable[..., "subprocess.CompletedProcess[str]"]
COLLECTIONS = (
    "events",
    "models",
    "sentinel_1_rtc",
    "sentinel_2_l2a",
    "smart_agriculture",
    "water_analysis",
    "workflow_runs",
)


@pytest.fixture
def restored(site: Any) -> Iterator[Any]:
    """Return the shared site for a test that stops it; it runs again afterwards."""
    yield site
    site.dafab("up")


def processes_of(home: Home) -> list[str]:
    """Return the living processes whose command line or environment names the site's folder, other than this one's."""
    found = []
    for process in psutil.process_iter():
        try:
            # Other users' environments are unreadable only where the tests do not run as root.
            words = process.cmdline() + list(process.environ().values())
        except psutil.Error:
            continue
        if process.pid != os.getpid() and any(str(home.root) in word for word in words):
            found.append(f"{process.pid} {process.name()}")
    return found


def test_second_up_changes_nothing_and_says_so(site: Any) -> None:
    before = site.status()
    again = site.run_dafab("up")
    assert again.returncode == 0
    assert f"the site runs already at {site.url}" in again.stderr
    assert [p["pid"] for p in site.status()["processes"]] == [p["pid"] for p in before["processes"]]


@pytest.mark.parametrize("account", ACCOUNTS)
def test_every_account_is_who_it_says(site: Any, account: str) -> None:
    assert re.search(rf"account\s*:\s*{account}\b", site.rucio(account, "whoami"))


def test_status_as_json_names_processes_health_and_places(site: Any) -> None:
    found = site.status()
    assert found["running"] is True
    assert found["url"] == site.url
    assert {p["name"] for p in found["processes"]} == {"supervisor", "postgres", "service", "daemons"}
    assert all(p["state"] in {"RUNNING", "STARTING"} and p["memory"] > 1e6 for p in found["processes"])
    assert found["health"]["status"] == "ok"
    assert re.match(r"PostgreSQL 15\.\d+, PostGIS 3\.", found["health"]["database"])
    assert found["rses"] == {name: str(site.home.rse(name)) for name in RSES}


def test_env_makes_rucio_work_in_a_bare_shell(site: Any) -> None:
    script = (
        f'eval "$({site.environment()["PATH"].split(":")[0]}/rucio-dafab env --account user_dafab)" && rucio whoami'
    )
    bare = {"PATH": "/usr/bin:/bin", "DAFAB_HOME": str(site.home.root), "RUCIO_ACCOUNT": "somebody"}
    ran = subprocess.run(
        ["/bin/sh", "-c", script], env=bare, cwd="/", capture_output=True, text=True, check=False, timeout=60
    )
    assert ran.returncode == 0, ran.stderr
    assert "user_dafab" in ran.stdout


def test_env_refuses_an_account_that_is_not(site: Any) -> None:
    ran = site.run_dafab("env", "--account", "nobody; rm -rf /")
    assert ran.returncode == 1
    assert ran.stdout == ""
    assert ran.stderr.strip() == (f"error: the site has no account 'nobody; rm -rf /': it has {', '.join(ACCOUNTS)}")


def test_tree_rses_and_limits_are_there(site: Any) -> None:
    client = site.rucio_client("user_dafab")
    assert sorted(did["name"] for did in client.list_content("dafab", "stac")) == list(COLLECTIONS)
    # Other tests of the same site add RSEs of their own.
    assert {*RSES, STORE_RSE} <= {rse["rse"] for rse in client.list_rses()}
    assert client.get_rse(STORE_RSE)["volatile"] is True
    limits = client.get_local_account_limits("dafab_dasi")
    assert limits == dict.fromkeys(RSES, float("inf"))
    assert client.get_local_account_limits("user_dafab") == {}


@pytest.mark.parametrize("collection", COLLECTIONS)
def test_collections_carry_their_documents(site: Any, collection: str) -> None:
    found = site.rucio_client().get_metadata("dafab", collection, plugin="ALL")
    assert found["title"]
    assert found["license"] == ("Apache-2.0" if collection == "models" else "other")


def test_restart_keeps_data_and_address(restored: Any) -> None:
    site, name, url = restored, f"kept-{time.time_ns()}", restored.url
    assert site.rucio_client().add_container("dafab", name)
    tokens = Path(site.client().token_path)
    assert tokens.is_dir()
    first = site.run_dafab("down")
    assert first.returncode == 0
    assert not tokens.exists()
    assert site.status()["running"] is False
    assert processes_of(site.home) == []
    assert "no site runs" in site.run_dafab("down").stderr
    site.dafab("up")
    assert site.url == url
    assert site.rucio_client().get_did("dafab", name)["type"] == "CONTAINER"
    assert sorted(did["name"] for did in site.rucio_client().list_content("dafab", "stac")) == list(COLLECTIONS)


def test_a_killed_service_is_started_again(site: Any) -> None:
    pid = process(site, "service")["pid"]
    os.kill(pid, signal.SIGKILL)
    assert eventually(lambda: site.status()["running"] and process(site, "service")["pid"] != pid)
    assert "dafab_admin" in site.rucio("dafab_admin", "whoami")


def test_a_killed_database_is_started_again_and_the_next_calls_work(site: Any) -> None:
    client = site.rucio_client()
    # Several pooled connections at once: each must be noticed as dead.
    threads = [threading.Thread(target=lambda: list(client.list_dids("dafab", {}))) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    pid = process(site, "postgres")["pid"]
    os.kill(pid, signal.SIGKILL)
    assert eventually(lambda: site.status()["running"] and process(site, "postgres")["pid"] != pid)
    for _ in range(12):
        assert client.get_did("dafab", "stac")["type"] == "CONTAINER"


def test_down_stops_everything_after_the_supervisor_was_killed(restored: Any) -> None:
    os.kill(process(restored, "supervisor")["pid"], signal.SIGKILL)
    assert processes_of(restored.home)
    restored.dafab("down")
    assert processes_of(restored.home) == []


def test_up_after_everything_was_killed(restored: Any) -> None:
    for entry in restored.status()["processes"]:
        os.kill(entry["pid"], signal.SIGKILL)
    restored.dafab("up")
    assert restored.status()["running"] is True


@pytest.fixture(scope="class")
def port(site: Any) -> int:
    """Return the HTTP port of the shared site."""
    return record.require(site.home).http_port


@pytest.fixture(scope="class")
def stopped(site: Any, port: int) -> Iterator[Any]:
    """Return the shared site, stopped once for all tests of a class; it runs again afterwards, at its port."""
    site.dafab("down")
    yield site
    site.dafab("up", "--port", str(port))


class TestStarts:
    """Starts of one stopped site: refused ones are one line, a status, and no process left; the last one stays."""

    def test_a_taken_port_is_named_with_its_holder(self, stopped: Any, port: int) -> None:
        with socket.create_server(("127.0.0.1", port)):
            refused = stopped.run_dafab("up")
        assert refused.returncode == 1
        assert refused.stderr.strip().splitlines()[-1] == (
            f"error: port {port} on 127.0.0.1 for this site is taken by process {os.getpid()} "
            f"({psutil.Process().name()}): stop that, or choose another with rucio-dafab up --port"
        )
        assert processes_of(stopped.home) == []

    def test_lost_credentials_are_not_made_anew(self, stopped: Any) -> None:
        kept = stopped.home.credentials_file.rename(stopped.home.root / "kept.json")
        try:
            refused = stopped.run_dafab("up")
        finally:
            kept.rename(stopped.home.credentials_file)
        assert refused.returncode == 1
        assert f"error: {stopped.home.credentials_file} is gone but" in refused.stderr

    def test_another_port_may_be_chosen_and_is_remembered(self, stopped: Any, port: int) -> None:
        with socket.create_server(("127.0.0.1", 0)) as probe:
            other = int(probe.getsockname()[1])
        try:
            stopped.dafab("up", "--port", str(other))
            assert stopped.url.endswith(f":{other}")
            assert "dafab_admin" in stopped.rucio("dafab_admin", "whoami")
            refused = stopped.run_dafab("up", "--port", str(port))
            assert refused.returncode == 1
            assert f"error: the site runs at {stopped.url}: rucio-dafab down first" in refused.stderr
        finally:
            stopped.dafab("down")
        assert record.require(stopped.home).http_port == other

    def test_two_ups_at_once(self, stopped: Any, port: int) -> None:
        ran: list[Any] = []
        up = ("up", "--port", str(port))
        threads = [threading.Thread(target=lambda: ran.append(stopped.run_dafab(*up))) for _ in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        won, lost = sorted(ran, key=lambda one: one.returncode)
        assert won.returncode == 0
        assert lost.returncode == 75
        holder = rf"rucio-dafab up \(process \d+\) is at work on {re.escape(str(stopped.home.root))}"
        assert re.fullmatch(f"error: {holder}: wait until it ends", lost.stderr.strip())


@pytest.mark.skipif(os.geteuid() != 0, reason="PostgreSQL changes its user only when root starts it")
def test_a_folder_that_the_database_cannot_enter(dafab_at: DafabAt) -> None:
    with tempfile.TemporaryDirectory(prefix="dafab-shut-") as shut:
        refused = dafab_at(Home(Path(shut) / "site"), "up")
        assert refused.returncode == 1
        pattern = rf"error: PostgreSQL runs as user \w+, who may not enter {shut} \(mode 700\): set DAFAB_HOME to .*"
        assert re.fullmatch(pattern, refused.stderr.strip())
        assert processes_of(Home(Path(shut) / "site")) == []


@pytest.mark.parametrize("name", ["it's", "a;b", "new\nline"])
def test_a_folder_whose_name_no_configuration_can_carry(site_folder: Path, dafab_at: DafabAt, name: str) -> None:
    refused = dafab_at(Home(site_folder / name), "up")
    assert refused.returncode == 1
    assert refused.stderr.startswith("error: the path ")
    assert len(refused.stderr.strip().splitlines()) == 1
    assert not (site_folder / name).exists()


def test_status_of_a_site_that_never_was(site_folder: Path, dafab_at: DafabAt) -> None:
    home = Home(site_folder / "never")
    ran = dafab_at(home, "status", "--json")
    assert ran.returncode == 3
    assert json.loads(ran.stdout)["running"] is False
    assert not home.root.exists()


def test_passwords_are_private_and_nowhere_to_be_seen(site: Any) -> None:
    known = credentials.load(site.home)
    passwords = {*known.accounts.values(), *known.database.values()}
    assert len(passwords) == len(ACCOUNTS) + 2
    holders = [path for path in site.home.root.rglob("*") if path.is_file() and holds(path, passwords)]
    allowed = {site.home.credentials_file, *(site.home.etc.rglob("*.cfg")), *(site.home.etc.rglob("*.ini"))}
    assert site.home.credentials_file in holders
    assert set(holders) <= allowed
    assert {stat.S_IMODE(path.stat().st_mode) for path in holders} == {0o600}
    lines = [" ".join(one.info["cmdline"] or []) for one in psutil.process_iter(["cmdline"])]
    assert not [line for line in lines if any(password in line for password in passwords)]


def test_nothing_listens_beyond_loopback(site: Any) -> None:
    pids = {entry["pid"] for entry in site.status()["processes"]}
    listening = [one for one in psutil.net_connections("inet") if one.pid in pids and one.status == psutil.CONN_LISTEN]
    assert {one.laddr.ip for one in listening} == {"127.0.0.1"}
    assert len(listening) == 2


def test_rucio_offers_no_default_identity_of_its_own(site: Any) -> None:
    known = credentials.load(site.home)
    for name in ("ddmlab", "root"):
        answer = requests.get(
            f"{site.url}/auth/userpass",
            headers={"X-Rucio-Account": "root", "X-Rucio-Username": name, "X-Rucio-Password": "secret"},
            timeout=10,
        )
        assert answer.status_code == 401
    assert known.accounts["root"] != "secret"
    identities = list(site.rucio_client("root").list_identities("root"))
    assert [(one["identity"], one["type"]) for one in identities] == [("root", "USERPASS")]


def process(site: Any, name: str) -> dict[str, Any]:
    """Return one program's entry of the status."""
    found: dict[str, Any] = next(entry for entry in site.status()["processes"] if entry["name"] == name)
    return found


def holds(path: Path, passwords: set[str]) -> bool:
    """Say whether a file holds one of the passwords."""
    content = path.read_bytes()
    return any(password.encode() in content for password in passwords)
