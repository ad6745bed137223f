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

import numpy as np
import orjson
import pytest

from rucio_dafab.eo.scene import open_scene, read_bands
from rucio_dafab.eo.sources import download
from rucio_dafab.eo.sources.download import Downloads
from rucio_dafab.eo.sources.errors import SourceBusy, SourceError
from rucio_dafab.eo.sources.plan import needed_bands
from rucio_dafab.eo.sources.providers import Sources
from rucio_dafab.eo.sources.search import find
from tests.unit.eo.sources.archive import Archive, Fault, as_json
from tests.unit.eo.sources.conftest import NUMBER, node_path, remote_item, stac_api
from tests.unit.eo.sources.fetching import BANDS, fetch, small_item

Use = Callable[..., Sources]
SCENES = ("terramesh_433D_629L_3_1", "terramesh_282D_485L_3_3", "ftw_austria_a")


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


def test_four_connections_at_most(safe_archive: Archive, use: Use, safe: Path, tmp_path: Path) -> None:
    safe_archive.seconds = 0.05
    use()
    fetch(safe.name, "safe", tmp_path, ("B01", "B02", "B03", "B04", "B05", "B06", "B07", "B08", "B11", "B12"))
    assert 2 <= safe_archive.most_at_once <= 4


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


def test_a_plan_of_other_bands_leaves_nothing_of_the_one_before(
    safe_archive: Archive, use: Use, safe: Path, tmp_path: Path
) -> None:
    use()
    image = next(path for path in safe_archive.files if path.endswith("_B08_10m.jp2)/$value"))
    safe_archive.faults[image] = [Fault(cut_after=5_000), *[Fault(503)] * 50]
    with pytest.raises(SourceBusy):
        fetch(safe.name, "safe", tmp_path, ("B03", "B08"))
    assert any(path.name.endswith(".part") for path in (tmp_path / f".{safe.name}.part").rglob("*"))
    fetched = fetch(safe.name, "safe", tmp_path, ("B02",))
    came = {path.relative_to(fetched.folder).as_posix() for path in fetched.folder.rglob("*") if path.is_file()}
    assert came == {file.path for file in fetched.plan.files}


def test_what_a_user_put_beside_a_product_stays(safe_archive: Archive, use: Use, safe: Path, tmp_path: Path) -> None:
    use()
    folder = fetch(safe.name, "safe", tmp_path, ("B02",)).folder
    (folder / "notes").mkdir()
    (folder / "notes" / "mine.txt").write_text("seen from the hill")
    fetch(safe.name, "safe", tmp_path, ("B03",))
    assert (folder / "notes" / "mine.txt").read_text() == "seen from the hill"
    assert set(open_scene(folder).bands) == {"B02", "B03"}


def test_an_archive_elsewhere_cannot_name_servers_of_this_machine(archive: Archive, use: Use, tmp_path: Path) -> None:
    archive.files["/data/B02.tif"] = b"0123456789"
    sources = use(more='[providers.far]\nkind = "stac"\nurl = "https://far.example/stac"\n')
    archive.route("/item", lambda _: as_json(small_item(archive, "S2_x")))
    found = find(sources, sources.provider("cogs"), f"{archive.url}/item")
    downloads = Downloads(sources, sources.provider("far"))
    with pytest.raises(SourceError, match="neither https nor a bucket that is known here"):
        downloads.fetch(downloads.plan(found, BANDS, tmp_path), tmp_path)
    assert archive.gets("/data/B02.tif") == []


def test_a_disk_that_takes_no_more_is_one_line_and_what_came_stays(archive: Archive, use: Use, tmp_path: Path) -> None:
    """The limit of a process on the size of its files stands for a full disk: the write fails in the middle."""
    content = os.urandom(5_000_000)
    archive.files["/data/B02.tif"] = content
    item = small_item(archive, "S2_x")
    item["assets"]["B02"]["file:size"] = len(content)
    stac_api(archive, [item])
    use()
    start = "from rucio_dafab.cli.main import run; run()"
    limited = f"import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (2_500_000, 2_500_000)); {start}"
    asked = ["scenes", "fetch", "S2_x", "--from", "cogs", "--to", str(tmp_path / "to"), "--bands", "B02"]
    environment = os.environ | {"PYTHONPATH": str(Path.cwd())}
    full = subprocess.run(
        [sys.executable, "-c", limited, *asked],
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert full.returncode == 1
    assert full.stderr.startswith("error: ")
    assert full.stderr.endswith("cannot be written: File too large\n")
    assert full.stderr.count("\n") == 1
    assert not (tmp_path / "to" / "S2_x").exists()
    subprocess.run([sys.executable, "-c", start, *asked], env=environment, check=True, capture_output=True, timeout=120)
    assert (tmp_path / "to" / "S2_x" / "B02.tif").read_bytes() == content
    assert (archive.gets("/data/B02.tif")[-1].headers.get("range") or "").startswith("bytes=2")
