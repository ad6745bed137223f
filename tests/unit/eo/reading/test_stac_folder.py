"""Scenes in STAC folders: names, scale and offset, and what is refused."""

import math
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pytest

from rucio_dafab.eo.bands import band_name
from rucio_dafab.eo.scene import SceneError, open_scene, read_bands

from .conftest import MakeScene, item, write_band

RAW = "S1A_IW_GRDH_1SDV_20200408T094800_20200408T094825_032039_03B3A9"
NUMBERS = np.arange(1, 401, dtype=np.uint16).reshape(20, 20)


def change(folder: Path, **members: Any) -> None:
    """Overwrite members of the item in a folder."""
    path = folder / "item.json"
    path.write_bytes(orjson.dumps(orjson.loads(path.read_bytes()) | members))


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("B02", "B02"),
        ("b2", "B02"),
        ("B8A", "B8A"),
        ("B12_20m", "B12"),
        ("SCL_20m", "SCL"),
        ("scl", "SCL"),
        ("blue", "B02"),
        ("nir-jp2", "B08"),
        ("nir08", "B8A"),
        ("swir16", "B11"),
        ("rededge3", "B07"),
        ("vv", "VV"),
        ("visual", None),
        ("rededge", None),
        ("B13", None),
        ("landcover", None),
        ("", None),
    ],
)
def test_the_names_that_bands_go_by(text: str, name: str | None) -> None:
    assert band_name(text) == name


@pytest.mark.parametrize(
    "described",
    [
        {"eo:bands": [{"name": "x", "common_name": "swir22"}]},
        {"bands": [{"name": "swir22"}]},
        {"bands": [{"eo:common_name": "swir22"}]},
    ],
)
def test_a_band_is_known_by_its_description(make_scene: MakeScene, described: dict[str, Any]) -> None:
    scene = open_scene(make_scene({"measurement": NUMBERS}, {"measurement": described}))
    assert list(scene.bands) == ["B12"]
    assert scene.bands["B12"].asset == "measurement"


@pytest.mark.parametrize(
    "declared",
    [
        {"raster:scale": 0.001, "raster:offset": -0.1},
        {"raster:scale": None, "raster:offset": None, "raster:bands": [{"scale": 0.001, "offset": -0.1}]},
        {"raster:scale": None, "raster:offset": None, "bands": [{"raster:scale": 0.001, "raster:offset": -0.1}]},
    ],
)
def test_scale_and_offset_wherever_stac_puts_them(make_scene: MakeScene, declared: dict[str, Any]) -> None:
    scene = open_scene(make_scene({"B02": NUMBERS}, {"B02": declared}))
    np.testing.assert_allclose(read_bands(scene, ["B02"])[0], NUMBERS * 0.001 - 0.1, rtol=1e-5)


def test_an_offset_that_was_already_applied_is_not_applied_again(make_scene: MakeScene) -> None:
    folder = make_scene(
        {"B02": NUMBERS}, {"B02": {"raster:offset": -0.1}}, properties={"earthsearch:boa_offset_applied": True}
    )
    assert open_scene(folder).bands["B02"].offset == 0


NAME_OF_0511 = "S2B_MSIL2A_20260601T103001_N0511_R008_T32UNV_20260601T135101"


@pytest.mark.parametrize(
    ("properties", "identifier"),
    [
        ({"s2:processing_baseline": "05.09"}, "made_scene"),
        ({"s2:processing_baseline": "04.00", "earthsearch:boa_offset_applied": False}, "made_scene"),
        ({"s2:product_uri": f"{NAME_OF_0511}.SAFE"}, "made_scene"),
        ({}, NAME_OF_0511),
    ],
)
def test_reflectance_that_would_be_too_high_by_the_offset_is_refused(
    make_scene: MakeScene, properties: dict[str, Any], identifier: str
) -> None:
    folder = make_scene({"B02": NUMBERS}, {"B02": {"raster:offset": None}}, properties=properties)
    change(folder, id=identifier)
    with pytest.raises(SceneError, match=r"band B02: .*B02\.tif has no offset .* baseline 0[45]\.\d\d have") as refusal:
        open_scene(folder)
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize(
    ("properties", "stated", "offset"),
    [
        ({"s2:processing_baseline": "03.01"}, None, 0.0),
        ({"s2:processing_baseline": "99.99"}, None, 0.0),
        ({"s2:processing_baseline": "05.09"}, -0.1, -0.1),
        ({"s2:processing_baseline": "05.09"}, 0.0, 0.0),
        ({"s2:processing_baseline": "05.09", "earthsearch:boa_offset_applied": True}, None, 0.0),
        ({"s2:processing_baseline": "unknown"}, None, 0.0),
    ],
)
def test_no_offset_is_none_where_the_item_or_its_baseline_says_so(
    make_scene: MakeScene, properties: dict[str, Any], stated: float | None, offset: float
) -> None:
    folder = make_scene({"B02": NUMBERS}, {"B02": {"raster:offset": stated}}, properties=properties)
    assert open_scene(folder).bands["B02"].offset == offset


