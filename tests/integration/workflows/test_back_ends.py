"""What every back end of the local executor keeps to: one suite, with processes, a real Slurm and real containers."""

import os
import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from argo_templates.factory import RETRY
from argo_templates.local import documents, runs
from argo_templates.local.nodes import Node
from argo_templates.local.state import Run
from rucio_dafab.site.home import Home
from tests.integration.podman import BASE
from tests.integration.waiting import eventually

pytestmark = [pytest.mark.integration, pytest.mark.timeout(1800)]

Prepared = Callable[..., Run]
Execute = Callable[..., tuple[Any, Callable[[str], Node]]]


@pytest.fixture(params=["process", "slurm", "podman"])
def back_end(request: pytest.FixtureRequest) -> str:
    """Return the name of a back end that is there."""
    if request.param != "process":
        request.getfixturevalue(request.param)
    return str(request.param)


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    """Return a home without a site."""
    monkeypatch.setenv("DAFAB_HOME", str(tmp_path / "home"))
    return Home(tmp_path / "home")


@pytest.fixture
def prepared(home: Home, tmp_path: Path, back_end: str) -> Prepared:
    """Return a function that prepares the run of templates written as YAML; every pod sees the test's folder."""

    def prepare(text: str, **options: Any) -> Run:
        spec = {"entrypoint": "main", "templates": yaml.safe_load(textwrap.dedent(text))}
        for container in filter(None, (each.get("script") or each.get("container") for each in spec["templates"])):
            container["image"] = BASE
            container["volumeMounts"] = [
                *container.get("volumeMounts", []),
                {"name": "outside", "mountPath": "/outside"},
            ]
        spec["volumes"] = [
            {"name": "outside", "hostPath": {"path": str(tmp_path)}},
            {"name": "data", "persistentVolumeClaim": {"claimName": "data"}},
            {"name": "key", "secret": {"secretName": "key"}},
        ]
        for name in ("data", "key"):
            (tmp_path / name).mkdir(exist_ok=True)
        (tmp_path / "key" / "token").write_text("s3cret\n")
        path = tmp_path / "workflow.yaml"
        path.write_text(yaml.safe_dump({"kind": "Workflow", "metadata": {"name": "contract"}, "spec": spec}))
        folders = {"data": tmp_path / "data", "key": tmp_path / "key"}
        return runs.prepare(home, documents.find(str(path)), {}, back_end=back_end, mapping=folders, **options)

    return prepare


@pytest.fixture
def execute(prepared: Prepared, home: Home) -> Execute:
    """Return a function that runs templates to their end and returns the status, and a way to its steps."""

    def run(text: str, **options: Any) -> tuple[Any, Callable[[str], Node]]:
        made = prepared(text, **options)
        status = runs.execute(home, made)
        assert left(made, made.options().back_end) == []

        def node(path: str) -> Node:
            found = made.node(path)
            assert found is not None, [each.path for each in made.nodes()]
            return found

        return status, node

    return run


def left(run: Run, back_end: str) -> list[str]:
    """Return what of a run is still there."""
    if back_end == "slurm":
        return subprocess.run(["squeue", "-h"], capture_output=True, text=True, check=True).stdout.split("\n")[:-1]
    if back_end == "podman":
        listed = ["podman", "ps", "--all", "--quiet", f"--filter=label=dafab.eu/run={run.name}"]
        return subprocess.run(listed, capture_output=True, text=True, check=True).stdout.split()
    return [path.name for path in Path("/proc").glob("[0-9]*") if str(run.folder).encode() in of_process(path)]


def of_process(path: Path) -> bytes:
    """Return the environment of a process; nothing of this one and of those that are gone."""
    try:
        return b"" if int(path.name) == os.getpid() else (path / "environ").read_bytes()
    except OSError:
        return b""


def test_what_a_step_leaves_goes_to_the_next(execute: Execute) -> None:
    status, node = execute(
        """
        - name: main
          dag:
            tasks:
            - {name: make, template: make}
            - name: read
              template: read
              depends: make
              arguments:
                parameters: [{name: said, value: '{{tasks.make.outputs.parameters.said}}'}]
                artifacts: [{name: folder, from: '{{tasks.make.outputs.artifacts.folder}}'}]
        - name: make
          outputs:
            parameters: [{name: said, valueFrom: {path: /tmp/out/said}}]
            artifacts: [{name: folder, path: /made/folder}]
          script:
            command: [sh]
            source: 'mkdir /made/folder; echo one > /made/folder/file; printf "a b" > /tmp/out/said'
        - name: read
          inputs: {parameters: [{name: said}], artifacts: [{name: folder, path: /in/folder}]}
          container: {command: [sh, -c], args: ['cat /in/folder/file; echo "{{inputs.parameters.said}}"']}
        """
    )
    assert (status.phase, status.message) == ("Succeeded", "")
    assert node("main.read").result == "one\na b"


def test_volumes_variables_and_folders_are_what_the_template_says(execute: Execute, tmp_path: Path) -> None:
    status, node = execute(
        """
        - name: main
          dag: {tasks: [{name: one, template: use}, {name: two, template: use, depends: one}]}
        - name: use
          volumes: [{name: own, emptyDir: {}}]
          script:
            command: [sh]
            source: |
              test -z "$(ls /own)" && touch /own/x /tmp/x
              echo line >> /data/file
              cat /etc/key/token
              wc -l < /data/file
              echo "$GREETING $(basename "$PWD")"
            workingDir: /data
            env: [{name: GREETING, value: "it's, so"}]
            volumeMounts:
            - {name: data, mountPath: /data}
            - {name: own, mountPath: /own}
            - {name: key, mountPath: /etc/key}
        """
    )
    assert (status.phase, status.message) == ("Succeeded", "")
    assert node("main.two").result == "s3cret\n2\nit's, so data"
    assert (tmp_path / "data" / "file").read_text() == "line\n" * 2


