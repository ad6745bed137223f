"""Pods that take more memory than they may: killed, tried once with more, then reported; in real processes."""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from argo_templates.factory import RETRY
from argo_templates.local import memory, patches
from argo_templates.local.errors import LocalError, Unsupported

Ran = Callable[..., Any]

TAKES = """
templates:
- name: main
  dag: {{tasks: [{{name: greedy, template: greedy}}]}}
- name: greedy
  retryStrategy: {{limit: "3", retryPolicy: Always, expression: "{expression}"}}
  podSpecPatch: 'containers: [{{name: main, resources: {{limits: {{memory: "{{{{retries}}}}200Mi"}}}}}}]'
  script:
    image: none
    command: [python]
    source: |
      import pathlib, sys, time
      with open("/outside/tries", "a") as tries:
          tries.write("{{{{retries}}}}\\n")
      taken = bytearray({mebibytes} << 20)
      time.sleep(2)
      sys.exit({status})
    resources: {{requests: {{cpu: 1, memory: 200Mi}}, limits: {{memory: 200Mi}}}}
"""


def takes(mebibytes: int, status: int = 0) -> str:
    """Return a workflow of one step that takes so much memory, may have 200 MiB, and 1200 at its second try."""
    return TAKES.format(mebibytes=mebibytes, status=status, expression=RETRY.expression)


def test_a_pod_that_takes_too_much_is_tried_again_with_more_and_completes(ran: Ran, tmp_path: Path) -> None:
    done = ran(takes(400))
    assert done.status.phase == "Succeeded", done.status.message
    assert done["main.greedy"].attempts == 2
    assert (tmp_path / "tries").read_text().split() == ["0", "1"]


def test_one_that_still_takes_too_much_is_reported_in_one_line(ran: Ran, tmp_path: Path) -> None:
    done = ran(takes(1400))
    assert (tmp_path / "tries").read_text().split() == ["0", "1"]
    said = re.fullmatch(
        r"main\.greedy: exit status 137: killed for memory at try 2: greedy asked for 1,200 MiB and used ([\d,]+) MiB",
        done.status.message,
    )
    assert said is not None, done.status.message
    assert 1200 < int(said[1].replace(",", "")) < 1500
    assert (done.status.phase, done["main.greedy"].exit_code) == ("Failed", 137)


def test_a_bound_is_of_the_pod_and_all_that_it_started(ran: Ran) -> None:
    # By its name: an address below /tmp, where a checkout may be, would be taken for one of the pod's own.
    line = "python3 -c 'import time; x = bytearray(300 << 20); time.sleep(5)' & wait"
    done = ran(
        f"""
        templates:
        - name: main
          container:
            image: none
            command: [sh, -c, "{line}"]
            resources: {{limits: {{memory: 200Mi}}}}
        """
    )
    assert "killed for memory at try 1: main asked for 200 MiB" in done.status.message


def test_a_pod_within_its_bound_is_left_alone(ran: Ran) -> None:
    done = ran(takes(100, status=3))
    assert (done["main.greedy"].attempts, done["main.greedy"].message) == (1, "exit status 3")


def test_a_pod_that_somebody_killed_is_tried_once_more_and_no_memory_is_blamed(ran: Ran, tmp_path: Path) -> None:
    text = takes(10).replace("sys.exit(0)", "import os; os.kill(os.getpid(), 9)").replace("time.sleep(2)", "pass")
    done = ran(text)
    assert done.status.message == "main.greedy: exit status 137"
    assert (tmp_path / "tries").read_text().split() == ["0", "1"]


def test_memory_counts_children_and_is_nothing_of_what_is_gone() -> None:
    program = "import sys, time; x = bytearray(50 << 20); print(flush=True); time.sleep(30)"
    parent = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {program!r}])"
    with subprocess.Popen([sys.executable, "-c", parent], stdout=subprocess.PIPE, start_new_session=True) as process:
        try:
            assert process.stdout is not None
            process.stdout.readline()
            assert 50 << 20 < memory.used(process.pid) < 150 << 20
        finally:
            os.killpg(process.pid, signal.SIGKILL)
    assert memory.used(process.pid) == 0


def template(patch: str) -> dict[str, Any]:
    return {"name": "t", "podSpecPatch": patch, "container": {"image": "none"}}


def test_a_patch_goes_before_the_resources_of_the_template() -> None:
    container = {"resources": {"requests": {"cpu": 2, "memory": "6Gi"}, "limits": {"memory": "6Gi"}}}
    patch = 'containers: [{name: main, resources: {limits: {memory: "{{retries}}900Mi"}}}]'
    asked = patches.resources(template(patch), container, {"retries": "1"})
    assert asked == {"requests": {"cpu": 2, "memory": "6Gi"}, "limits": {"memory": "1900Mi"}}
    assert patches.resources({"name": "t"}, container, {}) == container["resources"]


@pytest.mark.parametrize(
    ("patch", "named"),
    [
        ("nodeSelector: {a: b}", "nodeSelector"),
        ("containers: [{name: wait, resources: {}}]", "containers[wait]"),
        ("containers: [{name: main, env: []}]", "containers[main].env"),
        ("containers: [{name: main, resources: {claims: []}}]", "containers[main].resources.claims"),
    ],
)
def test_what_a_patch_does_besides_is_refused_by_name(ran: Ran, patch: str, named: str) -> None:
    with pytest.raises(Unsupported, match="podSpecPatch") as refusal:
        ran(f"templates: [{{name: main, podSpecPatch: '{patch}', container: {{image: none, command: ['true']}}}}]")
    assert str(refusal.value) == f"main: the local executor does not do {named} in podSpecPatch"


@pytest.mark.parametrize("patch", ["a: b: c", "[1]"])
def test_a_patch_that_is_none_is_refused_in_one_line(patch: str) -> None:
    with pytest.raises(LocalError, match=r"^t: podSpecPatch is ") as refusal:
        patches.check("t", template(patch))
    assert "\n" not in str(refusal.value)
