"""A site starts, stops, and says where it is in doing so."""

import contextlib
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, replace
from typing import Final

import psutil

from rucio_dafab import tokens
from rucio_dafab.errors import DafabError
from rucio_dafab.site import cluster, configuration, credentials, health, record
from rucio_dafab.site.fingerprint import fingerprint
from rucio_dafab.site.home import Home
from rucio_dafab.site.lock import exclusive
from rucio_dafab.site.record import SiteRecord
from rucio_dafab.site.supervisor import (
    ALIVE,
    DAEMONS,
    POSTGRES,
    PROGRAMS,
    SERVICE,
    Supervisor,
    children,
    last_line,
    launch,
    socket_folder,
    supervisor_process,
)

PATIENCE: Final = 90.0
"""Seconds that a start may take before it is called a failure; a quiet machine needs a tenth."""

Say = Callable[[str], None]


class SiteError(DafabError):
    """The site does not start or stop; the text says which part and where its log is."""


@dataclass(frozen=True, slots=True)
class Started:
    """What ``up`` did: the record of the site, and whether it ran already."""

    record: SiteRecord
    already: bool


def up(home: Home, port: int | None = None, say: Say = lambda _: None) -> Started:
    """Start a site, making it first when there is none; one that runs is left alone.

    One that another version of this code started is stopped and started again: its tables may have to be upgraded.

    Args:
        home: the site.
        port: HTTP port; ``None`` for the one it had, or any free one.
        say: told the name of each phase as it begins.

    Raises:
        DafabError: what prevents it, in one line.
    """
    record.check_path(home)
    _make_folders(home)
    with exclusive(home, "rucio-dafab up"):
        known = record.load(home)
        if known and (running := Supervisor(known.socket)).answers():
            if known.prepared == fingerprint():
                return _complete(home, known, running, port, say)
            say("restart: another version started it")
        if known:
            _stop_leftovers(home, known)
        try:
            return Started(_start(home, port, say), already=False)
        except BaseException:
            # What cannot be whole is not left half: a port or a database that stays taken would hide the reason.
            if begun := record.load(home):
                _stop_leftovers(home, begun)
            raise


def down(home: Home, say: Say = lambda _: None) -> bool:
    """Stop everything that ``up`` started and return whether anything ran; only sockets and tokens are removed.

    Raises:
        DafabError: if a process does not end.
    """
    known = record.load(home)
    if known is None:
        return False
    with exclusive(home, "rucio-dafab down"):
        return _stop_leftovers(home, known, say)


def _complete(home: Home, known: SiteRecord, supervisor: Supervisor, port: int | None, say: Say) -> Started:
    """Start what is missing of a site whose supervisor runs."""
    if port not in (None, known.http_port):
        raise SiteError(f"the site runs at {known.url}: rucio-dafab down first, to give it port {port}")
    missing = [process.name for process in supervisor.processes() if process.state not in ALIVE]
    if missing:
        say(f"processes that had stopped ({', '.join(missing)})")
        supervisor.start(name for name in PROGRAMS if name in missing)
    _await_service(home, known, supervisor, say)
    return Started(known, already=not missing)


def _start(home: Home, port: int | None, say: Say) -> SiteRecord:
    """Start every process of a site, none of which runs, and return when the service answers."""
    user, postgres = cluster.server_user(), cluster.binary("postgres")
    cluster.check_reachable(home, user)
    chosen = record.choose(home, port)
    passwords = credentials.load_or_make(home)
    chosen = replace(chosen, sockets=socket_folder(chosen.sockets))
    record.save(home, chosen)
    configuration.write_server_files(home, chosen, passwords)
    configuration.write_client_files(home, chosen, passwords)
    configuration.write_dasi_file(home)
    wanted = fingerprint()
    prepared = home.postgres.exists() and chosen.prepared == wanted
    with nullcontext() if prepared else _bootstrap(home) as bootstrap:
        say("database cluster")
        cluster.make(home, user, passwords.database[credentials.SUPERUSER])
        cluster.configure(home, user, chosen.postgres_port)
        say("processes")
        file = configuration.write_supervisor_file(home, chosen, postgres, user.name if user else None)
        supervisor = launch(home, chosen, file)
        supervisor.start([SERVICE])
        if bootstrap:
            _follow(home, bootstrap, say)
            chosen = replace(chosen, prepared=wanted)
            record.save(home, chosen)
    _await_service(home, chosen, supervisor, say)
    return chosen


