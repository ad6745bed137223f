"""What the local executor does with Argo's documents, in real processes."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Ran = Callable[..., Any]


def test_outputs_go_on_and_a_fan_out_joins_them_in_order(ran: Ran) -> None:
    done = ran(
        """
        arguments: {parameters: [{name: who, value: world}]}
        templates:
        - name: main
          dag:
            tasks:
            - {name: list, template: sh, arguments: {parameters: [{name: text, value: "echo '[3, 1, 2]'"}]}}
            - name: each
              depends: list
              template: say
              withParam: '{{tasks.list.outputs.result}}'
              arguments: {parameters: [{name: word, value: '{{item}}-{{workflow.parameters.who}}'}]}
            - name: last
              depends: each
              template: say
              arguments: {parameters: [{name: word, value: '{{tasks.each.outputs.parameters.said}}'}]}
        - name: say
          inputs: {parameters: [{name: word}]}
          outputs: {parameters: [{name: said, valueFrom: {path: /tmp/out/said}}]}
          script:
            image: none
            command: [sh]
            env: [{name: WORD, value: '{{inputs.parameters.word}}'}]
            source: printf '%s' "$WORD" > /tmp/out/said
        """
    )
    assert done.status.phase == "Succeeded"
    said = ["3-world", "1-world", "2-world"]
    assert json.loads(done["main.each"].parameters["said"]) == said
    assert json.loads(done["main.last"].parameters["said"]) == said
    assert json.loads((done.run.folder / "record.json").read_text())["outcome"] == "Succeeded"


def test_items_may_be_objects_and_empty_lists_are_skipped(ran: Ran) -> None:
    done = ran(
        """
        templates:
        - name: main
          steps:
          - - name: each
              template: sh
              withItems: [{a: x, b: 1}, {a: y, b: 2}]
              when: "'{{item.a}}' == 'y'"
              arguments: {parameters: [{name: text, value: 'echo {{item.a}}{{item.b}}'}]}
            - {name: none, template: sh, withParam: '[]'}
            - {name: count, template: sh, withSequence: {start: '2', end: '0'},
               arguments: {parameters: [{name: text, value: 'echo {{item}}'}]}}
          - - {name: after, template: sh,
               arguments: {parameters: [{name: text, value: "echo '{{steps.each.outputs.result}}'"}]}}
        """
    )
    assert done.status.phase == "Succeeded"
    assert done["main.each"].children == ("Skipped", "Succeeded")
    assert done["main.none"].phase == "Skipped"
    assert json.loads(done["main.count"].result) == ["2", "1", "0"]
    assert json.loads(done["main.after"].result) == ["y2"]


def test_depends_takes_up_a_failure_and_leaves_out_what_does_not_hold(ran: Ran) -> None:
    done = ran(
        """
        templates:
        - name: main
          dag:
            tasks:
            - {name: bad, template: sh, arguments: {parameters: [{name: text, value: "echo no >&2; exit 3"}]}}
            - {name: mend, template: sh, depends: bad.Failed}
            - {name: never, template: sh, depends: bad.Succeeded || bad.Errored}
            - {name: join, template: sh, depends: mend && never.Omitted && !bad.Succeeded}
        """
    )
    assert done.phases() == {"bad": "Failed", "mend": "Succeeded", "never": "Omitted", "join": "Succeeded"}
    # The branch that ends in what was left out because of the failure has failed.
    assert done["main.bad"].message == "exit status 3: no"
    assert done.status.phase == "Succeeded"


def test_a_branch_that_ends_in_a_failure_fails_and_nothing_new_begins(ran: Ran) -> None:
    text = """
        templates:
        - name: main
          dag:
            failFast: %s
            tasks:
            - {name: bad, template: sh, arguments: {parameters: [{name: text, value: exit 3}]}}
            - {name: slow, template: sh, arguments: {parameters: [{name: text, value: sleep 0.7}]}}
            - {name: after, template: sh, depends: slow}
        """
    fast = ran(text % "true", name="fast")
    assert (fast.status.phase, fast.status.message) == ("Failed", "main.bad: exit status 3")
    assert fast.phases() == {"bad": "Failed", "slow": "Succeeded"}
    slow = ran(text % "false", name="slow")
    assert (slow.status.phase, slow.phases()["after"]) == ("Failed", "Succeeded")


def test_continue_on_failed(ran: Ran) -> None:
    done = ran(
        """
        templates:
        - name: main
          dag:
            tasks:
            - {name: bad, template: sh, continueOn: {failed: true},
               arguments: {parameters: [{name: text, value: exit 3}]}}
            - {name: after, template: sh, dependencies: [bad]}
        """
    )
    assert (done.status.phase, done.phases()["after"]) == ("Succeeded", "Succeeded")


TRIED = """
templates:
- name: main
  retryStrategy:
    limit: "3"
    expression: lastRetry.status == 'Error' || asInt(lastRetry.exitCode) in [75, 137, 143]
    backoff: {duration: 50ms, factor: '2'}
  script:
    image: none
    command: [sh]
    source: |
      echo {{retries}} >> /outside/tries
      exit $(sed -n "$(wc -l < /outside/tries)p" /outside/codes)
