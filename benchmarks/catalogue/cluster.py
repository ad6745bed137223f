"""What the benchmarks of the catalogue share: a private PostgreSQL cluster with Rucio in it, and the generated items.

Everything is kept in one folder (``DAFAB_BENCHMARKS``, by default ``benchmarks/data``), so that a second run starts at
once. The settings of the cluster are those of ``bench/catalogue/README.md`` in the shared folder, for all alike.
"""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Final

from rucio_dafab.errors import DafabError
from rucio_dafab.site import cluster, configuration, credentials, record
from rucio_dafab.site.fingerprint import fingerprint
from rucio_dafab.site.home import Home
from rucio_dafab.site.ports import free_ports

ROOT: Final = Path(__file__).resolve().parents[2]
SETTINGS: Final = {
    "shared_buffers": "2GB",
    "effective_cache_size": "4GB",
    "work_mem": "64MB",
    "maintenance_work_mem": "512MB",
    "max_wal_size": "4GB",
    "random_page_cost": "1.1",
}
"""Of the cluster, over those of a site (``etc/postgres/postgresql.conf``)."""

PATIENCE: Final = 60.0
"""Seconds to wait for PostgreSQL to come up or go down."""

# What the generator imports, in an environment of its own: nothing of the project needs these.
_GENERATOR: Final = ("mgrs==1.6.0", "pyproj==3.7.2", "orjson==3.13.0")
# More scenes than these need more tiles and more revisits than the generator's own defaults have.
_NARROW: Final = 100_000
_WIDE: Final = ("--revisits", "150", "--bbox=-25,0,60,72")


def folder() -> Path:
    """Return where clusters and generated items are kept."""
    return Path(os.environ.get("DAFAB_BENCHMARKS") or ROOT / "benchmarks" / "data").absolute()


def shared() -> Path:
    """Return the shared folder, which holds the generator.

    Raises:
        DafabError: if there is none.
    """
    found = Path(os.environ.get("DAFAB_SHARED") or ROOT.parent / "shared")
    if not (found / "bench" / "catalogue" / "make_items.py").is_file():
        raise DafabError(f"{found} has no bench/catalogue/make_items.py: set DAFAB_SHARED")
    return found


def generated(count: int) -> Path:
    """Return a folder with ``items.ndjson`` (`count` scenes), ``derived.ndjson`` and ``collections.ndjson``."""
    target = folder() / f"items-{count}"
    if target.is_dir():
        return target
    unfinished = target.with_suffix(".new")
    shutil.rmtree(unfinished, ignore_errors=True)
    script = shared() / "bench" / "catalogue" / "make_items.py"
    environment = [part for package in _GENERATOR for part in ("--with", package)]
    command = [str(Path(sys.executable).with_name("uv")), "run", "--quiet", "--no-project", "--isolated"]
    command += ["--python", sys.executable, *environment, "python", str(script), "--count", str(count)]
    command += [*(_WIDE if count > _NARROW else ()), "--out", str(unfinished)]
    subprocess.run(command, check=True)
    unfinished.rename(target)
    return target


@contextmanager
def running(name: str, settings: Mapping[str, str] | None = None) -> Iterator[Home]:
    """Run the cluster of a benchmark for as long as the block lasts, made and given Rucio's and our tables at first.

    Yields:
        Its home: ``server_config`` is the ``rucio.cfg`` for a process that works in it, see :func:`environment`.
    """
    home, user = Home(folder() / name), cluster.server_user()
    home.root.mkdir(parents=True, exist_ok=True)
    cluster.check_reachable(home, user)
    passwords = credentials.load_or_make(home)
    cluster.make(home, user, passwords.database[credentials.SUPERUSER])
    http_port, postgres_port = free_ports(2)
    known = record.load(home)
    chosen = record.SiteRecord(http_port, postgres_port, prepared=known.prepared if known else "")
    record.save(home, chosen)
    cluster.configure(home, user, postgres_port)
    configuration.write_server_files(home, chosen, passwords)
    server = _start(home, user, SETTINGS | dict(settings or {}))
    try:
        cluster.wait_until_ready(postgres_port, passwords.database[credentials.SUPERUSER], PATIENCE)
        _prepare(home, chosen)
        yield home
    finally:
        server.send_signal(signal.SIGINT)
        server.wait(timeout=PATIENCE)


def environment(home: Home) -> dict[str, str]:
    """Return the environment of a process that works in the cluster as Rucio's server would."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("DAFAB_HOME", "RUCIO_"))}
    return inherited | {"DAFAB_HOME": str(home.root), "RUCIO_CONFIG": str(home.server_config)}


def _prepare(home: Home, chosen: record.SiteRecord) -> None:
    """Give the database Rucio's tables, ours, accounts and collections, unless nothing of that has changed."""
    wanted = fingerprint()
    if chosen.prepared == wanted:
        return
    command = [sys.executable, "-m", "rucio_dafab.site.bootstrap"]
    ran = subprocess.run(command, env=environment(home), capture_output=True, text=True, check=False, cwd=ROOT)
    if ran.returncode:
        raise DafabError(f"the database cannot be prepared: {(ran.stdout + ran.stderr).strip().splitlines()[-1]}")
    record.save(home, replace(chosen, prepared=wanted))


def _start(home: Home, user: cluster.ServerUser | None, settings: Mapping[str, str]) -> "subprocess.Popen[bytes]":
    # The kernel ends the server with this process, however that ends. SIGINT is PostgreSQL's fast shutdown.
    command = ["setpriv", "--pdeathsig", "INT"]
    if user is not None:
        command += [f"--reuid={user.uid}", f"--regid={user.gid}", "--clear-groups"]
    options = [part for key, value in settings.items() for part in ("-c", f"{key}={value}")]
    home.log.mkdir(exist_ok=True)
    with (home.log / "postgres.log").open("ab") as log:
        return subprocess.Popen(
            [*command, cluster.binary("postgres"), "-D", str(home.postgres), *options], stdout=log, stderr=log, cwd="/"
        )
