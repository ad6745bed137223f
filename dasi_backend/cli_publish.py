"""The command ``dasi publish``: what is in the rolling store, and what left it, told to Rucio."""

import re
import sys
import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Annotated, Final

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from dasi_backend import accounts, output, publishing
from dasi_backend import config as configuration
from dasi_backend.backends import store_of
from dasi_backend.cli_requests import AsJson, ConfigPath, Requests, requests_of
from dasi_backend.config import Config
from dasi_backend.errors import ConfigError, RequestError, StoreError
from dasi_backend.products import Product
from dasi_backend.publishing import Outcome, Published, Publisher
from rucio_dafab.errors import DafabError

_AGE: Final = re.compile(r"(\d{1,6})\s*(min|h|d)")
_SECONDS: Final = {"min": 60, "h": 3600, "d": 86_400}


def register(app: typer.Typer) -> None:
    """Add the command to an application."""
    app.command()(publish)


def publish(
    request: Requests = None,
    since: Annotated[
        str | None, typer.Option("--since", help="Archived since then: a day, a time (UTC), or an age such as 6h, 2d.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be done.")] = False,
    again: Annotated[bool, typer.Option("--again", help="Tell of what the catalogue was told already, too.")] = False,
    config: ConfigPath = None,
    as_json: AsJson = False,
) -> None:
    """Make products of the rolling store known to Rucio, and take back those that left it.

    Without a request and --since, all of the store is held to all that Rucio thinks there.
    """
    found = configuration.find(config)
    publisher = publisher_of(found)
    publisher.check()
    requests = requests_of("list", request)
    if any(one.expect is not None for one in requests):
        raise RequestError("publish takes keys of products, without expect")
    moment = None if since is None else _moment(since)
    chosen = publishing.select(publisher.store, [one.keys for one in requests], moment)
    done = list(publisher.deliver(dry_run))
    if not requests and moment is None:
        done += publisher.reconcile(dry_run)
    done += _shown(publisher, chosen, again, dry_run)
    _say(done, as_json)


def publisher_of(config: Config) -> Publisher:
    """Return who tells the catalogue of a configuration of its rolling store.

    Raises:
        ConfigError: if it lacks either.
        ClientError: if the catalogue does not answer or refuses the account.
    """
    if config.catalogue is None:
        raise ConfigError("dasi.yml has no section rucio: which catalogue is to be told?")
    settings = config.catalogue
    return Publisher(store_of(config), accounts.writer(settings), settings.scope, settings.store_rse)


def take_back(config: Config) -> None:
    """Tell the catalogue of what just left the store, as far as it answers; else the next publication does."""
    if config.catalogue is None or not config.roots or not store_of(config).parts.withdrawing():
        return
    try:
        for _ in publisher_of(config).deliver():
            continue
    except DafabError as refusal:
        output.progress_console().print(
            f"Rucio still knows what was removed ({refusal}); dasi publish tells it", soft_wrap=True, markup=False
        )


def _shown(publisher: Publisher, chosen: Sequence[Product], again: bool, dry_run: bool) -> Iterator[Published]:
    """Publish with a bar on standard error; none where it is no terminal."""
    bar = Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        console=output.progress_console(),
        transient=True,
        disable=not sys.stderr.isatty(),
    )
    with bar:
        task = bar.add_task("publishing", total=len(chosen))
        for one in publisher.publish(chosen, again, dry_run):
            bar.update(task, advance=1, description=f"publishing {one.id}")
            yield one


def _say(done: Sequence[Published], as_json: bool) -> None:
    if as_json:
        output.print_json([one.record() for one in done])
    else:
        for one in done:
            left = f", without {', '.join(one.left_out)}" if one.left_out else ""
            why = f": {one.reason}" if one.reason else f" ({one.files} files{left})"
            output.console().print(f"{one.outcome.value} {one.id}{why}", soft_wrap=True, markup=False)
        if not done:
            output.console().print("nothing to publish")
    if refused := [one for one in done if one.outcome is Outcome.REFUSED]:
        raise StoreError(f"{len(refused)} of {len(done)} products were refused, {refused[0].id}: {refused[0].reason}")


def _moment(text: str) -> float:
    """Return a moment, seconds since 1970."""
    if age := _AGE.fullmatch(text.strip()):
        return time.time() - int(age[1]) * _SECONDS[age[2]]
    try:
        moment = datetime.fromisoformat(text.strip())
    except ValueError as error:
        raise RequestError(f"--since {text}: write a day, a time, or an age such as 6h or 2d") from error
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
