"""Water products of Sentinel-1 RTC scenes: the same product, made by radar alone."""

from pathlib import Path
from typing import Any

import geopandas
import numpy as np
import orjson
import pytest
import rasterio
from affine import Affine
from numpy.typing import NDArray
from PIL import Image
from rasterio.features import rasterize
from rasterio.windows import Window
from scipy.ndimage import binary_dilation, binary_erosion

from rucio_dafab.eo import water_layers
from rucio_dafab.eo.inference import choose_model, infer, missing_bands
from rucio_dafab.eo.products import Product, make_water
from rucio_dafab.eo.reference_water import ReferenceWater, codes_file
from rucio_dafab.eo.scene import Scene, open_scene
from rucio_dafab.eo.simulate import Options
from rucio_dafab.eo.simulate.radar import RadarScene, simulate_radar
from rucio_dafab.eo.water import Difference
from rucio_dafab.stac.report import violations
from rucio_dafab.stac.schemas import load

FLOODED = Options(size=256, flood=0.8, rivers=1, lakes=6)
UNSEEN = 1_000_321
"""A seed that no training uses."""


def write(folder: Path, bands: dict[str, NDArray[np.float32]], **described: Any) -> Scene:
    """Write a staged radar scene and open it."""
    transform, assets = Affine(10, 0, 500_000, 0, -10, 5_300_000), {}
    folder.mkdir(parents=True)
    for name, values in bands.items():
        with rasterio.open(
            folder / f"{name}.tif", "w", driver="GTiff", dtype="float32", count=1, height=values.shape[0],
            width=values.shape[1], crs="EPSG:32633", transform=transform, tiled=True, blockxsize=128, blockysize=128,
        ) as target:  # fmt: skip
            target.write(values, 1)
        assets[name.lower()] = {"href": f"./{name}.tif"} | described
    ring = [[15.0, 47.8], [15.04, 47.8], [15.04, 47.9], [15.0, 47.9], [15.0, 47.8]]
    item = {
        "type": "Feature", "stac_version": "1.1.0", "id": "S1A_RTC", "links": [], "assets": assets,
        "geometry": {"type": "Polygon", "coordinates": [ring]}, "bbox": [15.0, 47.8, 15.04, 47.9],
        "properties": {"datetime": "2023-05-04T05:00:00Z", "constellation": "sentinel-1"},
    }  # fmt: skip
    (folder / "item.json").write_bytes(orjson.dumps(item))
    return open_scene(folder)


@pytest.fixture(scope="module")
def seen() -> RadarScene:
    return simulate_radar(UNSEEN, FLOODED)


def product_of(scene: Scene, folder: Path, reference: ReferenceWater | None = None) -> Product:
    model = choose_model("water", scene.bands, threads=1)
    assert model.name == "water_radar"
    return make_water(scene, infer(model, scene), model, folder, reference=reference)


@pytest.fixture(scope="module")
def product(seen: RadarScene, tmp_path_factory: pytest.TempPathFactory) -> Product:
    folder = tmp_path_factory.mktemp("radar")
    return product_of(write(folder / "scene", dict(seen.bands), unit="dB"), folder / "out")


def test_radar_gives_the_whole_water_product(product: Product) -> None:
    schema = load().named("water_analysis")
    item = product.item
    assert violations(item | {"stac_extensions": [*item["stac_extensions"], schema.uri]}) == ()
    masks = (water_layers.OBSERVED_WATER, water_layers.OBSERVED_WATER_TIDIED)
    assert {f"{mask}{kind}" for mask in masks for kind in ("", "-thumbnail", "-overview")} <= set(product.files)
    assert water_layers.CLOUD_MASK not in product.files
    properties = item["properties"]
    assert properties["dafab:model"] == "water_radar"
    assert properties["dafab:cloud_mask"] == "none needed: radar sees through clouds"
    assert properties["dafab:water_index"] == "VV < -16 dB"
    assert properties["dafab:clear_percent"] == 100.0
    assert set(properties["dafab:water-analysis"]["trustworthiness_observed_water_mask"]) == {"ai_noai"}


def test_the_mask_is_where_water_is(product: Product, seen: RadarScene) -> None:
    with rasterio.open(product.files[water_layers.OBSERVED_WATER]) as source:
        found = source.read(1) == 1
    truth = seen.water >= 0.5
    assert truth.mean() > 0.02
    # How good the net is, is measured in models/: here a wrong band or unit would turn the answer around.
    assert (found & truth).sum() / (found | truth).sum() > 0.4


@pytest.fixture(scope="module")
def against_reference(seen: RadarScene, tmp_path_factory: pytest.TempPathFactory) -> Product:
    """Return the product of the flooded scene, with the usual water of the place as its reference."""
    folder = tmp_path_factory.mktemp("radar-reference")
    scene = write(folder / "scene", dict(seen.bands), unit="dB")
    with codes_file(folder / "codes.tif", scene) as file:
        file.write(Window(0, 0, 256, 256), seen.reference)
    counted = {"source": "past_masks", "masks": 1, "days": 5, "start": "2022-01-01", "end": "2022-06-01"}
    return product_of(scene, folder / "out", ReferenceWater(counted, folder / "codes.tif", ("a",)))


