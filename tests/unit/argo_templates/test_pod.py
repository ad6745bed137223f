"""A step as its pod runs it: a fresh interpreter, parameters as Argo writes them, outputs as files."""

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

from argo_templates import measures, render
from argo_templates.work import RunFolder

RUNNERS = ("hera.workflows.runner", "argo_templates.pod")


@dataclass(frozen=True)
class Ran:
    """How a pod ended: its status, what it said, its output parameters."""

    status: int
    said: str
    outputs: dict[str, str]


def run_pod(runner: str, entrypoint: str, folder: Path, **parameters: str) -> Ran:
    """Run a step with the command of its template, in a pod's environment."""
    script = folder / "script"
    script.write_text(json.dumps([{"name": name, "value": value} for name, value in parameters.items()]))
    environment = {"PATH": os.environ["PATH"], "DAFAB_HOME": str(folder), "HOME": str(folder), "USER": "dafab"}
    environment["hera__outputs_directory"] = str(folder / "outputs")
    command = [sys.executable, "-W", "error", "-m", runner, "-e", entrypoint, str(script)]
    ran = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=120)
    written = (folder / "outputs" / "parameters").glob("*")
    return Ran(ran.returncode, ran.stderr, {path.name: path.read_text() for path in written})


@pytest.mark.shared
@pytest.mark.parametrize("runner", RUNNERS)
def test_fetch_stages_a_real_scene(runner: str, tmp_path: Path, shared: Path) -> None:
    scene = shared / "scenes" / "ftw_austria_a"
    ran = run_pod(runner, "argo_templates.steps.fetch:fetch", tmp_path, scene=str(scene), work=str(tmp_path / "work"))
    assert (ran.status, ran.said) == (0, "")
    staged = tmp_path / "work" / "staged"
    assert ran.outputs == {"scene_id": "ftw_austria_a", "staged": str(staged), "bands": "B02,B03,B04,B08"}
    assert (staged / "B08.tif").read_bytes() == (scene / "B08.tif").read_bytes()


def test_a_refusal_is_one_line_and_leaves_nothing(tmp_path: Path) -> None:
    scene = tmp_path / "absent"
    ran = run_pod(
        "argo_templates.pod",
        "argo_templates.steps.fetch:fetch",
        tmp_path,
        scene=str(scene),
        work=str(tmp_path / "work"),
    )
    assert ran.status == 1
    assert ran.said == f"error: {scene}: no such folder\n"
    assert not (tmp_path / "work").exists()


def test_a_folder_of_somebody_else_is_not_removed(tmp_path: Path) -> None:
    work = tmp_path / "work"
    ran = run_pod(
        "argo_templates.pod", "argo_templates.steps.clean:clean", tmp_path, work=str(tmp_path.parent / "elsewhere")
    )
    assert ran.status == 1
    assert ran.said == f"error: {tmp_path.parent / 'elsewhere'} is not below {work} and is not removed\n"


def test_a_model_that_there_is_not_is_one_line(tmp_path: Path) -> None:
    ran = run_pod(
        "argo_templates.pod",
        "argo_templates.steps.infer:infer",
        tmp_path,
        work=str(tmp_path),
        model="../../etc",
        second="",
    )
    assert ran.status == 1
    assert ran.said.startswith("error: ")
    assert ran.said.count("\n") == 1


def test_every_pod_runs_the_runner_of_this_test() -> None:
    document = yaml.safe_load((render.FOLDER / "dafab-steps.yaml").read_text("utf-8"))
    scripts = [template["script"] for template in document["spec"]["templates"] if "script" in template]
    assert len(scripts) >= 11
    for script in scripts:
        assert script["command"] == ["python"]
        assert script["args"][:3] == ["-m", "argo_templates.pod", "-e"]
        assert script["source"] == "{{inputs.parameters}}"


def test_what_a_step_took_is_kept_in_the_folder_of_its_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DAFAB_RUN", "a-run")
    monkeypatch.setenv("DAFAB_HOME", str(tmp_path))
    work = tmp_path / "work" / "a-run" / "scenes" / "x"
    script = tmp_path / "script"
    given = [{"name": "scene", "value": str(tmp_path / "absent")}, {"name": "work", "value": str(work)}]
    script.write_text(json.dumps(given))
    command = [sys.executable, "-m", "argo_templates.pod", "-e", "argo_templates.steps.fetch:fetch", str(script)]
    assert subprocess.run(command, capture_output=True, check=False, timeout=120).returncode == 1
    (measure,) = measures.read(RunFolder(tmp_path / "work" / "a-run"))
    assert (measure.step, measure.work, measure.status) == ("fetch", str(work), 1)
    assert measure.reason.endswith("absent: no such folder")
    assert measure.cpu_seconds > 0
    assert 0 < measure.seconds < 60
    assert measure.peak_bytes > 10_000_000
