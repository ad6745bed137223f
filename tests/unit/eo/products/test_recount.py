"""Stored parcels counted on other acquisitions: as a delineation counts them, and refused where they do not fit."""

from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import geopandas
import numpy as np
import pytest
import shapely
from affine import Affine
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from rasterio.crs import CRS

from rucio_dafab.eo import fields
from rucio_dafab.eo.bands import of_second
from rucio_dafab.eo.errors import ParcelsError, SceneError
from rucio_dafab.eo.inference import infer
from rucio_dafab.eo.items import scene_of
from rucio_dafab.eo.models import load_model
from rucio_dafab.eo.products import FIELD_BOUNDARIES_PARQUET, Product, make_fields
from rucio_dafab.eo.recount import BANDS, Recount, missing_bands, recount
from rucio_dafab.eo.recount_items import Origin, recount_item
from rucio_dafab.eo.scene import Scene, open_scene
from rucio_dafab.eo.simulate import Options, simulate, write_safe
from rucio_dafab.eo.stored_parcels import StoredParcels, read_parcels
from rucio_dafab.eo.vectors import polygonise
from rucio_dafab.stac.validate import check_document

Make = Callable[..., Any]
SHAPE = (60, 80)
GROUND, CLOUD, NOTHING = 4, 9, 0
UTM = CRS.from_epsg(32633)
TRANSFORM = Affine(10, 0, 500_000, 0, -10, 5_300_000)


@pytest.fixture
def delineated(make_scene: Make, predict: Make, chequered: Make, maps_of: Make, card: Any, tmp_path: Path) -> Product:
    """Return the product of twelve square parcels, one of which a cloud touches."""
    clear = np.ones(SHAPE, bool)
    clear[:3, :3] = False
    scene = make_scene(scl=np.where(clear, GROUND, CLOUD).astype(np.uint8))
    return make_fields(scene, predict(clear=clear, **maps_of(chequered(SHAPE, 20))), card, tmp_path / "out")


@pytest.fixture
def stored(delineated: Product) -> StoredParcels:
    return read_parcels(delineated.files[FIELD_BOUNDARIES_PARQUET])


def sky(*clouds: tuple[slice, slice], shape: tuple[int, int] = SHAPE) -> NDArray[np.uint8]:
    """Return a scene classification with clouds."""
    classes = np.full(shape, GROUND, np.uint8)
    for each in clouds:
        classes[each] = CLOUD
    return classes


def test_on_the_acquisition_of_the_delineation_it_is_what_the_product_states(
    delineated: Product, stored: StoredParcels, make_scene: Make
) -> None:
    found = recount(make_scene(scl=sky((slice(0, 3), slice(0, 3)))), stored)
    stated = delineated.item["properties"]
    origin = Origin.of(delineated.item, stored.path)
    again = recount_item(make_scene(scl=sky((slice(0, 3), slice(0, 3)))), found, origin)["properties"]
    assert again["dafab:smart-agriculture"] == stated["dafab:smart-agriculture"]
    same = [key for key in stated if key.startswith("dafab:") and ("cover" in key or "percent" in key or "free" in key)]
    assert len(same) == 5
    assert {key: again[key] for key in same} == {key: stated[key] for key in same}
    assert (found.numbers.number, found.numbers.cloud_free_number, found.stored) == (12, 11, 12)


def test_with_outlines_of_a_net_number_and_areas_are_exact_and_few_rims_differ(tmp_path: Path) -> None:
    """Simplified outlines leave the pixels they were drawn around by up to 0.75 pixels."""
    scene = open_scene(write_safe(simulate(4101, Options(size=384, clouds=0.08, date=date(2026, 6, 14))), tmp_path))
    model = load_model("fields")
    product = make_fields(scene, infer(model, scene), model, tmp_path / "out")
    stated = product.item["properties"]
    found = recount(scene, read_parcels(product.files[FIELD_BOUNDARIES_PARQUET])).numbers
    numbers = stated["dafab:smart-agriculture"]
    assert (found.number, round(found.total_hectares, 4)) == (
        numbers["number_of_fields"],
        numbers["total_field_area(ha)"],
    )
    assert round(found.coverage_percent, 4) == stated["dafab:agricultural_coverage"]
    differ = abs(found.cloud_free_number - stated["dafab:cloud_free_number_of_fields"])
    assert found.cloud_free_number < found.number
    assert differ <= 0.01 * found.number


def test_other_clouds_give_another_share(stored: StoredParcels, make_scene: Make) -> None:
    one = recount(make_scene(scl=sky((slice(0, 60), slice(0, 21)))), stored).numbers
    assert (one.number, one.cloud_free_number) == (12, 6)
    assert one.coverage_percent == pytest.approx(100, abs=0.1)
    assert one.cloud_free_coverage_percent == pytest.approx(50, abs=0.1)
    hidden = recount(make_scene(scl=sky((slice(None), slice(None)))), stored)
    assert (hidden.numbers.number, hidden.numbers.cloud_free_number, hidden.clear) == (12, 0, 0)
    assert hidden.numbers.cloud_free_coverage_percent == 0.0


