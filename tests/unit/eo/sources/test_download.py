"""Products: the needed files alone, side by side, visible when whole, readable as scenes."""

import dataclasses
import fcntl
import filecmp
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pytest

from rucio_dafab.eo.scene import open_scene, read_bands
from rucio_dafab.eo.sources import download
from rucio_dafab.eo.sources.download import Downloads, Fetched
from rucio_dafab.eo.sources.errors import SourceBusy, SourceError
from rucio_dafab.eo.sources.plan import Plan, check_bands, needed_bands
from rucio_dafab.eo.sources.providers import Sources
from rucio_dafab.eo.sources.reference import Remote
from rucio_dafab.eo.sources.search import find
from tests.unit.eo.sources.archive import Archive, Fault, as_json
from tests.unit.eo.sources.conftest import NUMBER, node_path, odata_product, remote_item, stac_api

Use = Callable[..., Sources]
BANDS = ("B02", "B03", "B04", "B08", "B11", "B12", "SCL")
SCENES = ("terramesh_433D_629L_3_1", "terramesh_282D_485L_3_3", "ftw_austria_a")


def fetch(name: str, source: str, to: Path, bands: tuple[str, ...] = BANDS) -> Fetched:
    remote = Remote.of(name, source)
    return remote.fetch(remote.plan(bands, to), to)


def test_the_needed_bands_are_those_of_the_models() -> None:
    assert needed_bands() == ("B02", "B03", "B04", "B08", "B11", "B12", "VV", "VH", "SCL")
    assert check_bands(["B02", "VV", "B02"]) == ("B02", "VV")
    with pytest.raises(SourceError, match="no band B13: known are B01"):
        check_bands(["B02", "B13"])


def test_a_safe_comes_by_its_nodes_with_the_needed_bands_alone(
    safe_archive: Archive, use: Use, safe: Path, tmp_path: Path
) -> None:
    use()
    fetched = fetch(safe.name, "safe", tmp_path)
    assert fetched.outcome == "fetched"
    assert fetched.folder == tmp_path / safe.name
    came = {path.relative_to(fetched.folder).as_posix() for path in fetched.folder.rglob("*") if path.is_file()}
    assert sum(path.endswith(".jp2") for path in came) == len(BANDS)
    assert {"manifest.safe", "MTD_MSIL2A.xml"} <= came
    assert all(filecmp.cmp(fetched.folder / path, safe / path, shallow=False) for path in came)
    scene, whole = open_scene(fetched.folder), open_scene(safe)
    assert set(scene.bands) == set(BANDS)
    np.testing.assert_array_equal(read_bands(scene, ["B02", "B11"]), read_bands(whole, ["B02", "B11"]))
    assert scene.item["properties"]["dafab:simulated"] is True
    asked = {asked.path for asked in safe_archive.asked}
    assert not any("_B05_" in path or "_TCI_" in path for path in asked)
    assert list(tmp_path.glob(".*")) == []


def test_what_is_here_is_not_fetched_again_and_bands_are_added(
    safe_archive: Archive, use: Use, safe: Path, tmp_path: Path
) -> None:
    use()
    first = fetch(safe.name, "safe", tmp_path, ("B02", "B03"))
    before = len(safe_archive.asked)
    assert fetch(safe.name, "safe", tmp_path, ("B02", "B03")).outcome == "present"
    assert {asked.path for asked in safe_archive.asked[before:]} == {
        "/odata/v1/Products", node_path(safe, "manifest.safe"),
    }  # fmt: skip
    before = len(safe_archive.asked)
    more = fetch(safe.name, "safe", tmp_path, ("B04",))
    assert set(open_scene(more.folder).bands) == {"B02", "B03", "B04"}
    assert 0 < more.size < first.size
    assert sum("IMG_DATA" in asked.path for asked in safe_archive.asked[before:]) == 1
    assert list(tmp_path.glob(".*")) == []


@pytest.mark.shared
@pytest.mark.parametrize("name", SCENES)
@pytest.mark.parametrize("told", [True, False])
def test_real_scenes_come_by_their_items(
    name: str, told: bool, archive: Archive, use: Use, shared: Path, tmp_path: Path
) -> None:
    folder = shared / "scenes" / name
    item = json.loads((folder / "item.json").read_text())
    stac_api(archive, [remote_item(archive, folder, item, told=told)])
    use()
    fetched = fetch(f"{archive.url}/stac/collections/{item['collection']}/items/{name}", "cogs", tmp_path)
    scene, real = open_scene(fetched.folder), open_scene(folder)
    assert set(scene.bands) == set(real.bands) & set(BANDS)
    assert fetched.plan.missing == tuple(band for band in BANDS if band not in real.bands)
    chosen = sorted(scene.bands)
    np.testing.assert_array_equal(read_bands(scene, chosen), read_bands(real, chosen))
    assert all(filecmp.cmp(scene.bands[band].path, real.bands[band].path, shallow=False) for band in chosen)
    assert fetched.plan.size == fetched.size == sum(scene.bands[band].path.stat().st_size for band in chosen)
    assert set(scene.item["assets"]) == set(real.item["assets"])


