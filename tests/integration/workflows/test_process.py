"""``dafab-process`` run from its committed YAML at a real site: products as ``rucio-dafab run`` makes them."""

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from argo_templates.local import documents, runs
from argo_templates.local.nodes import Node
from argo_templates.local.state import Run
from benchmarks.workflows.kills import TOO_LATE, look, one
from dasi_backend.store import Store
from rucio_dafab.site.home import Home

pytestmark = [pytest.mark.integration, pytest.mark.timeout(900)]

SEED = 31
SEEDS = (31, 33, 37)
"""Three scenes, of which every back end makes products."""

Sums = dict[str, tuple[int, str]]
KILLS = 3
"""Times that a run is killed, each time at another moment."""


@pytest.fixture
def at_site(site: Any, monkeypatch: pytest.MonkeyPatch) -> Home:
    """Return the home of the shared site, which ``DAFAB_HOME`` names."""
    monkeypatch.setenv("DAFAB_HOME", str(site.home.root))
    home: Home = site.home
    return home


def simulated(site: Any, folder: Path, seed: int) -> Path:
    """Return a scene that a test has for itself."""
    site.dafab("simulate", str(folder), "--seed", str(seed), "--size", "256")
    (scene,) = folder.glob("*.SAFE")
    return scene


def prepare(home: Home, scene: Path, **options: Any) -> Run:
    """Prepare the run of the committed template over a scene."""
    arguments = {"scene": scene.name} | options.pop("parameters", {})
    return runs.prepare(
        home, documents.find("dafab-process"), arguments, mapping={"dafab-scenes": scene.parent}, **options
    )


def unchanged(site: Any, scene: Path) -> bool:
    """Tell whether ``rucio-dafab run`` makes exactly what is registered: it compares every byte and document."""
    ran = site.run_dafab("run", str(scene), "--json")
    assert ran.returncode == 0, ran.stderr
    return '"outcome": "unchanged"' in ran.stdout


@pytest.fixture(scope="module")
def made(site: Any, tmp_path_factory: pytest.TempPathFactory) -> dict[Path, Sums]:
    """Return three scenes of which the back end ``process`` has made products, with the checksums of all files."""
    scenes = [simulated(site, tmp_path_factory.mktemp("three"), seed) for seed in SEEDS]
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("DAFAB_HOME", str(site.home.root))
        for scene in scenes:
            assert published(site.home, scene).parameters["outcome"] == "created"
    return {scene: sums(site, scene) for scene in scenes}


def published(home: Home, scene: Path, **options: Any) -> Node:
    """Run the committed template over a scene to its end, remembering nothing; return the step that published."""
    shutil.rmtree(home.root / "memo", ignore_errors=True)
    run = prepare(home, scene, **options)
    status = runs.execute(home, run)
    assert status.phase == "Succeeded", status.message
    assert not (home.work / run.name).exists()
    node = run.node("main.scene.products.publish")
    assert node is not None
    return node


def sums(site: Any, scene: Path) -> Sums:
    """Return bytes and checksum of every file of a scene and its products, by their names."""
    items = [each for each in site.client().search(did_type="container") if each.name.startswith(scene.stem)]
    assert len(items) == 3
    return {asset.name: (asset.bytes, asset.md5) for item in items for asset in item.assets.values()}


def test_the_committed_yaml_makes_what_the_command_makes(site: Any, made: dict[Path, Sums]) -> None:
    for scene, files in made.items():
        assert len(files) > 4
        assert unchanged(site, scene)


