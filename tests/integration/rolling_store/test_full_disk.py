"""What is delivered to a full disk, and how a full disk is made free again."""

import subprocess
import time
from pathlib import Path
from shutil import disk_usage

import pytest
import rasterio

from dasi_backend import retention, writer
from dasi_backend.policy import Policy, Rule
from dasi_backend.records import Note
from dasi_backend.store import Store
from tests.integration.rolling_store.conftest import Dasi
from tests.integration.rolling_store.scenes import contents, make_scene

pytestmark = pytest.mark.integration


def fill(disk: Path) -> Path:
    """Write until no byte is left; return the file that takes them."""
    with (disk / "filler").open("wb", buffering=0) as file:
        try:
            while file.write(bytes(1 << 12)):
                continue
        except OSError:
            pass
    return disk / "filler"


def test_what_was_delivered_stays_where_the_disk_is_full(
    store: Store, scene: Path, full_disk: Path, dasi: Dasi
) -> None:
    store.archive(scene)
    request = ("disseminate", "id=scene_a", "grid=20", "target=FULL:d/[id]")
    assert dasi(*request).returncode == 0
    delivered = contents(full_disk / "d")
    filler = fill(full_disk)
    done = dasi(*request)
    assert done.returncode == 1
    assert done.stderr.strip() == f"error: {full_disk / 'd' / 'scene_a'} cannot be written: No space left on device"
    assert contents(full_disk / "d") == delivered
    filler.unlink()
    assert dasi(*request).returncode == 0
    assert contents(full_disk / "d") == delivered
    for path in (full_disk / "d" / "scene_a").iterdir():
        with rasterio.open(path) as raster:
            raster.read()


@pytest.fixture
def full_store(full_disk: Path, tmp_path: Path) -> Store:
    """A store of two products of a day and one of another, one of them published, on a disk without a free byte."""
    store = Store(full_disk / "store", wait_seconds=30)
    for name, day in (("scene_a", 1), ("scene_b", 1), ("scene_c", 2)):
        store.archive(make_scene(tmp_path / name, name, datetime=f"2026-06-0{day}T00:00:00Z"))
    store.parts.records.note(Note.PUBLISHED, "scene_a", {"id": "scene_a", "files": []})
    fill(full_disk)
    return store


def test_a_full_disk_is_made_free_by_a_wipe(full_store: Store, full_disk: Path, tmp_path: Path) -> None:
    assert [key.id for key in full_store.wipe({"product": "scene_a"}, doit=True)] == ["scene_a"]
    assert disk_usage(full_disk).free > 24_000, "the bytes of three bands"
    assert full_store.parts.withdrawing() == {"scene_a"}
    fill(full_disk)
    assert [key.id for key in full_store.wipe({"product": "scene_c"}, doit=True)] == ["scene_c"]
    assert [product.key.id for product in full_store.products()] == ["scene_b"]
    assert contents(full_store.retrieve("scene_b", tmp_path / "out")) == contents(tmp_path / "scene_b")
    subprocess.run(["mount", "-o", "remount,size=64m", str(full_disk)], check=True)
    assert full_store.put(tmp_path / "scene_c").outcome == writer.STORED
    assert not full_store.parts.records.names(Note.REMOVING)


def test_a_product_goes_where_fdb_has_no_room_to_note_it(full_disk: Path, tmp_path: Path) -> None:
    store, names = Store(full_disk / "store", wait_seconds=30), list[str]()
    while not names or next(store.root.rglob("toc")).stat().st_size % 4096:  # till FDB's next note needs a new block
        names.append(f"scene_{len(names)}")
        store.archive(make_scene(tmp_path / names[-1], names[-1], size=20))
    assert 1 < len(names) < 20
    fill(full_disk)
    store.wipe({"product": names[0]}, doit=True)
    assert [product.key.id for product in store.products()] == names[1:]
    assert len(list(store.parts.database.objects({}))) == len(list(store.objects()))


def test_a_full_disk_is_made_free_by_retention(full_store: Store, full_disk: Path) -> None:
    parts, policy = full_store.parts, Policy(min_free=10_000, lag=0.5, rule=Rule(min_age=0.0))
    _, done = retention.apply(parts, policy)
    assert (done.removed, done.left) == ((), ())
    assert len(parts.records.noted(Note.MARKED)) == 1
    time.sleep(0.6)
    _, done = retention.apply(parts, policy)
    assert len(done.removed) == 1
    assert disk_usage(full_disk).free > 10_000
    assert len(list(full_store.products())) == 2


def test_a_product_without_a_record_stays_on_a_full_disk_and_keeps_nothing_else_there(
    full_store: Store, full_disk: Path
) -> None:
    (full_store.root / ".records" / "products" / "scene_a.json").unlink()
    with (full_disk / "filler").open("ab") as file:
        file.write(bytes(1 << 12))  # what the record took
    _, done = retention.apply(full_store.parts, Policy(max_size=1, lag=0.0, rule=Rule(min_age=0.0)))
    assert {verdict.holding.record.key.id for verdict in done.removed} >= {"scene_b", "scene_c"}
    assert [product.key.id for product in full_store.products()] in ([], ["scene_a"])


def test_a_removal_without_a_byte_for_its_note_is_finished_by_the_next_run(full_store: Store) -> None:
    records = full_store.parts.records
    records.note(Note.REMOVING, "scene_b", {"key": str(full_store.get("scene_b").key)})  # and killed after that
    assert not (full_store.root / ".records" / "removing" / "scene_b.json").stat().st_size
    assert [product.key.id for product in full_store.products()] == ["scene_a", "scene_c"]
    retention.apply(full_store.parts, Policy())
    assert not records.names(Note.REMOVING)
    assert not list(full_store.root.glob("*/scene_b:*"))
    (full_store.root / ".records" / "removing" / "scene_b.json").touch()  # and killed before its note went
    retention.apply(full_store.parts, Policy())
    assert not records.names(Note.REMOVING)
    assert [product.key.id for product in full_store.products()] == ["scene_a", "scene_c"]
