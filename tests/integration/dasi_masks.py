"""Three days of masks in the catalogue, for the tests of DASI's Rucio backend."""

import hashlib
from typing import Any

import pytest

from dasi_backend import config
from dasi_backend.interface import Rucio
from rucio_dafab.client import PublishRequest

COLLECTION = "water_analysis"
BOX = (6.0, 49.6, 6.2, 49.8)
RASTER = b"II*\0" + bytes(range(256)) * 40
VECTOR = b'{"type":"FeatureCollection","features":[]}'


def document(name: str, day: int, cloud: float) -> dict[str, Any]:
    west, south, east, north = BOX
    ring = [[west, south], [east, south], [east, north], [west, north], [west, south]]
    files = {"mask": ("mask.tif", RASTER, "image/tiff; application=geotiff; profile=cloud-optimized"),
             "vector": ("vector.geojson", VECTOR, "application/geo+json")}  # fmt: skip
    return {
        "type": "Feature",
        "stac_version": "1.1.0",
        "id": name,
        "collection": COLLECTION,
        "bbox": list(BOX),
        "geometry": {"type": "Polygon", "coordinates": [ring]},
        "properties": {
            "datetime": f"2031-05-{day:02}T10:00:00Z",
            "platform": "sentinel-2a",
            "grid:code": "MGRS-32UKA",
            "eo:cloud_cover": cloud,
        },
        "links": [],
        "assets": {
            key: {
                "href": f"./{file}",
                "type": kind,
                "roles": ["data"],
                "file:checksum": f"1220{hashlib.sha256(data).hexdigest()}",
            }
            for key, (file, data, kind) in files.items()
        },
    }


WHICH = {"collection": COLLECTION, "date": ["20310501", "20310502", "20310503"]}
"""A query for them."""


@pytest.fixture(scope="session")
def published(site: Any, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, ...]:
    """Publish three days of masks and return their names."""
    folder = tmp_path_factory.mktemp("masks")
    (folder / "mask.tif").write_bytes(RASTER)
    (folder / "vector.geojson").write_bytes(VECTOR)
    client = site.client("dafab_admin")
    names = tuple(f"dasi_test_{day}" for day in (1, 2, 3))
    for day, name in enumerate(names, start=1):
        files = {
            "mask": client.upload(folder / "mask.tif", "MELUXINA", f"{name}.mask.tif"),
            "vector": client.upload(folder / "vector.geojson", "MELUXINA", f"{name}.vector.geojson"),
        }
        client.publish(PublishRequest("dafab", document(name, day, 10.0 * day), files))
    return names


@pytest.fixture
def catalogue(site: Any, published: tuple[str, ...]) -> Rucio:
    """Return the catalogue that has them."""
    return Rucio(config.read(site.home.dasi_config))