def test_killed_at_random_moments_it_is_completed_by_a_rerun(site: Any, at_site: Home, tmp_path: Path) -> None:
    scene = simulated(site, tmp_path, SEED + 1)
    run = prepare(at_site, scene)
    chance = random.Random(SEED)
    for _ in range(KILLS):
        executor = subprocess.Popen([sys.executable, "-m", "argo_templates.local", run.name])
        try:
            executor.wait(chance.uniform(1, 9))
        except subprocess.TimeoutExpired:
            executor.send_signal(signal.SIGKILL)
            executor.wait()
    time.sleep(1)
    assert of_this_run(run) == []
    assert run.status().phase == "Succeeded" or runs.execute(at_site, run).phase == "Succeeded"
    assert of_this_run(run) == []
    assert leases(at_site) == []
    # As the benchmark of 20 runs has it: three items, nothing that hangs on two of them or on none, nothing left.
    assert look(at_site, scene.stem, run.name).good, look(at_site, scene.stem, run.name)
    assert unchanged(site, scene)


def test_a_step_that_another_try_cannot_mend_is_reported_at_once(site: Any, at_site: Home, tmp_path: Path) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    run = prepare(at_site, empty)
    status = runs.execute(at_site, run)
    node = run.node("main.scene.stage.fetch")
    assert node is not None
    assert (status.phase, node.attempts, node.exit_code) == ("Failed", 1, 1)
    assert status.message.startswith("main.scene.stage.fetch: exit status 1: error: /scenes/empty")


def test_a_pod_that_is_killed_is_tried_again_and_leaves_nothing(site: Any, at_site: Home, tmp_path: Path) -> None:
    chance, killed = random.Random(SEED), TOO_LATE
    for number in range(4):
        scene = simulated(site, tmp_path / str(number), SEED + 10 + number)
        outcome = one(at_site, scene, chance.uniform(1, 4), pod=True)
        assert outcome.good, outcome
        killed = outcome.killed
        if killed.startswith("main."):
            break
    # The benchmark does 20, of pods and of executors; here one pod is enough.
    assert killed.startswith("main."), killed


@pytest.mark.usefixtures("slurm")
def test_slurm_makes_the_same_of_three_scenes(site: Any, at_site: Home, made: dict[Path, Sums]) -> None:
    for scene, files in made.items():
        node = published(at_site, scene, back_end="slurm", parameters={"runtime": "hpk", "partition": "gpu"})
        assert "job" in node.where
        # It is what is registered, byte by byte, or there would be a new version.
        assert node.parameters["outcome"] == "unchanged"
        assert sums(site, scene) == files


@pytest.mark.timeout(1800)
def test_podman_makes_the_same_of_three_scenes(
    site: Any, at_site: Home, made: dict[Path, Sums], worker_image: str
) -> None:
    for scene, files in made.items():
        node = published(at_site, scene, back_end="podman", parameters={"image": worker_image})
        assert "container" in node.where
        assert node.parameters["outcome"] == "unchanged"
        assert sums(site, scene) == files
    assert leases(at_site) == []


