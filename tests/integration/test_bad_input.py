"""Bad input at a running site: one line that names what is wrong, a status that says so, and nothing registered."""

import json
from pathlib import Path
from typing import Any

import pytest
from rucio.common.exception import AccessDenied, DIDFilterSyntaxError

from rucio_dafab.site.home import SCOPE

pytestmark = [pytest.mark.integration, pytest.mark.timeout(300)]

FILTERS = [
    ({"geometry.foo": "@luxembourg"}, "unknown operator '.foo'"),
    ({"geometry.within": "@luxemburg"}, "did you mean @luxembourg"),
    ({"geometry.within": "POLYGON((0 0|1 1|1 0|0 1|0 0))"}, "Self-intersection"),
    ({"geometry.within": "0_50_10_40"}, "has no area"),
    ({"eo:cloud_cover.lt": "abc"}, "takes a number in %, not 'abc'"),
    ({"eo:cloud_cover.lt": "NaN"}, "must be finite"),
    ({"theme.isa": "Flod"}, "did you mean Flood"),
    ({"datetime.gte": "2026-02-30"}, "day is out of range"),
    ({"foo": "a\x00b"}, "NUL"),
    ({"theme.isa": "日本"}, "no class is called"),
    ({"geometry.within": "0_0_400_400"}, "-180…180"),
]


@pytest.mark.parametrize(
    ("asked", "said"), FILTERS, ids=[f"{key}={value!r}" for each, _ in FILTERS for key, value in each.items()]
)
def test_a_filter_that_cannot_be_asked_names_its_key(site: Any, asked: dict[str, str], said: str) -> None:
    with pytest.raises(DIDFilterSyntaxError) as refusal:
        list(site.rucio_client("user_dafab").list_dids(SCOPE, [asked], did_type="all"))
    assert said in str(refusal.value)
    assert next(iter(asked)) in str(refusal.value)


@pytest.mark.shared
@pytest.mark.parametrize("identifier", ["a:b", "a/b", "..", "a b", "日本", "x" * 300, "a\nb"])
def test_an_id_that_cannot_be_kept_is_refused_before_anything_is_stored(
    site: Any, tmp_path: Path, shared: Path, identifier: str
) -> None:
    source = shared / "scenes" / "ftw_austria_a"
    item = json.loads((source / "item.json").read_text()) | {"id": identifier}
    write_scene(tmp_path, source, item)
    before = stored(site)

    ran = site.run_dafab("run", str(tmp_path))

    assert ran.returncode == 1
    (line,) = ran.stderr.splitlines()
    assert repr(identifier)[:20] in line and "cannot be the id of a scene" in line
    assert stored(site) == before


UNPUBLISHABLE = [
    ({"type": "Polygon", "coordinates": [[[0, 0], [1, 1], [1, 0], [0, 1], [0, 0]]]}, {}, "/geometry"),
    ({"type": "Polygon", "coordinates": [[[0, 0], [500, 0], [500, 1], [0, 0]]]}, {}, "/geometry"),
    (None, {}, "the item has no geometry"),
    (..., {"datetime": "2026-06-14T10:00:00"}, "/properties/datetime has no time zone"),
    (..., {"start_datetime": "2026-06-14T10:00:00Z", "end_datetime": "2026-06-13T10:00:00Z"}, "is before"),
    (..., {"eo:cloud_cover": "lots"}, "/properties/eo:cloud_cover must be of type number, not 'lots'"),
    (..., {"title": "a\x00b"}, "/properties/title has a NUL character"),
]


@pytest.mark.shared
@pytest.mark.parametrize(("geometry", "properties", "said"), UNPUBLISHABLE, ids=[each[2] for each in UNPUBLISHABLE])
def test_an_item_that_could_not_be_published_is_refused_before_anything_is_stored(
    site: Any, tmp_path: Path, shared: Path, geometry: Any, properties: dict[str, Any], said: str
) -> None:
    source = shared / "scenes" / "ftw_austria_a"
    item = json.loads((source / "item.json").read_text()) | {"id": "bad_document"}
    item["properties"] |= properties
    if geometry is not ...:
        item["geometry"] = geometry
    write_scene(tmp_path, source, item)
    before = stored(site)

    ran = site.run_dafab("run", str(tmp_path))

    assert ran.returncode == 1
    (line,) = ran.stderr.splitlines()
    assert said in line
    assert stored(site) == before


@pytest.mark.shared
def test_a_scene_with_an_unreadable_band_leaves_nothing_and_can_be_mended(
    site: Any, tmp_path: Path, shared: Path
) -> None:
    source = shared / "scenes" / "ftw_austria_a"
    item = json.loads((source / "item.json").read_text()) | {"id": "torn_scene"}
    write_scene(tmp_path, source, item)
    whole = (tmp_path / "B04.tif").read_bytes()
    (tmp_path / "B04.tif").write_bytes(whole[: len(whole) // 2])
    products = site.run(["dasi", "list", "--json"]).stdout

    torn = site.run_dafab("run", str(tmp_path))

    assert torn.returncode == 1
    assert "B04" in torn.stderr.splitlines()[-1] and "Traceback" not in torn.stderr
    assert site.run(["dasi", "list", "--json"]).stdout == products
    assert not [name for name in site.rucio_client().list_dids(SCOPE, [{}], did_type="all") if "torn_scene" in name]
    (tmp_path / "B04.tif").write_bytes(whole)
    mended = site.run_dafab("run", str(tmp_path), "--json")
    assert mended.returncode == 0, mended.stderr
    assert json.loads(mended.stdout)["outcome"] == "created"


def test_bytes_that_no_did_owns_are_replaced(site: Any, tmp_path: Path) -> None:
    client, path = site.client("dafab_dasi"), tmp_path / "B02.tif"
    path.write_bytes(b"left by a run that was killed")
    client.upload(path, "CLOUD", "nobodys.B02.tif")
    path.write_bytes(b"of the run that completes it")

    again = client.upload(path, "CLOUD", "nobodys.B02.tif")

    assert not again.present
    assert (site.home.rse("CLOUD") / SCOPE / "nobodys.B02.tif").read_bytes() == b"of the run that completes it"


def write_scene(folder: Path, source: Path, item: dict[str, Any]) -> None:
    """Write the bands of a real scene under another item."""
    for band in source.glob("*.tif"):
        (folder / band.name).write_bytes(band.read_bytes())
    (folder / "item.json").write_text(json.dumps(item))


def stored(site: Any) -> tuple[list[str], list[Path]]:
    """Return the names of all DIDs, and every file of the RSEs and the rolling store."""
    names = site.rucio_client("user_dafab").list_dids(SCOPE, [{}], did_type="all")
    folders = (site.home.root / "rse", site.home.root / "store")
    return sorted(names), sorted(path for folder in folders for path in folder.rglob("*") if path.suffix != ".lock")


@pytest.mark.parametrize("account", ["user_dafab", "dafab_dasi"])
def test_products_are_changed_by_their_own_account_alone(site: Any, account: str) -> None:
    client = site.rucio_client(account)
    with pytest.raises(AccessDenied, match=account):
        client.set_metadata(SCOPE, "water_analysis", "title", "mine")
    with pytest.raises(AccessDenied, match=account):
        client.delete_metadata(SCOPE, "water_analysis", "title")
