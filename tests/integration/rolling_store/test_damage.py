"""Damaged files, full disks and killed writers: a product is whole or not there."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from dasi_backend import writer
from dasi_backend.errors import ChecksumError, DasiError, NotStored, StoreError
from dasi_backend.store import Store
from tests.integration.rolling_store.scenes import contents, make_scene

pytestmark = pytest.mark.integration


def data_file(store: Store, identifier: str, name: str) -> tuple[Path, int]:
    """Return the data file and offset of one file of a product."""
    level_3 = {file.path: dict(file.key) for file in store.get(identifier).manifest.files}[name]
    for element in store.objects({"product": identifier}):
        if {key: element.key.get(key) for key in level_3} == level_3:
            return element.path, element.offset
    raise AssertionError(name)


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


def test_an_object_that_is_gone_is_named_and_nothing_is_written(store: Store, scene: Path, tmp_path: Path) -> None:
    """FDB itself gives back what there is, and says nothing of what is not."""
    store.archive(scene)
    record = store.root / ".records" / "products" / "scene_a.json"
    said = json.loads(record.read_text())
    del said["objects"]["kind=band,band=b03,res=10"]
    record.write_text(json.dumps(said))
    with pytest.raises(NotStored, match=r"scene_a/B03\.tif: the store lost this object"):
        store.retrieve("scene_a", tmp_path / "out" / "scene")
    assert list((tmp_path / "out").iterdir()) == []


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
    process.stdin.write(writer.job(folder, store.parts).encode())
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
    refusal = done.stderr.splitlines()[-1]
    assert re.search(r"StoreError: large needs a file of 12\.\d MB in /.*, and files may have 1\.05 MB", refusal)
    assert [product.key.id for product in store.products()] == ["small"]
    store.archive(large)
    assert contents(store.retrieve("large", tmp_path / "out")) == contents(large)


FAILING = """
from dasi_backend import writer

def fail(*_):
    raise ValueError("at the end")

writer._content = fail
writer.main()
"""
INTERRUPTED = """
import os, signal
from dasi_backend import fdb, writer

signal.signal(signal.SIGINT, signal.default_int_handler)  # whoever runs tests in the background has it ignored

class Interrupted:
    def __init__(self, handle):
        self.archive, self.list, self._flush = handle.archive, handle.list, handle.flush

    def flush(self):
        self._flush()
        os.kill(os.getpid(), signal.SIGINT)

opened = fdb.Database.open
fdb.Database.open = lambda self: Interrupted(opened(self))
writer.main()
"""


def test_an_error_after_the_last_band_breaks_nothing(store: Store, scene: Path, tmp_path: Path) -> None:
    """FDB publishes when its object goes, and an object of a forgotten error goes before the process does."""
    store.archive(make_scene(tmp_path / "other", "other"))
    job = writer.job(scene, store.parts)
    done = subprocess.run([sys.executable, "-c", FAILING], input=job, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr.splitlines()[-1]) == (1, "ValueError: at the end")
    assert {element.key["product"] for element in store.parts.database.objects({"date": "20260601"})} == {"other"}
    assert not list(store.root.glob("*/scene_a:*"))
    assert store.put(scene).outcome == writer.STORED
    assert contents(store.retrieve("scene_a", tmp_path / "out")) == contents(scene)


def test_an_interrupt_while_fdb_flushes_breaks_nothing(store: Store, scene: Path, tmp_path: Path) -> None:
    """Python sees a Ctrl-C when FDB's call returns: the product is published by then."""
    store.archive(make_scene(tmp_path / "other", "other"))
    done = subprocess.run(
        [sys.executable, "-c", INTERRUPTED],
        input=writer.job(scene, store.parts),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stderr.splitlines()[-1] == "KeyboardInterrupt"
    assert done.returncode == 1
    assert [product.key.id for product in store.products()] == ["other", "scene_a"]
    assert store.put(scene).outcome == writer.UNCHANGED
    assert contents(store.retrieve("scene_a", tmp_path / "out")) == contents(scene)
    assert len(list(store.parts.database.objects({"date": "20260601"}))) == len(list(store.objects()))
    store.wipe({"product": "scene_a"}, doit=True)
    assert [product.key.id for product in store.products()] == ["other"]


def test_a_wipe_that_a_damaged_day_does_not_allow_hides_nothing(store: Store, scene: Path, tmp_path: Path) -> None:
    store.archive(scene)
    store.archive(make_scene(tmp_path / "other", "other"))
    next(store.root.glob("*/other:*.index")).unlink()
    with pytest.raises(StoreError, match="index"):
        store.wipe({"product": "scene_a"}, doit=True)
    assert store.contains("scene_a")
    assert contents(store.retrieve("scene_a", tmp_path / "out")) == contents(scene)