def _make_folders(home: Home) -> None:
    try:
        home.root.mkdir(parents=True, exist_ok=True)
        mode = home.root.stat().st_mode & 0o777
        if os.geteuid() == 0 and not mode & 0o001:
            # The unprivileged server passes through to its own folder; everything else in here has a mode of its own.
            home.root.chmod(mode | 0o011)
        for folder in (home.etc, home.log, home.run):
            folder.mkdir(mode=0o700, exist_ok=True)
    except OSError as error:
        raise SiteError(f"cannot make the site's folder {error.filename}: {error.strerror}") from error


@contextmanager
def _bootstrap(home: Home) -> Iterator["subprocess.Popen[str]"]:
    """Run :mod:`rucio_dafab.site.bootstrap` beside the block; an exception in the block ends it."""
    environment = dict(os.environ) | {"RUCIO_CONFIG": str(home.server_config), "DAFAB_HOME": str(home.root)}
    with (home.log / "bootstrap.log").open("w", encoding="utf-8") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "rucio_dafab.site.bootstrap"],
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
        )
        with process:
            try:
                yield process
            except BaseException:
                # Leaving `with` waits for its end, and it would wait for a database that does not come.
                process.kill()
                raise


def _follow(home: Home, bootstrap: "subprocess.Popen[str]", say: Say) -> None:
    refusal = None
    for line in bootstrap.stdout or ():
        step = json.loads(line)
        refusal = step.get("refusal", refusal)
        if "phase" in step:
            say(step["phase"])
    if bootstrap.wait():
        log = home.log / "bootstrap.log"
        raise SiteError(f"the site cannot be prepared: {refusal or last_line(log)} (see {log})")


def _await_service(home: Home, chosen: SiteRecord, supervisor: Supervisor, say: Say) -> None:
    say("service")
    deadline = time.monotonic() + PATIENCE
    while not health.is_well(chosen):
        states = {process.name: process.state for process in supervisor.processes()}
        failed = next((name for name in (POSTGRES, SERVICE) if states[name] == "FATAL"), None)
        if failed or time.monotonic() > deadline:
            name = failed or SERVICE
            log = home.log / f"{name}.log"
            said = (health.ask(chosen) or {}).get("database") or last_line(log)
            raise SiteError(f"{name} does not start: {said} (see {log})")
        time.sleep(0.1)
    supervisor.start([DAEMONS])


def _stop_leftovers(home: Home, known: SiteRecord, say: Say = lambda _: None) -> bool:
    """Stop the supervisor and whatever of its processes is left, the database last; say whether there was any."""
    supervisor = supervisor_process(home)
    others = [process for process in children(known) if process.name() != "postgres"]
    database = cluster.postmaster(home)
    if supervisor:
        say("processes")
        Supervisor(known.socket).shut_down()
        supervisor.terminate()
    else:
        for process in others:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.terminate()
        _wait(others, 10)
        if database:
            say("database")
            # SIGINT: PostgreSQL ends its sessions and writes everything down.
            database.send_signal(2)
    ours = [process for process in (supervisor, *others, database) if process]
    _wait(ours, PATIENCE)
    if known.sockets:
        shutil.rmtree(known.sockets, ignore_errors=True)
    tokens.forget(known.url)
    return bool(ours)


def _wait(processes: list[psutil.Process], seconds: float) -> None:
    _, alive = psutil.wait_procs(processes, timeout=seconds)
    alive = [process for process in alive if process.status() != psutil.STATUS_ZOMBIE]
    for process in alive:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()
    _, alive = psutil.wait_procs(alive, timeout=5)
    if alive:
        raise SiteError(f"process {alive[0].pid} ({alive[0].name()}) does not end")
