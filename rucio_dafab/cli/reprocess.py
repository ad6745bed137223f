"""``rucio-dafab reprocess``: products that a newer model would improve most, and the workflow that makes them again."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table

from rucio_dafab.errors import DafabError
from rucio_dafab.terminal import application

if TYPE_CHECKING:
    from argo_templates.reprocessing import Plan

app = application()
TEMPLATE = "dafab-reprocess"
_WIDTH = 200


@app.callback()
def reprocess() -> None:
    """Choose what is worth making again, and make it again."""


@app.command()
def plan(
    model: Annotated[str, typer.Option(help="The model: water or fields.")],
    to: Annotated[int, typer.Option(min=1, help="Number of its new version: 310 for 3.1.0.")],
    budget: Annotated[str | None, typer.Option(help="Time of inference at most: 90min, 4h, 2d.")] = None,
    joules: Annotated[float | None, typer.Option(min=0, help="Energy of inference at most, an estimate, J.")] = None,
    among: Annotated[str, typer.Option("--filter", help="Only products that satisfy this (CQL2 text).")] = "",
    interest: Annotated[str, typer.Option(help="Products that satisfy this (CQL2 text) weigh more.")] = "",
    weight: Annotated[float, typer.Option(min=1, help="How much more.")] = 3.0,
    site: Annotated[str, typer.Option("--at", help="The site by whose speed and watts costs are predicted.")] = "local",
    sites: Annotated[Path | None, typer.Option(help="Folder of sites; by default DAFAB_SITES or examples.")] = None,
    submit: Annotated[bool, typer.Option("--submit", help=f"Hand the list to {TEMPLATE} at the Argo server.")] = False,
    local: Annotated[bool, typer.Option("--local", help=f"Hand the list to {TEMPLATE} on this machine.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """List the products that gain most from a new version of a model, with what making them again would cost.

    The gain is distrust (of the mask against an index) by how far the version lies behind, by interest; products are
    taken by gain a second until the budget is used up. Nothing is made without --submit or --local.
    """
    from argo_templates import reprocessing  # noqa: PLC0415
    from argo_templates.placement.figures import load_figures  # noqa: PLC0415
    from argo_templates.placement.sites import load_sites  # noqa: PLC0415
    from rucio_dafab.cli.place import reader  # noqa: PLC0415

    if submit and local:
        raise DafabError("--submit and --local: only one of them can be the place")
    place = load_sites(sites).named(site)
    if place is None:
        raise DafabError(f"--at {site}: there is no file of such a site")
    seconds = None if budget is None else reprocessing.budget_seconds(budget)
    wishes = reprocessing.Wishes(model, to, among, interest, weight, seconds, joules)
    made = reprocessing.make_plan(reader(), wishes, reprocessing.speed_at(place, load_figures(), model))
    if as_json:
        typer.echo(json.dumps(asdict(made) | {"filter": made.question()}, indent=1))
    else:
        _print(made)
    if made.chosen and (submit or local):
        _hand_over(made, local)


def _hand_over(made: "Plan", local: bool) -> None:
    from rucio_dafab.cli import workflow  # noqa: PLC0415

    given = {"filter": made.question(), "models": made.model, "most": str(len(made.chosen))}
    workflow.submit(TEMPLATE, [f"{name}={value}" for name, value in given.items()], local=local)


def _print(made: "Plan") -> None:
    table = Table(box=None, pad_edge=False)
    for column in ("product", "version", "trust", "anomaly"):
        table.add_column(column, no_wrap=True)
    for column in ("gain", "seconds", "joules"):
        table.add_column(column, justify="right", no_wrap=True)
    for each in made.chosen:
        trust = "" if each.trust is None else f"{each.trust:.2f}"
        energy = "" if each.joules is None else f"{each.joules:,.0f}"
        name = f"{each.product} *" if each.wanted else each.product
        cost = (f"{each.gain:.2f}", f"{each.seconds:,.0f}", energy)
        table.add_row(name, str(each.version), trust, each.anomaly or "", *cost)
    if made.chosen:
        Console(width=_WIDTH).print(table)
    energy = "" if made.joules is None else f", {made.joules / 1000:,.0f} kJ (an estimate)"
    typer.echo(f"{len(made.chosen)} products of {made.model} to version {made.to}: {made.seconds:,.0f} s{energy}; "
               f"{made.left_out} left out")  # fmt: skip
