"""``rucio-dafab run``: one scene through every step, watched on the screen."""

import json
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, cast

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn
from rich.table import Column
from rich.text import Text

from argo_templates.work import MODELS, PARCELS, SEASON
from rucio_dafab.client import DafabClient, ServerUnreachable
from rucio_dafab.errors import DafabError
from rucio_dafab.site import record
from rucio_dafab.site.home import DERIVED_ACCOUNT, RSES, Home
from rucio_dafab.site.record import SiteRecordError
from rucio_dafab.storage import check_writable
from rucio_dafab.terminal import answers_only

if TYPE_CHECKING:
    from argo_templates.pipeline import Event, Report, Watcher
    from argo_templates.work import Parcels


_REST: Final = Column(ratio=1, no_wrap=True, overflow="ellipsis")

FIT: Final = "fit"
"""Begins the line about a scene that breaks no rule of curation, whose own module would bring GDAL."""


class RunError(DafabError):
    """The command cannot begin."""


def run(
    scene: Annotated[
        str,
        typer.Argument(help="A STAC folder (item.json), a SAFE folder, the address of a STAC item, or source:id."),
    ],
    rse: Annotated[str, typer.Option(help="The storage element that keeps the products.")] = RSES[0],
    model: Annotated[list[str] | None, typer.Option(help=f"A model to run ({', '.join(MODELS)}); all of them.")] = None,
    second: Annotated[
        str | None,
        typer.Option(help="Another acquisition of the same tile, named as the scene is, for models that take two."),
    ] = None,
    parcels: Annotated[
        str,
        typer.Option(help="Fields: counted from parcels of the season, where the tile has any (season), or own ones."),
    ] = SEASON,
    reference_water: Annotated[
        Path | None,
        typer.Option(help="Water: a folder with tiles of JRC's occurrence, or a GeoTIFF of it; else earlier masks."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the report as JSON.")] = False,
    keep_work: Annotated[bool, typer.Option("--keep-work", help="Leave the working folder.")] = False,
) -> None:
    """Process one scene: fetch, archive, infer, make and publish. Running it again changes nothing."""
    models, whose = _models(model), _whose(parcels)
    _check_occurrence(reference_water)
    _check_site(rse)
    # Seconds of Hera, GDAL and ONNX Runtime: what is wrong with the command line or the site is said before.
    from argo_templates.pipeline import process  # noqa: PLC0415

    with answers_only(), watched() as watch:
        report = process(
            scene,
            rse,
            models,
            second=second,
            fields_of=whose,
            occurrence=reference_water,
            keep_work=keep_work,
            watch=watch,
        )
    if as_json:
        typer.echo(json.dumps(asdict(report), indent=1))
    else:
        # A pipe has no width of its own: DIDs stay whole there.
        show(report, Console(width=None if sys.stdout.isatty() else 220))


def _models(asked: list[str] | None) -> tuple[str, ...]:
    models = tuple(dict.fromkeys(asked or MODELS))
    unknown = [name for name in models if name not in MODELS]
    if unknown:
        raise RunError(f"no model {', '.join(unknown)}: known are {', '.join(MODELS)}")
    return models


def _whose(parcels: str) -> "Parcels":
    if parcels not in PARCELS:
        raise RunError(f"--parcels {parcels}: it is none of {', '.join(PARCELS)}")
    return cast("Parcels", parcels)


def _check_occurrence(place: Path | None) -> None:
    if place is not None and not place.is_file() and next(place.glob("occurrence_*.tif"), None) is None:
        raise RunError(f"--reference-water {place}: neither a file nor a folder with occurrence_*.tif")


def _check_site(rse: str) -> None:
    """Notice before any work that there is no site to publish at, or no such storage element.

    Raises:
        RunError: if the site was never started or does not answer.
        ClientError: if its credentials are missing or refused.
        NotFound: if it has no such storage element.
        StorageError: if that takes no writes.
    """
    try:
        record.require(Home.from_environment())
        client = DafabClient.of_account(DERIVED_ACCOUNT)
        client.check()
    except (SiteRecordError, ServerUnreachable) as error:
        raise RunError(f"the site is not up, start it with: rucio-dafab up ({error})") from error
    check_writable(client.rse_settings(rse))


@contextmanager
def watched() -> "Iterator[Watcher]":
    """Yield a watcher that draws a line a step on a terminal, and prints one a finished step elsewhere."""
    console = Console(stderr=True)
    columns = (
        SpinnerColumn(finished_text="[green]✓[/]"),
        TextColumn("{task.description}", table_column=Column(no_wrap=True, min_width=len("make fields") + 1)),
        BarColumn(bar_width=24),
        TimeElapsedColumn(),
        # What does not fit is told by the report at the end: a step is one line.
        TextColumn("{task.fields[detail]}", style="dim", markup=False, table_column=_REST),
    )
    with Progress(*columns, console=console, expand=True, disable=not console.is_terminal) as progress:
        tasks: dict[str, TaskID] = {}

        def watch(event: "Event") -> None:
            _draw(progress, tasks, event)
            if event.state == "ended" and not console.is_terminal:
                line = f"{event.step:<14} {event.seconds:6.2f} s  {event.detail}"
                console.print(line, markup=False, highlight=False, soft_wrap=True)

        yield watch


def _draw(progress: Progress, tasks: dict[str, TaskID], event: "Event") -> None:
    if event.state == "began":
        tasks[event.step] = progress.add_task(event.step, total=None, detail="")
    elif event.state == "came":
        progress.update(tasks[event.step], completed=event.done, total=event.total)
    else:
        progress.update(tasks[event.step], completed=1, total=1, detail=event.detail)


NUMBERS: Final = (
    ("dafab:observed_water_km2", "{:.3f} km² of water"),
    ("dafab:observed_water_percent", "{:.1f} % of what is clear"),
    ("dafab:anomaly_type", "{}"),
    ("dafab:agricultural_coverage", "{:.1f} % fields"),
    ("dafab:cloud_free_agricultural_coverage", "{:.1f} % without a cloud"),
    ("dafab:clear_percent", "{:.0f} % clear"),
)
"""Properties of an item that the table shows, and how."""


def show(report: "Report", console: Console) -> None:
    """Print what was registered, two lines an item: what came of it with its key numbers, and its DID.

    DIDs stand on lines of their own and are never folded, so that they can be copied.
    """
    console.print(Text(f"{report.scene}: {report.outcome}", "bold"), soft_wrap=True)
    console.print(Text(f"  {report.curation}", "dim" if report.curation.startswith(FIT) else "yellow"), soft_wrap=True)
    for item in report.items:
        console.print(
            Text(f"  {item['collection']:<18} {item['outcome']:<10} {', '.join(key_numbers(item))}"), soft_wrap=True
        )
        console.print(Text(f"    {item['did']}", "cyan"), soft_wrap=True)
    for name, made in report.record.items():
        if "reason" in made:
            console.print(Text(f"  {name:<18} {made['outcome']:<10} {made['reason']}", "yellow"), soft_wrap=True)
    seconds = ", ".join(f"{step} {seconds:.1f} s" for step, seconds in report.steps)
    console.print(Text(f"  {seconds}", "dim"), soft_wrap=True)


def key_numbers(item: Mapping[str, Any]) -> list[str]:
    """Return what a person wants to know of a published item first: files, bytes, numbers of the scene."""
    size = sum(file["bytes"] for file in item["files"])
    files = [f"{len(item['files'])} files, {size / 1e6:.2f} MB"] if item["files"] else []
    properties = item["properties"]
    fields = properties.get("dafab:smart-agriculture", {}).get("number_of_fields")
    counted = [] if fields is None else [f"{fields} fields"]
    return files + counted + [form.format(properties[key]) for key, form in NUMBERS if key in properties]
