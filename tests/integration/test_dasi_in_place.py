"""Local replicas of the catalogue are opened where they are."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from affine import Affine
from rasterio.windows import Window

from dasi_backend.interface import Rucio
from dasi_backend.rasters import opened
from rucio_dafab.client import PublishRequest
from tests.integration.dasi_products import document_of

pytestmark = pytest.mark.integration

VALUES = np.arange(64 * 64, dtype=np.uint16).reshape(64, 64)


def test_a_window_of_a_replica_is_read_in_place(site: Any, catalogue: Rucio, tmp_path: Path) -> None:
    document = document_of("32uxp", 1)
    del document["assets"]["mask"]["file:checksum"]
    profile = {"driver": "GTiff", "dtype": "uint16", "count": 1, "crs": "EPSG:32632", "tiled": True}
    grid = Affine(10, 0, 600000, 0, -10, 5500000)
    name = tmp_path / "mask.tif"
    with rasterio.open(name, "w", width=64, height=64, transform=grid, blockxsize=16, blockysize=16, **profile) as made:
        made.write(VALUES, 1)
    client = site.client("dafab_admin")
    mask = client.upload(name, "MELUXINA", f"{document['id']}.mask.tif")
    client.publish(PublishRequest("dafab", document, {"mask": mask}))
    name.unlink()
    (item,) = catalogue.list({"id": document["id"], "asset": "mask"})
    assert item.uri.startswith("file://")
    assert item.local_path.is_relative_to(site.home.rse("MELUXINA"))
    assert not item.is_part
    with opened(item) as raster:
        window = Window(16, 32, 24, 16)
        assert (raster.crs.to_epsg(), raster.transform) == (32632, grid)
        assert np.array_equal(raster.read(1, window=window), VALUES[32:48, 16:40])
