"""Bands read in place: windows of rasters that lie inside a data file of the store."""

from pathlib import Path

import numpy as np
import pytest
import rasterio
from rasterio.windows import Window

from dasi_backend.errors import StoreError
from dasi_backend.items import Item, Key
from dasi_backend.language import Request
from dasi_backend.local import LocalBackend
from dasi_backend.rasters import opened
from dasi_backend.store import Store
from rucio_dafab.eo.errors import BandUnreadable
from tests.integration.rolling_store.scenes import BANDS, make_scene

pytestmark = pytest.mark.integration


def bands(store: Store, name: str) -> dict[str, Item]:
    """Return the bands of a product by name."""
    found = LocalBackend(store).list(Request("list", {"product": (name,), "kind": ("band",)}))
    return {item.key["band"].upper(): item for item in found}


@pytest.mark.parametrize("folder", ["store", "odd, #1 %41"])
def test_a_window_of_a_band_in_the_store_is_that_of_the_file(tmp_path: Path, scene: Path, folder: str) -> None:
    store = Store(tmp_path / folder)
    store.archive(scene)
    found = bands(store, "scene_a")
    assert set(found) == set(BANDS)
    for name, item in found.items():
        window = Window(8, 16, 24, 32)
        with rasterio.open(scene / f"{name}.tif") as plain, opened(item) as raster:
            assert raster.crs == plain.crs
            assert np.array_equal(raster.read(1, window=window), plain.read(1, window=window))


def test_a_damaged_band_is_refused_by_name(tmp_path: Path, scene: Path) -> None:
    store = Store(tmp_path / "store")
    store.archive(scene)
    found = bands(store, "scene_a")["B03"]
    with Path(found.uri).open("r+b") as file:
        file.seek(found.offset)
        file.write(b"\0" * 8)
    with pytest.raises(BandUnreadable, match=r"B03\.tif: .* is neither a GeoTIFF"), opened(found):
        pass


def test_a_raster_cannot_refer_to_other_files(tmp_path: Path) -> None:
    secret = make_scene(tmp_path / "secret") / "B02.tif"
    vrt = tmp_path / "mask.tif"
    band = f"<SimpleSource><SourceFilename>{secret}</SourceFilename><SourceBand>1</SourceBand></SimpleSource>"
    vrt.write_text(
        '<VRTDataset rasterXSize="64" rasterYSize="64">'
        f'<VRTRasterBand dataType="UInt16" band="1">{band}</VRTRasterBand></VRTDataset>'
    )
    item = Item(Key({}), "dafab:mask.tif", f"file://localhost{vrt}", vrt.stat().st_size)
    with pytest.raises(BandUnreadable, match="neither a GeoTIFF nor a JPEG 2000"), opened(item):
        pass


def test_what_is_elsewhere_cannot_be_opened() -> None:
    item = Item(Key({}), "dafab:mask.tif", "https://example.org/mask.tif", 1)
    with pytest.raises(StoreError, match="retrieve it to a file"), opened(item):
        pass