"""


@pytest.mark.parametrize(
    ("codes", "phase", "attempts"),
    [((75, 0), "Succeeded", 2), ((75, 137, 143, 75), "Failed", 4), ((1, 0), "Failed", 1), ((75, 1, 0), "Failed", 2)],
)
def test_a_step_is_tried_again_while_its_expression_holds(
    ran: Ran, tmp_path: Path, codes: tuple[int, ...], phase: str, attempts: int
) -> None:
    (tmp_path / "codes").write_text("\n".join(map(str, codes)) + "\n")
    done = ran(TRIED)
    assert (done.status.phase, done["main"].attempts) == (phase, attempts)
    assert (tmp_path / "tries").read_text().split() == [str(number) for number in range(attempts)]
    assert done["main"].exit_code == codes[attempts - 1]


def test_exit_handlers_know_how_it_ended(ran: Ran) -> None:
    done = ran(
        """
        onExit: bye
        templates:
        - name: main
          dag:
            tasks:
            - name: bad
              template: sh
              arguments: {parameters: [{name: text, value: exit 4}]}
              hooks:
                exit: {template: sh, arguments: {parameters: [{name: text, value: "echo {{tasks.bad.exitCode}}"}]}}
        - name: bye
          script: {image: none, command: [sh], source: "echo '{{workflow.status}} {{workflow.failures}}'"}
        """
    )
    assert done["main.bad.onExit"].result == "4"
    said, _, failures = done["onExit"].result.partition(" ")
    assert said == done.status.phase == "Failed"
    assert [(each["displayName"], each["message"]) for each in json.loads(failures)] == [("bad", "exit status 4")]


def test_an_exit_handler_that_fails_fails_the_workflow(ran: Ran) -> None:
    done = ran(
        """
        onExit: bye
        templates:
        - {name: main, container: {image: none, command: ["true"]}}
        - {name: bye, container: {image: none, command: ["false"]}}
        """
    )
    assert (done["main"].phase, done.status.phase) == ("Succeeded", "Failed")
    assert done.status.message == "its exit hook failed: exit status 1"


def test_a_pod_that_fails_after_it_took_up_a_failure_hides_no_reason(ran: Ran) -> None:
    done = ran(
        """
        templates:
        - name: main
          dag:
            tasks:
            - {name: bad, template: sh, arguments: {parameters: [{name: text, value: "echo no luck >&2; exit 3"}]}}
            - name: collect
              template: sh
              depends: bad.Succeeded || bad.Failed
              arguments: {parameters: [{name: text, value: "echo 1 failed >&2; exit 1"}]}
        """
    )
    assert done.status.message == "main.bad: exit status 3: no luck; main.collect: exit status 1: 1 failed"


def test_an_exit_handler_that_fails_hides_no_reason(ran: Ran) -> None:
    done = ran(
        """
        hooks: {exit: {template: bye}}
        templates:
        - {name: main, container: {image: none, command: [sh, -c, "echo '/scenes/x: no such folder' >&2; exit 1"]}}
        - {name: bye, container: {image: none, command: [sh, -c, "echo 'error: the catalogue is away' >&2; exit 75"]}}
        """
    )
    reason = "exit status 1: /scenes/x: no such folder"
    hook = "its exit hook failed: exit status 75: error: the catalogue is away"
    assert (done.status.phase, done.status.message) == ("Failed", f"{reason}; and {hook}")


@pytest.mark.parametrize("where", ["spec", "template"])
def test_what_takes_too_long_is_ended_with_its_children(ran: Ran, tmp_path: Path, where: str) -> None:
    members = {"spec": "", "template": ""} | {where: "activeDeadlineSeconds: 1"}
    done = ran(
        f"""
        {members["spec"] or "parallelism: 3"}
        templates:
        - name: main
          {members["template"] or "metadata: {}"}
          container:
            image: none
            command: [sh, -c]
            args: ["(sleep 5; touch /outside/alive) & sleep 5; touch /outside/alive"]
        """
    )
    assert done.status.phase == "Failed"
    assert "deadline of 1 s" in done.status.message
    assert done.status.ended - done.status.began < 4
    assert not (tmp_path / "alive").exists()


@pytest.mark.parametrize("limit", ["workflow", "template", "jobs"])
def test_parallelism_is_kept(ran: Ran, tmp_path: Path, limit: str) -> None:
    done = ran(
        f"""
        parallelism: {1 if limit == "workflow" else 9}
        templates:
        - name: main
          parallelism: {1 if limit == "template" else 9}
          dag:
            tasks:
            - name: one
              template: alone
            - name: two
              template: alone
        - name: alone
          container:
            image: none
            command: [sh, -c]
            args: ["mkdir /outside/busy && sleep 0.3 && rmdir /outside/busy"]
        """,
        jobs=1 if limit == "jobs" else 9,
    )
    assert done.status.phase == "Succeeded"


def test_a_mutex_keeps_two_steps_apart(ran: Ran, tmp_path: Path) -> None:
    done = ran(
        """
        templates:
        - name: main
          steps: [[{name: one, template: alone}, {name: two, template: alone}]]
        - name: alone
          synchronization: {mutexes: [{name: 'product-{{workflow.name}}'}]}
          container:
            image: none
            command: [sh, -c]
            args: ["mkdir /outside/busy && sleep 0.3 && rmdir /outside/busy"]
        """,
        jobs=9,
    )
    assert done.status.phase == "Succeeded"


def test_a_dag_hands_its_outputs_up(ran: Ran) -> None:
    done = ran(
        """
        templates:
        - name: main
          steps:
          - - {name: inner, template: inner}
          - - {name: say, template: sh,
               arguments: {parameters: [{name: text, value: 'echo {{steps.inner.outputs.parameters.word}}'}]}}
        - name: inner
          outputs: {parameters: [{name: word, valueFrom: {parameter: '{{tasks.a.outputs.result}}'}}]}
          dag: {tasks: [{name: a, template: sh, arguments: {parameters: [{name: text, value: echo up}]}}]}
        """
    )
    assert done["main.say"].result == "up"


def test_a_template_that_calls_itself_for_ever_ends(ran: Ran) -> None:
    done = ran("templates: [{name: main, steps: [[{name: a, template: main}]]}]")
    assert done.status.phase == "Error"
    assert done.status.message.endswith(": templates call one another more than 100 deep")


@pytest.mark.parametrize("text", ["(" * 5000, "!" * 5000, "[" * 5000, "not " * 5000])
def test_conditions_have_an_end(ran: Ran, text: str) -> None:
    done = ran(
        """
        arguments: {parameters: [{name: text}]}
        templates: [{name: main, steps: [[{name: a, template: sh, when: "{{workflow.parameters.text}}"}]]}]
        """,
        parameters={"text": text},
    )
    assert done.status.phase == "Error"
    assert "has more than 100 parentheses and negations" in done.status.message
