"""The back end ``slurm`` on a real Slurm of one node."""

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from argo_templates.factory import RETRY
from argo_templates.local import documents, runs
from argo_templates.local.state import Run
from argo_templates.local.tags import put_in
from rucio_dafab.site.home import Home

pytestmark = [pytest.mark.integration, pytest.mark.usefixtures("slurm"), pytest.mark.timeout(300)]

FLAGS = "slurm.hpk.io/flags"


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    """Return a home without a site."""
    monkeypatch.setenv("DAFAB_HOME", str(tmp_path / "home"))
    return Home(tmp_path / "home")


@pytest.fixture
def prepared(home: Home, tmp_path: Path) -> Callable[..., Run]:
    """Return a function that prepares one pod: its line of shell, its flags and other members."""

    def prepare(line: str, flags: str = "--partition=cpu", **members: Any) -> Run:
        container: dict[str, Any] = {"image": "none", "command": ["sh", "-c"], "args": [line]}
        container["volumeMounts"] = [{"name": "outside", "mountPath": "/outside"}]
        template = {"name": "main", "metadata": {"annotations": {FLAGS: flags}}, "container": container} | members
        volumes = [{"name": "outside", "hostPath": {"path": str(tmp_path)}}]
        spec = {"entrypoint": "main", "templates": [template], "volumes": volumes}
        path = tmp_path / "workflow.yaml"
        path.write_text(yaml.safe_dump({"kind": "Workflow", "metadata": {"name": "job"}, "spec": spec}))
        return runs.prepare(home, documents.find(str(path)), {}, back_end="slurm")

    return prepare


def queue() -> str:
    """Return the jobs that there are."""
    return subprocess.run(["squeue", "-h"], capture_output=True, text=True, check=True).stdout


def test_a_pod_is_a_job_with_the_flags_of_hpk(prepared: Callable[..., Run], home: Home) -> None:
    run = prepared("echo $SLURM_JOB_PARTITION $SLURM_JOB_ID; env | sort", "--partition=gpu --gres=gpu:fake:1")
    assert runs.execute(home, run).phase == "Succeeded"
    node = run.node("main")
    assert node is not None
    job = subprocess.run(
        ["scontrol", "show", "job", "-o", str(node.where["job"])], capture_output=True, text=True, check=True
    ).stdout
    assert "Partition=gpu" in job
    assert "gpu:fake:1" in job
    assert "USER=dafab" in str(node.result)


def test_the_flags_of_our_template_for_gpus_are_those_that_slurm_gives_a_gpu_for(
    prepared: Callable[..., Run], home: Home
) -> None:
    (library,) = documents.read(documents.committed()["dafab-steps"])
    template = next(each for each in library["spec"]["templates"] if each["name"] == "infer-hpk-gpu")
    flags = put_in(template["metadata"]["annotations"][FLAGS], {"inputs.parameters.partition": "gpu"})
    for asked, expected in ((flags, "0"), ("--partition=gpu", "none")):
        run = prepared("echo ${CUDA_VISIBLE_DEVICES:-none}", asked)
        assert runs.execute(home, run).phase == "Succeeded"
        node = run.node("main")
        assert node is not None
        # The device of this Slurm is none: it is the first of its node's, and that is all there is to it.
        assert node.result == expected


def test_outputs_and_failures_come_back(prepared: Callable[..., Run], home: Home) -> None:
    outputs = {"parameters": [{"name": "x", "valueFrom": {"path": "/tmp/out/x"}}]}
    run = prepared("printf one > /tmp/out/x", outputs=outputs)
    assert runs.execute(home, run).phase == "Succeeded"
    node = run.node("main")
    assert node is not None
    assert node.parameters == {"x": "one"}
    status = runs.execute(home, prepared("echo no >&2; exit 75"))
    assert (status.phase, status.message) == ("Failed", "exit status 75: no")


def test_what_slurm_refuses_is_an_error_in_one_line_and_not_tried_again(
    prepared: Callable[..., Run], home: Home
) -> None:
    retry = {"limit": "3", "retryPolicy": "Always", "expression": str(RETRY.expression), "backoff": {"duration": "30s"}}
    began = time.monotonic()
    status = runs.execute(home, prepared("true", "--partition=absent", retryStrategy=retry))
    assert time.monotonic() - began < 20
    assert status.phase == "Error"
    assert "sbatch refused" in status.message
    assert "\n" not in status.message
    status = runs.execute(home, prepared("true", "--wrap='x y'"))
    assert status.message == "sbatch refused: HPK takes --key=value alone, not --wrap='x y'"


@pytest.mark.parametrize(
    ("mebibytes", "phase", "message"),
    [
        (300, "Succeeded", ""),
        (
            1400,
            "Failed",
            "exit status 137: killed for memory at try 2: main asked for 1,100 MiB and used all of it",
        ),
    ],
)
def test_a_job_out_of_memory_is_tried_once_with_more_and_then_reported(
    prepared: Callable[..., Run], home: Home, tmp_path: Path, mebibytes: int, phase: str, message: str
) -> None:
    taking = f"import time; x = bytearray({mebibytes} << 20); time.sleep(6)"
    memory = '{requests: {memory: "{{retries}}100Mi"}}'
    run = prepared(
        # By its name: an address below /tmp, where a checkout may be, would be taken for one of the pod's own.
        f"echo {{{{retries}}}} >> /outside/tries; python3 -c '{taking}'",
        retryStrategy={"limit": "3", "retryPolicy": "Always", "expression": str(RETRY.expression)},
        podSpecPatch=f"containers: [{{name: main, resources: {memory}}}]",
    )
    status = runs.execute(home, run)
    assert (status.phase, status.message) == (phase, message)
    assert (tmp_path / "tries").read_text().split() == ["0", "1"]


def test_a_stopped_run_leaves_no_job(prepared: Callable[..., Run], home: Home, tmp_path: Path) -> None:
    run = prepared("touch /outside/began; sleep 60")
    environment = os.environ | {"DAFAB_HOME": str(home.root)}
    executor = subprocess.Popen([sys.executable, "-m", "argo_templates.local", run.name], env=environment)
    wait_for(tmp_path / "began")
    assert runs.stop(run).phase == "Stopped"
    executor.wait(20)
    assert queue() == ""


def test_a_killed_run_is_taken_up_and_its_job_is_cancelled(
    prepared: Callable[..., Run], home: Home, tmp_path: Path
) -> None:
    run = prepared("touch /outside/began; test -e /outside/go || sleep 60")
    environment = os.environ | {"DAFAB_HOME": str(home.root)}
    executor = subprocess.Popen([sys.executable, "-m", "argo_templates.local", run.name], env=environment)
    wait_for(tmp_path / "began")
    executor.kill()
    executor.wait()
    assert queue() != ""
    (tmp_path / "go").touch()
    assert runs.execute(home, run).phase == "Succeeded"
    assert queue() == ""


def wait_for(path: Path) -> None:
    """Wait until a job has made a file."""
    end = time.monotonic() + 60
    while not path.exists():
        assert time.monotonic() < end, f"{path} never came"
        time.sleep(0.1)
