"""Every real set of Sentinel-2 metadata, compared with the STAC items that stactools makes of them."""

import json
from pathlib import Path
from typing import Any

import pytest

from rucio_dafab.eo.errors import SceneError
from rucio_dafab.eo.readers.safe import finest
from rucio_dafab.eo.readers.safe_item import band_asset, make_item
from rucio_dafab.eo.readers.safe_xml import read_product, read_tile

pytestmark = pytest.mark.shared

# What stactools adds of its own: when its item was made, its wording of the provider, an older name of proj:code.
NOT_COMPARED = {"created", "providers", "proj:epsg"}


def products(shared: Path) -> list[Path]:
    return sorted(
        {*shared.glob("safe_metadata/*/MTD_MSIL2?.xml"), *shared.glob("safe_metadata/*/product_metadata.xml")}
    )


def tiles(shared: Path) -> list[Path]:
    found = [*shared.glob("safe_metadata/**/MTD_TL.xml"), *shared.glob("safe_metadata/*/metadata.xml")]
    return sorted(path for path in found if "_DS_" not in path.parent.name or path.name == "metadata.xml")


def tile_of(folder: Path) -> Path | None:
    return next(
        iter([*folder.glob("GRANULE/*/MTD_TL.xml"), *folder.glob("MTD_TL.xml"), *folder.glob("metadata.xml")]), None
    )


def close(ours: Any, theirs: Any) -> bool:
    if isinstance(theirs, float):
        return isinstance(ours, int | float) and abs(ours - theirs) < 1e-9
    return bool(ours == theirs)


def test_every_product_file_is_understood(shared: Path) -> None:
    read = {path.parent.name: read_product(path) for path in products(shared)}
    assert len(read) == 8
    for product in read.values():
        assert len(product.images) in (35, 36)
        assert [image.band for image in finest(product.images)] == [
            *("B01", "B02", "B03", "B04", "B05", "B06", "B07", "B08", "B8A", "B09", "B11", "B12", "SCL")
        ]
        assert len(product.wavelengths) == 13
        assert product.quantification == 10000
    # The offset is what the file says, not what its date suggests.
    offsets = {product.baseline: product.offsets.get("B02") for product in read.values()}
    assert offsets == {"02.12": None, "04.00": -7000.0, "05.09": -1000.0}


def test_every_tile_file_is_understood(shared: Path) -> None:
    read = [read_tile(path) for path in tiles(shared)]
    assert len(read) >= 18
    assert {tile.level for tile in read} == {"L1C", "L2A"}
    assert all(tile.shapes == {10: (10980, 10980), 20: (5490, 5490), 60: (1830, 1830)} for tile in read)
    # One real tile is so small a piece of its swath that no band has a viewing angle: NaN in all of them.
    assert [tile.tile_id[-13:-7] for tile in read if tile.view is None] == ["T34VEL"]


def test_level_1c_is_refused_by_name(shared: Path) -> None:
    for path in shared.glob("safe_metadata/*/MTD_MSIL1C.xml"):
        with pytest.raises(SceneError, match="Level-1C_User_Product, not a Level-2A_User_Product"):
            read_product(path)


def test_items_equal_the_expected_ones_field_by_field(shared: Path) -> None:
    compared = 0
    for path in products(shared):
        expected_file = path.parent / "expected_output.json"
        tile = tile_of(path.parent)
        item = make_item(read_product(path), read_tile(tile) if tile else None, path.parent.name)
        if not expected_file.is_file():
            continue
        expected = json.loads(expected_file.read_text())
        assert item["bbox"] == expected["bbox"]
        assert item["geometry"]["type"] == expected["geometry"]["type"]
        different = {
            key: (item["properties"].get(key), value)
            for key, value in expected["properties"].items()
            if key not in NOT_COMPARED and not close(item["properties"].get(key), value)
        }
        assert different == {}, path.parent.name
        compared += 1
    assert compared == 5


@pytest.mark.parametrize(
    ("folder", "atmosphere"),
    [
        ("S2A_MSIL2A_20230625T234621_N0509_R073_T01WCP_20230626T022157.SAFE", (0.165903, 1.128304, 339.248796)),
        ("S2A_MSIL2A_20230625T234621_N0509_R073_T01WCS_20230626T022157.SAFE", (0.121735, 0.901795, 334.709374)),
    ],
)
def test_the_atmosphere_of_the_granule_is_told(
    shared: Path, folder: str, atmosphere: tuple[float, float, float]
) -> None:
    """The numbers are those in the real ``MTD_TL.xml``; stactools' items leave them out."""
    place = shared / "safe_metadata" / folder
    tile = tile_of(place)
    assert tile is not None
    properties = make_item(read_product(place / "MTD_MSIL2A.xml"), read_tile(tile), folder)["properties"]
    told = tuple(properties[f"s2:{name}"] for name in ("granule_mean_aot", "granule_mean_wv", "ozone_value"))
    assert told == atmosphere


def test_scale_and_offset_equal_the_expected_ones(shared: Path) -> None:
    keys = {"blue": "B02", "green": "B03", "red": "B04", "nir": "B08", "nir08": "B8A", "swir16": "B11", "swir22": "B12"}
    for path in products(shared):
        expected_file = path.parent / "expected_output.json"
        if not expected_file.is_file():
            continue
        product = read_product(path)
        expected = json.loads(expected_file.read_text())["assets"]
        for key, band in keys.items():
            theirs = expected[key]["raster:bands"][0]
            ours = band_asset(product, band, theirs["spatial_resolution"])
            assert ours["raster:scale"] == theirs["scale"]
            assert ours["raster:offset"] == pytest.approx(theirs["offset"])
            assert ours["nodata"] == theirs["nodata"]
            finest_path = next(image.path for image in finest(product.images) if image.band == band)
            assert expected[key]["href"].removeprefix("./").rpartition(".")[0] == finest_path


def test_the_quality_of_every_tile_equals_the_expected_item(shared: Path) -> None:
    """The sets of the open-data buckets have a tile file and no product file."""
    compared = 0
    for path in shared.glob("safe_metadata/*/metadata.xml"):
        expected_file = path.parent / "expected_output.json"
        if not expected_file.is_file():
            continue
        tile = read_tile(path)
        expected = json.loads(expected_file.read_text())["properties"]
        assert expected["s2:tile_id"] == tile.tile_id
        assert expected["eo:cloud_cover"] == pytest.approx(float(tile.texts["CLOUDY_PIXEL_PERCENTAGE"]), abs=1e-5)
        assert expected.get("view:sun_azimuth") == pytest.approx(tile.sun[1] if tile.sun else None)
        assert expected.get("view:incidence_angle") == pytest.approx(tile.view[0] if tile.view else None)
        compared += 1
    assert compared >= 5
