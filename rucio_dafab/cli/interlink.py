"""``rucio-dafab catalogue interlink``: links between items by rule."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.progress import Progress

from rucio_dafab.cli.server import use_server_configuration
from rucio_dafab.errors import DafabError
from rucio_dafab.site.home import SCOPE

if TYPE_CHECKING:
    from rucio_dafab.catalogue.interlinking import RuleReport

_CONSOLE = Console(stderr=True)


def interlink(
    rule: Annotated[list[str] | None, typer.Option(help="Only this rule; several may be.")] = None,
    since: Annotated[
        str | None, typer.Option(help="Only what documents changed since this date or time (UTC) can make differ.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would change, and change nothing.")] = False,
    rules: Annotated[
        Path | None, typer.Option(help="File of rules; the installed etc/interlinking.toml if left out.")
    ] = None,
    scope: Annotated[str, typer.Option(help="Scope of the items.")] = SCOPE,
    as_json: Annotated[bool, typer.Option("--json", help="Print the report as one JSON object.")] = False,
) -> None:
    """Make the links between items what the rules say; links that people made stay. Again, it changes nothing."""
    begin = None if since is None else _time(since)
    use_server_configuration()
    from rucio.common.types import InternalScope  # noqa: PLC0415 - reads the server's configuration

    from rucio_dafab.catalogue import interlinking, interlinking_rules, sessions  # noqa: PLC0415

    known = interlinking_rules.read(rules or interlinking_rules.installed())
    wanted = set(rule or (each.name for each in known))
    if unknown := sorted(wanted - {each.name for each in known}):
        raise DafabError(
            f"there is no rule {unknown[0][:60]}: {', '.join(each.name for each in known) or 'none at all'}"
        )
    used = [each for each in known if each.name in wanted]
    left = [each.name for each in known if each.name not in wanted]
    job = interlinking.Job(InternalScope(scope), used, left, begin, dry_run)
    began = interlinking.now(sessions.reading)
    with _bar(quiet=as_json) as progress:
        found = interlinking.interlink(job, sessions.writing, progress)
    _tell(found, began, dry_run=dry_run, as_json=as_json)


def _time(text: str) -> datetime:
    try:
        found = datetime.fromisoformat(text)
    except ValueError as error:
        raise DafabError(f"--since is no date or time: {text[:60]!r} (2026-06-01, 2026-06-01T10:00:00Z)") from error
    return found if found.tzinfo else found.replace(tzinfo=UTC)


@contextmanager
def _bar(*, quiet: bool) -> Iterator[Any]:
    with Progress(console=_CONSOLE, transient=True, disable=quiet or not _CONSOLE.is_terminal) as bar:
        task = bar.add_task("looking for links", total=None)
        yield lambda name, done, total: bar.update(task, description=name, completed=done, total=total)


def _tell(reports: "list[RuleReport]", began: datetime, *, dry_run: bool, as_json: bool) -> None:
    if as_json:
        told = {"rules": [asdict(each) for each in reports], "began": began.isoformat(), "dry_run": dry_run}
        typer.echo(json.dumps(told))
    else:
        would = "would be " if dry_run else ""
        for each in reports:
            what = f"{each.added} links {would}added, {each.removed} removed, {each.documents} documents {would}changed"
            typer.echo(f"{each.rule}: {what}")
    refused = [pair for each in reports for pair in each.refused.items()]
    if refused:
        name, reason = refused[0]
        raise DafabError(f"{len(refused)} documents cannot be changed, the first is {name}: {reason}")
