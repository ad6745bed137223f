"""Products fetched in one call, and items small enough to reason about."""

from pathlib import Path
from typing import Any

from rucio_dafab.eo.sources.download import Fetched
from rucio_dafab.eo.sources.reference import Remote
from tests.unit.eo.sources.archive import Archive

BANDS = ("B02", "B03", "B04", "B08", "B11", "B12", "SCL")


def fetch(name: str, source: str, to: Path, bands: tuple[str, ...] = BANDS) -> Fetched:
    """Return a product that was brought into a folder."""
    remote = Remote.of(name, source)
    return remote.fetch(remote.plan(bands, to), to)


def small_item(
    archive: Archive, identifier: str, collection: str = "sentinel-2-l2a", **properties: Any
) -> dict[str, Any]:
    """Return an item with one band of ten bytes."""
    asset = {"href": f"{archive.url}/data/B02.tif", "file:size": 10}
    return {
        "type": "Feature", "id": identifier, "collection": collection, "geometry": None, "links": [],
        "properties": {"datetime": "2024-06-01T10:00:00Z"} | properties, "assets": {"B02": asset},
    }  # fmt: skip