def test_parcels_count_where_the_acquisition_has_data(stored: StoredParcels, make_scene: Make) -> None:
    """The swath's edge: of the third column of parcels 9 of 20 pixels hold data, the fourth lies beyond."""
    valid = np.ones(SHAPE, bool)
    valid[:, 49:] = False
    found = recount(make_scene(valid=valid, scl=np.where(valid, GROUND, NOTHING).astype(np.uint8)), stored)
    assert (found.stored, found.numbers.number, found.numbers.cloud_free_number) == (12, 6, 6)
    assert found.valid == found.clear == 60 * 49
    assert found.numbers.coverage_percent == pytest.approx(100 * 40 / 49, abs=0.1)
    valid[:, 49:51] = True
    found = recount(make_scene(valid=valid, scl=np.where(valid, GROUND, NOTHING).astype(np.uint8)), stored)
    assert (found.numbers.number, found.numbers.cloud_free_number) == (9, 6)
    assert found.numbers.coverage_percent == 100.0


def test_without_a_scene_classification_all_with_data_is_clear(
    delineated: Product, stored: StoredParcels, make_scene: Make
) -> None:
    found = recount(make_scene(), stored)
    assert (found.numbers.number, found.numbers.cloud_free_number, found.clear) == (12, 12, found.valid)
    item = recount_item(make_scene(), found, Origin.of(delineated.item, stored.path))
    assert item["properties"]["dafab:cloud_mask"].startswith("none: ")


