"""Runs that are killed, taken up again, stopped: nothing is left running, nothing whole is made twice."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from argo_templates.local import runs
from argo_templates.local.errors import RunError
from argo_templates.local.state import Run
from rucio_dafab.site.home import Home

TWO = """
templates:
- name: main
  dag:
    tasks:
    - {name: one, template: sh, arguments: {parameters: [{name: text, value: "echo x >> /outside/one"}]}}
    - name: two
      template: sh
      depends: one
      arguments:
        parameters:
        - {name: text, value: "echo $$ >> /outside/two; while [ ! -e /outside/go ]; do sleep 0.05; done"}
"""


def start(run: Run, home: Home) -> "subprocess.Popen[bytes]":
    """Run a workflow in a process of its own that a test may kill."""
    return subprocess.Popen(
        [sys.executable, "-m", "argo_templates.local", run.name], env=os.environ | {"DAFAB_HOME": str(home.root)}
    )


def wait_for(path: Path) -> str:
    """Return the text of a file once there is one."""
    end = time.monotonic() + 30
    while not path.exists() or not path.read_text().strip():
        assert time.monotonic() < end, f"{path} never came"
        time.sleep(0.02)
    return path.read_text()


def is_gone(pid: int) -> bool:
    """Tell whether a process has ended, after a moment."""
    end = time.monotonic() + 10
    while Path(f"/proc/{pid}").exists() and time.monotonic() < end:
        time.sleep(0.05)
    return not Path(f"/proc/{pid}").exists()


def test_a_killed_run_leaves_nothing_running_and_is_taken_up(
    prepared: Callable[..., Run], home: Home, tmp_path: Path
) -> None:
    run = prepared(TWO)
    executor = start(run, home)
    pod = int(wait_for(tmp_path / "two"))
    executor.kill()
    executor.wait()
    assert is_gone(pod)
    assert runs.phase(run) == "Killed"
    (tmp_path / "go").touch()
    assert runs.execute(home, run).phase == "Succeeded"
    assert (tmp_path / "one").read_text() == "x\n"
    assert len((tmp_path / "two").read_text().split()) == 2


def test_a_stopped_run_ends_with_all_it_started(prepared: Callable[..., Run], home: Home, tmp_path: Path) -> None:
    run = prepared(TWO)
    executor = start(run, home)
    pod = int(wait_for(tmp_path / "two"))
    assert runs.stop(run).phase == "Stopped"
    assert executor.wait(10) == 1
    assert is_gone(pod)
    assert {node.path: node.phase for node in run.nodes()}["main.two"] == "Failed"
    with pytest.raises(RunError, match="has ended: Stopped"):
        runs.stop(run)


def test_a_killed_run_can_be_stopped(prepared: Callable[..., Run], home: Home, tmp_path: Path) -> None:
    run = prepared(TWO)
    executor = start(run, home)
    wait_for(tmp_path / "two")
    executor.send_signal(signal.SIGKILL)
    executor.wait()
    assert runs.stop(run).phase == "Stopped"


def test_a_run_is_run_by_one_process(prepared: Callable[..., Run], home: Home, tmp_path: Path) -> None:
    run = prepared(TWO)
    executor = start(run, home)
    wait_for(tmp_path / "two")
    second = subprocess.run(
        [sys.executable, "-m", "argo_templates.local", run.name],
        env=os.environ | {"DAFAB_HOME": str(home.root)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert second.returncode == 75
    assert second.stderr.count("\n") == 1
    (tmp_path / "go").touch()
    assert executor.wait(20) == 0


def test_a_run_beside_goes_on_alone(prepared: Callable[..., Run], home: Home, tmp_path: Path) -> None:
    run = prepared(TWO)
    pid = runs.detach(home, run)
    wait_for(tmp_path / "two")
    assert runs.phase(run) == "Running"
    (tmp_path / "go").touch()
    os.waitpid(pid, 0)
    assert run.status().phase == "Succeeded"


def test_a_pod_that_is_killed_fails_its_step(ran: Callable[..., Any]) -> None:
    done = ran("templates: [{name: main, container: {image: none, command: [sh, -c], args: ['kill -9 $$']}}]")
    assert done["main"].exit_code == 137


def test_names_of_runs(prepared: Callable[..., Run]) -> None:
    with pytest.raises(RunError, match="cannot be the name of a run"):
        prepared(TWO, name="../up")
    prepared(TWO, name="twice")
    with pytest.raises(RunError, match="there is a run twice already"):
        prepared(TWO, name="twice")
