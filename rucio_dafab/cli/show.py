"""``rucio-dafab show``: a picture of a scene and of what was made of it."""

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer
from rich.console import Console

from rucio_dafab.errors import DafabError
from rucio_dafab.stac.asset_names import every_asset
from rucio_dafab.stac.links import DERIVED, links_of

if TYPE_CHECKING:
    from dasi_backend.config import Config
    from rucio_dafab.client import DafabClient
    from rucio_dafab.eo.bands import Scene
    from rucio_dafab.eo.products import Product

_TRUE_COLOUR: Final = ("B04", "B03", "B02")


class ShowError(DafabError):
    """There is nothing to draw."""


def show(
    item: Annotated[str, typer.Argument(help="The id of a scene, or of one product of it.")],
    output: Annotated[Path | None, typer.Option("--output", "-o", help="The PNG; by default ID.png here.")] = None,
    config: Annotated[Path | None, typer.Option(help="dasi.yml; by default DASI_CONFIG, or the site's.")] = None,
) -> None:
    """Draw a scene in true colour beside its products: water against its reference, field boundaries, the numbers.

    The products come from the catalogue, the bands from the rolling store.
    """
    path = output or Path(f"{item.replace('/', '_')}.png")
    if path.is_dir() or not path.parent.is_dir():
        raise ShowError(f"{path} cannot be written: it is a folder, or its folder is not there")
    # FDB, GDAL and Rucio's client take seconds to load: what is wrong with the command line is said before.
    from dasi_backend.config import find  # noqa: PLC0415
    from rucio_dafab.eo.collage import collage  # noqa: PLC0415

    settings = find(config)
    client = client_of(settings)
    scene_id, documents = _drawn(client, item)
    with (
        tempfile.TemporaryDirectory(prefix="dafab-show-") as folder,
        Console(stderr=True).status(f"reading {scene_id}"),
    ):
        scene = _scene(settings, scene_id, Path(folder))
        collage(scene, [_product(settings, document, Path(folder)) for document in documents], path)
    typer.echo(f"{path}: {scene_id} with {len(documents)} product{'s' * (len(documents) != 1)}")


def client_of(settings: "Config") -> "DafabClient":
    """Return a client with the account of ``RUCIO_CONFIG``, or else of a ``dasi.yml``.

    Raises:
        ShowError: if neither names one.
    """
    from rucio_dafab.client import DafabClient  # noqa: PLC0415

    path = os.environ.get("RUCIO_CONFIG") or (settings.catalogue.config_path if settings.catalogue else None)
    if path is None:
        raise ShowError("no account for the catalogue: set RUCIO_CONFIG, or rucio.config_path in dasi.yml")
    return DafabClient.from_config(Path(path))


def _drawn(client: "DafabClient", item: str) -> tuple[str, list[dict[str, Any]]]:
    """Return the id of the scene, and the documents of the products that are drawn beside it."""
    from rucio_dafab.client import NotFound  # noqa: PLC0415
    from rucio_dafab.eo.products import FIELDS_COLLECTION, WATER_COLLECTION  # noqa: PLC0415

    try:
        found = next(client.read_documents([item])).document
    except NotFound as error:
        raise ShowError(f"the catalogue has no item {item[:100]}") from error
    if not found:
        raise ShowError(f"{item} has no document")
    drawable = (WATER_COLLECTION, FIELDS_COLLECTION)
    if found.get("collection") in drawable:
        return _source(found), [found]
    # What has no files, as a recount of stored parcels, has nothing to draw.
    derived = [each for each in _derived(client, item) if each["collection"] in drawable and each.get("assets")]
    return item, sorted(derived, key=lambda each: (drawable.index(each["collection"]), each["id"]))


def _source(product: dict[str, Any]) -> str:
    names = [link.name for link in links_of(product, product["id"]) if link.rel == DERIVED]
    sources = [name for name in names if name not in (_second(product), _counted(product))]
    if len(sources) != 1:
        raise ShowError(f"{product['id']} does not say of which scene it was made")
    return sources[0]


def _second(product: dict[str, Any]) -> str | None:
    """Return the id of the second acquisition that a product was made of, or None."""
    from rucio_dafab.eo.items import SECOND_ACQUISITION  # noqa: PLC0415

    identifier: str | None = product["properties"].get(SECOND_ACQUISITION, {}).get("id")
    return identifier


def _counted(product: dict[str, Any]) -> str | None:
    """Return the id of the product whose parcels a recount counts, or None."""
    from rucio_dafab.eo.recount_items import MEMBER  # noqa: PLC0415

    identifier: str | None = product["properties"].get(MEMBER, {}).get("parcels")
    return identifier


def _derived(client: "DafabClient", scene_id: str) -> Iterator[dict[str, Any]]:
    """Yield the documents of the latest products of a scene, not those that it is the second acquisition of."""
    asked = {f"id.link:{DERIVED}": scene_id}
    for found in client.search(filter=asked, filter_lang="rucio"):
        if found.document is not None and _second(found.document) != scene_id:
            yield found.document


def _scene(settings: "Config", scene_id: str, folder: Path) -> "Scene":
    """Return the scene as the rolling store has it, with the bands of a true colour picture."""
    from dasi_backend.errors import NotStored  # noqa: PLC0415
    from dasi_backend.interface import Dasi  # noqa: PLC0415
    from rucio_dafab.eo.scene import open_scene  # noqa: PLC0415

    try:
        return open_scene(Dasi(settings).store.retrieve(scene_id, folder / "scene", _TRUE_COLOUR))
    except NotStored as error:
        raise ShowError(f"{error}: `rucio-dafab run` archives the scene again") from error


def _product(settings: "Config", document: dict[str, Any], folder: Path) -> "Product":
    """Return a product with the one file that is drawn."""
    from dasi_backend.interface import Rucio  # noqa: PLC0415
    from rucio_dafab.eo.products import FIELD_BOUNDARIES_PARQUET, Product  # noqa: PLC0415
    from rucio_dafab.eo.water_layers import DIFFERENCE, OBSERVED_WATER  # noqa: PLC0415

    drawn = (DIFFERENCE, OBSERVED_WATER, FIELD_BOUNDARIES_PARQUET)
    asset = next((key for key in drawn if key in every_asset(document)), None)
    if asset is None:
        raise ShowError(f"{document['id']} has no file that could be drawn: it has none of {', '.join(drawn)}")
    query = {"collection": document["collection"], "id": document["id"], "asset": asset}
    (file,) = Rucio(settings).retrieve(query, folder / "[id].[asset]", expect=1)
    return Product(document, {asset: file.path})