def of_this_run(run: Run) -> list[str]:
    """Return the processes that have something of a run's folder in their environment."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            environment = (process / "environ").read_bytes()
        except OSError:
            continue
        if str(run.folder).encode() in environment and int(process.name) != os.getpid():
            found.append(process.name)
    return found


def test_the_folder_of_a_run_holds_no_scene(site: Any, at_site: Home) -> None:
    for run in runs.every(at_site):
        size = sum(path.stat().st_size for path in run.folder.rglob("*") if path.is_file())
        assert size < 2_000_000, f"{run.name} keeps {size} bytes"


def recorded(site: Any, run: Run) -> dict[str, Any]:
    """Return what the catalogue has of a run."""
    (found,) = site.client("user_dafab").read_documents([f"run_{run.name}"])
    told: dict[str, Any] = found.document["properties"]["dafab:run"]
    return told


def leases(home: Home) -> list[str]:
    """Return who holds what in the rolling store."""
    return [str(lease) for lease in Store(home.store).holds.leases()]


def test_the_run_is_recorded_in_the_catalogue_and_found_there(site: Any, at_site: Home, tmp_path: Path) -> None:
    scene = simulated(site, tmp_path, SEED + 3)
    run = prepare(at_site, scene)
    assert runs.execute(at_site, run).phase == "Succeeded"
    told = recorded(site, run)
    assert (told["workflow"], told["outcome"], told["scene_outcomes"]) == (
        "dafab-process",
        "Succeeded",
        {"published": 1},
    )
    assert [each["step"] for each in told["steps"]][:2] == ["fetch", "archive"]
    assert {"infer water", "infer fields", "publish"} <= {each["step"] for each in told["steps"]}
    assert told["seconds"] > 0
    assert told["cpu_seconds"] > 0
    assert told["energy"]["estimated"] is True
    assert told["energy"]["joules"] == pytest.approx(10 * told["cpu_seconds"], rel=0.01)
    assert told["parameters"]["scene"] == scene.name
    (ended,) = told["scenes"]
    assert len(ended["items"]) == 3
    by_outcome = {"op": "=", "args": [{"property": "/properties/dafab:run/outcome"}, "Succeeded"]}
    client = site.client("user_dafab")
    assert f"run_{run.name}" in {
        found.name for found in client.search(filter=by_outcome, collections=["workflow_runs"])
    }
    assert leases(at_site) == []
    again = prepare(at_site, scene)
    assert runs.execute(at_site, again).phase == "Succeeded"
    node = again.node("main.scene.products")
    assert node is not None
    assert node.message == f"remembered from {run.name}"
    assert recorded(site, again)["scene_outcomes"] == {"remembered": 1}
    assert leases(at_site) == []


@pytest.mark.shared
def test_what_is_refused_for_good_leaves_nothing_behind(site: Any, at_site: Home, tmp_path: Path, shared: Path) -> None:
    scene = tmp_path / "torn_workflow_scene"
    shutil.copytree(shared / "scenes" / "ftw_austria_a", scene)
    item = json.loads((scene / "item.json").read_text()) | {"id": scene.name}
    (scene / "item.json").write_text(json.dumps(item))
    # That no model can run is found by publish, when the scene is in the store already.
    (scene / "B03.tif").unlink()
    stored = {product.key.id for product in Store(at_site.store).products()}
    run = prepare(at_site, scene)
    assert runs.execute(at_site, run).phase == "Failed"
    told = recorded(site, run)
    assert (told["outcome"], told["scene_outcomes"]) == ("Failed", {"withdrawn": 1})
    assert "no model can run (water: bands absent: B03" in told["scenes"][0]["reason"]
    assert {product.key.id for product in Store(at_site.store).products()} == stored
    assert leases(at_site) == []
    assert not (at_site.work / run.name).exists()


SITES = {
    "busy": "{name: cpu, device: cpu-2-cores, cores: 8, memory_gib: 64, free_cores: 0, waiting_seconds: 3600}",
    "free": "{name: night, device: cpu-2-cores, cores: 8, memory_gib: 64, start_seconds: 5}",
}


def test_inference_is_placed_by_the_formula(
    site: Any, at_site: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "sites"
    folder.mkdir()
    for (name, queue), (runtime, rse) in zip(
        SITES.items(), (("kubernetes", "CLOUD"), ("hpk", "MELUXINA")), strict=True
    ):
        text = f"name: {name}\nruntime: {runtime}\nrse: {rse}\nqueues: [{queue}]\n"
        (folder / f"{name}.yaml").write_text(text)
    monkeypatch.setenv("DAFAB_SITES", str(folder))
    scene = simulated(site, tmp_path, SEED + 5)
    run = prepare(at_site, scene, parameters={"site": "auto", "models": "fields"})
    status = runs.execute(at_site, run)
    assert (status.phase, status.message) == ("Succeeded", "")
    place = run.node("main.scene.place")
    assert place is not None
    assert (place.parameters["site"], place.parameters["runtime"], place.parameters["queue"]) == (
        "free",
        "hpk",
        "night",
    )
    nodes = {node.path: node.phase for node in run.nodes()}
    assert nodes["main.scene.placed.fields.infer-hpk"] == "Succeeded"
    assert nodes["main.scene.placed.fields.infer-kubernetes"] == "Skipped"
    assert nodes["main.scene.products"] == "Skipped"
    assert recorded(site, run)["scene_outcomes"] == {"published": 1}
