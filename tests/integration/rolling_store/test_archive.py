"""Whole products into a real FDB and back, byte for byte."""

import json
from pathlib import Path

import pytest

from dasi_backend import writer
from dasi_backend.errors import NotStored, StoreError
from dasi_backend.store import ProductKey, Store
from tests.integration.rolling_store.scenes import BANDS, contents, make_scene

pytestmark = pytest.mark.integration


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


def test_the_longest_id_is_kept(store: Store, tmp_path: Path) -> None:
    identifier = "S2A_" + "x" * 146
    store.archive(make_scene(tmp_path / "long", identifier))
    assert store.contains(identifier)
    store.retrieve(identifier, tmp_path / "out")


def test_a_file_of_any_name_has_a_key_that_fdb_keeps(store: Store, scene: Path, tmp_path: Path) -> None:
    """FDB keeps 32 bytes of a level-3 key."""
    (scene / "safe" / "a folder").mkdir()
    (scene / "safe" / "a folder" / f"{'Ü:' * 60}.xml").write_text("long")
    store.archive(scene)
    keys = [":".join(file.key.values()) for file in store.get("scene_a").manifest.files]
    assert max(map(len, keys)) <= 32
    assert contents(store.retrieve("scene_a", tmp_path / "out")) == contents(scene)


def test_what_is_archived_after_a_read_is_seen_by_the_next_one(store: Store, scene: Path, tmp_path: Path) -> None:
    """An FDB that once found nothing keeps finding nothing: every read opens its own."""
    assert list(store.products({"date": "20260601"})) == []
    store.archive(scene)
    assert [product.key.id for product in store.products({"date": "20260601"})] == ["scene_a"]
    store.archive(make_scene(tmp_path / "b", "scene_b"))
    assert store.contains("scene_b")
    store.wipe({"product": "scene_b"}, doit=True)
    assert not store.contains("scene_b")


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


def test_a_root_with_a_space_and_other_letters(tmp_path: Path, scene: Path) -> None:
    store = Store(tmp_path / "my störe #1 %41")
    store.archive(scene)
    assert contents(store.retrieve("scene_a", tmp_path / "out")) == contents(scene)


def test_a_store_that_cannot_be_made_is_refused(tmp_path: Path, scene: Path) -> None:
    (tmp_path / "nowhere").symlink_to(tmp_path / "missing" / "store")
    with pytest.raises(StoreError, match="nowhere cannot be made: File exists"):
        Store(tmp_path / "nowhere").archive(scene)


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