def test_radar_is_compared_with_a_reference(against_reference: Product, product: Product, seen: RadarScene) -> None:
    """Difference, excess, deficit and score are those that pixels counted one by one give."""
    files, properties = against_reference.files, against_reference.item["properties"]
    with rasterio.open(files[water_layers.OBSERVED_WATER]) as source:
        water = source.read(1) == 1
    with rasterio.open(product.files[water_layers.OBSERVED_WATER]) as source:
        assert ((source.read(1) == 1) == water).all(), "a reference changes nothing of what was observed"
    permanent, seasonal = seen.reference == 1, seen.reference == 2
    right = np.select(
        [water & permanent, water & seasonal, water, permanent, seasonal],
        [Difference.PERMANENT_OBSERVED, Difference.SEASONAL_OBSERVED, Difference.EXCESS, Difference.DEFICIT,
         Difference.SEASONAL_NOT_OBSERVED], Difference.OTHER,
    )  # fmt: skip
    with rasterio.open(files[water_layers.DIFFERENCE]) as source:
        assert (source.read(1) == right).all()
    with rasterio.open(files[water_layers.REFERENCE_WATER]) as source:
        assert (source.read(1) == seen.reference).all()
    gain, loss = (water & ~permanent).sum() / permanent.sum(), (permanent & ~water).sum() / permanent.sum()
    assert properties["dafab:permanent_water_km2"] == pytest.approx(permanent.sum() * 1e-4)
    assert properties["dafab:anomaly_gain"] == pytest.approx(100 * gain, abs=1e-4)
    assert properties["dafab:anomaly_loss"] == pytest.approx(100 * loss, abs=1e-4)
    assert properties["dafab:anomaly_score"] == pytest.approx(100 * (gain - loss), abs=2e-4)
    assert properties["dafab:anomaly_type"] in ("flood", "flood and drought"), "the place stands 0.8 m under a flood"
    assert "dafab:anomaly_reason" not in properties
    schema = load().named("water_analysis")
    item = against_reference.item
    assert violations(item | {"stac_extensions": [*item["stac_extensions"], schema.uri]}) == ()


@pytest.mark.parametrize(("key", "kind"), [(water_layers.EXCESS, "gained"), (water_layers.DEFICIT, "lost")])
def test_what_radar_delineates_is_the_difference(against_reference: Product, key: str, kind: str) -> None:
    with rasterio.open(against_reference.files[water_layers.DIFFERENCE]) as source:
        classes = source.read(1)
        shapes = geopandas.read_file(against_reference.files[key]).to_crs(source.crs).geometry
        inside = rasterize(shapes, classes.shape, transform=source.transform) if len(shapes) else 0 * classes
    gained = (classes == Difference.EXCESS) | (classes == Difference.SEASONAL_OBSERVED)
    of_kind = gained if kind == "gained" else classes == Difference.DEFICIT
    # Patches below half a hectare are left out, and outlines are smooth: pixels at rims may fall on the other side.
    assert ((inside == 1) & ~binary_dilation(of_kind)).sum() == 0
    large = binary_erosion(of_kind, iterations=2)
    assert ((inside == 0) & large).sum() <= 0.02 * max(large.sum(), 1)


def test_power_and_decibels_give_one_product(product: Product, seen: RadarScene, tmp_path: Path) -> None:
    power = {name: (10 ** (band / 10)).astype(np.float32) for name, band in seen.bands.items()}
    other = product_of(write(tmp_path / "scene", power, unit="linear"), tmp_path / "out")
    place = water_layers.OBSERVED_WATER
    with rasterio.open(product.files[place]) as one, rasterio.open(other.files[place]) as two:
        assert (one.read(1) != two.read(1)).mean() < 1e-3
    with Image.open(other.files[f"{water_layers.OBSERVED_WATER}-thumbnail"]) as picture:
        grey = np.asarray(picture.convert("RGBA").convert("L"), np.float32)
    # Power would be black but for a few bright points.
    assert grey.std() > 10


def test_one_polarisation_is_enough_and_the_other_is_named(seen: RadarScene, tmp_path: Path) -> None:
    scene = write(tmp_path / "scene", {"VV": seen.bands["VV"]}, unit="dB")
    made = product_of(scene, tmp_path / "out")
    assert made.item["properties"]["dafab:bands_absent"] == ["VH"]
    alone = write(tmp_path / "vh", {"VH": seen.bands["VH"]}, unit="dB")
    assert missing_bands(choose_model("water", alone.bands, threads=1), alone) == ("B02", "B03", "B04", "B08")
