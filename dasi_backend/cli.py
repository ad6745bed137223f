"""The command ``dasi``: archive, list, retrieve, disseminate, inspect, schema.

:mod:`dasi_backend.cli_keeping` removes and keeps, :mod:`dasi_backend.cli_publish` tells Rucio.

A request is a file, ``-`` for standard input, the text itself, or ``key=value`` arguments.
"""

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, Final

import typer
from rich.progress import Progress, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn
from rich.table import Table

from dasi_backend import cli_keeping, cli_publish, output, plans, schema, staged
from dasi_backend import config as configuration
from dasi_backend.backends import AnyBackend, archive_for, backend_for, store_of
from dasi_backend.cli_requests import AsJson, BackendType, ConfigPath, Requests, chosen, requests_of, required, show
from dasi_backend.config import Config
from dasi_backend.errors import RequestError
from dasi_backend.grib import GribBackend
from dasi_backend.items import Retrieved
from dasi_backend.language import Request
from dasi_backend.local import LocalBackend
from dasi_backend.rucio_writing import CatalogueWriter
from dasi_backend.select import SelectBackend
from dasi_backend.store import Store
from rucio_dafab.terminal import answers_only, application, guarded, says_version

app = application(add_completion=True)

_CATALOGUE_COLUMNS: Final = {"id": "id", "collection": "collection", "date": "date", "asset": "asset"}
_SELECT_COLUMNS: Final = {"date": "date", "mission": "mission", "level": "level", "tile": "tile"}
_FIELD_COLUMNS: Final = {key: key for key in ("date", "time", "stream", "type", "step", "levtype", "param")}
_EVERYTHING: Final = Request("list", {})
Listed = tuple[list[dict[str, Any]], Table]
"""What answers a request: as records, and as a table."""


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=says_version("dasi"), is_eager=True, help="Print it.")
    ] = False,
) -> None:
    """Data by what they are: the rolling store, and the Rucio catalogue behind the same requests."""


@app.command("list")
def list_(request: Requests = None, config: ConfigPath = None, as_json: AsJson = False) -> None:
    """Show what is in the rolling store, or what answers a request."""
    found = configuration.find(config)
    _print([_listed(found, one) for one in requests_of("list", request) or [_EVERYTHING]], as_json)


@app.command()
def inspect(
    request: Requests = None,
    config: ConfigPath = None,
    as_json: AsJson = False,
    space: Annotated[
        bool, typer.Option("--space", help="Show what products take, their last use, and who holds them.")
    ] = False,
) -> None:
    """Show where the bytes of what answers a request are: file, offset and length."""
    found = configuration.find(config)
    if space:
        cli_keeping.show_space(store_of(found), requests_of("list", request), as_json)
        return
    _print([_extents(found, one) for one in requests_of("list", request) or [_EVERYTHING]], as_json)


@app.command()
def retrieve(request: Requests = None, config: ConfigPath = None, as_json: AsJson = False) -> None:
    """Write what answers a request to its target, every byte verified."""
    found = configuration.find(config)
    requests = required("retrieve", request)
    with _saying("asking the catalogue" if found.catalogue else "looking", as_json) as (written, say):
        # All of them, before the first is carried out: a mistake in the last one leaves nothing half done.
        plans.carry_out([backend_for(found, one).plan(one) for one in requests], say)
    if as_json:
        output.print_json([one.record() for one in written])


@app.command()
def archive(
    folder: Requests = None, backend: BackendType = None, config: ConfigPath = None, as_json: AsJson = False
) -> None:
    """Archive staged scenes (folders, or a request with source=), each all or nothing."""
    found, records = chosen(configuration.find(config), backend), []
    with _progress("archiving") as (shown, task):
        # All are looked at before the first is archived: the last may be no scene, or nobody's.
        for place, home in [(place, _home(found, place)) for place in _folders(folder)]:
            shown.update(task, description=f"archiving {place}")
            done = home.put(place)
            records.append({"id": done.key.id, "outcome": done.outcome, "key": done.key.index})
            if not as_json:
                note = f" (dated by its {done.key.dated_by})" if done.key.dated_by == "start_datetime" else ""
                output.console().print(f"{done.outcome} {done.key}{note}", soft_wrap=True, markup=False)
    if as_json:
        output.print_json(records)


