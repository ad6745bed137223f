"""Semaphores, mutexes by parameter, memoisation and exit hooks of the local executor, in real processes."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from argo_templates.local import runs
from argo_templates.local.errors import LocalError
from rucio_dafab.site.home import Home

Ran = Callable[..., Any]

TIMED = """
        templates:
        - name: main
          dag: {tasks: [{name: each, template: timed, withSequence: {count: 4}}]}
        - name: timed
          %s
          container:
            image: none
            command: [sh, -c]
            args: ["date +%%s.%%N; sleep 0.4; date +%%s.%%N"]
"""


def at_once(done: Any) -> int:
    """Return how many pods of ``timed`` ran at one moment."""
    spans = [tuple(map(float, text.split())) for text in json.loads(done["main.each"].result)]
    return max(sum(begin <= moment < end for begin, end in spans) for moment, _ in spans)


@pytest.mark.parametrize("limit", [1, 2])
def test_a_semaphore_lets_as_many_through_as_its_config_map_says(ran: Ran, tmp_path: Path, limit: int) -> None:
    (tmp_path / "limits").mkdir()
    (tmp_path / "limits" / "pods").write_text(f"{limit}\n")
    synchronization = "synchronization: {semaphores: [{configMapKeyRef: {name: limits, key: pods}}]}"
    done = ran(TIMED % synchronization, jobs=4, mapping={"limits": tmp_path / "limits"})
    assert done.status.phase == "Succeeded"
    assert at_once(done) == limit


def test_without_a_semaphore_they_run_together(ran: Ran) -> None:
    assert at_once(ran(TIMED % "parallelism: 9", jobs=4)) > 1


@pytest.mark.parametrize("text", ["0", "-1", "many", ""])
def test_a_limit_that_is_none_is_refused_before_anything_runs(prepared: Ran, tmp_path: Path, text: str) -> None:
    (tmp_path / "pods").write_text(text)
    synchronization = "synchronization: {semaphores: [{configMapKeyRef: {name: limits, key: pods}}]}"
    with pytest.raises(LocalError, match="the limit of a semaphore is a whole number above 0"):
        prepared(TIMED % synchronization, mapping={"limits": tmp_path})


def test_a_mutex_of_a_dag_is_named_by_its_inputs(ran: Ran) -> None:
    text = """
        templates:
        - name: main
          dag:
            tasks:
            - {name: each, template: inner, withItems: [%s],
               arguments: {parameters: [{name: of, value: '{{item}}'}]}}
        - name: inner
          inputs: {parameters: [{name: of}]}
          synchronization: {mutexes: [{name: 'product-{{inputs.parameters.of}}'}]}
          dag: {tasks: [{name: pod, template: sh, arguments: {parameters: [{name: text, value: 'sleep 0.5'}]}}]}
    """
    same = ran(text % "a, a", jobs=2, name="same")
    other = ran(text % "a, b", jobs=2, name="other")
    one, two = (node for node in same.run.nodes() if node.kind == "Pod")
    assert two.began - one.began > 0.4
    one, two = (node for node in other.run.nodes() if node.kind == "Pod")
    assert two.began - one.began < 0.4


MEMO = """
        arguments: {parameters: [{name: key, value: one}]}
        templates:
        - name: main
          dag:
            tasks:
            - {name: made, template: made}
            - {name: after, template: sh, depends: made,
               arguments: {parameters: [{name: text, value: 'echo {{tasks.made.outputs.parameters.said}}'}]}}
        - name: made
          memoize: {key: 'k-{{workflow.parameters.key}}', maxAge: %s, cache: {configMap: {name: memos}}}
          outputs: {parameters: [{name: said, valueFrom: {parameter: '{{tasks.pod.outputs.parameters.said}}'}}]}
          dag: {tasks: [{name: pod, template: pod}]}
        - name: pod
          outputs: {parameters: [{name: said, valueFrom: {path: /tmp/said}}]}
          container:
            {image: none, command: [sh, -c], args: ["echo x >> /outside/count; wc -l < /outside/count > /tmp/said"]}
