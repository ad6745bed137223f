"""Products: whole items whose files exist, lie where the scene lies, and are the same again, bit by bit."""

import hashlib
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import geopandas
import numpy as np
import pytest
import rasterio
import shapely
from PIL import Image
from rasterio.windows import Window

from rucio_dafab.eo import products, water_layers
from rucio_dafab.eo.collage import collage
from rucio_dafab.eo.errors import ProductError
from rucio_dafab.eo.items import scene_of
from rucio_dafab.eo.products import Product, make_fields, make_water, read_product
from rucio_dafab.eo.reference_water import ReferenceWater, codes_file
from rucio_dafab.stac.asset_names import every_asset
from rucio_dafab.stac.report import violations
from rucio_dafab.stac.schemas import load

Make = Callable[..., Any]
SHAPE = (60, 80)
COUNTED = {"source": "past_masks", "masks": 2, "days": 5, "start": "2022-01-01", "end": "2022-06-01"}


@pytest.fixture
def flood(make_scene: Make, predict: Make, card: Any, tmp_path: Path) -> Product:
    """Return the water product of a scene whose 800 pixels of river are 1,600 today, with a cloud in a corner."""
    reference, water, clear = np.zeros(SHAPE, np.uint8), np.zeros(SHAPE, bool), np.ones(SHAPE, bool)
    reference[20:30], water[20:40], clear[:5, :10] = 1, True, False
    return make_water(make_scene(reference=reference), predict(water=water, clear=clear), card, tmp_path / "out")


@pytest.fixture
def parcels(make_scene: Make, predict: Make, chequered: Make, maps_of: Make, card: Any, tmp_path: Path) -> Product:
    clear = np.ones(SHAPE, bool)
    clear[:3, :3] = False
    return make_fields(make_scene(), predict(clear=clear, **maps_of(chequered(SHAPE, 20))), card, tmp_path / "out")


def test_water_numbers(flood: Product) -> None:
    properties = flood.item["properties"]
    assert properties["dafab:observed_water_km2"] == 0.16
    assert properties["dafab:observed_water_percent"] == pytest.approx(100 * 1600 / 4750, abs=1e-4)
    assert properties["dafab:permanent_water_km2"] == 0.08
    assert (properties["dafab:anomaly_score"], properties["dafab:anomaly_gain"]) == (100.0, 100.0)
    assert properties["dafab:anomaly_loss"] == 0.0
    assert properties["dafab:anomaly_type"] == "flood"
    assert "dafab:anomaly_reason" not in properties
    assert [concept["id"] for concept in properties["themes"][0]["concepts"]] == ["WaterMask", "Flood"]
    assert properties["dafab:clear_percent"] == pytest.approx(100 * 4750 / 4800, abs=1e-4)


def test_water_numbers_under_the_live_catalogues_names(flood: Product) -> None:
    found = flood.item["properties"]["dafab:water-analysis"]
    assert found["water_analysis_algorithm_version"] == 120
    assert sum(found["difference_water_mask"].values()) == pytest.approx(100.0, abs=1e-3)
    assert found["observed_water"] == pytest.approx(100 * 1600 / 4800, abs=1e-4)
    assert found["reference_permanent_water"] == found["reference_permanent_water_visible"]
    assert found["excess_total_water_observed_area(km2)"] == 0.08
    assert found["excess_total_water_observed"] == 100.0
    assert found["excess_water_observed_by_permanent_seasonal"] == 200.0
    assert (found["deficit_water_observed_area(km2)"], found["deficit_water_observed"]) == (0.0, 0.0)
    assert found["excess_total_water"]["number"] == 1
    assert found["excess_total_water"]["total_area(km2)"] == pytest.approx(0.08, abs=0.0005)
    assert found["excess_seasonal_water_observed"] == 0.0, "the live catalogue's word for: no seasonal water"


def test_without_a_reference_there_is_no_anomaly_and_a_reason(
    make_scene: Make, predict: Make, card: Any, tmp_path: Path
) -> None:
    product = make_water(make_scene(), predict(water=np.ones(SHAPE, bool)), card, tmp_path)
    properties = product.item["properties"]
    assert properties["dafab:anomaly_reason"] == "no reference water mask"
    assert not {"dafab:anomaly_score", "dafab:anomaly_type"} & set(properties)
    assert set(properties["dafab:water-analysis"]) == {
        "water_analysis_algorithm_version", "observed_water", "observed_water_visible"
    }  # fmt: skip
    assert water_layers.EXCESS not in product.files
    assert properties["dafab:cloud_mask"].startswith("none: ")


