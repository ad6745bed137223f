"""The rolling store on a real FDB: whole products or nothing, whatever happens to their writers."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import rasterio
from affine import Affine

from dasi_backend import writer
from dasi_backend.errors import (
    ChecksumError,
    ContentDiffers,
    DasiError,
    KeyRefused,
    NotStored,
    StagedError,
    StoreError,
)
from dasi_backend.locks import EXCLUSIVE, SHARED
from dasi_backend.store import ProductKey, Store

pytestmark = pytest.mark.integration

BANDS = ("B02", "B03", "B8A")


def make_scene(folder: Path, identifier: str = "scene_a", size: int = 64, seed: int = 0, **properties: object) -> Path:
    """Write a staged scene of three bands with noise for pixels, a reference mask and a metadata file."""
    folder.mkdir(parents=True)
    noise = np.random.default_rng(seed)
    names = {band: f"{band}.tif" for band in BANDS} | {"reference_water": "reference_water.tif"}
    for name in names.values():
        pixels = noise.integers(0, 65535, (size, size), dtype=np.uint16)
        profile = {"driver": "GTiff", "dtype": "uint16", "count": 1, "crs": "EPSG:32632"}
        grid = Affine(20 if name.startswith("B8A") else 10, 0, 600000, 0, -10, 5500000)
        with rasterio.open(folder / name, "w", width=size, height=size, transform=grid, **profile) as raster:
            raster.write(pixels, 1)
    (folder / "safe").mkdir()
    (folder / "safe" / "MTD_MSIL2A.xml").write_text("<xml/>", encoding="utf-8")
    (folder / "safe" / "empty.xml").touch()
    item = {
        "type": "Feature",
        "stac_version": "1.1.0",
        "id": identifier,
        "properties": {"datetime": "2026-06-01T10:20:30Z", "constellation": "sentinel-2", **properties},
        "assets": {key: {"href": f"./{name}", "roles": ["data"]} for key, name in names.items()},
    }
    (folder / "item.json").write_text(json.dumps(item), encoding="utf-8")
    return folder


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store", wait_seconds=30)


@pytest.fixture
def scene(tmp_path: Path) -> Path:
    return make_scene(tmp_path / "staged")


def data_file(store: Store, identifier: str, name: str) -> tuple[Path, int]:
    """Return the data file and offset of one file of a product."""
    level_3 = {file.path: dict(file.key) for file in store.get(identifier).manifest.files}[name]
    for element in store.objects({"product": identifier}):
        if {key: element.key.get(key) for key in level_3} == level_3:
            return element.path, element.offset
    raise AssertionError(name)


def test_an_empty_store_has_nothing_and_makes_nothing(store: Store) -> None:
    assert list(store.products()) == []
    assert not store.contains("scene_a")
    assert not store.root.exists()


def test_what_was_archived_comes_back_byte_for_byte(store: Store, scene: Path, tmp_path: Path) -> None:
    done = store.put(scene)
    assert done.outcome == writer.STORED
    assert store.contains("scene_a")
    out = store.retrieve(done.key, tmp_path / "out" / "scene")
    assert contents(out) == contents(scene)
    assert store.size() == sum(len(data) for data in contents(scene).values())


def test_a_product_says_what_it_is(store: Store, scene: Path) -> None:
    store.archive(scene)
    (product,) = store.products({"mission": "s2", "date": "2026-06-01"})
    assert product.key.index["product"] == "scene_a"
    assert product.bands == BANDS
    resolutions = {file.band: file.key["res"] for file in product.manifest.files if file.band}
    assert resolutions == {"B02": "10", "B03": "10", "B8A": "20"}
    assert list(store.products({"date": ["20260602"]})) == []


def test_bands_are_retrieved_alone_as_a_scene_of_their_own(store: Store, scene: Path, tmp_path: Path) -> None:
    store.archive(scene)
    out = store.retrieve("scene_a", tmp_path / "out", ["b02"])
    expected = {name for name in contents(scene) if name not in {"B03.tif", "B8A.tif"}}
    assert set(contents(out)) == expected
    assets = json.loads((out / "item.json").read_text())["assets"]
    assert set(assets) == {"B02", "reference_water"}


def test_a_band_that_is_not_there_is_named(store: Store, scene: Path, tmp_path: Path) -> None:
    store.archive(scene)
    with pytest.raises(NotStored, match="no band b99: it has B02, B03, B8A"):
        store.retrieve("scene_a", tmp_path / "out", ["B99"])
    assert not (tmp_path / "out").exists()


def test_archiving_again_says_so_and_adds_nothing(store: Store, scene: Path) -> None:
    store.archive(scene)
    before = contents(store.root)
    assert store.put(scene).outcome == writer.UNCHANGED
    assert contents(store.root) == before


def test_the_layout_of_the_item_is_no_content(store: Store, scene: Path) -> None:
    store.archive(scene)
    item = json.loads((scene / "item.json").read_text())
    (scene / "item.json").write_text(json.dumps(dict(reversed(item.items())), indent=4))
    assert store.put(scene).outcome == writer.UNCHANGED


def test_another_content_under_the_same_id_is_refused_by_name(store: Store, scene: Path, tmp_path: Path) -> None:
    store.archive(scene)
    other = make_scene(tmp_path / "other", seed=1)
    with pytest.raises(ContentDiffers, match=r"'scene_a' already: B02\.tif, B03\.tif"):
        store.archive(other)
    assert contents(store.retrieve("scene_a", tmp_path / "out")) == contents(scene)


def test_another_day_under_the_same_id_is_refused(store: Store, scene: Path, tmp_path: Path) -> None:
    store.archive(scene)
    later = make_scene(tmp_path / "later", datetime="2026-06-02T00:00:00Z")
    with pytest.raises(ContentDiffers, match=r"item\.json differs"):
        store.archive(later)


def test_ids_that_differ_in_case_alone_are_refused(store: Store, scene: Path, tmp_path: Path) -> None:
    store.archive(scene)
    with pytest.raises(ContentDiffers, match="'Scene_A' is the stored 'scene_a' but for case"):
        store.archive(make_scene(tmp_path / "twin", "Scene_A"))
    assert not store.contains("Scene_A")


@pytest.mark.parametrize("identifier", ["sc:ene", "sc/ene", "sc ene", "scène", "x" * 151, "../scene", "all"])
def test_an_id_that_fdb_cannot_keep_is_refused_and_the_store_still_lists(
    store: Store, scene: Path, tmp_path: Path, identifier: str
) -> None:
    store.archive(scene)
    with pytest.raises(KeyRefused) as refusal:
        store.archive(make_scene(tmp_path / "bad", identifier))
    assert identifier in str(refusal.value)
    assert [product.key.id for product in store.products()] == ["scene_a"]


def test_the_longest_id_is_kept(store: Store, tmp_path: Path) -> None:
    identifier = "S2A_" + "x" * 146
    store.archive(make_scene(tmp_path / "long", identifier))
    assert store.contains(identifier)
    store.retrieve(identifier, tmp_path / "out")


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lambda folder: (folder / "item.json").unlink(), "no item.json"),
        (lambda folder: (folder / "item.json").write_text("{"), "cannot be read"),
        (lambda folder: (folder / "item.json").write_text("[]"), "no STAC item"),
        (lambda folder: (folder / "B03.tif").unlink(), r"asset B03 names B03\.tif"),
        (lambda folder: (folder / "B03.tif").write_bytes(b"no raster"), r"asset B03: B03\.tif is no raster"),
        (shutil.rmtree, "no item.json"),
    ],
)
def test_a_folder_that_is_no_staged_scene_is_refused(store: Store, scene: Path, damage: object, said: str) -> None:
    damage(scene)  # type: ignore[operator]
    with pytest.raises(StagedError, match=said):
        store.archive(scene)
    assert list(store.products()) == []


@pytest.mark.parametrize("href", ["../B03.tif", "/etc/passwd", "https://example.org/B03.tif"])
def test_a_band_outside_the_folder_is_refused(store: Store, scene: Path, href: str) -> None:
    item = json.loads((scene / "item.json").read_text())
    item["assets"]["B03"]["href"] = href
    (scene / "item.json").write_text(json.dumps(item))
    with pytest.raises(StagedError, match="B03"):
        store.archive(scene)


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ({"tile": "a:b"}, "tile=a:b"),
        ({"colour": "x"}, "colour"),
        ({"date": "20260231"}, "date=20260231"),
        ({"band": "b02"}, "band"),
    ],
)
def test_a_query_that_fdb_would_choke_on_is_refused(store: Store, query: dict[str, str], said: str) -> None:
    with pytest.raises(KeyRefused, match=said):
        list(store.products(query))


def test_what_is_archived_after_a_read_is_seen_by_the_next_one(store: Store, scene: Path, tmp_path: Path) -> None:
    """An FDB that once found nothing keeps finding nothing: every read opens its own."""
    assert list(store.products({"date": "20260601"})) == []
    store.archive(scene)
    assert [product.key.id for product in store.products({"date": "20260601"})] == ["scene_a"]
    store.archive(make_scene(tmp_path / "b", "scene_b"))
    assert store.contains("scene_b")
    store.wipe({"product": "scene_b"}, doit=True)
    assert not store.contains("scene_b")


def test_a_corrupted_data_file_is_named_and_nothing_is_written(store: Store, scene: Path, tmp_path: Path) -> None:
    store.archive(scene)
    path, offset = data_file(store, "scene_a", "B03.tif")
    with path.open("r+b") as file:
        file.seek(offset + 100)
        byte = file.read(1)
        file.seek(offset + 100)
        file.write(bytes([byte[0] ^ 1]))
    with pytest.raises(ChecksumError, match=r"scene_a/B03\.tif") as error:
        store.retrieve("scene_a", tmp_path / "out" / "scene")
    assert str(path) in str(error.value)
    assert list((tmp_path / "out").iterdir()) == []
    store.retrieve("scene_a", tmp_path / "b02", ["B02"])


def test_a_data_file_that_was_cut_off_is_named(store: Store, scene: Path, tmp_path: Path) -> None:
    store.archive(scene)
    path, offset = data_file(store, "scene_a", "B8A.tif")
    product = store.get("scene_a")
    os.truncate(path, offset + 10)
    with pytest.raises(DasiError, match=str(path)):
        store.retrieve(product.key, tmp_path / "out")


def test_a_damaged_manifest_is_named(store: Store, scene: Path) -> None:
    store.archive(scene)
    (element,) = store.objects({"part": "manifest"})
    with element.path.open("r+b") as file:
        file.seek(element.offset + element.length - 20)
        file.write(b"#")
    with pytest.raises(ChecksumError, match="manifest is damaged"):
        store.get("scene_a")


def test_a_folder_that_holds_the_product_already_is_kept(store: Store, scene: Path, tmp_path: Path) -> None:
    store.archive(scene)
    out = store.retrieve("scene_a", tmp_path / "out")
    before = (out / "B02.tif").stat().st_mtime_ns
    assert store.retrieve("scene_a", tmp_path / "out") == out
    assert (out / "B02.tif").stat().st_mtime_ns == before


def test_a_folder_that_holds_anything_else_is_not_touched(store: Store, scene: Path, tmp_path: Path) -> None:
    store.archive(scene)
    out = tmp_path / "out"
    out.mkdir()
    (out / "mine.txt").write_text("mine")
    with pytest.raises(StoreError, match="other contents"):
        store.retrieve("scene_a", out)
    assert (out / "mine.txt").read_text() == "mine"


def killed_writer(store: Store, folder: Path, after_seconds: float) -> int:
    """Start a writer, kill it after a while and return its status."""
    store._make()
    process = subprocess.Popen(
        [sys.executable, "-P", "-m", "dasi_backend.writer"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    assert process.stdin is not None
    process.stdin.write(writer.job(folder, store._database, store._locks).encode())
    process.stdin.close()
    time.sleep(after_seconds)
    process.send_signal(signal.SIGKILL)
    status = process.wait()
    assert process.stdout is not None
    process.stdout.close()
    return status


def test_a_writer_killed_anywhere_leaves_the_product_whole_or_absent(store: Store, tmp_path: Path) -> None:
    scene = make_scene(tmp_path / "staged", size=3000)  # 72 MB: long enough to be met in the middle
    began = time.monotonic()
    Store(tmp_path / "measure").archive(scene)
    whole = time.monotonic() - began
    killed = met_half_way = 0
    for part in (0.3, 0.5, 0.65, 0.8, 0.9):
        killed += killed_writer(store, scene, part * whole) == -signal.SIGKILL
        leftovers = any(store.root.rglob("*.data"))
        for product in store.products():
            assert contents(store.retrieve(product.key, tmp_path / f"out{part}")) == contents(scene)
        if leftovers and not store.contains("scene_a"):
            met_half_way += 1
        store.wipe({"product": "scene_a"}, doit=True)
    assert killed, "no writer lived long enough to be killed"
    assert met_half_way, "no writer was met while it wrote"
    assert store.put(scene).outcome == writer.STORED
    assert contents(store.retrieve("scene_a", tmp_path / "final")) == contents(scene)
    assert len(list(store.root.rglob("*.data"))) == 1, "what killed writers left was not removed"


def test_writers_and_readers_at_once(store: Store, tmp_path: Path) -> None:
    scenes = [make_scene(tmp_path / f"in{number}", f"scene_{number}", seed=number) for number in range(6)]
    with ThreadPoolExecutor(4) as pool:
        writing = [pool.submit(store.put, scene) for scene in [*scenes, *scenes]]
        while not all(future.done() for future in writing):
            for product in store.products():
                out = store.retrieve(product.key, tmp_path / f"out-{time.monotonic_ns()}")
                number = product.key.id.removeprefix("scene_")
                assert contents(out) == contents(scenes[int(number)])
                shutil.rmtree(out)
    outcomes = sorted(future.result().outcome for future in writing)
    assert outcomes == [writer.STORED] * 6 + [writer.UNCHANGED] * 6
    assert {product.key.id for product in store.products()} == {f"scene_{number}" for number in range(6)}


@pytest.fixture
def full_disk(tmp_path: Path) -> Iterator[Path]:
    """Yield a folder on a disk of 4 MB; where nobody may mount one, the test is skipped."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(folder)], check=False, capture_output=True
    )
    if mounted.returncode:
        pytest.skip("a small disk cannot be mounted here")
    try:
        yield folder
    finally:
        subprocess.run(["umount", str(folder)], check=True)


