"""What of a product is fetched, and which products are refused before anything is."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from rucio_dafab.eo.sources.download import Downloads
from rucio_dafab.eo.sources.errors import SourceError
from rucio_dafab.eo.sources.plan import Plan, check_bands, needed_bands
from rucio_dafab.eo.sources.providers import Sources
from rucio_dafab.eo.sources.search import find
from tests.unit.eo.sources.archive import Archive, as_json
from tests.unit.eo.sources.conftest import node_path, odata_product, stac_api
from tests.unit.eo.sources.fetching import BANDS, fetch, small_item

Use = Callable[..., Sources]


def test_the_needed_bands_are_those_of_the_models() -> None:
    assert needed_bands() == ("B02", "B03", "B04", "B08", "B11", "B12", "VV", "VH", "SCL")
    assert check_bands(["B02", "VV", "B02"]) == ("B02", "VV")
    with pytest.raises(SourceError, match="no band B13: known are B01"):
        check_bands(["B02", "B13"])


def found_item(archive: Archive, item: dict[str, Any], use: Use) -> Callable[[], Plan]:
    stac_api(archive, [item])
    sources = use()
    provider = sources.provider("cogs")
    return lambda: Downloads(sources, provider).plan(find(sources, provider, item["id"]), BANDS, Path("nowhere"))


@pytest.mark.parametrize(
    ("identifier", "collection", "properties"),
    [
        ("S1A_IW_GRDH_1SDV_20200408T094800_20200408T094825_032039_03B3A9", "sentinel-1-grd", {}),
        ("S1A_IW_GRDH_1SDV_20200408T094800_20200408T094825_032039_03B3A9_COG", "anything", {}),
        ("scene_of_radar", "sentinel-1-grd", {"product:type": "IW_GRDH_1S"}),
        ("S1A_IW_SLC__1SDV_20200408T094800_20200408T094825_032039_03B3A9_1234", "sentinel-1-slc", {}),
    ],
)
def test_raw_sentinel_1_is_refused_with_the_reason(
    archive: Archive, use: Use, identifier: str, collection: str, properties: dict[str, Any]
) -> None:
    plan = found_item(archive, small_item(archive, identifier, collection, **properties), use)
    with pytest.raises(SourceError, match=f"{identifier} is raw Sentinel-1 .*terrain-corrected backscatter") as refused:
        plan()
    assert refused.value.exit_code == 1
    assert not any(asked.path.startswith("/data") for asked in archive.asked)


@pytest.mark.parametrize(
    ("properties", "offset", "refused"),
    [
        ({"s2:processing_baseline": "05.10"}, None, True),
        ({"s2:processing_baseline": "05.10", "earthsearch:boa_offset_applied": False}, None, True),
        ({"s2:processing_baseline": "05.10"}, -0.1, False),
        ({"s2:processing_baseline": "05.10", "earthsearch:boa_offset_applied": True}, None, False),
        ({"s2:processing_baseline": "03.01"}, None, False),
    ],
)
def test_reflectance_whose_offset_nobody_states_is_refused_before_it_comes(
    archive: Archive, use: Use, properties: dict[str, Any], offset: float | None, refused: bool
) -> None:
    item = small_item(archive, "S2B_31UGR_20240614_0_L2A", **properties)
    for asset in item["assets"].values():
        asset["raster:bands"] = [{"scale": 0.0001, "offset": offset}]
    plan = found_item(archive, item, use)
    if refused:
        with pytest.raises(SourceError, match=r"_L2A at cogs has no offset .* baseline 05\.10 have"):
            plan()
    else:
        assert plan().files


@pytest.mark.shared
def test_level_1c_is_refused(archive: Archive, use: Use, shared: Path) -> None:
    """The item is one that Earth Search really gave."""
    recorded = json.loads((shared / "api" / "earth_search" / "earth_search_search.json").read_text())
    plan = found_item(archive, recorded["features"][0], use)
    with pytest.raises(SourceError, match="S2B_27VWK_20240206_0_L1C is a Level-1C product"):
        plan()


def test_offline_products_are_refused(archive: Archive, use: Use, safe: Path, tmp_path: Path) -> None:
    archive.route("/odata/v1/Products", lambda _: as_json({"value": [odata_product(safe, Online=False)]}))
    use()
    with pytest.raises(SourceError, match="is offline at safe: order it there"):
        fetch(safe.name, "safe", tmp_path)
    plan = found_item(archive, small_item(archive, "S2_x", **{"order:status": "orderable"}), use)
    with pytest.raises(SourceError, match="S2_x is offline at cogs"):
        plan()


@pytest.mark.parametrize("identifier", ["../../etc/passwd", "a/b", ".hidden", "x" * 151, "a..b", "nul\0"])
def test_ids_that_are_no_folder_are_refused(archive: Archive, use: Use, identifier: str) -> None:
    item = small_item(archive, identifier)
    sources = use()
    provider = sources.provider("cogs")
    archive.route("/item", lambda _: as_json(item))
    found = find(sources, provider, f"{archive.url}/item")
    with pytest.raises(SourceError, match="cannot be the id of a scene"):
        Downloads(sources, provider).plan(found, BANDS, Path("nowhere"))


def test_a_product_without_the_bands_is_refused(archive: Archive, use: Use) -> None:
    item = small_item(archive, "S2_x") | {"assets": {"thumbnail": {"href": "t.png"}}}
    with pytest.raises(SourceError, match="S2_x at cogs has none of the bands B02, B03"):
        found_item(archive, item, use)()


def test_of_several_files_of_a_band_the_finest_readable_is_taken(archive: Archive, use: Use) -> None:
    def asset(name: str, **more: Any) -> dict[str, Any]:
        return {"href": f"{archive.url}/data/{name}", "file:size": 10} | more

    item = small_item(archive, "S2_x") | {"assets": {
        "B02_60m": asset("B02_60m.jp2", gsd=60), "B02_10m": asset("B02_10m.jp2", gsd=10),
        "B02_20m": asset("B02_20m.jp2"),
        "blue-zarr": asset("blue.zarr", gsd=10),
        "green-jp2": asset("B03.jp2", gsd=10), "green": asset("B03.tif", gsd=10),
        "visual": asset("TCI.tif", gsd=10), "scl-jp2": asset("SCL.jp2", gsd=20), "red": {"title": "no address"},
    }}  # fmt: skip
    files = found_item(archive, item, use)().files
    assert {file.path: file.urls[0].rpartition("/")[2] for file in files} == {
        "B02.jp2": "B02_10m.jp2", "B03.tif": "B03.tif", "SCL.jp2": "SCL.jp2",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("old", "new", "line"),
    [
        ('href="./GRANULE/', 'href="../../GRANULE/', "is no path of a file inside it"),
        ('href="./MTD', 'href="/etc/MTD', "is no path of a file inside it"),
        ('size="', 'size="-', "the size '-"),
        ("<?xml", "<!DOCTYPE x [<!ENTITY a 'b'>]><?xml", "its manifest cannot be used"),
        ("MTD_TL.xml", "MTD_TX.xml", "1 metadata files"),
    ],
)
def test_a_manifest_that_cannot_be_trusted_is_refused(
    safe_archive: Archive, use: Use, safe: Path, tmp_path: Path, old: str, new: str, line: str
) -> None:
    path = node_path(safe, "manifest.safe")
    text = safe_archive.files[path].decode()
    assert old in text
    safe_archive.files[path] = text.replace(old, new).encode()
    use()
    with pytest.raises(SourceError, match=line):
        fetch(safe.name, "safe", tmp_path)
    assert not (tmp_path / safe.name).exists()
