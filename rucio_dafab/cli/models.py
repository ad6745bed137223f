"""``rucio-dafab models``: the nets that ship with this version, and their items in the catalogue."""

import json
from dataclasses import asdict
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from rucio_dafab.errors import DafabError
from rucio_dafab.site.home import DERIVED_ACCOUNT, RSES, SCOPE
from rucio_dafab.terminal import application

app = application()

Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
_WIDTH = 160


@app.callback()
def models() -> None:
    """Show the nets that ship with this version, and register them in Rucio."""


@app.command("list")
def list_models(as_json: Json = False) -> None:
    """List the nets with the DIDs that they have once they are registered; no site is needed."""
    rows = [_row(name) for name in _named(None)]
    if as_json:
        typer.echo(json.dumps(rows, indent=1))
        return
    table = Table(box=None, pad_edge=False)
    for column in ("model", "version", "bands", "outputs"):
        table.add_column(column)
    table.add_column("parameters", justify="right")
    table.add_column("DID", no_wrap=True)
    for row in rows:
        shown = (row["model"], row["version"], " ".join(row["bands"]), " ".join(row["outputs"]))
        table.add_row(*shown, f"{row['parameters']:,}", row["did"])
    Console(width=_WIDTH).print(table)


@app.command()
def show(
    name: Annotated[str, typer.Argument(help="The net: water, water_radar or fields.")], as_json: Json = False
) -> None:
    """Show what is said of a net: with --json its whole STAC item, before it is published."""
    from rucio_dafab.eo.model_items import describe  # noqa: PLC0415 - ONNX Runtime

    (known,) = _named([name])
    item = describe(known).item
    if as_json:
        typer.echo(json.dumps(item, indent=1, ensure_ascii=False))
        return
    table = Table(box=None, pad_edge=False, show_header=False)
    table.add_row("DID", f"{SCOPE}:{item['id']}")
    for key, value in item["properties"].items():
        if value is not None and not isinstance(value, dict) and not _objects(value):
            table.add_row(key, ", ".join(value) if isinstance(value, list) else str(value))
    for asset in item["assets"].values():
        table.add_row("file", f"{item['id']}.{asset['href'].removeprefix('./')}, {asset['file:size']:,} bytes")
    Console(width=_WIDTH).print(table)


@app.command()
def register(
    name: Annotated[list[str] | None, typer.Argument(help="Nets to register; all of them if left out.")] = None,
    rse: Annotated[str, typer.Option(help="The storage element that keeps the files.")] = RSES[0],
    as_json: Json = False,
) -> None:
    """Register nets as items of the collection `models`, with their files; what is registered stays as it is."""
    names = _named(name)
    from argo_templates import model_registry  # noqa: PLC0415 - ONNX Runtime
    from rucio_dafab.client import DafabClient  # noqa: PLC0415
    from rucio_dafab.eo.model_items import describe  # noqa: PLC0415

    client = DafabClient.of_account(DERIVED_ACCOUNT)
    told = []
    for each in names:
        told.append(model_registry.register(client, describe(each), rse))
        if not as_json:
            succeeds = f", succeeds {told[-1].predecessor}" if told[-1].predecessor else ""
            typer.echo(f"{told[-1].outcome:<10} {SCOPE}:{told[-1].item}{succeeds}")
    if as_json:
        typer.echo(json.dumps([asdict(each) | {"did": f"{SCOPE}:{each.item}"} for each in told], indent=1))


def _named(names: list[str] | None) -> tuple[str, ...]:
    """Return the nets that are asked for, all of them by default, before anything is done."""
    from rucio_dafab.eo.model_items import SHIPPED  # noqa: PLC0415 - ONNX Runtime

    unknown = [name for name in names or () if name not in SHIPPED]
    if unknown:
        raise DafabError(f"no model {', '.join(unknown)}: known are {', '.join(SHIPPED)}")
    return tuple(dict.fromkeys(names or SHIPPED))


def _row(name: str) -> dict[str, Any]:
    from rucio_dafab.eo.model_items import describe  # noqa: PLC0415

    item = describe(name).item
    properties = item["properties"]
    return {
        "model": name,
        "version": properties["version"],
        "did": f"{SCOPE}:{item['id']}",
        "bands": properties["mlm:input"][0]["bands"],
        "outputs": properties["mlm:output"][0]["dafab:channels"],
        "parameters": properties["mlm:total_parameters"],
        "sha256": properties["dafab:model_checksum"].removeprefix("1220"),
    }


def _objects(value: Any) -> bool:
    return isinstance(value, list) and any(isinstance(each, dict) for each in value)