def test_on_a_full_disk_nothing_becomes_visible_and_the_next_try_succeeds(full_disk: Path, tmp_path: Path) -> None:
    store = Store(full_disk / "store")
    store.archive(make_scene(tmp_path / "small", "small"))
    large = make_scene(tmp_path / "large", "large", size=1200)
    with pytest.raises(StoreError, match=r"large needs 12\.\d MB and .*/store has [34]\.\d MB left"):
        store.archive(large)
    assert [product.key.id for product in store.products()] == ["small"]
    store.retrieve("small", tmp_path / "small-out")
    subprocess.run(["mount", "-o", "remount,size=64m", str(full_disk)], check=True)
    store.archive(large)
    assert contents(store.retrieve("large", tmp_path / "out")) == contents(large)


def test_a_file_size_limit_is_an_error_and_leaves_nothing(store: Store, tmp_path: Path) -> None:
    """What a full quota looks like: writing fails in the middle of a band."""
    large = make_scene(tmp_path / "large", "large", size=1200)
    store.archive(make_scene(tmp_path / "small", "small"))
    code = (
        "import resource, sys; from pathlib import Path\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, 1 << 20))\n"
        "from dasi_backend.store import Store\n"
        "Store(Path(sys.argv[1])).archive(Path(sys.argv[2]))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(store.root), str(large)], capture_output=True, text=True, check=False
    )
    assert done.returncode
    assert "StoreError" in done.stderr.splitlines()[-1]
    assert [product.key.id for product in store.products()] == ["small"]
    store.archive(large)
    assert contents(store.retrieve("large", tmp_path / "out")) == contents(large)


