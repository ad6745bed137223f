"""The benchmark of kills sees what it is there to see: whatever a killed run could leave makes it a bad one."""

import uuid
from pathlib import Path
from typing import Any

import pytest

from benchmarks.workflows.kills import ITEMS, TOO_LATE, Outcome, look, suffices
from dasi_backend.holds import Use
from dasi_backend.store import Store
from rucio_dafab.client import PublishRequest
from rucio_dafab.site.home import RSES

pytestmark = [pytest.mark.integration, pytest.mark.timeout(300)]

RING = [[6.0, 49.0], [7.0, 49.0], [7.0, 50.0], [6.0, 50.0], [6.0, 49.0]]


def test_runs_that_end_too_early_are_made_again_but_not_without_an_end() -> None:
    late, dead = (Outcome(what, "Succeeded", ITEMS, 0, 0, 0, left=False) for what in (TOO_LATE, "a pod at 3.0 s"))
    assert not suffices([], 2)
    assert not suffices([late, dead], 2)
    assert suffices([late, dead, dead], 2)
    assert not suffices([late] * 5, 2)
    assert suffices([late] * 6, 2)


def document(name: str) -> dict[str, Any]:
    """Return a document with one asset."""
    return {
        "type": "Feature",
        "stac_version": "1.1.0",
        "id": name,
        "collection": "water_analysis",
        "geometry": {"type": "Polygon", "coordinates": [RING]},
        "properties": {"datetime": "2026-06-01T10:00:00Z", "title": name},
        "assets": {"data": {"href": "data.bin"}},
        "links": [],
    }


def test_each_thing_that_is_left_is_counted(site: Any, tmp_path: Path) -> None:
    client, rucio = site.client("dafab_admin"), site.rucio_client("dafab_admin")
    scene = f"Killed_{uuid.uuid4().hex[:10]}"
    path = tmp_path / "data.bin"
    for suffix in ("", "_water", "_fields"):
        name = f"{scene}{suffix}"
        path.write_text(name)
        client.publish(PublishRequest("dafab", document(name), {"data": client.upload(path, RSES[0], f"{name}.bin")}))
    run, holds = f"run-{uuid.uuid4().hex[:8]}", Store(site.home.store).holds
    assert look(site.home, scene, run).good
    assert not look(site.home, scene, run, phase="Failed").good

    lease = holds.take(scene.lower(), Use("run of nobody"))
    assert (look(site.home, scene, run).leases, look(site.home, scene, run).good) == (1, False)
    assert holds.release(lease.product, lease.holder)

    (site.home.work / run).mkdir(parents=True)
    assert (look(site.home, scene, run).left, look(site.home, scene, run).good) == (True, False)
    (site.home.work / run).rmdir()
    assert look(site.home, scene, run).good

    stored = client.upload(path, RSES[0], f"{scene}.again.bin")
    line = {"scope": "dafab", "name": stored.name, "bytes": stored.bytes, "adler32": stored.adler32, "md5": stored.md5}
    rucio.add_replicas(RSES[0], [line])
    assert (look(site.home, scene, run).loose, look(site.home, scene, run).good) == (1, False)
    assets = [child["name"] for child in rucio.list_content("dafab", scene)]
    assets += [child["name"] for child in rucio.list_content("dafab", f"{scene}_water")]
    assert len(assets) == 2
    for asset in assets:
        rucio.attach_dids("dafab", asset, [{"scope": "dafab", "name": stored.name}])
    found = look(site.home, scene, run)
    assert (found.loose, found.doubled, found.good) == (0, 1, False)
