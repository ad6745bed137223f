"""A simulated product has the layout, the names and the metadata of a real one."""

import dataclasses
import hashlib
import json
import re
from pathlib import Path

import defusedxml.ElementTree as ET
import numpy as np
import pytest
import rasterio
from rasterio.warp import transform_bounds
from typer.testing import CliRunner

from rucio_dafab.cli.main import app
from rucio_dafab.eo.simulate import Options, SimulatedScene, SimulationError, simulate, write_safe, write_truth
from rucio_dafab.eo.simulate.product import describe

NAME = re.compile(r"S2B_MSIL2A_\d{8}T\d{6}_N0511_R008_T31UGR_\d{8}T\d{6}\.SAFE")
LUXEMBOURG = (5.8, 49.5, 6.4, 50.1)
"""West, south, east, north of a box inside Luxembourg."""


@pytest.fixture(scope="module")
def scene() -> SimulatedScene:
    return simulate(12, Options(size=128, clouds=0.1))


@pytest.fixture(scope="module")
def product(scene: SimulatedScene, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_safe(scene, tmp_path_factory.mktemp("safe"))


def texts(path: Path, tag: str) -> list[str]:
    return [node.text or "" for node in ET.parse(path).getroot().iter(tag)]


def only(product: Path, pattern: str) -> Path:
    (found,) = product.glob(pattern)
    return found


def test_the_layout_is_that_of_a_product(product: Path) -> None:
    assert NAME.fullmatch(product.name)
    assert (product / "manifest.safe").is_file()
    assert only(product, "GRANULE/L2A_T31UGR_A*/MTD_TL.xml").is_file()
    assert len(list(product.glob("GRANULE/*/IMG_DATA/R10m/*_10m.jp2"))) == 5
    assert only(product, "GRANULE/*/IMG_DATA/R20m/*_SCL_20m.jp2").is_file()


def test_every_listed_image_is_there_and_no_other(product: Path) -> None:
    listed = texts(product / "MTD_MSIL2A.xml", "IMAGE_FILE")
    assert {f"{image}.jp2" for image in listed} == {
        path.relative_to(product).as_posix() for path in product.glob("GRANULE/*/IMG_DATA/*/*.jp2")
    }


def test_the_metadata_carries_offsets_and_quantification(product: Path) -> None:
    metadata = product / "MTD_MSIL2A.xml"
    assert texts(metadata, "BOA_ADD_OFFSET") == ["-1000"] * 13
    assert texts(metadata, "BOA_QUANTIFICATION_VALUE") == ["10000"]
    assert texts(metadata, "PROCESSING_BASELINE") == ["05.11"]
    assert texts(metadata, "PRODUCT_URI") == [product.name]


@pytest.mark.parametrize(("band", "resolution"), [("B02", 10), ("B08", 10), ("B11", 20), ("B03", 20), ("B01", 60)])
def test_numbers_give_the_reflectance_back(product: Path, scene: SimulatedScene, band: str, resolution: int) -> None:
    path = only(product, f"GRANULE/*/IMG_DATA/R{resolution}m/*_{band}_{resolution}m.jp2")
    with rasterio.open(path) as image:
        numbers = image.read(1)
        assert image.crs.to_epsg() == 32631
        assert image.res == (resolution, resolution)
        assert image.transform.c % 60 == 0
        assert image.transform.f % 60 == 0
        west, south, east, north = transform_bounds(image.crs, "EPSG:4326", *image.bounds)
    assert LUXEMBOURG[0] < west < east < LUXEMBOURG[2]
    assert LUXEMBOURG[1] < south < north < LUXEMBOURG[3]
    assert numbers.dtype == np.uint16
    assert numbers.min() > 0
    if band != "B03":
        np.testing.assert_allclose((numbers - 1000.0) / 10000, scene.bands[band], atol=6e-5)


def test_the_tile_says_where_and_when(product: Path, scene: SimulatedScene) -> None:
    tile = only(product, "GRANULE/*/MTD_TL.xml")
    assert texts(tile, "HORIZONTAL_CS_CODE") == ["EPSG:32631"]
    assert texts(tile, "NROWS") == ["128", "64", "22"]
    transform = describe(scene).transform
    assert texts(tile, "ULX") == [str(int(transform.c))] * 3
    assert texts(tile, "ULY") == [str(int(transform.f))] * 3
    assert texts(tile, "SENSING_TIME")[0].startswith("2026-06-14T10:30:12")
    zenith = float(texts(tile, "ZENITH_ANGLE")[0])
    assert 25 < zenith < 35  # mid-June, mid-morning, 49.75 degrees north
    azimuth = float(texts(tile, "AZIMUTH_ANGLE")[0])
    assert 130 < azimuth < 165


def test_the_shares_of_classes_are_counted(product: Path, scene: SimulatedScene) -> None:
    water = float(texts(only(product, "GRANULE/*/MTD_TL.xml"), "WATER_PERCENTAGE")[0])
    assert water == pytest.approx(100 * (scene.scl == 6).mean(), abs=1e-4)
    cloudy = float(texts(product / "MTD_MSIL2A.xml", "Cloud_Coverage_Assessment")[0])
    assert cloudy == pytest.approx(100 * np.isin(scene.scl, (8, 9, 10)).mean(), abs=1e-4)


def test_the_reference_water_and_the_origin_stand_in_the_auxiliary_data(product: Path, scene: SimulatedScene) -> None:
    with rasterio.open(only(product, "GRANULE/*/AUX_DATA/reference_water.tif")) as image:
        np.testing.assert_array_equal(image.read(1), scene.reference)
        assert image.dtypes == ("uint8",)
        assert image.transform == describe(scene).transform
    origin = json.loads(only(product, "GRANULE/*/AUX_DATA/simulation.json").read_text())
    assert origin["simulated"] is True
    assert origin["seed"] == 12


def test_the_manifest_has_the_checksum_of_every_file(product: Path) -> None:
    root = ET.parse(product / "manifest.safe").getroot()
    found = {}
    for stream in root.iter("byteStream"):
        location, checksum = stream.find("fileLocation"), stream.find("checksum")
        assert location is not None
        assert checksum is not None
        found[location.attrib["href"]] = checksum.text
    files = [path for path in product.rglob("*") if path.is_file() and path.name != "manifest.safe"]
    assert found == {
        f"./{path.relative_to(product).as_posix()}": hashlib.sha3_256(path.read_bytes()).hexdigest() for path in files
    }


def test_the_same_scene_gives_the_same_bytes(product: Path, scene: SimulatedScene, tmp_path: Path) -> None:
    again = write_safe(scene, tmp_path)
    files = sorted(path.relative_to(product) for path in product.rglob("*") if path.is_file())
    assert files == sorted(path.relative_to(again) for path in again.rglob("*") if path.is_file())
    assert all((product / file).read_bytes() == (again / file).read_bytes() for file in files)


def test_seeds_have_names_of_their_own(scene: SimulatedScene) -> None:
    names = {describe(dataclasses.replace(scene, seed=seed)).name for seed in (0, 1, 1199, 1200, 2400, 4_000_000)}
    assert len(names) == 6


def test_an_existing_product_is_kept_unless_asked(scene: SimulatedScene, tmp_path: Path) -> None:
    first = write_safe(scene, tmp_path)
    with pytest.raises(SimulationError, match="exists already"):
        write_safe(scene, tmp_path)
    assert write_safe(scene, tmp_path, overwrite=True) == first
    assert [path.name for path in tmp_path.iterdir()] == [first.name]


def test_a_scene_without_all_bands_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SimulationError, match=r"without B01, B05"):
        write_safe(simulate(1, Options(size=64), ("B02", "B03", "B04")), tmp_path)


def test_a_folder_that_cannot_be_written_is_named(scene: SimulatedScene, tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("not a folder")
    with pytest.raises(SimulationError, match="file"):
        write_safe(scene, file)
    with pytest.raises(SimulationError, match="file"):
        write_truth(scene, file)


def test_the_truth_lies_on_the_grid_of_the_product(scene: SimulatedScene, tmp_path: Path) -> None:
    paths = write_truth(scene, tmp_path)
    for name, wanted in (("water", scene.water_mask), ("parcels", scene.parcels)):
        with rasterio.open(paths[name]) as image:
            np.testing.assert_array_equal(image.read(1), wanted)
            assert image.transform == describe(scene).transform


def test_the_command_writes_a_product_and_refuses_in_one_line(tmp_path: Path) -> None:
    arguments = ["simulate", str(tmp_path), "--seed", "4", "--size", "64", "--date", "2026-04-20", "--dry", "--truth"]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0, result.output
    product, *truth = map(Path, result.output.split())
    assert NAME.fullmatch(product.name)
    assert "_20260420T" in product.name
    assert all(path.is_file() for path in truth)
    again = CliRunner().invoke(app, arguments)
    assert isinstance(again.exception, SimulationError)
