"""``rucio-dafab report``: a page of HTML over many products."""

import tempfile
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer
from rich.console import Console
from rich.progress import track

from rucio_dafab.cli.show import client_of
from rucio_dafab.errors import DafabError
from rucio_dafab.files import write_file
from rucio_dafab.stac.asset_names import every_asset

if TYPE_CHECKING:
    from dasi_backend.config import Config
    from dasi_backend.nearness import Nearness
    from rucio_dafab.client import DafabClient, Found
    from rucio_dafab.eo.report import Entry

_THUMBNAIL: Final = "-thumbnail"


class ReportError(DafabError):
    """There is nothing to tell."""


def report(
    filter_: Annotated[str, typer.Option("--filter", help="Which, as `rucio did list --filter` takes it.")] = "",
    output: Annotated[Path, typer.Option("--output", "-o", help="The page.")] = Path("report.html"),
    title: Annotated[str, typer.Option(help="What it is called.")] = "Products",
    limit: Annotated[int, typer.Option(min=1, max=5000, help="Products at most.")] = 200,
    config: Annotated[Path | None, typer.Option(help="dasi.yml; by default DASI_CONFIG, or the site's.")] = None,
) -> None:
    """Write a page over the products that a filter finds: a map, thumbnails and numbers, in one file."""
    if output.is_dir() or not output.parent.is_dir():
        raise ReportError(f"{output} cannot be written: it is a folder, or its folder is not there")
    # Rucio's client and FDB take seconds to load: what is wrong with the command line is said before.
    from dasi_backend.config import find  # noqa: PLC0415
    from rucio_dafab.eo.report import page  # noqa: PLC0415
    from rucio_dafab.vocabulary.areas import load  # noqa: PLC0415

    settings = find(config)
    client = client_of(settings)
    found = list(_products(client, filter_, limit))
    if not found:
        raise ReportError(f"no product with a picture answers {filter_ or 'the question for everything'!r}")
    entries = list(_entries(client, settings, found))
    areas = load()
    land = [areas.geometry(name) for name in areas.names()]
    write_file(output, page(entries, land, title=title, question=filter_))
    typer.echo(f"{output}: {len(entries)} product{'s' * (len(entries) != 1)}")


def _products(client: "DafabClient", filter_: str, limit: int) -> Iterator["Found"]:
    """Yield what has a thumbnail: products, not scenes."""
    for found in client.search(filter=filter_ or None, filter_lang="rucio"):
        if found.document and any(key.endswith(_THUMBNAIL) for key in found.assets):
            yield found
            limit -= 1
        if not limit:
            return


def _entries(client: "DafabClient", settings: "Config", found: Sequence["Found"]) -> Iterator["Entry"]:
    """Yield the products with their thumbnails, verified; where their replicas lie came with the answer."""
    from dasi_backend.config import Catalogue  # noqa: PLC0415
    from dasi_backend.nearness import Nearness  # noqa: PLC0415
    from rucio_dafab.eo.report import Entry  # noqa: PLC0415

    @cache
    def settings_of(rse: str) -> dict[str, Any]:
        return dict(client.get_rse(rse))

    catalogue = settings.catalogue or Catalogue()
    nearness = Nearness(lambda: client, catalogue.rse, catalogue.protocol)
    console = Console(stderr=True)
    with tempfile.TemporaryDirectory(prefix="dafab-report-") as folder:
        for each in track(found, "pictures", console=console, transient=True, disable=not console.is_terminal):
            path = Path(folder) / each.name
            _fetch_thumbnail(each, nearness, path, settings_of)
            yield Entry(each.document or {}, path.read_bytes())


def _picture(assets: Collection[str]) -> str:
    """Return the key of the thumbnail that tells most: water against its reference, what was observed, any other."""
    from rucio_dafab.eo.products import FIELD_BOUNDARIES  # noqa: PLC0415
    from rucio_dafab.eo.water_layers import DIFFERENCE, OBSERVED_WATER  # noqa: PLC0415

    wanted = (f"{key}{_THUMBNAIL}" for key in (DIFFERENCE, OBSERVED_WATER, FIELD_BOUNDARIES))
    return next((key for key in wanted if key in assets), "") or min(key for key in assets if key.endswith(_THUMBNAIL))


def _fetch_thumbnail(
    found: "Found", nearness: "Nearness", path: Path, settings_of: Callable[[str], Mapping[str, Any]]
) -> None:
    from dasi_backend.documents import checksums_of  # noqa: PLC0415
    from dasi_backend.fetching import Wanted, fetch  # noqa: PLC0415

    key = _picture(found.assets)
    asset = found.assets[key]
    described = every_asset(found.document or {}).get(key) or {}
    name, replicas = f"{asset.scope}:{asset.name}", nearness.ordered(asset.replicas)
    fetch(Wanted(name, asset.bytes, checksums_of(asset, described), replicas), path, settings_of)
