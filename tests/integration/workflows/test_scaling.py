"""The limits of jobs on a real Slurm of one node with 4 cores: what is seen and written, and that it bounds jobs."""

import json
import os
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

from argo_templates.local import documents, runs
from argo_templates.placement.errors import NoRoomNow
from argo_templates.placement.figures import load_figures
from argo_templates.placement.formula import Formula
from argo_templates.placement.sites import sites_of
from argo_templates.placement.values import File, Queue, Site, Task
from argo_templates.scaling import kubernetes
from argo_templates.scaling import sites as room
from argo_templates.scaling.errors import NoAnswer, ScaleError
from argo_templates.scaling.settings import load_settings
from argo_templates.scaling.slurm import seen
from argo_templates.steps.scale import ScaleInput, scale
from rucio_dafab.cli.workflow import app
from rucio_dafab.site.home import Home
from tests.kubernetes_recorder import ApiServer, account_of, serving

pytestmark = [pytest.mark.integration, pytest.mark.usefixtures("slurm"), pytest.mark.timeout(300)]

PATIENCE = 3
LIMITS = [
    {"limit": "hpk-cpu", "partition": "cpu", "step": "infer", "bounds": {"least": 1, "most": 32, "ahead": 1}},
    {"limit": "hpk-gpu", "partition": "gpu", "step": "infer", "gpus": 1, "bounds": {"least": 1, "most": 4, "ahead": 1}},
]


@pytest.fixture
def settings(tmp_path: Path) -> Callable[..., Path]:
    """Return a function that writes a scale.yaml."""

    def write(**other: object) -> Path:
        path = tmp_path / "scale.yaml"
        path.write_text(yaml.safe_dump({"limits": LIMITS, "patience_seconds": PATIENCE} | other))
        return path

    return write


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    """Return a home without a site."""
    monkeypatch.setenv("DAFAB_HOME", str(tmp_path / "home"))
    return Home(tmp_path / "home")


@pytest.fixture
def cluster(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Iterator[ApiServer]:
    """Return the API server of a cluster in which this process is a pod."""
    folder = tmp_path_factory.mktemp("pod")
    with serving(folder) as server:
        monkeypatch.setattr(kubernetes, "ACCOUNT", account_of(server, folder))
        monkeypatch.setenv(kubernetes.HOST, "127.0.0.1")
        monkeypatch.setenv(kubernetes.PORT, str(server.server_address[1]))
        yield server


@contextmanager
def jobs(count: int, *options: str, running: int) -> Iterator[None]:
    """Submit jobs that sleep, wait until so many run, and cancel those in the end."""
    command = ["sbatch", "--parsable", "--output=/dev/null", "--wrap=sleep 120", *options]
    numbers = [subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip() for _ in range(count)]
    try:
        until(lambda: states(numbers).count("RUNNING") == running)
        yield
    finally:
        subprocess.run(["scancel", *numbers], check=True)
        until(lambda: not states(numbers))


def states(numbers: list[str]) -> list[str]:
    """Return the states of those jobs that have not ended."""
    listed = ["squeue", "--noheader", "--format=%T", f"--jobs={','.join(numbers)}"]
    return subprocess.run(listed, capture_output=True, text=True, check=False).stdout.split()


def until(holds: Callable[[], bool]) -> None:
    """Wait for something that Slurm does soon."""
    end = time.monotonic() + 60
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.2)