def test_reflectance_in_floating_point_needs_no_offset(make_scene: MakeScene) -> None:
    reflectance = {"B02": (NUMBERS / 10_000).astype(np.float32)}
    open_ = {"B02": {"raster:scale": None, "raster:offset": None}}
    folder = make_scene(reflectance, open_, properties={"s2:processing_baseline": "05.09"})
    np.testing.assert_array_equal(read_bands(open_scene(folder), ["B02"])[0], reflectance["B02"])


@pytest.mark.shared
def test_a_real_scene_without_its_offset_is_refused(shared: Path, tmp_path: Path) -> None:
    folder = tmp_path / "433D"
    shutil.copytree(shared / "scenes" / "terramesh_433D_629L_3_1", folder)
    document = orjson.loads((folder / "item.json").read_bytes())
    for asset in document["assets"].values():
        asset.pop("raster:offset", None)
        asset.pop("raster:scale", None)
    document["properties"]["s2:processing_baseline"] = "05.09"
    (folder / "item.json").write_bytes(orjson.dumps(document))
    with pytest.raises(SceneError, match=r"has no offset \(raster:offset\), which products of baseline 05\.09 have"):
        open_scene(folder)


def test_what_the_item_leaves_open_follows_the_conventions_of_sentinel_2(make_scene: MakeScene) -> None:
    folder = make_scene({"B02": NUMBERS, "SCL": NUMBERS.astype(np.uint8)}, {"B02": {"raster:scale": None}})
    bands = open_scene(folder).bands
    assert (bands["B02"].scale, bands["B02"].offset, bands["B02"].nodata, bands["B02"].saturated) == (1e-4, 0, 0, 65535)
    assert (bands["SCL"].scale, bands["SCL"].nodata) == (1, 0)


def test_the_finest_file_of_a_band_is_taken(make_scene: MakeScene) -> None:
    folder = make_scene({"B02_20m": (NUMBERS[::2, ::2], 20.0), "B02_10m": NUMBERS})
    assert open_scene(folder).bands["B02"].asset == "B02_10m"


def test_an_interval_instead_of_a_datetime_stays(make_scene: MakeScene) -> None:
    times = {"datetime": None, "start_datetime": "2015-06-23T00:00:00Z", "end_datetime": "2024-12-31T23:59:59Z"}
    scene = open_scene(make_scene({"B02": NUMBERS}, properties=times))
    assert {key: scene.item["properties"][key] for key in times} == times


def test_assets_elsewhere_or_absent_are_bands_the_scene_does_not_have(make_scene: MakeScene) -> None:
    folder = make_scene({"B02": NUMBERS})
    assets = {"B02": {"href": "./B02.tif"}, "B03": {"href": "https://example.org/B03.tif"}, "B04": {"href": "B04.tif"}}
    change(folder, assets=assets)
    scene = open_scene(folder)
    assert list(scene.bands) == ["B02"]
    assert scene.absent == {"B03": "https://example.org/B03.tif", "B04": "B04.tif"}


def test_a_link_to_itself_is_refused_by_name(make_scene: MakeScene) -> None:
    folder = make_scene({"B02": NUMBERS, "B03": NUMBERS})
    (folder / "B03.tif").unlink()
    (folder / "B03.tif").symlink_to("B03.tif")
    with pytest.raises(SceneError, match=r"asset B03 names '\./B03\.tif', which cannot be followed: Symlink loop"):
        open_scene(folder)


@pytest.mark.parametrize(
    "href", ["../B02.tif", "/etc/hostname", "a/../../B02.tif", "%2e%2e/B02.tif", "file:///etc/passwd"]
)
def test_a_path_out_of_the_folder_is_refused(make_scene: MakeScene, href: str) -> None:
    folder = make_scene({"B02": NUMBERS})
    write_band(folder.parent / "B02.tif", NUMBERS)
    change(folder, assets={"B02": {"href": href}})
    with pytest.raises(SceneError, match=r"item\.json: asset B02 names a file outside the scene's folder"):
        open_scene(folder)


