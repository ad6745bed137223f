"""Products of real Sentinel-2 pixels, masked by an index: whole, valid, in their true place."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import geopandas
import numpy as np
import pytest
import rasterio
import shapely
from PIL import Image
from pyproj import Transformer
from scipy import ndimage

from rucio_dafab.eo import products, water_layers
from rucio_dafab.eo.items import PRODUCTS_REVISION
from rucio_dafab.eo.products import make_fields, make_water
from rucio_dafab.eo.scene import open_scene, read_bands

Make = Callable[..., Any]
pytestmark = pytest.mark.shared


def test_the_danube(shared: Path, predict: Make, card: Any, tmp_path: Path) -> None:
    """The Danube crosses this piece of Austria from the south-west to the east; NDWI finds it."""
    scene = open_scene(shared / "scenes" / "ftw_austria_a")
    green, near_infrared = read_bands(scene, ["B03", "B08"])
    index = (green - near_infrared) / np.maximum(green + near_infrared, 1e-3)
    product = make_water(scene, predict(water=np.clip(0.5 + index, 0, 1)), card, tmp_path)
    properties = product.item["properties"]
    assert 10 < properties["dafab:observed_water_percent"] < 25
    assert properties["attribution"].endswith("2015–2024")
    with rasterio.open(product.files[water_layers.OBSERVED_WATER]) as source:
        assert (source.crs, source.transform, source.shape) == (scene.crs, scene.transform, scene.shape)
        assert source.read(1).sum() * 1e-4 == pytest.approx(properties["dafab:observed_water_km2"])
        midstream = Transformer.from_crs("EPSG:4326", source.crs.to_wkt(), always_xy=True).transform(13.115, 48.277)
        assert next(source.sample([midstream]))[0] == 1


def test_files_and_items_of_a_real_scene_say_where_they_are_from(
    shared: Path, predict: Make, card: Any, tmp_path: Path
) -> None:
    """The tags are read by Pillow, which knows TIFF's own numbers and nothing of GDAL."""
    scene = open_scene(shared / "scenes" / "terramesh_433D_629L_3_1")
    half = np.zeros(scene.shape, np.float32)
    half[:, 100:] = 1
    water = make_water(scene, predict(water=half), card, tmp_path / "water")
    fields = make_fields(scene, predict(extent=half, boundary=1 - half, distance=half), card, tmp_path / "fields")
    for item in (water.item, fields.item):
        properties = item["properties"]
        assert properties["license"] == "other"
        (provider,) = properties["providers"]
        assert (provider["name"], set(provider["roles"])) == ("ESA", {"producer", "licensor"})
        assert properties["attribution"] == "Contains modified Copernicus Sentinel data 2020"
        (licence,) = (link for link in item["links"] if link["rel"] == "license")
        assert licence["href"].startswith("https://sentinels.copernicus.eu/")
    with Image.open(water.files[water_layers.OBSERVED_WATER]) as picture:
        tags = {number: picture.tag_v2.get(number) for number in (270, 305, 306, 33432)}
    assert tags == {
        270: "Observed water mask",
        305: f"rucio-dafab {PRODUCTS_REVISION}",
        306: "2020:04:08 14:37:29",
        33432: "Contains modified Copernicus Sentinel data 2020",
    }


def test_parcels_of_real_pixels_are_a_coverage(shared: Path, predict: Make, card: Any, tmp_path: Path) -> None:
    scene = open_scene(shared / "scenes" / "terramesh_433D_629L_3_1")
    red, near_infrared = read_bands(scene, ["B04", "B08"])
    green = (near_infrared - red) / np.maximum(near_infrared + red, 1e-3)
    steep = ndimage.gaussian_gradient_magnitude(near_infrared, 1)
    boundary = np.clip(steep / np.quantile(steep, 0.9), 0, 1)
    depth = np.clip(ndimage.distance_transform_edt(boundary < 0.5) / 4, 0, 1)
    maps = {"extent": green > 0.2, "boundary": boundary, "distance": depth}
    product = make_fields(scene, predict(**maps), card, tmp_path)
    table = geopandas.read_parquet(product.files[products.FIELD_BOUNDARIES_PARQUET])
    assert len(table) > 50
    assert table.geometry.is_valid.all()
    assert shapely.coverage_is_valid(table.geometry.to_numpy())
    assert product.item["properties"]["dafab:agricultural_coverage"] <= 100
    footprint = shapely.geometry.shape(product.item["geometry"]).buffer(1e-4)
    assert footprint.covers(table.to_crs("EPSG:4326").geometry.union_all())
