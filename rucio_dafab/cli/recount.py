"""``rucio-dafab recount``: stored field parcels counted under the clouds of another acquisition of their tile."""

import json
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from rucio_dafab.terminal import answers_only

if TYPE_CHECKING:
    from rucio_dafab.eo.recount import Recount


def recount(
    scene: Annotated[Path, typer.Argument(help="A STAC folder (item.json) or a SAFE folder of the parcels' tile.")],
    parcels: Annotated[str, typer.Option(help="A GeoParquet file of parcels, or the id of a field product in Rucio.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print the numbers as JSON.")] = False,
) -> None:
    """Count field parcels that are stored already under the clouds of a scene; nothing is delineated or published.

    `rucio-dafab run` does the same by itself, and publishes it, where the tile has parcels of the season.
    """
    # Seconds of GDAL and GeoPandas: what is wrong with the command line is said before.
    from rucio_dafab.eo.recount import recount as count  # noqa: PLC0415
    from rucio_dafab.eo.scene import open_scene  # noqa: PLC0415
    from rucio_dafab.eo.stored_parcels import read_parcels  # noqa: PLC0415

    with answers_only(), _file(parcels) as path:
        opened = open_scene(scene)
        found = count(opened, read_parcels(path))
    if as_json:
        typer.echo(json.dumps(_told(opened.id, parcels, found), indent=1))
        return
    numbers = found.numbers
    typer.echo(f"{opened.id}: {numbers.number} of {found.stored} parcels lie where it has data")
    typer.echo(f"  {numbers.cloud_free_number} of them touched by no cloud")
    typer.echo(f"  agricultural coverage {numbers.coverage_percent:.1f} %, ", nl=False)
    typer.echo(f"cloud-free {numbers.cloud_free_coverage_percent:.1f} %")


def _told(scene: str, parcels: str, found: "Recount") -> dict[str, Any]:
    return {"scene": scene, "parcels": parcels} | asdict(found)


@contextmanager
def _file(parcels: str) -> Iterator[Path]:
    """Yield the file of parcels, which is fetched through Rucio where no such file is here.

    Raises:
        WorkError: if the item has no parcels.
        UnknownItem: if there is neither such a file nor such an item.
        ChecksumError, StoreError: if no replica can be read whole.
        ClientError: if the catalogue does not answer.
    """
    here = Path(parcels)
    if here.exists() or "/" in parcels or here.suffix == ".parquet":
        yield here
        return
    from argo_templates.steps.recount import fetch_parcels  # noqa: PLC0415
    from rucio_dafab.client import DafabClient  # noqa: PLC0415
    from rucio_dafab.site.home import DERIVED_ACCOUNT  # noqa: PLC0415

    with tempfile.TemporaryDirectory(prefix="dafab-parcels-") as folder:
        yield fetch_parcels(DafabClient.of_account(DERIVED_ACCOUNT), parcels, Path(folder))[1]