def test_a_symbolic_link_out_of_the_folder_is_refused(make_scene: MakeScene) -> None:
    folder = make_scene({"B02": NUMBERS})
    (folder / "B02.tif").rename(folder.parent / "B02.tif")
    (folder / "B02.tif").symlink_to(folder.parent / "B02.tif")
    with pytest.raises(SceneError, match="outside the scene's folder"):
        open_scene(folder)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "is not JSON"),
        (b"[]", "is not a STAC item"),
        (b'{"type": "Feature"}', "the item has no id"),
        (orjson.dumps(item({}) | {"assets": {"B02": {}}}), "asset B02 has no href"),
        (orjson.dumps(item({"x": {"href": "x"}}) | {"geometry": None}), "the item has no geometry"),
        (orjson.dumps(item({"x": {"href": "x"}}, datetime=None)), "neither datetime nor start_datetime"),
        (orjson.dumps(item({"x": {"href": "x"}})), "no asset is a band file"),
        (orjson.dumps(item({"B02": {"href": "B02.tif", "raster:scale": "much"}})), "scale is not a number: 'much'"),
        (orjson.dumps(item({"B02": {"href": "B02.tif", "raster:scale": 0}})), "a scale of 0"),
        (orjson.dumps(item({"B02": {"href": "B02.tif", "raster:offset": "nan"}})), "offset is not finite"),
        (orjson.dumps(item({"B02": {"href": "B02.tif", "raster:offset": 1e300}})), r"an offset of 1e\+300"),
        (orjson.dumps(item({"B02": {"href": "B02.tif", "raster:scale": 1e300}})), r"a scale of 1e\+300"),
    ],
)
def test_an_item_that_is_none_is_refused_by_name(tmp_path: Path, content: bytes, reason: str) -> None:
    write_band(tmp_path / "B02.tif", NUMBERS)
    (tmp_path / "item.json").write_bytes(content)
    with pytest.raises(SceneError, match=reason) as refusal:
        open_scene(tmp_path)
    assert str(tmp_path / "item.json") in str(refusal.value)
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize(
    ("name", "files"),
    [
        (f"{RAW}.SAFE", ("manifest.safe",)),
        (f"{RAW}.SAFE", ()),
        (RAW, ("manifest.safe",)),
        (
            "renamed",
            ("manifest.safe", "measurement/s1a-iw-grd-vv-20200408t094800-20200408t094825-032039-001.tiff"),
        ),
        ("S1A_IW_SLC__1SDV_20200408T094800_20200408T094825_032039_03B3A9_1234.SAFE", ("manifest.safe",)),
    ],
)
def test_raw_sentinel_1_is_refused_with_the_reason(tmp_path: Path, name: str, files: tuple[str, ...]) -> None:
    for file in files:
        (tmp_path / name / file).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name / file).touch()
    with pytest.raises(SceneError, match=f"{name} is raw Sentinel-1 .*terrain-corrected backscatter"):
        open_scene(tmp_path / name)


def test_folders_that_are_no_scenes(tmp_path: Path) -> None:
    with pytest.raises(SceneError, match="no such folder"):
        open_scene(tmp_path / "absent")
    with pytest.raises(SceneError, match=r"neither item\.json nor MTD_MSIL2A\.xml"):
        open_scene(tmp_path)


def test_a_band_of_another_reference_system_size_or_place_is_named(make_scene: MakeScene) -> None:
    changes: tuple[tuple[dict[str, Any], str], ...] = (
        ({"crs": "EPSG:32633"}, "is in EPSG:32633, not in EPSG:32632"),
        ({"origin": (600_010.0, 5_400_000.0)}, "starts at 600010 5400000, not at 600000 5400000"),
        ({"pixel": 15.0}, "has 15 m pixels"),
    )
    for change_of, reason in changes:
        folder = make_scene({"B02": NUMBERS, "B03": NUMBERS})
        write_band(folder / "B03.tif", NUMBERS, **change_of)
        with pytest.raises(SceneError, match=f"band B03: .*B03.tif {reason}"):
            open_scene(folder)
    folder = make_scene({"B02": NUMBERS, "B03": NUMBERS[:19]})
    with pytest.raises(SceneError, match=r"band B03: .*has 19 × 20 pixels, not 20 × 20"):
        open_scene(folder)


def test_unreadable_files_are_named(make_scene: MakeScene) -> None:
    folder = make_scene({"B02": NUMBERS})
    band = folder / "B02.tif"
    whole = band.read_bytes()
    for content, reason in (
        (b"", "neither a GeoTIFF nor"),
        (b"<VRTDataset/>", "neither a GeoTIFF nor"),
        (whole[:60], "cannot be read"),
    ):
        band.write_bytes(content)
        with pytest.raises(SceneError, match=f"band B02: .*B02.tif .*{reason}") as refusal:
            open_scene(folder)
        assert "\n" not in str(refusal.value)


def test_files_that_are_no_single_north_up_band_are_refused(make_scene: MakeScene, tmp_path: Path) -> None:
    folder = make_scene({"B02": NUMBERS})
    write_band(folder / "B02.tif", NUMBERS, crs=None)
    with pytest.raises(SceneError, match="has no coordinate reference system"):
        open_scene(folder)
    write_band(folder / "B02.tif", NUMBERS, pixel=-10.0)
    with pytest.raises(SceneError, match="not a north-up grid"):
        open_scene(folder)


def test_nan_as_nodata_is_allowed(make_scene: MakeScene) -> None:
    values = np.array([[0.1, np.nan], [0.0, 0.4]], np.float32)
    scene = open_scene(make_scene({"B02": values}, {"B02": {"nodata": "nan", "raster:scale": None}}))
    assert math.isnan(scene.bands["B02"].nodata or 0)
    np.testing.assert_array_equal(read_bands(scene, ["B02"])[0], values)