def test_a_scene_without_data_and_no_parcels(stored: StoredParcels, make_scene: Make) -> None:
    empty = recount(make_scene(valid=np.zeros(SHAPE, bool)), stored)
    assert (empty.numbers.number, empty.numbers.coverage_percent, empty.valid) == (0, 0.0, 0)
    nothing = recount(make_scene(scl=sky()), StoredParcels(stored.path, UTM, np.empty(0, object)))
    assert (nothing.stored, nothing.numbers.number, nothing.numbers.cloud_free_coverage_percent) == (0, 0, 0.0)
    assert nothing.valid == 60 * 80


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 2**32 - 1), rows=st.integers(505, 530), clouds=st.integers(0, 6))
def test_strips_count_as_the_labels_say(seed: int, rows: int, clouds: int, make_scene: Make) -> None:
    """Outlines that follow the pixels give exactly what counting the pixels gives, wherever a strip ends."""
    noise = np.random.default_rng(seed)
    shape = (rows, 24)
    labels = np.repeat(np.repeat(noise.integers(0, 4, (-(-rows // 4), 6)), 4, axis=0), 4, axis=1)[:rows].astype(
        np.int32
    )
    valid = noise.random(shape) > 0.02
    classes = sky(*((slice(top, top + 9), slice(left, left + 5)) for top, left in noise.integers(0, (rows, 24),
                    (clouds, 2))), shape=shape)  # fmt: skip
    regions = polygonise(labels, TRANSFORM, 0.0)
    found = recount(
        make_scene(shape, valid=valid, scl=classes), StoredParcels(Path("p"), UTM, regions.geometries)
    )  # fmt: skip
    expected = [_by_pixels(each, valid, valid & (classes == GROUND), shape) for each in regions.geometries]
    kept = [each for each in expected if each[1] >= 0.5 * each[0]]
    assert found.numbers.number == len(kept)
    assert found.numbers.cloud_free_number == sum(clear == pixels for pixels, _, clear in kept)
    assert found.numbers.total_hectares == pytest.approx(sum(pixels for pixels, _, _ in kept) / 100)
    assert (found.valid, found.clear) == (int(valid.sum()), int((valid & (classes == GROUND)).sum()))


def _by_pixels(
    geometry: Any, valid: NDArray[np.bool_], clear: NDArray[np.bool_], shape: tuple[int, int]
) -> tuple[int, int, int]:
    """Return pixels of a polygon, of these with data and clear, by asking for the centre of each pixel."""
    rows, columns = np.indices(shape)
    x, y = TRANSFORM @ (columns + 0.5, rows + 0.5)
    inside = shapely.contains_xy(geometry, x, y)
    return int(inside.sum()), int(valid[inside].sum()), int(clear[inside].sum())


def test_parcels_of_another_tile_are_refused(stored: StoredParcels, make_scene: Make) -> None:
    with pytest.raises(ParcelsError, match="the parcels are in EPSG:32633, scene S2A_TEST in EPSG:32632"):
        recount(make_scene(crs="EPSG:32632"), stored)
    # Neighbours overlap: what would be counted looks like any other figure.
    with pytest.raises(ParcelsError, match="reach beyond the grid of scene S2A_TEST: of another tile"):
        recount(make_scene(origin=(500_100.0, 5_300_000.0)), stored)


def test_a_scene_without_the_bands_is_refused(stored: StoredParcels, make_scene: Make) -> None:
    scene: Scene = make_scene()
    assert missing_bands(scene) == ()
    lacking = Scene(**{**scene.__dict__, "bands": {"B02": scene.bands["B02"]}})
    assert missing_bands(lacking) == ("B03", "B04")
    with pytest.raises(SceneError, match="has no band B03"):
        recount(lacking, stored)


def test_the_bands_are_those_of_the_net() -> None:
    model = load_model("fields")
    assert tuple(name for name in model.bands if not of_second(name)) == BANDS


def parquet(path: Path, geometries: list[Any], crs: Any = "EPSG:32633", **columns: Any) -> Path:
    columns = columns or {"id": [str(number) for number in range(len(geometries))]}
    geopandas.GeoDataFrame(columns, geometry=geometries, crs=crs).to_parquet(path)
    return path


@pytest.mark.parametrize(
    ("geometries", "more", "said"),
    [
        ([shapely.Point(0, 0)], {}, "row 1 of the parcels is no polygon"),
        ([shapely.box(0, 0, 1, 1), None], {}, "row 2 of the parcels is no polygon"),
        ([shapely.Polygon()], {}, "row 1 of the parcels is no polygon"),
        ([shapely.box(0, 0, 1, 1)], {"crs": None}, "the parcels state no reference system"),
        ([shapely.box(0, 0, 1, 1)], {"crop": ["oats"]}, "the parcels lack the column id"),
    ],
)
def test_files_that_are_no_parcels(tmp_path: Path, geometries: list[Any], more: dict[str, Any], said: str) -> None:
    path = parquet(tmp_path / "parcels.parquet", geometries, **more)
    with pytest.raises(ParcelsError) as refusal:
        read_parcels(path)
    assert str(refusal.value) == f"{path}: {said}"


def test_damaged_files_are_one_line(delineated: Product, tmp_path: Path) -> None:
    whole = delineated.files[FIELD_BOUNDARIES_PARQUET].read_bytes()
    path = tmp_path / "parcels.parquet"
    middle = len(whole) // 3
    for content in (b"", whole[:-20], b"PAR1", whole[4:], whole[:200] + b"\x00" * middle + whole[200 + middle :]):
        path.write_bytes(content)
        with pytest.raises(ParcelsError, match="is no GeoParquet of parcels") as refusal:
            read_parcels(path)
        assert "\n" not in str(refusal.value)
    with pytest.raises(ParcelsError, match="no such file of parcels"):
        read_parcels(tmp_path / "absent")
    geopandas.pd.DataFrame({"id": ["1"], "geometry": [b"x"]}).to_parquet(path)
    with pytest.raises(ParcelsError, match="is no GeoParquet of parcels"):
        read_parcels(path)


def test_the_item(delineated: Product, stored: StoredParcels, make_scene: Make) -> None:
    scene = make_scene(name="S2A_LATER", scl=sky((slice(0, 60), slice(0, 21))))
    found: Recount = recount(scene, stored)
    origin = Origin.of(delineated.item, stored.path, "oats-2026")
    item = recount_item(scene, found, origin)
    assert item == recount_item(scene, recount(scene, stored), origin)
    check_document(item)
    assert item["id"] == f"S2A_LATER_field_recount_{origin.checksum[:8]}"
    assert scene_of(item["id"], "smart_agriculture") == "", "it is no product of a model"
    assert (item["collection"], item["assets"]) == ("smart_agriculture", {})
    assert [link["href"] for link in item["links"] if link["rel"] == "derived_from"] == [
        "S2A_LATER", delineated.item["id"]
    ]  # fmt: skip
    properties = item["properties"]
    assert properties["dafab:recount"] == {
        "parcels": delineated.item["id"], "checksum": f"1220{origin.checksum}", "season": "oats-2026",
        "stored_number_of_fields": 12, "valid_area(ha)": 48.0,
    }  # fmt: skip
    assert properties["dafab:cloud_free_number_of_fields"] == 6
    assert not {"dafab:model", "dafab:season"} & set(properties)
    assert [each["id"] for each in properties["themes"][0]["concepts"]] == ["FieldProduct", "CropField"]
    hidden = recount_item(scene, recount(make_scene(scl=sky((slice(None), slice(None)))), stored), origin)
    assert [each["id"] for each in hidden["properties"]["themes"][0]["concepts"]] == ["FieldProduct"]


def test_a_simulated_source_makes_it_simulated(delineated: Product, stored: StoredParcels, make_scene: Make) -> None:
    document = {**delineated.item, "properties": {**delineated.item["properties"], "dafab:simulated": True}}
    scene = make_scene(scl=sky())
    item = recount_item(scene, recount(scene, stored), Origin.of(document, stored.path))
    assert item["properties"]["dafab:simulated"] is True
    with pytest.raises(ParcelsError, match="is no product of fields"):
        Origin.of({**document, "collection": "water_analysis"}, stored.path)


def test_areas_are_those_of_the_outlines(stored: StoredParcels) -> None:
    assert fields.hectares_of(stored.geometries).sum() == pytest.approx(48.0, abs=0.1)
    assert fields.pixel_hectares(TRANSFORM) == 0.01
