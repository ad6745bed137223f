"""``dafab-apply`` from its committed YAML: two sites with two RSEs, a container of a user's, results merged."""

import json
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from argo_templates.local import documents, runs
from argo_templates.local.state import Run, Status
from argo_templates.steps.bring import BringInput, bring
from argo_templates.steps.choose import ChooseInput, choose
from argo_templates.steps.gather import GatherInput, gather
from rucio_dafab.client import PublishRequest
from rucio_dafab.site.home import RSES, Home

pytestmark = [pytest.mark.integration, pytest.mark.timeout(600)]

MELUXINA, CLOUD = RSES
SITES = {
    "supercomputer": """
name: supercomputer
runtime: hpk
rse: MELUXINA
queues: [{name: cpu, device: cpu-2-cores, cores: 8, memory_gib: 64, start_seconds: 5, watts_per_core: 5}]
links: {CLOUD: {bytes_per_second: 250_000, latency_seconds: 60}}
""",
    "cloud": """
name: cloud
runtime: kubernetes
rse: CLOUD
queues: [{name: cpu, device: cpu-2-cores, cores: 8, memory_gib: 64, start_seconds: 4}]
links: {MELUXINA: {bytes_per_second: 250_000, latency_seconds: 60}}
""",
}
# What a user may bring: it knows nothing of the site, and counts bytes.
COMMAND = """
set -e
for folder in /data/in/*; do
  item=$(basename "$folder"); mkdir -p "/data/out/$item"
  count=$(cat "$folder"/*.bin | wc -c)
  printf '{"bytes": %s}' "$count" > "/data/out/$item/result.json"
  cp "$folder"/*.bin "/data/out/$item/"
done
test -z "$RUCIO_ACCOUNT"
test ! -e /dafab
"""


