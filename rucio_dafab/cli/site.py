"""``rucio-dafab up | down | status | env``."""

import json
import time
from typing import Annotated

import typer
from rich.console import Console
from rich.live import Live
from rich.spinner import Spinner
from rich.table import Table

from rucio_dafab.site import environment, lifecycle
from rucio_dafab.site import status as site_status
from rucio_dafab.site.home import Home
from rucio_dafab.site.status import SiteStatus


class Phases:
    """Phases of a command on a terminal: a spinner for the one at work, a line with its seconds when it is done."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self.started = time.monotonic()
        self._live = Live(console=console, transient=True, refresh_per_second=12)
        self._phase: tuple[str, float] | None = None

    def __enter__(self) -> "Phases":
        self._live.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None:
            self._close()
        self._live.stop()

    def begin(self, name: str) -> None:
        """End the phase at work and begin another."""
        self._close()
        self._phase = (name, time.monotonic())
        self._live.update(Spinner("dots", text=f" {name}"))

    def seconds(self) -> float:
        """Return the seconds since the command started."""
        return time.monotonic() - self.started

    def _close(self) -> None:
        if self._phase:
            name, since = self._phase
            self.console.print(f"  [green]✓[/] {name:<32} [dim]{time.monotonic() - since:5.1f} s[/]", highlight=False)
            self._phase = None


def up(
    port: Annotated[
        int | None, typer.Option(help="HTTP port on loopback; chosen and remembered when not given.")
    ] = None,
) -> None:
    """Start the site on this machine; again is harmless."""
    home, console = Home.from_environment(), Console(stderr=True)
    with Phases(console) as phases:
        started = lifecycle.up(home, port, phases.begin)
    if started.already:
        console.print(f"the site runs already at {started.record.url} ({home.root})", soft_wrap=True, highlight=False)
        return
    console.print(
        f"the site is up at {started.record.url} after {phases.seconds():.1f} s", soft_wrap=True, highlight=False
    )
    console.print('use it with: eval "$(rucio-dafab env)"', highlight=False)


def down() -> None:
    """Stop the site; nothing is lost."""
    home, console = Home.from_environment(), Console(stderr=True)
    with Phases(console) as phases:
        ran = lifecycle.down(home, phases.begin)
    what = f"the site is down after {phases.seconds():.1f} s" if ran else f"no site runs in {home.root}"
    console.print(what, soft_wrap=True, highlight=False)


def status(
    as_json: Annotated[bool, typer.Option("--json", help="As JSON.")] = False,
) -> None:
    """Say what runs and where; the exit status is 0 when everything runs, otherwise 3."""
    found = site_status.inspect(Home.from_environment())
    if as_json:
        typer.echo(json.dumps(found.to_json(), indent=2))
    else:
        _print(found, Console())
    if not found.running:
        raise typer.Exit(3)


def env(
    account: Annotated[str, typer.Option(help="Whose credentials `rucio` uses.")] = "dafab_admin",
) -> None:
    """Print the shell variables that point `rucio` and `dasi` at the site: eval "$(rucio-dafab env)"."""
    typer.echo(environment.shell_lines(Home.from_environment(), account))


def _print(found: SiteStatus, console: Console) -> None:
    if found.url is None:
        console.print(f"there is no site in {found.home}", soft_wrap=True, highlight=False)
        return
    console.print(f"the site {_word(found)}: {found.url} ({found.home})", soft_wrap=True, highlight=False)
    if not found.processes:
        return
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name, side in (("process", "left"), ("state", "left"), ("pid", "right"), ("up, s", "right"), ("MB", "right")):
        table.add_column(name, justify="right" if side == "right" else "left")
    for process in found.processes:
        memory = f"{process.memory / 1e6:.0f}"
        table.add_row(process.name, process.state, str(process.pid or ""), str(process.seconds), memory)
    console.print(table)
    for name, value in (found.health or {"service": "does not answer"}).items():
        console.print(f"{name}: {value}", soft_wrap=True, highlight=False)


def _word(found: SiteStatus) -> str:
    if found.running:
        return "runs"
    if found.starting:
        return "is starting"
    return "does not run as it should" if found.processes else "is down"