def test_a_wipe_names_what_it_would_remove_and_does_it_when_told(store: Store, scene: Path, tmp_path: Path) -> None:
    store.archive(scene)
    store.archive(make_scene(tmp_path / "b", "scene_b"))
    assert [key.id for key in store.wipe({"product": "scene_a"})] == ["scene_a"]
    assert store.contains("scene_a")
    store.wipe({"product": "scene_a"}, doit=True)
    assert [product.key.id for product in store.products()] == ["scene_b"]
    assert store.put(scene).outcome == writer.STORED


@pytest.mark.parametrize("query", [{}, {"band": "b02"}])
def test_a_wipe_needs_a_key_of_products(store: Store, query: dict[str, str]) -> None:
    with pytest.raises(KeyRefused):
        store.wipe(query, doit=True)


def test_a_wipe_waits_for_whoever_reads_or_writes(store: Store, scene: Path) -> None:
    key = store.archive(scene)
    impatient = Store(store.root, wait_seconds=0.2)
    with store._locks.database(key.database_name, SHARED), pytest.raises(StoreError, match="in use"):
        impatient.wipe({"product": "scene_a"}, doit=True)
    assert store.contains("scene_a")
    with store._locks.database(key.database_name, EXCLUSIVE), pytest.raises(StoreError, match="in use"):
        impatient.archive(make_scene(scene.parent / "b", "scene_b"))