@pytest.fixture
def at_site(site: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    """Return the home of the shared site, which knows two sites."""
    monkeypatch.setenv("DAFAB_HOME", str(site.home.root))
    folder = tmp_path / "sites"
    folder.mkdir()
    for name, text in SITES.items():
        (folder / f"{name}.yaml").write_text(text)
    monkeypatch.setenv("DAFAB_SITES", str(folder))
    home: Home = site.home
    return home


@pytest.fixture
def item(site: Any, tmp_path: Path) -> Callable[[str, str, int], str]:
    """Return a function that publishes an item whose title is a word, with a file of some bytes on one RSE."""
    client = site.client("dafab_admin")

    def publish(rse: str, title: str, count: int) -> str:
        name = f"applied_{uuid.uuid4().hex[:10]}"
        path = tmp_path / "data.bin"
        path.write_bytes(name.encode() * count)
        ring = [[6.0, 49.0], [7.0, 49.0], [7.0, 50.0], [6.0, 50.0], [6.0, 49.0]]
        document = {
            "type": "Feature",
            "stac_version": "1.1.0",
            "id": name,
            "collection": "water_analysis",
            "geometry": {"type": "Polygon", "coordinates": [ring]},
            "properties": {"datetime": "2026-06-01T10:00:00Z", "proj:shape": [512, 512], "title": title},
            "assets": {"data": {"href": "data.bin"}},
            "links": [],
        }
        client.publish(PublishRequest("dafab", document, {"data": client.upload(path, rse, f"{name}.data.bin")}))
        return name

    return publish


def apply(home: Home, title: str, **parameters: str) -> tuple[Run, Status]:
    """Run the committed template over the items with a title."""
    given = {
        "filter": f"title = '{title}'",
        "collections": "water_analysis",
        "container": "docker.io/library/busybox@sha256:" + 64 * "0",
        "command": COMMAND,
        "batch": "2",
    }
    run = runs.prepare(home, documents.find("dafab-apply"), given | parameters)
    return run, runs.execute(home, run)


def table(home: Home, run: Run) -> dict[str, Any]:
    """Return the lines of the results by item."""
    lines = (home.root / "results" / run.name / "results.ndjson").read_text().splitlines()
    return {line["item"]: line for line in map(json.loads, lines)}


def rses_of(site: Any, name: str) -> set[str]:
    """Return where Rucio says the file of an item is."""
    (asset,) = next(site.client().search(filter={"op": "=", "args": [{"property": "id"}, name]})).assets.values()
    return {replica.rse for replica in asset.replicas}


def test_items_are_worked_on_where_they_are_and_results_are_merged(
    site: Any, at_site: Home, item: Callable[[str, str, int], str]
) -> None:
    title = f"apply-{uuid.uuid4().hex[:8]}"
    there = {
        item(rse, title, count): rse for rse, count in ((MELUXINA, 10), (CLOUD, 20), (MELUXINA, 30), (MELUXINA, 1))
    }
    run, status = apply(at_site, title)
    assert (status.phase, status.message) == ("Succeeded", "")
    found = table(at_site, run)
    assert {name: line["rse"] for name, line in found.items()} == there
    assert {line["site"] for line in found.values()} == {"supercomputer", "cloud"}
    for name, line in found.items():
        kept = at_site.root / "results" / run.name / name
        assert line["result"]["bytes"] == (kept / "data.bin").stat().st_size
        assert {file["path"] for file in line["files"]} == {"data.bin", "result.json"}
        assert rses_of(site, name) == {there[name]}
    node = run.node("main.branch")
    assert node is not None
    # Two batches of at most two items at the supercomputer, one in the cloud.
    assert node.children == ("Succeeded",) * 3
    gathered = [each for each in run.nodes() if each.path.endswith(".gather")]
    assert [each.parameters["brought"] for each in gathered] == ["0"] * 3
    ran = [each.path.rpartition(".")[2] for each in run.nodes() if "apply-" in each.path and each.phase == "Succeeded"]
    assert sorted(ran) == ["apply-hpk", "apply-hpk", "apply-kubernetes"]
    assert not (at_site.work / run.name).exists()


def test_after_a_forced_move_rucio_knows_both_replicas_and_the_record_its_site(
    site: Any, at_site: Home, item: Callable[[str, str, int], str]
) -> None:
    title = f"move-{uuid.uuid4().hex[:8]}"
    name = item(MELUXINA, title, 5)
    run, status = apply(at_site, title, at="cloud", site="supercomputer")
    assert (status.phase, status.message) == ("Succeeded", "")
    assert table(at_site, run)[name]["site"] == "cloud"
    assert rses_of(site, name) == {MELUXINA, CLOUD}
    (record,) = site.client().read_documents([f"run_{run.name}"])
    told = record.document["properties"]["dafab:run"]
    assert told["energy"]["method"] == "processor seconds x 5 W, stated for supercomputer/cpu"
    again, status = apply(at_site, title, at="cloud")
    assert status.phase == "Succeeded"
    gathered = next(each for each in again.nodes() if each.path.endswith(".gather"))
    assert gathered.parameters["brought"] == "0"


def test_replicas_that_moved_after_items_were_split_are_read_again(
    site: Any, at_site: Home, item: Callable[[str, str, int], str], tmp_path: Path
) -> None:
    title = f"again-{uuid.uuid4().hex[:8]}"
    name = item(MELUXINA, title, 7)
    work = str(tmp_path / "work")
    asked = {"filter": f"title = '{title}'", "filter_lang": "cql2-text", "collections": "water_analysis"}
    (branch,) = json.loads(choose(ChooseInput(work=work, site="cloud", **asked)).branches)
    # Meanwhile somebody brings the file there, and where it was it cannot be read any more.
    assert bring(BringInput(item=name, rse=CLOUD, work=str(tmp_path / "bring"))).files == 1
    files = [{"scope": "dafab", "name": f"{name}.data.bin", "state": "U"}]
    site.rucio_client("dafab_admin").update_replicas_states(MELUXINA, files)
    gathered = gather(GatherInput(work=work, batch=branch["batch"]))
    assert (gathered.items, gathered.brought) == (1, 0)
    (given,) = (tmp_path / "work").rglob("data.bin")
    assert given.read_bytes() == name.encode() * 7


def test_a_container_that_fails_is_reported_and_the_rest_is_merged(
    at_site: Home, item: Callable[[str, str, int], str]
) -> None:
    title = f"fails-{uuid.uuid4().hex[:8]}"
    good, bad = item(CLOUD, title, 1), item(CLOUD, title, 2)
    unlucky = f"test -e /data/in/{bad} && {{ echo no such luck >&2; exit 3; }}\n{COMMAND}"
    run, status = apply(at_site, title, command=unlucky, batch="1")
    assert status.phase == "Failed"
    assert "exit status 3: no such luck; main.collect: exit status 1: " in status.message
    assert "1 of 2 batches failed: 000" in status.message
    found = table(at_site, run)
    assert [name for name, line in found.items() if "failed" in line] == [bad]
    assert found[good]["result"] == {"bytes": len(good)}
    assert (at_site.root / "results" / run.name / good / "data.bin").read_text() == good
    assert not (at_site.root / "results" / run.name / bad).exists()


def test_a_question_that_finds_nothing_or_too_much(at_site: Home, item: Callable[[str, str, int], str]) -> None:
    run, status = apply(at_site, "there is no such title")
    assert status.phase == "Succeeded"
    assert table(at_site, run) == {}
    title = f"many-{uuid.uuid4().hex[:8]}"
    for _ in range(2):
        item(CLOUD, title, 1)
    _, status = apply(at_site, title, most="1")
    assert status.message.endswith("error: there are more than 1 items: ask for fewer, or raise most")
    _, status = apply(at_site, title, filter="title =")
    assert (status.phase, "400 to search" in status.message) == ("Failed", True)