@pytest.fixture
def given(make_scene: Make, tmp_path: Path) -> ReferenceWater:
    """Return a reference beside the scene: 800 pixels of permanent and 400 of seasonal water, a column unknown."""
    codes = np.zeros(SHAPE, np.uint8)
    codes[20:30], codes[30:35], codes[:, 0] = 1, 2, 255
    path = tmp_path / "codes.tif"
    with codes_file(path, make_scene()) as file:
        file.write(Window(0, 0, 80, 60), codes)
    return ReferenceWater(COUNTED, path, ("a", "b"))


def test_a_reference_that_is_given_is_told_and_shown(
    make_scene: Make, predict: Make, card: Any, given: ReferenceWater, tmp_path: Path
) -> None:
    water = np.zeros(SHAPE, bool)
    water[20:40] = True
    product = make_water(make_scene(), predict(water=water), card, tmp_path, reference=given)
    properties = product.item["properties"]
    assert properties["dafab:reference_water"] == COUNTED
    assert properties["dafab:permanent_water_km2"] == 0.079
    assert (properties["dafab:anomaly_score"], properties["dafab:anomaly_type"]) == (100.0, "flood")
    assert properties["dafab:water-analysis"]["difference_water_mask"]["exclusion_reference"] == 1.25
    asset = product.item["assets"][water_layers.REFERENCE_WATER]
    assert asset["dafab:masks"] == ["a", "b"]
    assert [each["title"] for each in asset["bands"][0]["classification:classes"]] == [
        "no water", "permanent water", "seasonal water"
    ]  # fmt: skip
    with rasterio.open(product.files[water_layers.REFERENCE_WATER]) as source:
        codes, known = source.read(1), source.read_masks(1) > 0
        assert (source.tags(ns="IMAGE_STRUCTURE", bidx=1)["NBITS"], source.overviews(1)) == ("2", [])
    assert (known.sum(), (codes == 1).sum(), (codes == 2).sum()) == (4740, 790, 395)
    assert schema_violations(product) == ()
    again = make_water(make_scene(), predict(water=water), card, tmp_path / "again", reference=given)
    assert again.item == product.item
    assert {key: path.read_bytes() for key, path in again.files.items()} == {
        key: path.read_bytes() for key, path in product.files.items()
    }


def test_that_there_is_no_reference_is_told_with_its_reason(
    make_scene: Make, predict: Make, card: Any, tmp_path: Path
) -> None:
    none = ReferenceWater.none("earlier masks of 2 days")
    product = make_water(make_scene(), predict(water=np.ones(SHAPE, bool)), card, tmp_path, reference=none)
    properties = product.item["properties"]
    assert properties["dafab:anomaly_reason"] == "no reference water mask: earlier masks of 2 days"
    assert properties["dafab:reference_water"] == {"source": "none", "reason": "earlier masks of 2 days"}
    assert not {"dafab:anomaly_score", "dafab:permanent_water_km2"} & set(properties)
    assert not {water_layers.REFERENCE_WATER, water_layers.EXCESS, water_layers.DIFFERENCE} & set(product.files)
    assert schema_violations(product) == ()


def test_the_reference_of_the_scene_is_told_where_that_is_asked_for(
    make_scene: Make, predict: Make, card: Any, tmp_path: Path
) -> None:
    reference, water = np.zeros(SHAPE, np.uint8), np.zeros(SHAPE, bool)
    reference[20:30], water[20:30] = 1, True
    scene, own = make_scene(reference=reference), ReferenceWater({"source": "scene"})
    told = make_water(scene, predict(water=water), card, tmp_path / "told", reference=own)
    untold = make_water(scene, predict(water=water), card, tmp_path / "untold")
    assert told.item["properties"].pop("dafab:reference_water") == {"source": "scene"}
    assert told.item["properties"] == untold.item["properties"]
    assert set(told.files) == set(untold.files) > {water_layers.REFERENCE_WATER}


def schema_violations(product: Product) -> Any:
    schema = load().named(product.item["collection"])
    return violations(product.item | {"stac_extensions": [*product.item["stac_extensions"], schema.uri]})


def test_field_numbers(parcels: Product) -> None:
    found = parcels.item["properties"]["dafab:smart-agriculture"]
    assert found["number_of_fields"] == 12
    assert found["mean_area_of_fields(ha)"] == pytest.approx(4.0, abs=0.01)
    assert found["field_percentage"] == pytest.approx(100.0, abs=0.1)
    assert parcels.item["properties"]["dafab:cloud_free_number_of_fields"] == 11
    assert parcels.item["properties"]["dafab:cloud_free_agricultural_coverage"] == pytest.approx(100 * 11 / 12, abs=0.1)


