"""What runs and where, as values and as JSON."""

from dataclasses import asdict, dataclass
from typing import Any, Final

from rucio_dafab.site import health, record
from rucio_dafab.site.home import ACCOUNTS, RSES, Home
from rucio_dafab.site.supervisor import ALIVE, PROGRAMS, ProcessState, Supervisor, supervisor_process

PATIENCE: Final = 90
"""Seconds that a process may take to be of use; a quiet machine needs a tenth."""


@dataclass(frozen=True, slots=True)
class SiteStatus:
    """A site as it is now.

    Attributes:
        home: its folder.
        url: its address, ``None`` when it was never made.
        postgres_port: of its database on loopback.
        running: whether everything runs and the service says that it works.
        starting: whether it does not yet, and nothing says that it will not.
        processes: supervisor first.
        health: what the service says of itself, ``None`` when it does not answer.
        accounts: that exist.
        rses: folder by storage element.
    """

    home: str
    url: str | None
    postgres_port: int | None
    running: bool
    starting: bool
    processes: tuple[ProcessState, ...]
    health: dict[str, Any] | None
    accounts: tuple[str, ...]
    rses: dict[str, str]

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON values."""
        return asdict(self)


def inspect(home: Home) -> SiteStatus:
    """Look at a site without changing it."""
    known = record.load(home)
    if known is None:
        return SiteStatus(str(home.root), None, None, False, False, (), None, (), {})
    processes = _processes(home, known)
    answer = health.ask(known)
    running = {process.name for process in processes if process.state in ALIVE}
    well = running.issuperset(PROGRAMS) and answer is not None and answer.get("status") == "ok"
    folders = {name: str(home.rse(name)) for name in RSES}
    return SiteStatus(
        str(home.root),
        known.url,
        known.postgres_port,
        well,
        not well and is_starting(processes, answer),
        processes,
        answer if processes else None,
        ACCOUNTS,
        folders,
    )


def is_starting(processes: tuple[ProcessState, ...], answer: dict[str, Any] | None) -> bool:
    """Say whether the site is on its way: nothing was given up, and something began lately."""
    given_up = any(process.state == "FATAL" for process in processes)
    lately = any(process.state in ALIVE and process.seconds < PATIENCE for process in processes)
    return lately and not given_up and (answer is None or answer.get("status") == "ok")


def _processes(home: Home, known: record.SiteRecord) -> tuple[ProcessState, ...]:
    process, supervisor = supervisor_process(home), Supervisor(known.socket)
    if process is None or not supervisor.answers():
        return ()
    states = supervisor.processes()
    first = ProcessState(
        "supervisor",
        "RUNNING",
        process.pid,
        max((state.seconds for state in states), default=0),
        process.memory_info().rss,
    )
    return (first, *states)
