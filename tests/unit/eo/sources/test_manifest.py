"""Manifests of real products, of every baseline at hand, as plans."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rucio_dafab.eo.sources.errors import SourceError
from rucio_dafab.eo.sources.manifest import inner_path, read_manifest
from rucio_dafab.eo.sources.odata import from_product
from rucio_dafab.eo.sources.plan import Plan, plan_safe
from rucio_dafab.eo.sources.providers import Provider
from tests.unit.eo.sources.conftest import odata_product
from tests.unit.eo.sources.fetching import BANDS

REAL = (
    "S2A_MSIL2A_20230625T234621_N0509_R073_T01WCP_20230626T022157.SAFE",
    "S2A_MSIL2A_20230625T234621_N0509_R073_T01WCP_20230626T022158.SAFE",
    "S2A_MSIL2A_20230625T234621_N0509_R073_T01WCS_20230626T022157.SAFE",
)
# As somebody else processed them again: GeoTIFFs in the place of JPEG 2000.
CONVERTED = (
    "S2A_MSIL2A_20190212T192651_N0212_R013_T07HFE_20201007T160857.SAFE",
    "S2B_MSIL2A_20191228T210519_N0212_R071_T01CCV_20201003T104658.SAFE",
)


def plan_of(manifest: Path) -> Plan:
    found = from_product(odata_product(manifest.parent, S3Path=f"/eodata/{manifest.parent.name}"), "cdse")
    return plan_safe(Provider("odata", "https://catalogue.example", "cdse"), found, manifest, BANDS, lambda _: False)


@pytest.mark.shared
@pytest.mark.parametrize("name", REAL)
def test_a_real_manifest_is_a_plan(name: str, shared: Path) -> None:
    plan = plan_of(shared / "safe_metadata" / name / "manifest.safe")
    bands = {file.band: file for file in plan.files if file.band}
    assert set(bands) == set(BANDS)
    assert plan.missing == ()
    assert bands["B02"].path.endswith("/IMG_DATA/R10m/" + bands["B02"].path.rpartition("/")[2])
    assert bands["B11"].path.endswith("_B11_20m.jp2")
    assert {checksum.algorithm for file in plan.files for checksum in file.checksums} == {"sha3-256"}
    assert {file.path.rpartition("/")[2] for file in plan.files if not file.band} == {
        "manifest.safe", "MTD_MSIL2A.xml", "MTD_TL.xml",
    }  # fmt: skip
    whole = sum(file.size for file in read_manifest(shared / "safe_metadata" / name / "manifest.safe", name))
    assert 0 < (plan.size or 0) < 0.75 * whole


@pytest.mark.shared
@pytest.mark.parametrize("name", CONVERTED)
def test_a_product_of_other_images_is_read_and_refused(name: str, shared: Path) -> None:
    manifest = shared / "safe_metadata" / name / "manifest.safe"
    listed = read_manifest(manifest, name)
    assert len(listed) == 106
    assert {file.checksum.algorithm for file in listed if file.checksum} == {"md5"}
    with pytest.raises(SourceError, match="has no JPEG 2000 image of the bands B02, B03"):
        plan_of(manifest)


@pytest.mark.shared
def test_level_1c_lists_nothing_to_fetch(shared: Path) -> None:
    name = "S2A_MSIL1C_20210908T042701_N0301_R133_T46RER_20210908T070248.SAFE"
    with pytest.raises(SourceError, match="its manifest lists 1 metadata files"):
        plan_of(shared / "safe_metadata" / name / "manifest.safe")


def test_a_manifest_of_nothing(tmp_path: Path) -> None:
    path = tmp_path / "manifest.safe"
    path.write_text("<XFDU/>")
    with pytest.raises(SourceError, match="S2B_x: its manifest lists no file"):
        read_manifest(path, "S2B_x")


PARTS = st.sampled_from(["..", ".", "", "a", "B02.jp2", "~", "a:b", "\0"])


@given(st.one_of(st.text(max_size=60), st.lists(PARTS).map("/".join)))
def test_a_path_stays_inside_or_is_refused(href: str) -> None:
    try:
        path = inner_path(href, "S2B_x")
    except SourceError:
        return
    inside = Path("/product")
    assert (inside / path).resolve().is_relative_to(inside)
    assert (inside / path).resolve() != inside
    assert not set(path) & set("\\:?#%()' \0")