@pytest.mark.parametrize("name", ["flood", "parcels"])
def test_item_is_whole(name: str, request: pytest.FixtureRequest) -> None:
    product = request.getfixturevalue(name)
    item = product.item
    collection = {"flood": "water_analysis", "parcels": "smart_agriculture"}[name]
    assert (item["id"], item["collection"]) == (f"S2A_TEST_{collection}_120", collection)
    assert item["properties"]["datetime"] == "2023-05-04T10:36:29Z"
    assert item["properties"]["attribution"] == "Contains modified Copernicus Sentinel data 2023"
    assert (item["properties"]["processing:level"], item["properties"]["processing:version"]) == ("L4", "1.2.0")
    assert item["properties"]["dafab:model_checksum"] == "1220" + "5a" * 32
    assert item["properties"]["eo:cloud_cover"] == 12.5
    assert {"rel": "derived_from", "href": "S2A_TEST"}.items() <= item["links"][0].items()
    assets = every_asset(item)
    assert set(assets) == set(product.files)
    assert {role for asset in assets.values() for role in asset["roles"]} == {"data", "thumbnail", "overview"}
    for key, path in product.files.items():
        asset, content = assets[key], path.read_bytes()
        assert asset["href"] == f"./{path.name}"
        assert asset["file:size"] == len(content) > 0
        assert asset["file:checksum"] == "1220" + hashlib.sha256(content).hexdigest()


@pytest.mark.parametrize("name", ["flood", "parcels"])
def test_item_is_read_back(name: str, request: pytest.FixtureRequest) -> None:
    product = request.getfixturevalue(name)
    assert read_product(product.folder) == product


@pytest.mark.parametrize(
    ("times", "stamp", "years"),
    [
        ({"datetime": "2023-03-02T10:36:29Z"}, "20230302T103629", "2023"),
        ({"datetime": "2022-03-02T10:36:29.5Z"}, "20220302T103629", "2022–2023"),
        (
            {"datetime": None, "start_datetime": "2023-03-02T00:00:00Z", "end_datetime": "2024-03-03T00:00:00Z"},
            "20230302T000000",
            "2023–2024",
        ),
    ],
)
def test_what_was_made_of_two_acquisitions_says_so(
    make_scene: Make, predict: Make, chequered: Make, maps_of: Make, card: Any, tmp_path: Path,
    times: dict[str, Any], stamp: str, years: str,
) -> None:  # fmt: skip
    second = {"id": "S2B_OTHER", **times}
    prediction = replace(predict(**maps_of(chequered(SHAPE, 20))), second=second)
    product = make_fields(make_scene(), prediction, card, tmp_path / "out")
    item = product.item
    assert item["id"] == f"S2A_TEST_with_{stamp}_smart_agriculture_120"
    assert scene_of(item["id"], "smart_agriculture") == "S2A_TEST"
    assert item["properties"]["dafab:second_acquisition"] == second
    assert item["properties"]["datetime"] == "2023-05-04T10:36:29Z"
    assert item["properties"]["attribution"] == f"Contains modified Copernicus Sentinel data {years}"
    assert item["properties"]["processing:lineage"] == "water 1.2.0 on S2A_TEST and S2B_OTHER"
    sources = [link["href"] for link in item["links"] if link["rel"] == "derived_from"]
    assert sources == ["S2A_TEST", "S2B_OTHER"]
    assert violations(item | {"stac_extensions": [load().named("smart_agriculture").uri]}) == ()
    assert read_product(product.folder) == product


def test_rasters_lie_on_the_scenes_grid(flood: Product, make_scene: Make) -> None:
    scene = make_scene(name="again")
    for key in (water_layers.OBSERVED_WATER, water_layers.DIFFERENCE):
        with rasterio.open(flood.files[key]) as source:
            assert (source.crs, source.transform, source.shape) == (scene.crs, scene.transform, scene.shape)
            assert source.tags(ns="IMAGE_STRUCTURE")["LAYOUT"] == "COG"
            assert source.tags()["TIFFTAG_DATETIME"] == "2023:05:04 10:36:29"
            assert source.tags()["SOURCE"] == "S2A_TEST"
    with rasterio.open(flood.files[water_layers.OBSERVED_WATER]) as source:
        assert not source.read_masks(1)[:5, :10].any(), "clouds are no data"
        assert source.read(1).sum() == 1600


