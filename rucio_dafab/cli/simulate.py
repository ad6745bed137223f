"""``rucio-dafab simulate``: a Sentinel-2 scene with known truth."""

import datetime as dt
from pathlib import Path
from typing import Annotated

import typer

FLOOD = 0.55
"""Metres of water above the season's usual: a flood of about the size of the usual water of a scene."""
DROUGHT = 0.8
DAY = typer.Option(formats=["%Y-%m-%d"], show_default="2026-06-14", help="Day of the image.")


def simulate(
    out: Annotated[Path, typer.Argument(help="Folder for the product.")],
    seed: Annotated[int, typer.Option(help="The same seed gives the same scene.")] = 1,
    size: Annotated[int, typer.Option(help="Rows and columns at 10 m.")] = 1024,
    date: Annotated[dt.datetime, DAY] = dt.datetime(2026, 6, 14),
    flood: Annotated[bool, typer.Option("--flood/--dry", help="High water or low water.")] = True,
    clouds: Annotated[float, typer.Option(help="Part of the scene under cloud, 0 to 1.")] = 0.06,
    snow: Annotated[float, typer.Option(help="Part of the land under snow, 0 to 1.")] = 0.0,
    glint: Annotated[float, typer.Option(help="How much of the sun the water mirrors, 0 to 1.")] = 0.0,
    truth: Annotated[bool, typer.Option(help="Write water.tif and parcels.tif beside the product.")] = False,
    overwrite: Annotated[bool, typer.Option(help="Replace a product of the same name.")] = False,
) -> None:
    """Make a scene of Luxembourg with a river, lakes, fields, woods, towns and clouds, as a SAFE L2A product.

    Raises:
        DafabError: if an option is out of its range or the product cannot be written.
    """
    # Imported here: `--help` answers without numpy and rasterio.
    from rucio_dafab.eo import simulate as simulator  # noqa: PLC0415

    options = simulator.Options(size=size, date=date.date(), flood=FLOOD if flood else 0.0,
                                drought=0.0 if flood else DROUGHT, clouds=clouds, snow=snow, glint=glint)  # fmt: skip
    scene = simulator.simulate(seed, options)
    typer.echo(str(simulator.write_safe(scene, out, overwrite)))
    if truth:
        for path in simulator.write_truth(scene, out).values():
            typer.echo(str(path))