@pytest.mark.shared
def test_sentinel_1_rtc_comes_as_gamma0(archive: Archive, use: Use, shared: Path, tmp_path: Path) -> None:
    folder = shared / "scenes" / SCENES[0]
    optical = json.loads((folder / "item.json").read_text())
    name = "S1A_IW_GRDH_1SDV_20200408T094800_20200408T094825_032039_03B3A9_rtc"
    item = optical | {
        "id": name, "collection": "sentinel-1-rtc",
        "properties": optical["properties"] | {"sar:product_type": "GRD", "constellation": "Sentinel-1"},
        "assets": {"vv": {"href": "s1rtc_vv.tif"}, "vh": {"href": "s1rtc_vh.tif"}},
    }  # fmt: skip
    stac_api(archive, [remote_item(archive, folder, item)])
    use()
    fetched = fetch(name, "cogs", tmp_path, needed_bands())
    assert fetched.plan.missing == ()
    scene = open_scene(fetched.folder)
    assert set(scene.bands) == {"VV", "VH"}
    assert filecmp.cmp(scene.bands["VH"].path, folder / "s1rtc_vh.tif", shallow=False)


def found_item(archive: Archive, item: dict[str, Any], use: Use) -> Callable[[], Plan]:
    stac_api(archive, [item])
    sources = use()
    provider = sources.provider("cogs")
    return lambda: Downloads(sources, provider).plan(find(sources, provider, item["id"]), BANDS, Path("nowhere"))


def small_item(
    archive: Archive, identifier: str, collection: str = "sentinel-2-l2a", **properties: Any
) -> dict[str, Any]:
    asset = {"href": f"{archive.url}/data/B02.tif", "file:size": 10}
    return {
        "type": "Feature", "id": identifier, "collection": collection, "geometry": None, "links": [],
        "properties": {"datetime": "2024-06-01T10:00:00Z"} | properties, "assets": {"B02": asset},
    }  # fmt: skip


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


def test_four_connections_at_most(safe_archive: Archive, use: Use, safe: Path, tmp_path: Path) -> None:
    safe_archive.seconds = 0.05
    use()
    fetch(safe.name, "safe", tmp_path, ("B01", "B02", "B03", "B04", "B05", "B06", "B07", "B08", "B11", "B12"))
    assert safe_archive.most_at_once == 4


def test_nothing_is_visible_before_it_is_whole(safe_archive: Archive, use: Use, safe: Path, tmp_path: Path) -> None:
    use()
    image = next(path for path in safe_archive.files if path.endswith("_B08_10m.jp2)/$value"))
    safe_archive.faults[image] = [Fault(503)] * 50
    with pytest.raises(SourceBusy, match=r"B08_10m\.jp2\)/\$value answers 503") as refused:
        fetch(safe.name, "safe", tmp_path)
    assert refused.value.exit_code == 75
    assert [path.name for path in tmp_path.iterdir() if not path.name.startswith(".")] == ["sources.toml"]
    safe_archive.faults.clear()
    before = len(safe_archive.asked)
    fetched = fetch(safe.name, "safe", tmp_path)
    assert fetched.size < (fetched.plan.size or 0)
    assert len(safe_archive.asked) - before < len(fetched.plan.files) + 2
    assert set(open_scene(fetched.folder).bands) == set(BANDS)


