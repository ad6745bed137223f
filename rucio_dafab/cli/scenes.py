"""``rucio-dafab scenes``: Sentinel scenes searched in archives, and downloaded band by band."""

import json
import re
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import orjson
import typer
from rich.console import Console
from rich.filesize import decimal
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn
from rich.table import Column

from rucio_dafab.eo.sources.errors import SourceError
from rucio_dafab.terminal import application

if TYPE_CHECKING:
    from rucio_dafab.eo.sources.download import Fetched
    from rucio_dafab.eo.sources.plan import Plan
    from rucio_dafab.eo.sources.values import Found

app = application()

From = Annotated[str | None, typer.Option("--from", help="A source (`scenes sources`) or the address of a STAC API.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@app.command()
def sources(as_json: Json = False) -> None:
    """List the sources that are known by name, and the collections that each has."""
    from rucio_dafab.eo.sources.providers import load_sources  # noqa: PLC0415

    known = load_sources().providers
    if as_json:
        typer.echo(json.dumps([asdict(provider) for provider in known.values()], indent=1))
        return
    for name, provider in known.items():
        typer.echo(f"{name:<20} {provider.title}: {', '.join(provider.collections) or 'its own collections'}")


@app.command()
def search(
    source: From = "earth_search",
    collection: Annotated[str, typer.Option(help="Of ours or of the source.")] = "sentinel_2_l2a",
    bbox: Annotated[str | None, typer.Option(help="West,south,east,north in degrees.")] = None,
    area: Annotated[str | None, typer.Option(help="@luxembourg, WKT, GeoJSON or its file.")] = None,
    time: Annotated[str | None, typer.Option(help="A day, or a span: 2024-05-01/2024-05-31.")] = None,
    cloud: Annotated[float | None, typer.Option(min=0, max=100, help="Per cent of clouds at most.")] = None,
    tile: Annotated[str | None, typer.Option(help="MGRS tile, 32UNV.")] = None,
    identifier: Annotated[str | None, typer.Option("--id", help="One product.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="Products at most.")] = 20,
    as_json: Json = False,
) -> None:
    """Find scenes in an archive, the newest first."""
    from rucio_dafab.eo.sources.providers import load_sources  # noqa: PLC0415
    from rucio_dafab.eo.sources.search import search as ask  # noqa: PLC0415
    from rucio_dafab.eo.sources.values import Question  # noqa: PLC0415
    from rucio_dafab.vocabulary.times import parse_interval  # noqa: PLC0415

    when = parse_interval(time) if time else None
    question = Question(
        collection=collection or None,
        geometry=_place(bbox, area),
        start=when.start if when else None,
        end=when.end if when else None,
        cloud_cover=cloud,
        tile=_tile(tile),
        identifier=identifier,
        limit=limit,
    )
    found = list(ask(load_sources().provider(source or "earth_search"), question))
    if as_json:
        typer.echo(orjson.dumps([asdict(each) for each in found], option=orjson.OPT_INDENT_2).decode())
    else:
        _show(found)


@app.command()
def fetch(
    names: Annotated[list[str], typer.Argument(metavar="ID…", help="Ids of products, or addresses of STAC items.")],
    to: Annotated[Path, typer.Option(help="The folder in which the products appear.")],
    source: From = None,
    bands: Annotated[str | None, typer.Option(help="B02,B03,…; by default what the models take.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be downloaded.")] = False,
    as_json: Json = False,
) -> None:
    """Download the needed bands of products; what broke off goes on. Each appears whole or not at all.

    Exit status 75 says that another try may help: too many requests, a server that is down, a cut connection.
    """
    # Seconds of onnxruntime, GDAL and obstore: after the command line has been read.
    from rucio_dafab.eo.sources.plan import check_bands, needed_bands  # noqa: PLC0415
    from rucio_dafab.eo.sources.reference import Remote  # noqa: PLC0415

    wanted = check_bands(bands.upper().replace(" ", "").split(",")) if bands else needed_bands()
    told: list[dict[str, Any]] = []
    with _bars() as bar:
        for name in dict.fromkeys(names):
            remote = Remote.of(name, source)
            plan = remote.plan(wanted, to, strict=bands is not None)
            if dry_run:
                told.append(_planned(plan, quiet=as_json))
            else:
                told.append(_fetched(remote.fetch(plan, to, bar(plan)), quiet=as_json))
    if as_json:
        typer.echo(json.dumps(told, indent=1))


def _place(bbox: str | None, area: str | None) -> Mapping[str, Any] | None:
    """Return the GeoJSON geometry that is asked for, or None."""
    if bbox and area:
        raise SourceError("--bbox and --area: only one of them can be the place")
    if not (bbox or area):
        return None
    # NumPy and GEOS, which the other commands of this group do without.
    from shapely.geometry import mapping  # noqa: PLC0415

    from rucio_dafab.cli.area import given_geometry  # noqa: PLC0415
    from rucio_dafab.query.geometry import parse_geometry  # noqa: PLC0415
    from rucio_dafab.vocabulary import areas  # noqa: PLC0415

    found = parse_geometry(bbox or given_geometry(area or ""), areas.load(), "--bbox" if bbox else "--area")
    return dict(mapping(found))


def _tile(text: str | None) -> str | None:
    """Return a tile as catalogues have it: ``32UNV``, whether it was given with the T or without."""
    return re.sub(r"^T(?=\w{5}$)", "", text.upper()) if text else None


def _show(found: "list[Found]") -> None:
    """Print a table, a line a product."""
    if not found:
        typer.echo("nothing found", err=True)
        return
    header = ("id", "day", "clouds", "tile", "size")
    rows = [header, *(_row(each) for each in found)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(header))]
    # A terminal shows as many columns as it can, a pipe all; ids stay whole, as they are what `fetch` takes.
    width = Console().width if sys.stdout.isatty() else sum(widths) + len(widths)
    shown = [column for column in range(len(header)) if column < 3 or sum(widths[: column + 1]) + column <= width]
    for row in rows:
        typer.echo(" ".join(f"{row[column]:<{widths[column]}}" for column in shown).rstrip())


def _row(each: "Found") -> tuple[str, ...]:
    clouds = "" if each.cloud_cover is None else f"{each.cloud_cover:.0f} %"
    size = decimal(each.size) if each.size else ""
    return each.id, f"{each.start:%Y-%m-%d}", clouds if each.online else "offline", each.tile or "", size


@contextmanager
def _bars() -> "Iterator[Callable[[Plan], Callable[[int], None]]]":
    """Yield what begins a bar for a product; on a terminal they are drawn, elsewhere nothing is."""
    console = Console(stderr=True)
    columns = (
        TextColumn("{task.description}", table_column=Column(ratio=1, no_wrap=True, overflow="ellipsis"), markup=False),
        BarColumn(bar_width=16),
        DownloadColumn(),
        TransferSpeedColumn(),
    )
    with Progress(*columns, console=console, expand=True, disable=not console.is_terminal) as progress:

        def begin(plan: "Plan") -> Callable[[int], None]:
            task = progress.add_task(plan.found.id, total=plan.size)
            return lambda count: progress.advance(task, count)

        yield begin


def _planned(plan: "Plan", *, quiet: bool) -> dict[str, Any]:
    if not quiet:
        typer.echo(f"{plan.found.id}: {len(plan.files)} files, {decimal(plan.size or 0)}{_missing(plan)}")
        for file in plan.files:
            typer.echo(f"  {file.path}  {decimal(file.size or 0)}")
    return _told(plan) | {"outcome": "planned"}


def _fetched(fetched: "Fetched", *, quiet: bool) -> dict[str, Any]:
    if not quiet:
        what = f"fetched, {decimal(fetched.size)}" if fetched.outcome == "fetched" else "here already"
        typer.echo(f"{fetched.folder}: {what}{_missing(fetched.plan)}")
    return _told(fetched.plan) | {
        "outcome": fetched.outcome, "folder": str(fetched.folder), "downloaded_bytes": fetched.size,
    }  # fmt: skip


def _told(plan: "Plan") -> dict[str, Any]:
    files = [{"path": file.path, "bytes": file.size, "band": file.band} for file in plan.files]
    return {"id": plan.found.id, "source": plan.found.provider, "bytes": plan.size, "missing": list(plan.missing),
            "files": files}  # fmt: skip


def _missing(plan: "Plan") -> str:
    return f" (without {', '.join(plan.missing)}, which it does not have)" if plan.missing else ""