def test_vectors_lie_inside_the_footprint(flood: Product, parcels: Product) -> None:
    # The footprint's sides are straight in degrees, the grid's in metres: a tenth of a pixel between them.
    footprint = shapely.geometry.shape(flood.item["geometry"]).buffer(1e-5)
    for path in [*flood.files.values(), *parcels.files.values()]:
        if path.suffix == ".geojson":
            for feature in json.loads(path.read_text())["features"]:
                assert footprint.covers(shapely.geometry.shape(feature["geometry"]))


def test_parcels_are_fiboa_and_the_same_in_both_files(parcels: Product) -> None:
    document = json.loads(parcels.files[products.FIELD_BOUNDARIES].read_text())
    table = geopandas.read_parquet(parcels.files[products.FIELD_BOUNDARIES_PARQUET])
    assert document["schemas"] == {parcels.item["id"]: list(products.FIBOA_SCHEMAS)}
    assert [feature["id"] for feature in document["features"]] == table["id"].tolist()
    assert shapely.coverage_is_valid(table.geometry.to_numpy())
    assert table["metrics:area"].to_numpy() == pytest.approx(table.geometry.area.to_numpy(), rel=1e-6)
    first = document["features"][0]["properties"]
    assert first["determination:datetime"] == "2023-05-04T10:36:29Z"
    assert first["determination:method"] == "auto-imagery"
    assert str(table["determination:datetime"].dtype).startswith("datetime64")
    assert table["dafab:cloud_free"].sum() == 11


def test_previews_say_what_they_show(flood: Product) -> None:
    for role, longest in (("thumbnail", 512), ("overview", 1536)):
        key = f"{water_layers.OBSERVED_WATER}-{role}"
        preview = flood.item["assets"][key]["dafab:preview"]
        with Image.open(flood.files[key]) as image:
            assert image.size == (preview["width"], preview["height"])
            assert max(image.size) <= longest
        assert (
            preview["source_sha256"]
            == hashlib.sha256(flood.files[water_layers.OBSERVED_WATER].read_bytes()).hexdigest()
        )
        footprint = shapely.geometry.shape(flood.item["geometry"])
        assert shapely.box(*preview["bbox"]).buffer(1e-5).covers(footprint)


@pytest.mark.parametrize(
    ("crs", "origin"), [("EPSG:32701", (182_000.0, 8_000_000.0)), ("EPSG:32660", (817_200.0, 2_000_000.0))]
)
def test_previews_across_the_antimeridian_show_the_scene(
    make_scene: Make, predict: Make, card: Any, tmp_path: Path, crs: str, origin: tuple[float, float]
) -> None:
    scene = make_scene(crs=crs, origin=origin)
    product = make_water(scene, predict(water=np.ones(SHAPE, bool)), card, tmp_path / "out")
    for role in ("thumbnail", "overview"):
        key = f"{water_layers.OBSERVED_WATER}-{role}"
        west, south, east, north = product.item["assets"][key]["dafab:preview"]["bbox"]
        assert 179.9 < west < 180 > -179.9 > east > -180
        assert north - south < 0.02
        with Image.open(product.files[key]) as image:
            assert min(image.size) > 100
            assert (np.asarray(image.convert("RGBA"))[..., 3] > 0).mean() > 0.9


def test_a_simulated_scene_is_nobodys_observation(make_scene: Make, predict: Make, card: Any, tmp_path: Path) -> None:
    scene = make_scene(**{"dafab:simulated": True, "providers": [{"name": "ESA", "roles": ["producer"]}]})
    product = make_water(scene, predict(water=np.ones(SHAPE, bool)), card, tmp_path / "out")
    assert [each["name"] for each in product.item["properties"]["providers"]] == ["rucio-dafab"]


def bytes_of(product: Product) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(product.folder.iterdir())}


def test_same_input_same_bytes(
    make_scene: Make, predict: Make, chequered: Make, maps_of: Make, card: Any, tmp_path: Path
) -> None:
    reference = np.zeros(SHAPE, np.uint8)
    reference[20:30] = 1
    scene, water = make_scene(reference=reference), np.zeros(SHAPE, bool)
    water[25:40] = True
    fields = maps_of(chequered(SHAPE, 20))
    for make, outputs in ((make_water, {"water": water}), (make_fields, fields)):
        first, second = (make(scene, predict(**outputs), card, tmp_path / run) for run in ("one", "two"))
        assert bytes_of(first) == bytes_of(second)