@app.command()
def disseminate(request: Requests = None, config: ConfigPath = None, as_json: AsJson = False) -> None:
    """Cut what answers a request to an area, bring it to a grid, and deliver it to a site."""
    from dasi_backend import disseminating  # noqa: PLC0415  # half a second of rasterio

    found = configuration.find(config)
    requests = required(disseminating.VERB, request)
    with _saying("looking", as_json) as (written, say):
        disseminating.disseminate(found, requests, say)
    if as_json:
        output.print_json([one.record() for one in written])


@app.command("schema")
def schema_(config: ConfigPath = None, as_json: AsJson = False) -> None:
    """Show the keys that requests may name: types, where they come from, and who answers them."""
    keys = schema.describe(configuration.find(config))
    show([key.record() for key in keys], output.schema_table(keys), as_json)


cli_keeping.register(app)
cli_publish.register(app)


def run(arguments: Sequence[str] | None = None) -> None:
    """Run ``dasi``."""
    with answers_only():
        guarded(app, arguments)


@contextmanager
def _progress(description: str) -> Iterator[tuple[Progress, TaskID]]:
    """Yield a line on standard error that says what goes on; nothing where it is no terminal."""
    shown = Progress(
        SpinnerColumn(),
        TextColumn("{task.description}", markup=False),
        TimeElapsedColumn(),
        console=output.progress_console(),
        transient=True,
        redirect_stdout=False,
        redirect_stderr=False,
        disable=not sys.stderr.isatty(),
    )
    with shown:
        yield shown, shown.add_task(description, total=None)


@contextmanager
def _saying(description: str, as_json: bool) -> Iterator[tuple[list[Retrieved], Callable[[Retrieved], None]]]:
    """Yield the answers that are written, and what is told of each: a line, and what the progress shows."""
    written: list[Retrieved] = []

    def say(one: Retrieved) -> None:
        written.append(one)
        shown.update(task, description=f"{one.path}")
        if not as_json:
            output.console().print(output.retrieved_line(one), soft_wrap=True)

    with _progress(description) as (shown, task):
        yield written, say


def _folders(arguments: list[str] | None) -> list[Path]:
    """Return the folders that ``archive`` is given, directly or by requests."""
    if not arguments:
        raise RequestError("archive needs folders of staged scenes, or a request with source=")
    if all(Path(argument).is_dir() for argument in arguments):
        return [Path(argument) for argument in arguments]
    no_folder = next(argument for argument in arguments if not Path(argument).is_dir())
    several = len(arguments) > 1 and any(Path(argument).is_dir() for argument in arguments)
    if several or ("=" not in no_folder and not Path(no_folder).is_file() and no_folder != "-"):
        raise RequestError(f"{no_folder} is no folder")
    requests = requests_of("archive", arguments)
    if any(not one.source or one.keys for one in requests):
        raise RequestError("archive takes source= and no other key: the scene says them")
    return [Path(source) for one in requests for source in one.source]


def _home(config: Config, folder: Path) -> Store | CatalogueWriter:
    """Return where a scene is archived; a folder that is none is refused."""
    staged.read(folder)
    return archive_for(config, folder)


def _listed(config: Config, request: Request) -> Listed:
    backend = backend_for(config, request)
    if isinstance(backend, LocalBackend):
        products = list(backend.listed(request))
        plans.refuse_count(request, len(products), "products")
        return [output.product_record(product) for product in products], output.product_table(products)
    items = list(backend.list(request))
    plans.refuse_count(request, len(items), "files")
    return [item.record() for item in items], output.item_table(items, _columns(backend))


def _extents(config: Config, request: Request) -> Listed:
    items = list(backend_for(config, request).list(request))
    plans.refuse_count(request, len(items), "objects")
    return [item.record() for item in items], output.extent_table(items)


def _print(answers: Sequence[Listed], as_json: bool) -> None:
    """Print what answers requests: one array for programs, a table each for people."""
    if as_json:
        output.print_json([record for records, _ in answers for record in records])
        return
    for _, table in answers:
        output.console().print(table)


def _columns(backend: AnyBackend) -> Mapping[str, str]:
    if isinstance(backend, GribBackend):
        return _FIELD_COLUMNS
    return _SELECT_COLUMNS if isinstance(backend, SelectBackend) else _CATALOGUE_COLUMNS
