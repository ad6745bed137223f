"""SAFE folders: metadata into an item, JPEG 2000 into reflectance, and what is refused."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from rucio_dafab.eo.scene import SceneError, open_scene, read_bands, read_scl

from .conftest import write_band

GRANULE = "GRANULE/L2A_T32UNV_A012345_20260601T103001"
NAME = "S2B_MSIL2A_20260601T103001_N0511_R008_T32UNV_20260601T135101"
OFFSETS = "".join(f'<BOA_ADD_OFFSET band_id="{n}">-1000</BOA_ADD_OFFSET>' for n in range(13))
FOOTPRINT = "48.7 10.3 48.6 10.3 48.6 10.5 48.7 10.5 48.7 10.3"

PRODUCT = """<?xml version="1.0"?>
{doctype}<n1:Level-2A_User_Product xmlns:n1="https://psd-{psd}.sentinel2.eo.esa.int/PSD/User_Product_Level-2A.xsd">
 <n1:General_Info><Product_Info>
  <PRODUCT_START_TIME>2026-06-01T10:30:01.024Z</PRODUCT_START_TIME><PRODUCT_STOP_TIME>2026-06-01T10:30:01.024Z</PRODUCT_STOP_TIME>
  <PRODUCT_URI>{name}.SAFE</PRODUCT_URI><PRODUCT_TYPE>S2MSI2A</PRODUCT_TYPE><PROCESSING_BASELINE>{baseline}</PROCESSING_BASELINE>
  <GENERATION_TIME>2026-06-01T13:51:01.000000Z</GENERATION_TIME>
  <Datatake datatakeIdentifier="GS2B_20260601T103001_012345_N05.11"><SPACECRAFT_NAME>Sentinel-2B</SPACECRAFT_NAME>
  <SENSING_ORBIT_NUMBER>8</SENSING_ORBIT_NUMBER><SENSING_ORBIT_DIRECTION>DESCENDING</SENSING_ORBIT_DIRECTION></Datatake>
  <Granule>{images}</Granule></Product_Info>
  <BOA_QUANTIFICATION_VALUE unit="none">{quantification}</BOA_QUANTIFICATION_VALUE>
  <BOA_ADD_OFFSET_VALUES_LIST>{offsets}</BOA_ADD_OFFSET_VALUES_LIST></n1:General_Info>
 <n1:Geometric_Info><EXT_POS_LIST>{footprint}</EXT_POS_LIST></n1:Geometric_Info>
 <n1:Quality_Indicators_Info><Cloud_Coverage_Assessment>12.5</Cloud_Coverage_Assessment></n1:Quality_Indicators_Info>
</n1:Level-2A_User_Product>
"""
TILE = """<?xml version="1.0"?>
<n1:Level-2A_Tile_ID xmlns:n1="https://psd-15.sentinel2.eo.esa.int/PSD/S2_PDI_Level-2A_Tile_Metadata.xsd">
 <TILE_ID>S2B_OPER_MSI_L2A_TL_2BPS_20260601T135101_A012345_T32UNV_N05.11</TILE_ID>
 <SENSING_TIME>2026-06-01T10:35:00Z</SENSING_TIME><HORIZONTAL_CS_CODE>EPSG:32632</HORIZONTAL_CS_CODE>
 <Size resolution="10"><NROWS>36</NROWS><NCOLS>48</NCOLS></Size>
 <Geoposition resolution="10"><ULX>600000</ULX><ULY>5400000</ULY></Geoposition>
 <Mean_Sun_Angle><ZENITH_ANGLE>30</ZENITH_ANGLE><AZIMUTH_ANGLE>150</AZIMUTH_ANGLE></Mean_Sun_Angle>
 <Mean_Viewing_Incidence_Angle bandId="0"><ZENITH_ANGLE>4</ZENITH_ANGLE><AZIMUTH_ANGLE>350</AZIMUTH_ANGLE>
 </Mean_Viewing_Incidence_Angle>
 <Mean_Viewing_Incidence_Angle bandId="1"><ZENITH_ANGLE>6</ZENITH_ANGLE><AZIMUTH_ANGLE>20</AZIMUTH_ANGLE>
 </Mean_Viewing_Incidence_Angle>
 <Mean_Viewing_Incidence_Angle bandId="2"><ZENITH_ANGLE>NaN</ZENITH_ANGLE><AZIMUTH_ANGLE>NaN</AZIMUTH_ANGLE>
 </Mean_Viewing_Incidence_Angle>
 <SNOW_ICE_PERCENTAGE>1.25</SNOW_ICE_PERCENTAGE>