def test_a_root_with_a_space_and_other_letters(tmp_path: Path, scene: Path) -> None:
    store = Store(tmp_path / "my störe #1 %41")
    store.archive(scene)
    assert contents(store.retrieve("scene_a", tmp_path / "out")) == contents(scene)


def test_a_store_that_cannot_be_made_is_refused(tmp_path: Path, scene: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StoreError, match="cannot be made"):
        Store(tmp_path / "file" / "store").archive(scene)


def test_keys_survive_the_way_through_a_file(store: Store, scene: Path, tmp_path: Path) -> None:
    key = ProductKey.parse(str(store.archive(scene)))
    store.retrieve(key, tmp_path / "out")


@pytest.mark.shared
def test_real_scenes_are_kept_though_their_ids_are_no_sentinel_ones(store: Store, shared: Path, tmp_path: Path) -> None:
    folders = {path.name: path for path in (shared / "scenes").iterdir()}
    for folder in folders.values():
        store.archive(folder)
    found = {product.key.id: product for product in store.products()}
    assert set(found) == set(folders)
    assert found["ftw_austria_a"].key.dated_by == "start_datetime"
    assert found["terramesh_433D_629L_3_1"].key.date == "20200408"
    resolutions = {file.key["res"] for file in found["terramesh_433D_629L_3_1"].manifest.files if file.band}
    assert resolutions == {"10"}, "its bands are all on the 10 m grid"
    for name, folder in folders.items():
        out = store.retrieve(found[name].key, tmp_path / name)
        assert all((folder / path).read_bytes() == data for path, data in contents(out).items())