def test_a_wrong_checksum_of_the_manifest_stops_the_product(
    safe_archive: Archive, use: Use, safe: Path, tmp_path: Path
) -> None:
    use()
    image = next(path for path in safe_archive.files if path.endswith("_B08_10m.jp2)/$value"))
    content = bytearray(safe_archive.files[image])
    content[len(content) // 2] ^= 1
    safe_archive.files[image] = bytes(content)
    with pytest.raises(SourceError, match=r"its (md5|sha3-256) is") as refused:
        fetch(safe.name, "safe", tmp_path)
    assert refused.value.exit_code == 1
    assert not (tmp_path / safe.name).exists()
    safe_archive.files[image] += b"!"
    with pytest.raises(SourceError, match=r"bytes, and \d+ are announced"):
        fetch(safe.name, "safe", tmp_path)


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


def test_no_room_is_noticed_before_anything_comes(
    safe_archive: Archive, use: Use, safe: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    use()
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(download.shutil, "disk_usage", lambda _: usage._replace(free=1_000_000))
    with pytest.raises(SourceError, match=r"needs \d+ MB more in .*, and 1 MB are free"):
        fetch(safe.name, "safe", tmp_path)
    assert not any("IMG_DATA" in asked.path for asked in safe_archive.asked)


def test_a_folder_that_cannot_be_written_is_one_line(
    safe_archive: Archive, use: Use, safe: Path, tmp_path: Path
) -> None:
    use()
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(SourceError, match="file cannot be written"):
        fetch(safe.name, "safe", tmp_path / "file")


def test_two_processes_do_not_fetch_one_product(safe_archive: Archive, use: Use, safe: Path, tmp_path: Path) -> None:
    use()
    part = tmp_path / f".{safe.name}.part"
    part.mkdir()
    lock = os.open(part, os.O_RDONLY)
    fcntl.flock(lock, fcntl.LOCK_EX)
    with pytest.raises(SourceBusy, match=r"is being fetched into .* by another process"):
        fetch(safe.name, "safe", tmp_path)
    os.close(lock)
    assert fetch(safe.name, "safe", tmp_path).outcome == "fetched"


def test_object_storage_serves_a_safe_to_those_who_have_keys(
    safe_archive: Archive, use: Use, safe: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for path in (path for path in safe.rglob("*") if path.is_file()):
        safe_archive.files[f"/archive/{safe.name}/{path.relative_to(safe).as_posix()}"] = path.read_bytes()
    use(account=True)
    monkeypatch.setenv("TEST_KEY", "AKIAHERE")
    monkeypatch.setenv("TEST_SECRET", "never shown")
    assert set(open_scene(fetch(safe.name, "safe", tmp_path).folder).bands) == set(BANDS)
    assert not any("Nodes" in asked.path for asked in safe_archive.asked)


@pytest.mark.shared
def test_a_killed_download_goes_on_and_ends_the_same(archive: Archive, use: Use, shared: Path, tmp_path: Path) -> None:
    """A process is killed by SIGKILL in the middle; the next one brings what is missing, byte for byte."""
    folder = shared / "scenes" / SCENES[0]
    item = json.loads((folder / "item.json").read_text())
    large = {"B02.tif": os.urandom(6_000_000), "B03.tif": os.urandom(6_000_000)}
    stac_api(archive, [remote_item(archive, folder, item, told=False)])
    for name, content in large.items():
        archive.files[f"/data/{item['id']}/{name}"] = content
    use()
    to = tmp_path / "to"
    code = (
        "import sys; from pathlib import Path\n"
        "from rucio_dafab.eo.sources.reference import Remote\n"
        "remote = Remote.of(sys.argv[1], 'cogs'); to = Path(sys.argv[2])\n"
        "remote.fetch(remote.plan(('B02', 'B03'), to), to)\n"
    )
    command = [sys.executable, "-c", code, item["id"], str(to)]
    archive.seconds = 1.0  # half of each file comes, then a pause
    process = subprocess.Popen(command, env=os.environ | {"PYTHONPATH": str(Path.cwd())})
    part = to / f".{item['id']}.part"
    deadline = time.monotonic() + 60
    while sum(path.stat().st_size for path in part.glob("*.part")) < 4_000_000:
        assert time.monotonic() < deadline
        assert process.poll() is None
        time.sleep(0.01)
    process.kill()
    process.wait()
    assert not (to / item["id"]).exists()
    archive.seconds = 0.0
    subprocess.run(command, env=os.environ | {"PYTHONPATH": str(Path.cwd())}, check=True, timeout=120)
    for name, content in large.items():
        assert (to / item["id"] / name).read_bytes() == content
        begins = [asked.headers.get("range") for asked in archive.gets(f"/data/{item['id']}/{name}")]
        assert begins[0] is None
        assert int((begins[-1] or "").removeprefix("bytes=").rstrip("-")) >= 1_000_000
    assert [path.name for path in to.iterdir()] == [item["id"]]


def test_an_item_keeps_what_is_not_fetched(archive: Archive, use: Use, tmp_path: Path) -> None:
    archive.files["/data/B02.tif"] = b"0123456789"
    item = small_item(archive, "S2_x")
    item["assets"]["B02"] |= {"alternate": {"https": {"href": f"{archive.url}/data/B02.tif"}}, "auth:refs": ["s3"]}
    item["assets"]["thumbnail"] = {"href": "https://elsewhere.example/t.png"}
    stac_api(archive, [item])
    use()
    fetched = fetch("S2_x", "cogs", tmp_path)
    written = orjson.loads((fetched.folder / "item.json").read_bytes())
    assert written["assets"] == {
        "B02": {"href": "./B02.tif", "file:size": 10}, "thumbnail": item["assets"]["thumbnail"],
    }  # fmt: skip
    assert dataclasses.asdict(fetched.plan.found)["number"] == ""
    assert NUMBER not in json.dumps(written)
