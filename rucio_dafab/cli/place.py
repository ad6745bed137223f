"""``rucio-dafab place``: where items would be processed, the table behind it, the sites, and the simulator."""

import json
import os
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer
from rich.console import Console
from rich.filesize import decimal
from rich.table import Table
from typer.core import TyperGroup
from typing_extensions import override

from rucio_dafab.errors import DafabError
from rucio_dafab.terminal import application

if TYPE_CHECKING:
    from argo_templates.placement.simulator import Comparison
    from argo_templates.placement.values import Placement, Prediction
    from rucio_dafab.client import DafabClient

_READER: Final = "user_dafab"
_VERB: Final = "item"
_WIDTH: Final = 1000


class PlaceGroup(TyperGroup):
    """A group whose first word may be an item: ``place ITEM`` is ``place item ITEM``."""

    @override
    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Put the verb where it was left out."""
        if args and args[0] not in {*self.commands, "--help"}:
            args = [_VERB, *args]
        return super().parse_args(ctx, args)


app = application(cls=PlaceGroup)

Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Folder = Annotated[Path | None, typer.Option("--sites", help="Folder of sites; by default DAFAB_SITES or examples.")]


@app.command(_VERB)
def item(
    items: Annotated[list[str], typer.Argument(metavar="ITEM…", help="Names of items in the catalogue.")],
    explain: Annotated[bool, typer.Option("--explain", help="Show every candidate, and why others are none.")] = False,
    models: Annotated[str, typer.Option(help="The models that would run, comma separated.")] = "water,fields",
    gpu: Annotated[bool, typer.Option("--gpu", help="On GPUs alone.")] = False,
    site: Annotated[str | None, typer.Option(help="At this site, whatever it costs.")] = None,
    policy: Annotated[str, typer.Option(help="Where no slot is free now: queue or refuse.")] = "queue",
    seconds_per_euro: Annotated[float, typer.Option(min=0, help="How long a euro is waited for.")] = 0.0,
    sites: Folder = None,
    as_json: Json = False,
) -> None:
    """Say where items would be processed: the cheapest place by data, room, speed and price.

    Nothing is moved and nothing is started. Exit status 75 says that there is no room now.
    """
    from argo_templates.placement.figures import load_figures  # noqa: PLC0415
    from argo_templates.placement.formula import Formula  # noqa: PLC0415
    from argo_templates.placement.replicas import tasks_of  # noqa: PLC0415
    from argo_templates.placement.sites import load_sites  # noqa: PLC0415
    from argo_templates.scaling import sites as room  # noqa: PLC0415

    if policy not in ("queue", "refuse"):
        raise DafabError(f"--policy {policy}: it is none of queue, refuse")
    figures = load_figures()
    names = _models(models, figures.models)
    formula = Formula(
        room.now(load_sites(sites)), figures, seconds_per_euro, "queue" if policy == "queue" else "refuse"
    )
    tasks = tasks_of(reader(), items, names, needs_gpu=gpu)
    placements = [formula.place(task, only=site) for task in tasks]
    if as_json:
        typer.echo(json.dumps([_told(each) for each in placements], indent=1))
        return
    for each in placements:
        typer.echo(f"{each.item}: {each.chosen.site}/{each.chosen.queue}{_because(each.chosen)}")
        if explain:
            _print(_candidates(each))


@app.command()
def simulate(
    scenario: Annotated[str, typer.Argument(help="A scenario that ships, or a file: balanced, skewed, scarce-gpus.")],
    seed: Annotated[int | None, typer.Option(help="Another seed than the scenario's.")] = None,
    as_json: Json = False,
) -> None:
    """Compare the formula with "always where the data are" and "always the fastest site" over a scenario."""
    from dataclasses import replace  # noqa: PLC0415

    from argo_templates.placement.figures import load_figures  # noqa: PLC0415
    from argo_templates.placement.scenarios import load_scenario  # noqa: PLC0415
    from argo_templates.placement.simulator import compare  # noqa: PLC0415

    figures = load_figures()
    asked, sizes = load_scenario(scenario, figures)
    asked = asked if seed is None else replace(asked, seed=seed)
    found = compare(asked, sizes, figures)
    if as_json:
        below = {"below_data": found.below_data, "below_fastest": found.below_fastest}
        typer.echo(json.dumps(asdict(found) | below | {"seed": asked.seed, "sizes": sizes.source}, indent=1))
        return
    typer.echo(f"{asked.name}: {asked.title}; {asked.items:,} items, seed {asked.seed}")
    typer.echo(f"sizes: {sizes.source}")
    typer.echo(asked.assumptions)
    _print(_compared(found))


@app.command("sites")
def sites_(sites: Folder = None, as_json: Json = False) -> None:
    """List the sites with their queues; a folder that cannot be used is refused with a line for each fault."""
    from argo_templates.placement.sites import load_sites  # noqa: PLC0415

    known = load_sites(sites).sites
    if as_json:
        typer.echo(json.dumps([asdict(site) for site in known], indent=1))
        return
    table = _table("site", "runtime", "RSE", "queue", "device", "cores", "GiB", "GPUs")
    for site in known:
        for queue in site.queues:
            room = (str(queue.cores), f"{queue.memory_gib:.0f}", str(queue.gpus))
            table.add_row(site.name, site.runtime, site.rse, queue.name, queue.device, *room)
    _print(table)


def _models(text: str, known: Iterable[str]) -> tuple[str, ...]:
    from argo_templates.work import listed  # noqa: PLC0415

    names = listed(text)
    unknown = [name for name in names if name not in known]
    if unknown or not names:
        raise DafabError(f"--models {text}: measured are {', '.join(known)}")
    return names


def reader() -> "DafabClient":
    """Return the client of ``RUCIO_CONFIG``, else of the reading account of the site of ``DAFAB_HOME``."""
    from rucio_dafab.client import DafabClient  # noqa: PLC0415

    path = os.environ.get("RUCIO_CONFIG")
    return DafabClient.from_config(Path(path)) if path else DafabClient.of_account(_READER)


def _because(chosen: "Prediction") -> str:
    moved = f", {decimal(chosen.bytes_moved)} to bring" if chosen.moves else ", where the data are"
    return f" ({chosen.runtime}){moved}, {chosen.seconds:,.0f} s, {chosen.euros:.3f} EUR"


def _told(placement: "Placement") -> dict[str, Any]:
    return {
        "item": placement.item,
        "chosen": _line(placement.chosen),
        "candidates": [_line(each) for each in placement.candidates],
    }


def _line(each: "Prediction") -> dict[str, Any]:
    if each.refusal is not None:
        return {"site": each.site, "queue": each.queue, "refused": each.refusal.reason, "for_now": each.refusal.for_now}
    return asdict(each) | {"seconds": each.seconds, "bytes_moved": each.bytes_moved}


def _candidates(placement: "Placement") -> Table:
    numbers = ("to bring", "transfer s", "waiting s", "compute s", "EUR", "cost")
    table = _table("site", "queue", "runtime", "RSE", *numbers, "")
    for each in placement.candidates:
        place = (each.site, each.queue, each.runtime, each.rse)
        if each.refusal is not None:
            table.add_row(*place, *[""] * len(numbers), f"refused: {each.refusal.reason}")
            continue
        seconds = (each.transfer_seconds, each.waiting_seconds, each.compute_seconds)
        shown = (*(f"{value:,.1f}" for value in seconds), f"{each.euros:.3f}", f"{each.cost:,.1f}")
        table.add_row(*place, decimal(each.bytes_moved), *shown, "chosen" if each is placement.chosen else "")
    return table


def _compared(found: "Comparison") -> Table:
    table = _table("strategy", "total s", "moved", "EUR", "items", "ours is below by")
    rows: tuple[tuple[Any, str], ...] = (
        (found.ours, ""),
        (found.data, f"{found.below_data:.1%}"),
        (found.fastest, f"{found.below_fastest:.1%}"),
    )
    for outcome, below in rows:
        items = ", ".join(f"{name} {count}" for name, count in outcome.items.items() if count)
        row = (f"{outcome.seconds:,.0f}", decimal(outcome.bytes_moved), f"{outcome.euros:,.0f}", items, below)
        table.add_row(outcome.strategy, *row)
    return table


def _table(*columns: str) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        table.add_column(column, no_wrap=True)
    return table


def _print(table: Table) -> None:
    """Print a table whole, whatever the width of the terminal: a reason that is cut off is none."""
    Console(width=_WIDTH, highlight=False, markup=False).print(table)
