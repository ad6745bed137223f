"""The same three products for every kind of store that DASI knows: archived, published, or some of each."""

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from dasi_backend.store import Store
from rucio_dafab.client import PublishRequest
from tests.integration.rolling_store.scenes import make_scene

COLLECTION = "water_analysis"
RASTER = b"II*\0" + bytes(range(256)) * 40
BOX = (6.0, 49.6, 6.2, 49.8)
DAYS = (1, 2, 3)


def name_of(tile: str, day: int) -> str:
    """Return the id of the product of a day of May 2032."""
    return f"contract_{tile}_{day}"


def archive(store: Store, folder: Path, tile: str, days: Sequence[int] = DAYS) -> None:
    """Archive a scene for each day."""
    for day in days:
        make_scene(folder / str(day), name_of(tile, day), size=16, seed=day, **_properties(tile, day))
        store.put(folder / str(day))


def publish(site: Any, folder: Path, tile: str, days: Sequence[int] = DAYS) -> None:
    """Publish a mask for each day."""
    (folder / "mask.tif").write_bytes(RASTER)
    client = site.client("dafab_admin")
    for day in days:
        mask = client.upload(folder / "mask.tif", "MELUXINA", f"{name_of(tile, day)}.mask.tif")
        client.publish(PublishRequest("dafab", document_of(tile, day), {"mask": mask}))


def _properties(tile: str, day: int) -> dict[str, Any]:
    return {
        "datetime": f"2032-05-{day:02}T10:00:00Z",
        "platform": "sentinel-2a",
        "processing:level": "L2A",
        "grid:code": f"MGRS-{tile.upper()}",
        "sat:relative_orbit": 22,
        "eo:cloud_cover": 10.0 * day,
    }


def document_of(tile: str, day: int) -> dict[str, Any]:
    """Return the item of a mask of a day."""
    west, south, east, north = BOX
    ring = [[west, south], [east, south], [east, north], [west, north], [west, south]]
    return {
        "type": "Feature",
        "stac_version": "1.1.0",
        "id": name_of(tile, day),
        "collection": COLLECTION,
        "bbox": list(BOX),
        "geometry": {"type": "Polygon", "coordinates": [ring]},
        "properties": _properties(tile, day),
        "links": [],
        "assets": {
            "mask": {
                "href": "./mask.tif",
                "type": "image/tiff; application=geotiff; profile=cloud-optimized",
                "roles": ["data"],
                "file:checksum": f"1220{hashlib.sha256(RASTER).hexdigest()}",
            }
        },
    }
