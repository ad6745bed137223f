"""What runs and where, as values and as JSON."""

from dataclasses import asdict, dataclass
from typing import Any

from rucio_dafab.site import health, record
from rucio_dafab.site.home import ACCOUNTS, RSES, Home
from rucio_dafab.site.supervisor import ALIVE, PROGRAMS, ProcessState, Supervisor, supervisor_process


@dataclass(frozen=True, slots=True)
class SiteStatus:
    """A site as it is now.

    Attributes:
        home: its folder.
        url: its address, ``None`` when it was never made.
        postgres_port: of its database on loopback.
        running: whether everything runs and the service says that it works.
        processes: supervisor first.
        health: what the service says of itself, ``None`` when it does not answer.
        accounts: that exist.
        rses: folder by storage element.
    """

    home: str
    url: str | None
    postgres_port: int | None
    running: bool
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
        return SiteStatus(str(home.root), None, None, False, (), None, (), {})
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
        processes,
        answer if processes else None,
        ACCOUNTS,
        folders,
    )


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
