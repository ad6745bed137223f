"""``rucio-dafab catalogue``: many items in, all of them out, and counted."""

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TextIO

import typer
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

from rucio_dafab.cli import documents, export, interlink
from rucio_dafab.cli.server import use_server_configuration
from rucio_dafab.errors import DafabError
from rucio_dafab.site.home import SCOPE
from rucio_dafab.terminal import application

if TYPE_CHECKING:
    from rucio_dafab.catalogue.bulk import LoadReport
    from rucio_dafab.catalogue.facets import Facet

app = application()

_CONSOLE = Console(stderr=True)
Scope = Annotated[str, typer.Option(help="Scope of the items.")]
Json = Annotated[bool, typer.Option("--json", help="Print the report as one JSON object.")]


@app.command()
def load(
    file: Annotated[Path, typer.Argument(help="STAC items: NDJSON, also packed by gzip, or GeoParquet.")],
    scope: Scope = SCOPE,
    account: Annotated[str, typer.Option(help="Owner of what is made.")] = "dafab_admin",
    collection: documents.Collections = None,
    update: Annotated[bool, typer.Option("--update", help="Replace documents that differ.")] = False,
    batch: Annotated[int, typer.Option(min=1, max=20_000, help="Items of one transaction.")] = 1000,
    rejects: Annotated[
        Path | None, typer.Option(help="Where rejected lines are told; by default FILE.rejects.ndjson in this folder.")
    ] = None,
    processes: Annotated[
        int | None,
        typer.Option("--processes", min=1, max=64, help="That check and write; by default one a core and one."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Register items with their documents; again finishes what broke off. Exit status 1 if a line was rejected."""
    names = documents.pairs(collection or ())
    target = rejects or Path(f"{file.name}.rejects.ndjson")
    if target.exists() and (not target.is_file() or (file.exists() and target.samefile(file))):
        raise DafabError(f"rejects cannot be told in {target}: it is the file that is read, or no file")
    use_server_configuration()
    from rucio.common.types import InternalAccount, InternalScope  # noqa: PLC0415 - reads the server's configuration

    from rucio_dafab.catalogue import bulk, sessions, writers  # noqa: PLC0415

    options = writers.LoadOptions(InternalScope(scope), InternalAccount(account), names, update=update, batch=batch)
    count = processes or writers.default_count()
    # The bar has a thread of its own, which no copy of this process may have.
    with (
        writers.running(options, count, sessions.writing, sessions.forget_connections) as running,
        _rejects(target) as reject,
        _bar(file, quiet=as_json) as progress,
    ):
        report = bulk.load(file, options, running, sessions.writing, lambda found: reject(asdict(found)), progress)
    _tell(report, target, as_json=as_json)


@app.command()
def dump(
    file: Annotated[Path, typer.Argument(help="Where to: .parquet is GeoParquet, else NDJSON; .gz is packed.")],
    scope: Scope = SCOPE,
    collection: Annotated[list[str] | None, typer.Option(help="Only items of this collection; several may be.")] = None,
    as_json: Json = False,
) -> None:
    """Write the documents of all items in the order of their names; `load` reads them again."""
    use_server_configuration()
    from rucio.common.types import InternalScope  # noqa: PLC0415

    from rucio_dafab.catalogue import dump as dumping  # noqa: PLC0415
    from rucio_dafab.catalogue import sessions  # noqa: PLC0415

    with sessions.reading() as session:
        written = dumping.dump(file, InternalScope(scope), collection, session=session)
    if not written and file.suffix == ".parquet":
        # A table without rows has no columns, so none was made: what another dump left would pass for this one.
        file.unlink(missing_ok=True)
    told = f"{written} items in {file}" if file.exists() else "no items"
    typer.echo(json.dumps({"items": written}) if as_json else told)


@app.command()
def facets(
    filter_: Annotated[
        str, typer.Option("--filter", help="What to count, as `rucio did list --filter` takes it.")
    ] = "",
    cql2: Annotated[str, typer.Option(help="What to count, in CQL2 text.")] = "",
    by: Annotated[
        str | None, typer.Option(help="month, class, grid, or a property; without it only the total.")
    ] = None,
    cell: Annotated[float, typer.Option(help="Width of a cell of the grid in degrees.")] = 1.0,
    most: Annotated[int, typer.Option(min=1, max=10_000, help="Values at most, the most frequent first.")] = 50,
    subclasses: Annotated[
        bool, typer.Option("--subclasses", help="With --by class: count what is below a class with it.")
    ] = False,
    estimate: Annotated[bool, typer.Option("--estimate", help="From statistics and samples, at once.")] = False,
    scope: Scope = SCOPE,
    as_json: Json = False,
) -> None:
    """Count the documents that answer a question: all of them, by month, class, place or any property."""
    export.check_one(filter_, cql2)
    use_server_configuration()
    from rucio.common.types import InternalScope  # noqa: PLC0415

    from rucio_dafab.catalogue import facets as counting  # noqa: PLC0415
    from rucio_dafab.catalogue import sessions  # noqa: PLC0415
    from rucio_dafab.catalogue.search import Search  # noqa: PLC0415

    asked = Search(InternalScope(scope), export.question(filter_, cql2))
    with sessions.reading() as session:
        if by is None:
            total = counting.estimate(asked, session=session) if estimate else counting.count(asked, session=session)
            typer.echo(json.dumps({"count": total, "exact": not estimate}) if as_json else str(total))
            return
        spread = counting.estimate_facets if estimate else counting.facets
        found = spread(asked, counting.By(by, cell, subclasses), most=most, session=session)
    _tell_facets(found, as_json=as_json)


app.command()(documents.validate)
app.command()(export.export)
app.command()(interlink.interlink)
app.add_typer(documents.schema, name="schema", help="Show the schemas of the collections.")


def _tell_facets(found: "Sequence[Facet]", *, as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps([asdict(each) for each in found]))
        return
    width = len(str(found[0].count)) if found else 0
    for each in found:
        about = "" if each.exact else "~"
        typer.echo(f"{about}{each.count:>{width}}  {'(none)' if each.value is None else each.value}")


class _Rejects:
    """The file of rejects, made with the first of them."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._stream: TextIO | None = None

    def __call__(self, found: dict[str, Any]) -> None:
        if self._stream is None:
            self._stream = self._path.open("w", encoding="utf-8")
        self._stream.write(json.dumps(found) + "\n")

    def close(self) -> None:
        if self._stream is not None:
            self._stream.close()


@contextmanager
def _rejects(path: Path) -> Iterator[_Rejects]:
    found = _Rejects(path)
    try:
        path.unlink(missing_ok=True)
        yield found
    finally:
        found.close()


@contextmanager
def _bar(file: Path, *, quiet: bool) -> Iterator[Any]:
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TimeRemainingColumn())
    with Progress(*columns, console=_CONSOLE, transient=True, disable=quiet or not _CONSOLE.is_terminal) as bar:
        task = bar.add_task(file.name, total=file.stat().st_size if file.is_file() else None)
        yield lambda read: bar.update(task, completed=read)


def _tell(report: "LoadReport", rejects: Path, *, as_json: bool) -> None:
    counted = {name: getattr(report, name) for name in ("created", "updated", "unchanged", "skipped", "rejected")}
    if as_json:
        timed = {"seconds": round(report.seconds, 3), "items_per_second": round(report.items_per_second, 1)}
        told = {"rejects": str(rejects)} if report.rejected else {}
        typer.echo(json.dumps({"items": report.items} | counted | timed | told))
    else:
        parts = ", ".join(f"{number} {name}" for name, number in counted.items() if number)
        typer.echo(f"{parts or 'no items'} in {report.seconds:.1f} s ({report.items_per_second:.0f} items/s)")
    if report.rejected:
        raise DafabError(f"{report.rejected} of {report.items} lines were rejected: {rejects} says which and why")
