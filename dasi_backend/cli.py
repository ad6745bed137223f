"""The command ``dasi``: archive, list, retrieve, disseminate, inspect, schema.

:mod:`dasi_backend.cli_keeping` removes and keeps, :mod:`dasi_backend.cli_publish` tells Rucio.

A request is a file, ``-`` for standard input, the text itself, or ``key=value`` arguments.
"""

import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, Final

import typer
from rich.progress import Progress, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn

from dasi_backend import cli_keeping, cli_publish, output, schema
from dasi_backend import config as configuration
from dasi_backend.backends import AnyBackend, archive_for, backend_for, store_of
from dasi_backend.cli_requests import AsJson, BackendType, ConfigPath, Requests, chosen, requests_of, required, show
from dasi_backend.errors import RequestError
from dasi_backend.grib import GribBackend
from dasi_backend.items import Item, Retrieved
from dasi_backend.language import Request
from dasi_backend.local import LocalBackend
from dasi_backend.select import SelectBackend
from rucio_dafab.terminal import answers_only, application, guarded, says_version

app = application(add_completion=True)

_CATALOGUE_COLUMNS: Final = {"id": "id", "collection": "collection", "date": "date", "asset": "asset"}
_SELECT_COLUMNS: Final = {"date": "date", "mission": "mission", "level": "level", "tile": "tile"}
_FIELD_COLUMNS: Final = {key: key for key in ("date", "time", "stream", "type", "step", "levtype", "param")}
_EVERYTHING: Final = Request("list", {})


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
    found, records = configuration.find(config), list[dict[str, Any]]()
    for one in requests_of("list", request) or [_EVERYTHING]:
        backend = backend_for(found, one)
        if isinstance(backend, LocalBackend):
            products = list(backend.products(one))
            table, told = output.product_table(products), [output.product_record(product) for product in products]
        else:
            items = list(backend.list(one))
            table, told = output.item_table(items, _columns(backend)), [item.record() for item in items]
        records += told
        if not as_json:
            output.console().print(table)
    if as_json:
        output.print_json(records)


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
    records = list[dict[str, Any]]()
    for one in requests_of("list", request) or [_EVERYTHING]:
        items: list[Item] = list(backend_for(found, one).list(one))
        records += [item.record() for item in items]
        if not as_json:
            output.console().print(output.extent_table(items))
    if as_json:
        output.print_json(records)


@app.command()
def retrieve(request: Requests = None, config: ConfigPath = None, as_json: AsJson = False) -> None:
    """Write what answers a request to its target, every byte verified."""
    found = configuration.find(config)
    requests = required("retrieve", request)
    written: list[Retrieved] = []

    def say(one: Retrieved) -> None:
        written.append(one)
        shown.update(task, description=f"{one.path}")
        if not as_json:
            output.console().print(output.retrieved_line(one), soft_wrap=True)

    with _progress("asking the catalogue" if found.catalogue else "looking") as (shown, task):
        # All of them, before the first is carried out: a mistake in the last one leaves nothing half done.
        planned = [backend_for(found, one).plan(one) for one in requests]
        for plan in planned:
            plan.check()
        for plan in planned:
            plan.carry_out(say)
    if as_json:
        output.print_json([one.record() for one in written])


@app.command()
def archive(
    folder: Requests = None, backend: BackendType = None, config: ConfigPath = None, as_json: AsJson = False
) -> None:
    """Archive staged scenes (folders, or a request with source=), each all or nothing."""
    found, records = chosen(configuration.find(config), backend), []
    with _progress("archiving") as (shown, task):
        for place in _folders(folder):
            shown.update(task, description=f"archiving {place}")
            done = archive_for(found, place).put(place)
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
    written: list[Retrieved] = []
    with _progress("looking") as (shown, task):
        for one in requests:
            for done in disseminating.disseminate(found, one):
                written.append(done)
                shown.update(task, description=f"{done.path}")
                if not as_json:
                    output.console().print(output.retrieved_line(done), soft_wrap=True)
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
    if wrong := [one for one in requests if one.verb != "archive" or not one.source or one.keys]:
        raise RequestError(
            f"the request says {wrong[0].verb}: archive takes source= and no other key, the scene says them"
        )
    return [Path(source) for one in requests for source in one.source]


def _columns(backend: AnyBackend) -> Mapping[str, str]:
    if isinstance(backend, GribBackend):
        return _FIELD_COLUMNS
    return _SELECT_COLUMNS if isinstance(backend, SelectBackend) else _CATALOGUE_COLUMNS
