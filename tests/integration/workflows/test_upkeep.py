"""Retention, integrity, reprocessing and publishing, and scenes that come from an archive, by the committed YAML."""

import json
import shutil
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from argo_templates.local import documents, runs
from argo_templates.local.state import Run, Status
from dasi_backend.holds import Use
from dasi_backend.store import Store
from rucio_dafab.eo.scene import open_scene
from rucio_dafab.eo.simulate import Options, simulate, write_safe
from rucio_dafab.eo.staging import stage
from rucio_dafab.site.home import Home
from tests.unit.eo.sources.archive import Archive, as_json, running
from tests.unit.eo.sources.conftest import TABLE, node_path, odata_product

pytestmark = [pytest.mark.integration, pytest.mark.timeout(600)]

Submit = Callable[..., tuple[Run, Status]]


@pytest.fixture
def at_site(site: Any, monkeypatch: pytest.MonkeyPatch) -> Home:
    """Return the home of the shared site, which ``DAFAB_HOME`` names."""
    monkeypatch.setenv("DAFAB_HOME", str(site.home.root))
    home: Home = site.home
    return home


@pytest.fixture
def submit(at_site: Home) -> Submit:
    """Return a function that runs a committed template to its end."""

    def run(template: str, mapping: dict[str, Path] | None = None, **parameters: str) -> tuple[Run, Status]:
        made = runs.prepare(at_site, documents.find(template), parameters, mapping=mapping)
        return made, runs.execute(at_site, made)

    return run


@pytest.fixture
def archive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Archive, str]]:
    """Return an archive on loopback and the name of its one scene."""
    safe = write_safe(simulate(2211, Options(size=256, clouds=0.02)), tmp_path)
    with running() as server:
        server.route("/odata/v1/Products", lambda _: as_json({"value": [odata_product(safe)]}))
        for path in (path for path in safe.rglob("*") if path.is_file()):
            server.files[node_path(safe, path.relative_to(safe).as_posix())] = path.read_bytes()
        table = tmp_path / "sources.toml"
        table.write_text(TABLE.format(url=server.url, hosts="[]"))
        monkeypatch.setenv("DAFAB_SOURCES", str(table))
        yield server, safe.stem


def outputs(run: Run, path: str) -> dict[str, str]:
    """Return what a step left."""
    node = run.node(path)
    assert node is not None
    return dict(node.parameters)


def test_a_scene_of_an_archive_fills_the_store_and_models_take_it_from_there(
    site: Any, at_site: Home, submit: Submit, archive: tuple[Archive, str]
) -> None:
    server, name = archive
    store = Store(at_site.store)
    run, status = submit("dafab-fetch", scene=f"safe:{name}")
    assert (status.phase, status.message) == ("Succeeded", "")
    assert store.contains(name)
    assert record(site, run)["scene_outcomes"] == {"stored": 1}
    assert not store.holds.leases(name.lower())
    asked = len(server.asked)

    run, status = submit("dafab-water", scene=name)
    assert (status.phase, status.message) == ("Succeeded", "")
    (scene,) = record(site, run)["scenes"]
    assert [each["item"].rpartition("_water_analysis_")[0] for each in scene["items"][1:]] == [name]
    assert len(server.asked) == asked, "the archive was asked although the store has the scene"

    # As if an older model had made it, and long enough ago that nobody remembers.
    admin = site.client("dafab_admin")
    old = [{"op": "update", "path": "/properties/dafab:processing/water/version", "value": "0.0.1"}]
    assert not admin.patch_documents([name], old).failures
    shutil.rmtree(at_site.root / "memo")
    run, status = submit("dafab-reprocess", filter=f"id = '{name}'")
    assert (status.phase, status.message) == ("Succeeded", "")
    assert json.loads(outputs(run, "main.outdated")["scenes"]) == [
        {"key": name, "scene": name, "source": "store", "models": "water"}
    ]
    (document,) = admin.read_documents([name])
    assert document.document["properties"]["dafab:processing"]["water"]["version"] != "0.0.1"
    run, status = submit("dafab-reprocess", filter=f"id = '{name}'")
    assert (status.phase, outputs(run, "main.outdated")["count"]) == ("Succeeded", "0")


def record(site: Any, run: Run) -> dict[str, Any]:
    """Return what the catalogue has of a run."""
    (found,) = site.client("user_dafab").read_documents([f"run_{run.name}"])
    told: dict[str, Any] = found.document["properties"]["dafab:run"]
    return told


