"""A newer model over a scene that an older one was run on: its product succeeds the older one."""

import json
import shutil
import uuid
from pathlib import Path
from typing import Any

import pytest

from rucio_dafab.client import PublishRequest

pytestmark = [pytest.mark.integration, pytest.mark.shared, pytest.mark.timeout(900)]


@pytest.fixture
def scene(tmp_path: Path, shared: Path) -> Path:
    """Return a copy of a real scene under an id of its own."""
    folder = tmp_path / f"versioned-{uuid.uuid4().hex[:8]}"
    shutil.copytree(shared / "scenes" / "terramesh_282D_485L_3_3", folder)
    item = json.loads((folder / "item.json").read_text())
    (folder / "item.json").write_text(json.dumps(item | {"id": folder.name}))
    return folder


def older(site: Any, scene: Path, name: str, source: str) -> None:
    """Publish what an older model would have made of a scene."""
    item = json.loads((scene / "item.json").read_text())
    document = {member: item[member] for member in ("type", "stac_version", "geometry", "bbox")} | {
        "id": name,
        "collection": "water_analysis",
        "properties": {"datetime": "2020-06-01T10:00:00Z"},
        "assets": {},
        "links": [{"rel": "derived_from", "href": source}],
    }
    site.client("dafab_admin").publish(PublishRequest("dafab", document, {}))


def run(site: Any, scene: Path) -> dict[str, Any]:
    ran = site.run_dafab("run", str(scene), "--model", "water", "--json")
    assert ran.returncode == 0, ran.stderr
    report: dict[str, Any] = json.loads(ran.stdout)
    return report


def test_the_product_of_a_newer_model_succeeds_that_of_the_older(site: Any, scene: Path) -> None:
    stem = f"{scene.name}_water_analysis"
    older(site, scene, f"{stem}_1", scene.name)
    # Of another scene whose name begins alike, and of a version that is to come: neither is its predecessor.
    older(site, scene, f"{scene.name}b_water_analysis_2", f"{scene.name}b")
    older(site, scene, f"{stem}_99999", scene.name)
    made = next(line["item"] for line in run(site, scene)["items"] if line["collection"] == "water_analysis")
    client = site.client("user_dafab")
    found = {each.name: each.document for each in client.read_documents([made, f"{stem}_1"])}
    before = [link["href"] for link in found[made]["links"] if link["rel"] == "predecessor-version"]
    assert len(before) == 1 and before[0].endswith(f"/{stem}_1")
    after = [link["href"] for link in found[f"{stem}_1"]["links"] if link["rel"] == "successor-version"]
    assert len(after) == 1 and after[0].endswith(f"/{made}")
    names = [each.name for each in client.search(collections=["water_analysis"], did_type="container")]
    assert made in names and f"{stem}_1" not in names
    assert run(site, scene)["outcome"] == "unchanged"