"""


def test_what_is_memoised_is_not_run_again_while_it_is_young(ran: Ran) -> None:
    first = ran(MEMO % "1h", name="first")
    again = ran(MEMO % "1h", name="again")
    other = ran(MEMO % "1h", name="other", parameters={"key": "two"})
    assert [done["main.after"].result for done in (first, again, other)] == ["1", "1", "2"]
    assert again["main.made"].message == "remembered from first"
    assert "main.made.pod" not in again.phases()
    assert ran(MEMO % "0.001s", name="old")["main.after"].result == "3"


def test_a_failure_is_not_memoised(ran: Ran, tmp_path: Path) -> None:
    text = MEMO.replace('> /tmp/said"', '> /tmp/said; test -e /outside/go"') % "1h"
    assert ran(text, name="bad").status.phase == "Failed"
    (tmp_path / "go").touch()
    assert ran(text, name="good")["main.after"].result == "2"


def test_a_key_that_argo_would_not_take_is_an_error(ran: Ran) -> None:
    done = ran(MEMO % "1h", parameters={"key": "a_b"})
    assert done.status.phase == "Error"
    assert "'k-a_b' is no key of a memo" in done.status.message


def test_the_exit_hook_of_a_run_that_is_taken_up_says_the_new_end(ran: Ran, home: Home, tmp_path: Path) -> None:
    done = ran(
        """
        hooks: {exit: {template: end, arguments: {parameters: [{name: how, value: '{{workflow.status}}'}]}}}
        templates:
        - {name: main, container: {image: none, command: [sh, -c], args: ["test -e /outside/go"]}}
        - name: end
          inputs: {parameters: [{name: how}]}
          container: {image: none, command: [sh, -c], args: ["echo {{inputs.parameters.how}}"]}
        """
    )
    assert (done.status.phase, done["onExit"].result) == ("Failed", "Failed")
    (tmp_path / "go").touch()
    assert runs.execute(home, done.run).phase == "Succeeded"
    assert done["onExit"].result == "Succeeded"


def test_a_variable_from_a_secret(ran: Ran, tmp_path: Path) -> None:
    (tmp_path / "password").write_text("xyz\n")
    done = ran(
        """
        templates:
        - name: main
          container:
            image: none
            command: [sh, -c]
            args: ["test \\"$A\\" = xyz && test -z \\"${B+x}\\""]
            env:
            - {name: A, valueFrom: {secretKeyRef: {name: archives, key: password}}}
            - {name: B, valueFrom: {secretKeyRef: {name: elsewhere, key: password, optional: true}}}
        """,
        mapping={"archives": tmp_path},
    )
    assert done.status.phase == "Succeeded", done.status.message


def test_a_secret_without_its_key_is_an_error(ran: Ran) -> None:
    done = ran(
        """
        templates:
        - name: main
          container:
            image: none
            command: ['true']
            env: [{name: A, valueFrom: {secretKeyRef: {name: archives, key: password}}}]
        """
    )
    assert (done.status.phase, done.status.message) == ("Error", "the secret archives has no key password here")


def test_a_mount_may_be_a_folder_of_its_volume(ran: Ran, tmp_path: Path) -> None:
    text = """
        volumes: [{name: data, hostPath: {path: %s}}]
        templates:
        - name: main
          container:
            image: none
            command: [sh, -c]
            args: ["echo x > /data/file; ls /data"]
            volumeMounts: [{name: data, mountPath: /data, subPath: '%s'}]
    """
    (tmp_path / "other").touch()
    done = ran(text % (tmp_path, "{{workflow.name}}/inner"), name="mounted")
    assert (done.status.phase, done["main"].result) == ("Succeeded", "file")
    assert (tmp_path / "mounted" / "inner" / "file").read_text() == "x\n"
    done = ran(text % (tmp_path, "../outside"), name="outside")
    assert (done.status.phase, done.status.message) == ("Error", "the subPath '../outside' leads out of its volume")