</n1:Level-2A_Tile_ID>
"""

MakeSafe = Callable[..., Path]


def image(band: str, resolution: int) -> str:
    return f"{GRANULE}/IMG_DATA/R{resolution}m/T32UNV_20260601T103001_{band}_{resolution}m"


def default_bands() -> dict[tuple[str, int], NDArray[Any]]:
    random = np.random.default_rng(3)
    return {
        ("B02", 10): random.integers(1001, 4000, (36, 48)).astype(np.uint16),
        ("B08", 10): random.integers(1001, 4000, (36, 48)).astype(np.uint16),
        ("B02", 20): np.full((18, 24), 9999, np.uint16),
        ("B11", 20): random.integers(1001, 4000, (18, 24)).astype(np.uint16),
        ("SCL", 20): random.integers(0, 12, (18, 24)).astype(np.uint8),
        ("B01", 60): random.integers(1001, 4000, (6, 8)).astype(np.uint16),
    }


@pytest.fixture
def make_safe(tmp_path: Path) -> MakeSafe:
    """Return a function that writes a small SAFE folder whose metadata can be bent."""

    def make(
        bands: Mapping[tuple[str, int], NDArray[Any]] | None = None,
        tile: str | None = TILE,
        file: str = "MTD_MSIL2A.xml",
        **bent: str,
    ) -> Path:
        folder = tmp_path / f"{NAME}.SAFE"
        written = default_bands() if bands is None else dict(bands)
        for (band, resolution), values in written.items():
            write_band(folder / f"{image(band, resolution)}.jp2", values, float(resolution))
        listed = "".join(f"<IMAGE_FILE>{image(*key)}</IMAGE_FILE>" for key in written)
        told = {
            "doctype": "",
            "psd": "15",
            "name": NAME,
            "baseline": "05.11",
            "quantification": "10000",
            "offsets": OFFSETS,
            "footprint": FOOTPRINT,
            "images": listed,
        } | bent
        folder.mkdir(exist_ok=True)
        (folder / file).write_text(PRODUCT.format(**told))
        if tile is not None:
            (folder / GRANULE).mkdir(parents=True, exist_ok=True)
            (folder / GRANULE / "MTD_TL.xml").write_text(tile)
        return folder

    return make


def test_reflectance_comes_from_the_finest_file_with_the_offset_of_the_xml(make_safe: MakeSafe) -> None:
    bands = default_bands()
    scene = open_scene(make_safe(bands))
    assert scene.shape == (36, 48)
    assert list(scene.bands) == ["B01", "B02", "B08", "B11", "SCL"]
    read = read_bands(scene, ["B02", "B08"])
    np.testing.assert_allclose(read[0], (bands["B02", 10] - 1000.0) / 10000, atol=1e-6)
    np.testing.assert_allclose(read[1], (bands["B08", 10] - 1000.0) / 10000, atol=1e-6)
    np.testing.assert_array_equal(read_scl(scene), bands["SCL", 20].repeat(2, 0).repeat(2, 1))
    assert read_bands(scene, ["B01", "B11"]).shape == (2, 36, 48)


def test_the_item_is_complete(make_safe: MakeSafe) -> None:
    item = open_scene(make_safe()).item
    assert item["id"] == NAME
    assert item["bbox"] == [10.3, 48.6, 10.5, 48.7]
    expected = {
        "datetime": "2026-06-01T10:30:01.024000Z",
        "platform": "sentinel-2b",
        "constellation": "sentinel-2",
        "instruments": ["msi"],
        "eo:cloud_cover": 12.5,
        "eo:snow_cover": 1.25,
        "grid:code": "MGRS-32UNV",
        "proj:code": "EPSG:32632",
        "proj:shape": [36, 48],
        "proj:transform": [10.0, 0.0, 600000.0, 0.0, -10.0, 5400000.0],
        "proj:bbox": [600000.0, 5399640.0, 600480.0, 5400000.0],
        "processing:version": "05.11",
        "product:type": "S2MSI2A",
        "sat:relative_orbit": 8,
        "sat:orbit_state": "descending",
        "view:sun_elevation": 60.0,
        "view:incidence_angle": 5.0,
        # The mean of directions on both sides of north, not of the numbers.
        "view:azimuth": 5.0,
    }
    assert {key: item["properties"].get(key) for key in expected} == expected
    assert not [address for address in item["stac_extensions"] if "scientific" in address]
    asset = item["assets"]["B11"]
    assert asset["href"] == f"./{image('B11', 20)}.jp2"
    assert (asset["raster:scale"], asset["raster:offset"], asset["nodata"]) == (0.0001, -0.1, 0)
    assert (asset["proj:shape"], asset["proj:transform"][0]) == ([18, 24], 20.0)
    assert asset["bands"][0]["eo:common_name"] == "swir16"
    assert item["assets"]["product_metadata"]["href"] == "./MTD_MSIL2A.xml"
    assert item["assets"]["granule_metadata"]["href"] == f"./{GRANULE}/MTD_TL.xml"


def test_old_baselines_have_no_offset_and_another_namespace(make_safe: MakeSafe) -> None:
    scene = open_scene(make_safe(offsets="", baseline="02.12", psd="14", file="MTD_MSIL2a.xml"))
    assert {band.offset for band in scene.bands.values()} == {0.0}


def test_the_offset_is_the_xml_s_whatever_it_is(make_safe: MakeSafe) -> None:
    scene = open_scene(make_safe(offsets=OFFSETS.replace("-1000", "-7000")))
    assert scene.bands["B02"].offset == pytest.approx(-0.7)


def test_without_tile_metadata_angles_are_unknown_and_the_grid_is_the_files(make_safe: MakeSafe) -> None:
    properties = open_scene(make_safe(tile=None)).item["properties"]
    assert "view:sun_elevation" not in properties
    assert properties["proj:code"] == "EPSG:32632"


def test_bands_that_were_not_downloaded_are_absent(make_safe: MakeSafe) -> None:
    folder = make_safe()
    (folder / f"{image('B08', 10)}.jp2").unlink()
    scene = open_scene(folder)
    assert "B08" not in scene.bands
    assert "B08" not in scene.item["assets"]


def test_a_reference_water_mask_becomes_an_asset(make_safe: MakeSafe) -> None:
    folder = make_safe()
    path = folder / GRANULE / "AUX_DATA" / "reference_water.tif"
    write_band(path, np.ones((36, 48), np.uint8))
    scene = open_scene(folder)
    assert scene.metadata["reference_water"] == path
    assert scene.item["assets"]["reference_water"]["roles"] == ["reference"]


BOMB = '<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">]>'
FILE_ENTITY = '<!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/passwd">]>'


@pytest.mark.parametrize(
    ("bent", "reason"),
    [
        ({"doctype": BOMB, "name": "&b;"}, "declares a DTD or entities"),
        ({"doctype": FILE_ENTITY, "name": "&a;"}, "declares a DTD or entities"),
        ({"doctype": "<broken"}, "is not XML"),
        ({"offsets": ""}, r"has no BOA_ADD_OFFSET, which products of baseline 05\.11 have"),
        ({"offsets": '<BOA_ADD_OFFSET band_id="1">-1000</BOA_ADD_OFFSET>'}, "has no BOA_ADD_OFFSET for band B01"),
        ({"offsets": '<BOA_ADD_OFFSET band_id="13">-1000</BOA_ADD_OFFSET>'}, "BOA_ADD_OFFSET of an unknown band '13'"),
        ({"offsets": OFFSETS.replace("-1000", "much")}, "BOA_ADD_OFFSET is not a number: much"),
        ({"offsets": OFFSETS.replace("-1000", "nan")}, "BOA_ADD_OFFSET is not a finite number: nan"),
        ({"offsets": OFFSETS.replace("-1000", "1e300")}, r"BOA_ADD_OFFSET is 1e\+300: no offset of reflectance"),
        ({"quantification": "0"}, "BOA_QUANTIFICATION_VALUE is 0: no number that reflectance is divided by"),
        ({"quantification": "inf"}, "BOA_QUANTIFICATION_VALUE is not a finite number: inf"),
        ({"quantification": "nan"}, "BOA_QUANTIFICATION_VALUE is not a finite number: nan"),
        ({"quantification": "1e300"}, r"BOA_QUANTIFICATION_VALUE is 1e\+300"),
        ({"quantification": ""}, "has no BOA_QUANTIFICATION_VALUE"),
        ({"images": ""}, "lists no IMAGE_FILE"),
        ({"images": "<IMAGE_FILE>../../IMG_DATA/x_B02_10m</IMAGE_FILE>"}, "names a file outside the scene's folder"),
        ({"images": "<IMAGE_FILE>GRANULE/x/IMG_DATA/x_B02_10m</IMAGE_FILE>"}, "none of the 1 images it lists is there"),
        ({"footprint": "48.7 10.3 48.6"}, "EXT_POS_LIST is no ring"),
        ({"footprint": "148.7 10.3 48.6 10.3 48.6 10.5 148.7 10.3"}, "EXT_POS_LIST is no ring"),
        ({"footprint": "48.7 10.3 " * 4}, "footprint encloses nothing"),
    ],
)
def test_metadata_that_cannot_be_used_is_refused_by_name(
    make_safe: MakeSafe, bent: dict[str, str], reason: str
) -> None:
    with pytest.raises(SceneError, match=reason) as refusal:
        open_scene(make_safe(**bent))
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ("EPSG:32632", "EPSG:32633", "its bands are in EPSG:32632, its metadata says EPSG:32633"),
        ("<ULX>600000</ULX>", "", "Geoposition has no ULX"),
        ("Level-2A_Tile_ID", "Level-3_Tile_ID", "is a Level-3_Tile_ID"),
        ("2026-06-01T10:35:00Z", "yesterday", "SENSING_TIME is no time: yesterday"),
        ("<NROWS>36</NROWS>", "<NROWS>nan</NROWS>", "NROWS is not a finite number: nan"),
        ("<NCOLS>48</NCOLS>", "<NCOLS>inf</NCOLS>", "NCOLS is not a finite number: inf"),
        ("<ULX>600000</ULX>", "<ULX>-inf</ULX>", "ULX is not a finite number: -inf"),
    ],
)
def test_tile_metadata_that_cannot_be_used_is_refused(make_safe: MakeSafe, old: str, new: str, reason: str) -> None:
    with pytest.raises(SceneError, match=reason):
        open_scene(make_safe(tile=TILE.replace(old, new)))


def test_other_levels_are_refused_by_name(make_safe: MakeSafe) -> None:
    folder = make_safe()
    (folder / "MTD_MSIL2A.xml").rename(folder / "MTD_MSIL1C.xml")
    with pytest.raises(SceneError, match="is a Level-1C product; only Level-2A"):
        open_scene(folder)


def test_a_band_of_another_size_is_named(make_safe: MakeSafe) -> None:
    bands = default_bands() | {("B11", 20): np.ones((18, 23), np.uint16)}
    with pytest.raises(SceneError, match=r"band B11: .*B11_20m\.jp2 has 18 × 23 pixels, not 18 × 24"):
        open_scene(make_safe(bands))