def test_what_slurm_has_free_is_seen(settings: Callable[..., Path]) -> None:
    own = load_settings(settings())
    request = own.limits[0].request
    fits = min(4 // request.cores, 16_000 // request.mebibytes)
    idle = seen(own)
    assert (idle["hpk-cpu"].free, idle["hpk-cpu"].running, idle["hpk-cpu"].waited) == (fits, 0, 0.0)
    assert idle["hpk-gpu"].free == 1
    with jobs(1, "--partition=cpu", f"--cpus-per-task={request.cores}", "--mem=100M", running=1):
        busy = seen(own)
        assert (busy["hpk-cpu"].running, busy["hpk-cpu"].free) == (1, fits - 1)
        assert busy["hpk-gpu"].running == 0
        other = seen(load_settings(settings(user="nobody")))
        assert (other["hpk-cpu"].running, other["hpk-cpu"].free) == (0, fits - 1)
    with jobs(1, "--partition=gpu", "--gres=gpu:1", "--mem=100M", running=1):
        taken = seen(load_settings(settings(user="root")))
        assert (taken["hpk-gpu"].running, taken["hpk-gpu"].free) == (1, 0)


def test_what_a_user_is_used_to_see_hides_nothing(settings: Callable[..., Path]) -> None:
    own = load_settings(settings())
    with jobs(1, "--partition=cpu", "--mem=100M", running=1), pytest.MonkeyPatch.context() as patched:
        patched.setenv("SQUEUE_STATES", "PENDING")
        patched.setenv("SINFO_PARTITION", "cpu")
        patched.setenv("SLURM_CLUSTERS", "another")
        assert seen(own)["hpk-cpu"].running == 1


def test_who_waits_for_room_is_seen_and_who_waits_for_something_else_is_not(settings: Callable[..., Path]) -> None:
    own = load_settings(settings())
    with jobs(1, "--partition=cpu", "--begin=now+1hour", running=0), jobs(1, "--partition=cpu", "--hold", running=0):
        time.sleep(1.5)
        assert seen(own)["hpk-cpu"].waited == 0
    with jobs(2, "--partition=cpu", "--cpus-per-task=4", "--mem=100M", running=1):
        time.sleep(1.5)
        full = seen(own)["hpk-cpu"]
        assert (full.running, full.free) == (1, 0)
        assert 1 <= full.waited < 30


def test_the_step_writes_to_the_config_map_what_slurm_has_room_for(
    settings: Callable[..., Path], cluster: ApiServer
) -> None:
    path = str(settings())
    cluster.data["hpk-gpu"] = "2"
    told = scale(ScaleInput(settings=path, dry_run="yes"))
    assert told.changed == 1
    assert [each.method for each in cluster.requests] == ["GET"]
    assert scale(ScaleInput(settings=path)).said == told.said
    # Two slots and one pod ahead, by steps of a half: 8, 4, 3; the GPU's one slot and one ahead is what it is.
    assert cluster.data == {"downloads": "4", "hpk-cpu": "4", "hpk-gpu": "2"}
    assert [each.method for each in cluster.requests] == ["GET", "GET", "PATCH"]
    assert scale(ScaleInput(settings=path)).changed == 1
    assert cluster.data["hpk-cpu"] == "3"
    quiet = scale(ScaleInput(settings=path))
    assert quiet.changed == 0
    assert quiet.said.startswith("hpk-cpu: stays 3 (0 running, room for 2 more, nobody waits)")
    assert cluster.requests[-1].method == "GET"


def test_a_full_site_gets_as_many_as_run_and_one_ahead(settings: Callable[..., Path], cluster: ApiServer) -> None:
    with jobs(2, "--partition=cpu", "--cpus-per-task=4", "--mem=100M", running=1):
        time.sleep(PATIENCE + 1)
        for _ in range(3):
            told = scale(ScaleInput(settings=str(settings())))
        assert cluster.data["hpk-cpu"] == "2"
        assert "1 running, room for 0 more, a job waits for" in told.said
        assert states_of_all() == ["PENDING", "RUNNING"]


def states_of_all() -> list[str]:
    """Return the states of all jobs."""
    return sorted(subprocess.run(["squeue", "-h", "-o%T"], capture_output=True, text=True, check=True).stdout.split())


def test_a_limit_that_was_written_is_what_bounds_jobs(
    settings: Callable[..., Path], home: Home, tmp_path: Path
) -> None:
    own = home.etc / "dafab-limits"
    own.mkdir(parents=True)
    for key in ("downloads", "transfers", "hpk-cpu", "hpk-gpu"):
        (own / key).write_text("1\n")
    assert most_at_once(home, tmp_path / "before") == 1
    ended = CliRunner().invoke(app, ["scale", "--settings", str(settings()), "--json"])
    assert ended.exit_code == 0, ended.output
    assert [each["after"] for each in json.loads(ended.stdout)] == [3, 2]
    assert {path.name: path.read_text() for path in own.iterdir()}["hpk-cpu"] == "3\n"
    assert most_at_once(home, tmp_path / "after") == 2


def most_at_once(home: Home, folder: Path) -> int:
    """Return how many of three pods that each take half of the node ran at a time, each a job."""
    folder.mkdir()
    line = "date +%s.%N > /outside/{{inputs.parameters.n}}; sleep 3; date +%s.%N >> /outside/{{inputs.parameters.n}}"
    pod = {
        "name": "pod",
        "inputs": {"parameters": [{"name": "n"}]},
        "metadata": {"annotations": {"slurm.hpk.io/flags": "--partition=cpu"}},
        "synchronization": {"semaphores": [{"configMapKeyRef": {"name": "dafab-limits", "key": "hpk-cpu"}}]},
        "container": {
            "image": "none",
            "command": ["sh", "-c"],
            "args": [line],
            "resources": {"requests": {"cpu": "2", "memory": "100Mi"}},
            "volumeMounts": [{"name": "outside", "mountPath": "/outside"}],
        },
    }
    arguments = {"parameters": [{"name": "n", "value": "{{item}}"}]}
    main = {
        "name": "main",
        "dag": {"tasks": [{"name": "each", "template": "pod", "withItems": [1, 2, 3], "arguments": arguments}]},
    }
    volumes = [{"name": "outside", "hostPath": {"path": str(folder)}}]
    spec = {"entrypoint": "main", "templates": [pod, main], "volumes": volumes}
    path = folder.with_suffix(".yaml")
    path.write_text(yaml.safe_dump({"kind": "Workflow", "metadata": {"name": "three"}, "spec": spec}))
    status = runs.execute(home, runs.prepare(home, documents.find(str(path)), {}, back_end="slurm"))
    assert status.phase == "Succeeded", status.message
    times = [tuple(map(float, each.read_text().split())) for each in folder.iterdir()]
    return max(sum(began <= start < ended for began, ended in times) for start, _ in times)


def test_a_dry_run_says_it_and_writes_nothing(settings: Callable[..., Path], home: Home) -> None:
    ended = CliRunner().invoke(app, ["scale", "--settings", str(settings()), "--dry-run"])
    assert ended.exit_code == 0, ended.output
    assert ended.stdout.splitlines() == [
        "hpk-cpu: 8 -> 4 (0 running, room for 2 more, nobody waits)",
        "hpk-gpu: 1 -> 2 (0 running, room for 1 more, nobody waits)",
    ]
    assert not (home.etc / "dafab-limits").exists()


def test_a_partition_that_slurm_has_not_is_named(settings: Callable[..., Path]) -> None:
    own = load_settings(settings(limits=[LIMITS[0] | {"partition": "huge"}]))
    with pytest.raises(ScaleError, match="Slurm has no partition huge: there are cpu, gpu") as refusal:
        seen(own)
    assert refusal.value.exit_code == 1


def dead_controller(folder: Path) -> Path:
    """Return the configuration of the same Slurm with a controller where nobody listens."""
    absent = folder / "slurm.conf"
    text = Path(os.environ["SLURM_CONF"]).read_text()
    ports = [line for line in text.splitlines() if not line.startswith("SlurmctldPort")]
    absent.write_text("\n".join([*ports, "SlurmctldPort=1", "SlurmctldTimeout=10", "MessageTimeout=1"]))
    return absent


def test_a_slurm_that_does_not_answer_is_worth_another_try(
    settings: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cluster: ApiServer
) -> None:
    monkeypatch.setenv("SLURM_CONF", str(dead_controller(tmp_path)))
    with pytest.raises(NoAnswer, match="Slurm does not answer: ") as refusal:
        scale(ScaleInput(settings=str(settings())))
    assert refusal.value.exit_code == 75
    assert len(str(refusal.value).splitlines()) == 1
    assert [each.method for each in cluster.requests] == ["GET"]


def supercomputer(partition: str = "cpu") -> Formula:
    """Return the formula over one site whose file says 4 cores and 16 GB in a partition, and to ask Slurm."""
    queue = Queue(partition, "cpu-2-cores", cores=4, memory_gib=15.0, waiting_seconds=900.0)
    return Formula(room.now(sites_of([Site("super", "hpk", "CLOUD", (queue,), asked="slurm")])), load_figures())


def test_a_site_is_placed_at_by_what_its_slurm_has_free(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    task = Task("item", (File("file", 1, frozenset({"CLOUD"})),), 4, ("water",), cores=2, memory_gib=1.0)
    assert supercomputer().place(task).chosen.waiting_seconds == 0
    with jobs(1, "--partition=cpu", "--cpus-per-task=3", "--mem=100M", running=1):
        # One core is left: no slot of two is free, and the queue takes what its file says.
        assert supercomputer().place(task).chosen.waiting_seconds == 900
    with pytest.raises(NoRoomNow, match="super/huge: it does not answer: Slurm has no partition huge: there are cpu"):
        supercomputer("huge").place(task)
    monkeypatch.setenv("SLURM_CONF", str(dead_controller(tmp_path)))
    with pytest.raises(NoRoomNow, match="super/cpu: it does not answer: Slurm does not answer: ") as refusal:
        supercomputer().place(task)
    assert (refusal.value.exit_code, str(refusal.value).count("\n")) == (75, 0)
