"""The supervisor of a site: started as a daemon, spoken to over a private socket, stopped with all it started."""

import contextlib
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path
from typing import Any, Final, cast
from xmlrpc.client import Fault, ServerProxy

import psutil
from supervisor.xmlrpc import Faults, SupervisorTransport

from rucio_dafab.errors import DafabError
from rucio_dafab.site.home import Home
from rucio_dafab.site.record import SiteRecord

POSTGRES: Final = "postgres"
SERVICE: Final = "service"
DAEMONS: Final = "daemons"
PROGRAMS: Final = (POSTGRES, SERVICE, DAEMONS)
"""What a running site consists of."""

ALIVE: Final = frozenset({"RUNNING", "STARTING"})
"""States of a program whose process is there; it counts as starting for its first two seconds."""

# The processes of a site see this much of the environment of whoever started it.
_ENVIRONMENT: Final = (
    "PATH",
    "HOME",
    "USER",
    "LOGNAME",
    "LANG",
    "LC_ALL",
    "TZ",
    "TMPDIR",
    "LD_LIBRARY_PATH",
    "PYTHONPATH",
)
_SETTING: Final = re.compile(r"DAFAB_(?!HOME$)")


class SupervisorError(DafabError):
    """The supervisor does not start, or one of its processes does not."""


@dataclass(frozen=True, slots=True)
class ProcessState:
    """One program of a site.

    Attributes:
        name: of the program.
        state: the supervisor's word: ``RUNNING``, ``STARTING``, ``BACKOFF``, ``STOPPED``, ``EXITED``, ``FATAL``.
        pid: of its process, ``None`` when there is none.
        seconds: since it started.
        memory: bytes of resident memory, with its children's; pages that they share count once for each.
    """

    name: str
    state: str
    pid: int | None
    seconds: int
    memory: int


class Supervisor:
    """The connection to a running supervisor; every call opens and closes its own."""

    def __init__(self, socket: Path) -> None:
        self._socket = socket

    def answers(self) -> bool:
        """Say whether a supervisor listens."""
        if not self._socket.exists():
            return False
        try:
            self._call("getState")
        except (OSError, HTTPException):
            return False
        return True

    def processes(self) -> tuple[ProcessState, ...]:
        """Return the state of every program."""
        return tuple(_state(row) for row in cast("list[dict[str, Any]]", self._call("getAllProcessInfo")))

    def start(self, names: Iterable[str]) -> None:
        """Start programs without waiting for them; those that run already are left alone.

        Raises:
            SupervisorError: if one cannot be started at all.
        """
        for name in names:
            try:
                self._call("startProcess", name, False)
            except Fault as fault:
                if fault.faultCode != Faults.ALREADY_STARTED:
                    raise SupervisorError(f"the supervisor cannot start {name}: {fault.faultString}") from fault

    def stop(self, name: str) -> None:
        """Stop a program and wait until its process is gone."""
        with contextlib.suppress(Fault):
            self._call("stopProcess", name)

    def shut_down(self) -> None:
        """Tell the supervisor to stop its programs and end."""
        with contextlib.suppress(Fault):
            self._call("shutdown")

    def _call(self, method: str, *arguments: Any) -> Any:
        transport = SupervisorTransport(serverurl=f"unix://{self._socket}")
        try:
            proxy = ServerProxy("http://127.0.0.1", transport=transport)
            return getattr(proxy.supervisor, method)(*arguments)
        finally:
            transport.close()


def socket_folder(known: str) -> str:
    """Return a private folder with a short path, the known one while it is there and ours.

    Socket paths may have 107 bytes; a site's folder may be longer, and so may ``TMPDIR``.
    """
    if known:
        with contextlib.suppress(FileNotFoundError):
            status = Path(known).lstat()
            if status.st_uid == os.geteuid() and not status.st_mode & 0o077:
                return known
    short = len(tempfile.gettempdir()) < 60
    return tempfile.mkdtemp(prefix="dafab-", dir=None if short else "/tmp")  # noqa: S108


def launch(home: Home, record: SiteRecord, configuration: Path, seconds: float = 20) -> Supervisor:
    """Start the supervisor as a daemon and return when it answers.

    Raises:
        SupervisorError: with the last line it said.
    """
    command = [sys.executable, "-m", "supervisor.supervisord", "-c", str(configuration)]
    environment = {name: value for name, value in os.environ.items() if name in _ENVIRONMENT or _SETTING.match(name)}
    started = subprocess.run(  # noqa: S603
        command, env=environment, cwd=home.root, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )
    if started.returncode:
        reason = (started.stderr.strip() or started.stdout.strip() or "no reason given").splitlines()[-1]
        raise SupervisorError(f"the supervisor does not start: {reason}")
    supervisor = Supervisor(record.socket)
    deadline = time.monotonic() + seconds
    while not supervisor.answers():
        if time.monotonic() > deadline:
            raise SupervisorError(f"the supervisor does not answer: {last_line(home.log / 'supervisor.log')}")
        time.sleep(0.02)
    return supervisor


def supervisor_process(home: Home) -> psutil.Process | None:
    """Return the supervisor's process while it runs."""
    try:
        process = psutil.Process(int((home.run / "supervisord.pid").read_text(encoding="ascii")))
        ours = str(home.etc / "supervisord.conf") in process.cmdline()
    except (OSError, ValueError, psutil.Error):
        return None
    return process if ours else None


def children(record: SiteRecord) -> list[psutil.Process]:
    """Return the processes that this site's supervisor started, also after the supervisor itself was killed.

    They are known by the variable that supervisor gives each child; PostgreSQL overwrites its own, see
    :func:`rucio_dafab.site.cluster.postmaster`.
    """
    mark = f"unix://{record.socket}"
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            if process.environ().get("SUPERVISOR_SERVER_URL") == mark:
                found.append(process)
    return found


def last_line(log: Path) -> str:
    """Return the last line of a log that says something, for an error message."""
    try:
        lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return f"{log} is not there"
    return next((line.strip() for line in reversed(lines) if line.strip()), f"{log} is empty")


def _state(row: dict[str, Any]) -> ProcessState:
    pid = int(row["pid"]) or None
    running = row["statename"] in ALIVE
    seconds = int(row["now"]) - int(row["start"]) if running else 0
    return ProcessState(row["name"], row["statename"], pid, max(seconds, 0), _memory(pid) if pid else 0)


def _memory(pid: int) -> int:
    total = 0
    with contextlib.suppress(psutil.Error):
        process = psutil.Process(pid)
        for member in (process, *process.children(recursive=True)):
            with contextlib.suppress(psutil.Error):
                total += member.memory_info().rss
    return total