def test_a_script_of_python_is_run_by_python(execute: Execute) -> None:
    status, node = execute("[{name: main, script: {command: [python3], source: 'print(6 * 7)'}}]")
    assert (status.phase, node("main").result) == ("Succeeded", "42")


def test_a_refusal_is_its_status_and_last_line(execute: Execute) -> None:
    status, node = execute("[{name: main, container: {command: [sh, -c], args: ['echo one; echo no >&2; exit 75']}}]")
    assert (status.phase, status.message) == ("Failed", "exit status 75: no")
    assert (node("main").exit_code, node("main").result) == (75, "one")


def test_a_program_that_is_not_there_is_a_failure_in_one_line(execute: Execute) -> None:
    status, node = execute("[{name: main, container: {command: [no-such-program]}}]")
    assert (status.phase, node("main").exit_code) == ("Failed", 127)
    assert "no-such-program" in status.message
    assert "\n" not in status.message


def test_what_is_not_left_is_an_error(execute: Execute) -> None:
    text = """
    - name: main
      outputs: {parameters: [{name: x, valueFrom: {path: /tmp/x}}]}
      container: {command: ["true"]}
    """
    assert execute(text)[0].message == "it did not leave /tmp/x"


def test_a_step_is_tried_again(execute: Execute) -> None:
    status, node = execute(
        """
        - name: main
          retryStrategy: {limit: 2}
          container: {command: [sh, -c], args: ['test -e /outside/again || { touch /outside/again; exit 75; }']}
        """
    )
    assert (status.phase, node("main").attempts) == ("Succeeded", 2)


def test_a_deadline_ends_a_step(execute: Execute) -> None:
    status, _ = execute(
        "[{name: main, activeDeadlineSeconds: 4, container: {command: [sh, -c, 'sleep 60 & sleep 60']}}]"
    )
    assert (status.phase, status.message) == ("Failed", "came to its deadline of 4 s")


def test_a_step_that_takes_too_much_memory_is_told_so(execute: Execute) -> None:
    status, node = execute(
        """
        - name: main
          script:
            command: [python3]
            source: 'import time; x = bytearray(200 * 2**20); x[::4096] = b"1" * len(x[::4096]); time.sleep(20)'
            resources: {requests: {memory: 100Mi}, limits: {memory: 100Mi}}
        """
    )
    assert (status.phase, node("main").exit_code) == ("Failed", 137)
    assert "exit status 137: killed for memory at try 1: main asked for 100 MiB" in status.message


GREEDY = """
- name: main
  retryStrategy: {{limit: "3", retryPolicy: Always, expression: "{expression}"}}
  podSpecPatch: |
    containers: [{{name: main, resources: {{requests: {{memory: "{more}"}}, limits: {{memory: "{more}"}}}}}}]
  script:
    command: [python3]
    source: |
      import time
      with open("/outside/tries", "a") as tries:
          tries.write("{{{{retries}}}}\\n")
      x = bytearray({mebibytes} << 20)
      x[::4096] = b"1" * len(x[::4096])
      time.sleep(6)
    resources: {{requests: {{memory: 100Mi}}, limits: {{memory: 100Mi}}}}
"""


@pytest.mark.parametrize(("mebibytes", "phase"), [(300, "Succeeded"), (1300, "Failed")])
def test_a_step_killed_for_memory_is_tried_once_with_more_and_then_reported(
    execute: Execute, tmp_path: Path, mebibytes: int, phase: str
) -> None:
    more = "{{retries}}100Mi"
    status, node = execute(GREEDY.format(expression=RETRY.expression, more=more, mebibytes=mebibytes))
    assert (status.phase, node("main").attempts) == (phase, 2), status.message
    assert (tmp_path / "tries").read_text().split() == ["0", "1"]
    if phase == "Failed":
        assert "exit status 137: killed for memory at try 2: main asked for 1,100 MiB" in status.message


SLEEPS = (
    "[{name: main, container: {command: [sh, -c], args: ['touch /outside/began; test -e /outside/go || sleep 90']}}]"
)


def begun(home: Home, run: Run, tmp_path: Path) -> "subprocess.Popen[bytes]":
    """Run in a process of its own and wait until the step has begun."""
    executor = subprocess.Popen(
        [sys.executable, "-m", "argo_templates.local", run.name], env=os.environ | {"DAFAB_HOME": str(home.root)}
    )
    assert eventually((tmp_path / "began").exists, 120)
    return executor


def test_a_stopped_run_leaves_nothing(prepared: Prepared, home: Home, tmp_path: Path, back_end: str) -> None:
    run = prepared(SLEEPS)
    executor = begun(home, run, tmp_path)
    assert runs.stop(run).phase == "Stopped"
    executor.wait(30)
    assert left(run, back_end) == []


def test_a_killed_run_is_taken_up_and_nothing_runs_twice(
    prepared: Prepared, home: Home, tmp_path: Path, back_end: str
) -> None:
    run = prepared(SLEEPS)
    executor = begun(home, run, tmp_path)
    executor.kill()
    executor.wait()
    (tmp_path / "go").touch()
    assert runs.execute(home, run).phase == "Succeeded"
    assert left(run, back_end) == []


def test_a_run_whose_executor_was_killed_can_be_stopped(
    prepared: Prepared, home: Home, tmp_path: Path, back_end: str
) -> None:
    run = prepared(SLEEPS)
    executor = begun(home, run, tmp_path)
    executor.kill()
    executor.wait()
    assert runs.stop(run).phase == "Stopped"
    assert eventually(lambda: left(run, back_end) == [], 30)