@pytest.mark.shared
def test_retention_removes_what_is_due_and_never_what_is_leased(
    site: Any, submit: Submit, tmp_path: Path, shared: Path
) -> None:
    store = Store(tmp_path / "store")
    for name in ("ftw_austria_a", "ftw_austria_b"):
        folder = tmp_path / name
        folder.mkdir()
        stage(open_scene(shared / "scenes" / name), folder)
        store.archive(folder)
    store.holds.lease("ftw_austria_a", Use("somebody"))
    policies = tmp_path / "policies"
    policies.mkdir()
    text = '[store]\nlag = "0 s"\n[rule]\nmin_age = "0 s"\nmax_age = "1 s"\n'
    (policies / "retention.toml").write_text(text)
    time.sleep(1.2)
    mapping = {"dafab-store": tmp_path / "store", "dafab-policies": policies}
    run, status = submit("dafab-retention", mapping, apply="no")
    assert (status.phase, len(list(store.products()))) == ("Succeeded", 2)
    run, status = submit("dafab-retention-cron", mapping)
    assert (status.phase, status.message) == ("Succeeded", "")
    assert [product.key.id for product in store.products()] == ["ftw_austria_a"]
    done = outputs(run, "main.retain")
    assert (done["removed"], done["leased"]) == ("1", "1")
    (recorded,) = site.client("user_dafab").read_documents([f"run_{run.name}"])
    assert recorded.document["geometry"] is None


def deliverable(folder: Path) -> str:
    """Write a finished item with one file; return its id."""
    name = f"delivered_{uuid.uuid4().hex[:10]}"
    folder.mkdir(parents=True)
    (folder / "data.bin").write_bytes(name.encode() * 100)
    ring = [[6.0, 49.0], [7.0, 49.0], [7.0, 50.0], [6.0, 50.0], [6.0, 49.0]]
    item = {
        "type": "Feature",
        "stac_version": "1.1.0",
        "id": name,
        "collection": "water_analysis",
        "geometry": {"type": "Polygon", "coordinates": [ring]},
        "properties": {"datetime": "2026-06-01T10:00:00Z"},
        "assets": {"data": {"href": "data.bin"}},
        "links": [],
    }
    (folder / "item.json").write_text(json.dumps(item))
    return name


def test_an_item_is_published_and_its_replicas_are_held_to_its_document(
    site: Any, at_site: Home, submit: Submit
) -> None:
    folder = at_site.root / "results" / f"made-{uuid.uuid4().hex[:8]}"
    name = deliverable(folder)
    pod_folder = f"/dafab/results/{folder.name}"
    run, status = submit("dafab-publish", folder=pod_folder, rse="CLOUD")
    assert (status.phase, status.message) == ("Succeeded", "")
    assert outputs(run, "main.deliver") == {"item": name, "outcome": "created", "files": "1"}
    run, _ = submit("dafab-publish", folder=pod_folder, rse="CLOUD")
    assert outputs(run, "main.deliver")["outcome"] == "unchanged"

    only = {"filter": f"id = '{name}'", "collections": "water_analysis"}
    run, status = submit("dafab-integrity", **only)
    assert (status.phase, status.message) == ("Succeeded", "")
    assert outputs(run, "main.verify") == {"items": "1", "files": "1", "replicas": "1", "elsewhere": "0"}

    kept = next(at_site.rse("CLOUD").rglob(f"{name}.data.bin"))
    whole = kept.read_bytes()
    kept.write_bytes(b"x" + whole[1:])
    assert submit("dafab-integrity", **only)[1].phase == "Succeeded"
    run, status = submit("dafab-integrity", depth="checksums", **only)
    assert status.message.endswith(
        f"1 of 1 files do not agree with their documents: {name}.data.bin (its adler32 is another)"
    )
    report = json.loads((at_site.root / "results" / f"{run.name}.json").read_text())
    assert [(each["item"], each["rse"]) for each in report["faults"]] == [(name, "CLOUD")]
    kept.unlink()
    _, status = submit("dafab-integrity", **only)
    assert status.message.endswith(f"{name}.data.bin (its file is not there)")
    kept.write_bytes(whole)
    assert record(site, run)["outcome"] == "Failed"


def test_what_is_no_item_is_not_published(at_site: Home, submit: Submit) -> None:
    folder = at_site.root / "results" / f"bad-{uuid.uuid4().hex[:8]}"
    deliverable(folder)
    item = json.loads((folder / "item.json").read_text())
    item["assets"]["data"]["href"] = "../../credentials.json"
    (folder / "item.json").write_text(json.dumps(item))
    _, status = submit("dafab-publish", folder=f"/dafab/results/{folder.name}")
    expected = "the asset data names '../../credentials.json', which is no file in the folder"
    assert (status.phase, expected in status.message) == ("Failed", True)
