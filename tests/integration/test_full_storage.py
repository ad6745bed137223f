"""A storage element whose file system is really full: one line with name and bytes, status 75, nothing half done."""

import os
import shutil
import subprocess
import uuid
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from argo_templates.steps.bring import BringInput, bring
from rucio_dafab.client import PublishRequest
from rucio_dafab.site.home import RSES
from rucio_dafab.storage import StorageFull
from tests.integration.scenes import of_scene, refused, run

pytestmark = [pytest.mark.integration, pytest.mark.timeout(600)]

MELUXINA, CLOUD = RSES
BYTES = 1_000_000


@pytest.fixture
def full(site: Any, tmp_path: Path) -> Iterator[Callable[[], None]]:
    """Lay a full disk of 2 MB over a storage element; return a function that makes room on it."""
    folder: Path = site.home.rse(CLOUD)
    folder.mkdir(parents=True, exist_ok=True)
    owner = folder.stat()
    command = ["mount", "-t", "tmpfs", "-o", f"size=2m,mode=755,uid={owner.st_uid},gid={owner.st_gid}", "tmpfs"]
    if subprocess.run([*command, str(folder)], check=False, capture_output=True).returncode:
        pytest.skip("a small disk cannot be mounted here")
    try:
        with (folder / "filler").open("wb") as filler:
            os.posix_fallocate(filler.fileno(), 0, 1_800_000)
        yield lambda: subprocess.run(["mount", "-o", "remount,size=64m", str(folder)], check=True) and None
    finally:
        # What was registered meanwhile has its bytes there: other tests of the site look at every replica.
        (folder / "filler").unlink()
        shutil.copytree(folder, tmp_path / "kept")
        subprocess.run(["umount", str(folder)], check=True)
        shutil.copytree(tmp_path / "kept", folder, dirs_exist_ok=True)


def parts(site: Any) -> list[Path]:
    """Return the files that a storage element holds, the filler aside."""
    return [path for path in site.home.rse(CLOUD).rglob("*") if path.is_file() and path.name != "filler"]


def test_a_replica_that_does_not_fit_is_not_registered_and_the_next_try_brings_it(
    site: Any, full: Callable[[], None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DAFAB_HOME", str(site.home.root))
    client, name = site.client("dafab_admin"), f"fits_not_{uuid.uuid4().hex[:8]}"
    files = {}
    # Of three files the first is small enough: nothing of the item is registered all the same.
    for asset, size in (("a", 50_000), ("b", BYTES), ("c", BYTES)):
        path = tmp_path / f"{asset}.bin"
        path.write_bytes(os.urandom(size))
        files[asset] = client.upload(path, MELUXINA, f"{name}.{asset}.bin")
    item = {
        "type": "Feature",
        "stac_version": "1.1.0",
        "id": name,
        "collection": "water_analysis",
        "geometry": {"type": "Point", "coordinates": [6.0, 49.0]},
        "bbox": [6.0, 49.0, 6.0, 49.0],
        "properties": {"datetime": "2026-06-01T10:00:00Z"},
        "assets": {asset: {"href": f"{asset}.bin"} for asset in files},
        "links": [],
    }
    client.publish(PublishRequest("dafab", item, files))
    asked = BringInput(item=name, rse=CLOUD, work=str(tmp_path / "work"))
    with pytest.raises(StorageFull) as refusal:
        bring(asked)
    expected = (
        f"RSE {CLOUD} is full: no room for dafab:{name}.b.bin, {BYTES:,} bytes to write (No space left on device)"
    )
    assert (str(refusal.value), refusal.value.exit_code) == (expected, 75)
    # What did not fit is gone; what did is waiting, and unknown to Rucio.
    assert [path.name for path in parts(site)] == [f"{name}.a.bin"]
    assert list((tmp_path / "work").iterdir()) == []
    dids = [{"scope": "dafab", "name": f"{name}.{asset}.bin"} for asset in files]
    assert all(set(each["rses"]) == {MELUXINA} for each in site.rucio_client().list_replicas(dids))
    full()
    assert bring(asked).files == 3
    assert all(set(each["rses"]) == {MELUXINA, CLOUD} for each in site.rucio_client().list_replicas(dids))


def test_a_run_onto_a_full_storage_element_registers_nothing_and_is_completed_by_the_next(
    site: Any, full: Callable[[], None], tmp_path: Path
) -> None:
    site.dafab("simulate", str(tmp_path), "--seed", "4711", "--size", "512")
    (scene,) = tmp_path.glob("*.SAFE")
    with (site.home.rse(CLOUD) / "filler").open("ab", buffering=0) as filler, suppress(OSError):
        while filler.write(bytes(4096)):
            pass
    ran = site.run_dafab("run", str(scene), "--rse", CLOUD)
    assert ran.returncode == 75, ran.stderr
    line = refused(site, scene, "--rse", CLOUD)
    assert line.startswith(f"RSE {CLOUD} is full: no room for dafab:")
    assert line.endswith(" bytes to write (No space left on device)")
    assert of_scene(site, scene.stem) == {}
    assert parts(site) == []
    full()
    report = run(site, scene, "--rse", CLOUD)
    assert report["outcome"] == "created"
    assert of_scene(site, scene.stem) != {}
    assert run(site, scene, "--rse", CLOUD)["outcome"] == "unchanged"
