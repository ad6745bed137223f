"""Products leave the rolling store whole, and nobody who reads or writes is disturbed."""

import shutil
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from dasi_backend import writer
from dasi_backend.errors import KeyRefused, StoreError
from dasi_backend.locks import EXCLUSIVE, SHARED
from dasi_backend.store import Store
from tests.integration.rolling_store.scenes import contents, make_scene

pytestmark = pytest.mark.integration


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
    with store.parts.locks.database(key.database_name, SHARED), pytest.raises(StoreError, match="in use"):
        impatient.wipe({"product": "scene_a"}, doit=True)
    assert store.contains("scene_a")
    with store.parts.locks.database(key.database_name, EXCLUSIVE), pytest.raises(StoreError, match="in use"):
        impatient.archive(make_scene(scene.parent / "b", "scene_b"))