def test_no_parcel_is_a_product_too(make_scene: Make, predict: Make, card: Any, tmp_path: Path) -> None:
    nothing = np.zeros(SHAPE)
    product = make_fields(make_scene(), predict(extent=nothing, boundary=nothing, distance=nothing), card, tmp_path)
    assert product.item["properties"]["dafab:smart-agriculture"]["number_of_fields"] == 0
    assert [concept["id"] for concept in product.item["properties"]["themes"][0]["concepts"]] == ["FieldBoundaries"]


def test_a_scene_of_ten_pixels(make_scene: Make, predict: Make, card: Any, tmp_path: Path) -> None:
    product = make_water(make_scene((2, 5)), predict(water=np.ones((2, 5), bool)), card, tmp_path)
    assert product.item["properties"]["dafab:observed_water_km2"] == 0.001


def test_an_interval_is_kept_and_named(make_scene: Make, predict: Make, card: Any, tmp_path: Path) -> None:
    scene = make_scene(datetime=None, start_datetime="2015-06-23T00:00:00Z", end_datetime="2024-12-31T23:59:59Z")
    properties = make_water(scene, predict(water=np.zeros(SHAPE, bool)), card, tmp_path).item["properties"]
    assert properties["datetime"] is None
    assert (properties["start_datetime"], properties["end_datetime"]) == (
        "2015-06-23T00:00:00Z",
        "2024-12-31T23:59:59Z",
    )
    assert properties["attribution"] == "Contains modified Copernicus Sentinel data 2015–2024"


def test_a_simulated_scene_claims_no_sentinel_data(make_scene: Make, predict: Make, card: Any, tmp_path: Path) -> None:
    product = make_water(make_scene(**{"dafab:simulated": True}), predict(water=np.zeros(SHAPE, bool)), card, tmp_path)
    properties = product.item["properties"]
    assert properties["attribution"] == "Simulated scene; contains no Copernicus Sentinel data"
    assert properties["dafab:simulated"] is True
    assert "ESA" not in json.dumps(product.item)


@pytest.mark.parametrize(("version", "number"), [("2.0.0", 200), ("0.1.0", 10), ("12.3.4", 1234)])
def test_versions_in_ids(version: str, number: int) -> None:
    assert products.version_number(version) == number


@pytest.mark.parametrize("version", ["1", "1.2", "0.0.0", "1.20.3", "v1.2.3", ""])
def test_versions_that_cannot_stand_in_ids(version: str) -> None:
    with pytest.raises(ProductError, match=r"cannot stand in an item's id: expected such as 1\.2\.0"):
        products.version_number(version)


def test_time_that_is_none_is_named(make_scene: Make, predict: Make, card: Any, tmp_path: Path) -> None:
    with pytest.raises(ProductError, match="scene S2A_TEST: its time is not RFC 3339: yesterday"):
        make_water(make_scene(datetime="yesterday"), predict(water=np.zeros(SHAPE, bool)), card, tmp_path)
    assert not list(tmp_path.rglob("item.json"))[1:], "only the scene's own item"


def test_a_product_that_lacks_a_file_is_refused(flood: Product) -> None:
    flood.files[water_layers.EXCESS].unlink()
    with pytest.raises(ProductError, match=r"the product lacks water_excess\.geojson"):
        read_product(flood.folder)
    with pytest.raises(ProductError, match=r"item\.json: is no product's item"):
        read_product(flood.folder / "nowhere")


def test_collage_shows_all_products(
    make_scene: Make, predict: Make, chequered: Make, maps_of: Make, card: Any, tmp_path: Path
) -> None:
    scene = make_scene(reference=np.eye(*SHAPE, dtype=np.uint8))
    water = make_water(scene, predict(water=np.eye(*SHAPE, k=2, dtype=bool)), card, tmp_path)
    fields = make_fields(scene, predict(**maps_of(chequered(SHAPE, 20))), card, tmp_path)
    with Image.open(collage(scene, [water, fields], tmp_path / "all.png")) as image:
        assert image.mode == "RGB"
        whole = image.size
    with Image.open(collage(scene, [water], tmp_path / "one.png")) as image:
        assert image.size[0] < whole[0]
        assert image.size[1] == whole[1]
    assert collage(scene, [water, fields], tmp_path / "b.png").read_bytes() == (tmp_path / "all.png").read_bytes()


def test_collage_of_a_damaged_product_is_refused(flood: Product, make_scene: Make, tmp_path: Path) -> None:
    flood.files[water_layers.DIFFERENCE].write_bytes(b"II*\0")
    with pytest.raises(ProductError, match=r"water_difference\.tif: cannot be read"):
        collage(make_scene(name="again"), [flood], tmp_path / "no.png")
    assert not (tmp_path / "no.png").exists()
