"""What a pod of the local executor sees, and what it leaves, in real processes."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

Ran = Callable[..., Any]


def test_artifacts_go_from_step_to_step(ran: Ran) -> None:
    done = ran(
        """
        templates:
        - name: main
          dag:
            tasks:
            - {name: make, template: make}
            - name: read
              template: read
              depends: make
              arguments:
                artifacts:
                - {name: folder, from: '{{tasks.make.outputs.artifacts.folder}}'}
                - {name: note, raw: {data: 'from {{workflow.name}}'}}
        - name: make
          outputs: {artifacts: [{name: folder, path: /data/made}]}
          script: {image: none, command: [sh], source: 'mkdir /data/made; echo one > /data/made/file'}
        - name: read
          inputs: {artifacts: [{name: folder, path: /in/folder}, {name: note, path: /in/note}]}
          container: {image: none, command: [sh, -c], args: ['cat /in/folder/file /in/note']}
        """,
        name="artifacts",
    )
    assert done.status.phase == "Succeeded", done.status.message
    assert done["main.read"].result == "one\nfrom artifacts"


def test_volumes_are_folders_and_an_empty_one_is_the_pods_own(ran: Ran, tmp_path: Path) -> None:
    (tmp_path / "claimed").mkdir()
    (tmp_path / "secret").mkdir()
    (tmp_path / "secret" / "token").write_text("s3cret\n")
    done = ran(
        """
        volumes: [{name: data, persistentVolumeClaim: {claimName: data}}, {name: key, secret: {secretName: key}}]
        templates:
        - name: main
          dag:
            tasks:
            - {name: write, template: use}
            - {name: read, template: use, depends: write}
        - name: use
          volumes: [{name: own, emptyDir: {}}]
          script:
            image: none
            command: [sh]
            source: |
              test -z "$(ls /own)" && touch /own/x
              echo "$PLACE" >> /data/file
              cat /etc/key/token /data/file
            env: [{name: PLACE, value: /data}]
            volumeMounts:
            - {name: data, mountPath: /data}
            - {name: own, mountPath: /own}
            - {name: key, mountPath: /etc/key}
        """,
        mapping={"data": tmp_path / "claimed", "key": tmp_path / "secret"},
    )
    assert done.status.phase == "Succeeded", done["main.write"].message
    # The pod saw the folder of this machine; what it wrote of it is told as the pod of a cluster would have seen it.
    assert (tmp_path / "claimed" / "file").read_text() == f"{tmp_path}/claimed\n" * 2
    assert done["main.read"].result == "s3cret\n/data\n/data"


def test_outputs_that_a_step_does_not_leave_are_an_error(ran: Ran) -> None:
    done = ran(
        """
        templates:
        - name: main
          outputs:
            parameters: [{name: x, valueFrom: {path: /tmp/x}}, {name: y, valueFrom: {path: /tmp/y, default: '1'}}]
          container: {image: none, command: ["true"]}
        """
    )
    assert (done["main"].phase, done.status.message) == ("Error", "it did not leave /tmp/x")


def test_what_is_put_in_is_not_read_again(ran: Ran) -> None:
    done = ran(
        """
        arguments: {parameters: [{name: text}]}
        templates:
        - name: main
          inputs: {parameters: [{name: text}, {name: run, value: "{{workflow.name}}"}]}
          script: {image: none, command: [cat], source: "{{inputs.parameters.text}} {{inputs.parameters.run}}"}
        """,
        name="once",
        parameters={"text": "{{workflow.uid}}"},
    )
    assert done["main"].result == "{{workflow.uid}} once"


def test_a_mount_within_a_mount_leaves_nothing_in_it(ran: Ran, tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
    done = ran(
        """
        volumes: [{name: a, persistentVolumeClaim: {claimName: a}}, {name: b, persistentVolumeClaim: {claimName: b}}]
        templates:
        - name: main
          container:
            image: none
            command: [sh, -c, 'touch /data/one /data/in/two']
            volumeMounts: [{name: a, mountPath: /data}, {name: b, mountPath: /data/in}]
        """,
        mapping={"a": tmp_path / "a", "b": tmp_path / "b"},
    )
    assert done.status.phase == "Succeeded"
    assert [[path.name for path in (tmp_path / name).iterdir()] for name in "ab"] == [["one"], ["two"]]


def test_a_program_that_is_not_there_is_a_failure_in_one_line(ran: Ran) -> None:
    done = ran("templates: [{name: main, container: {image: none, command: [no-such-program]}}]")
    assert done["main"].exit_code == 127
    assert "cannot start no-such-program" in done.status.message


def test_a_step_in_a_warm_copy_and_in_a_fresh_interpreter_ends_the_same(ran: Ran, tmp_path: Path) -> None:
    text = """
        templates:
        - name: main
          inputs: {parameters: [{name: scene, value: /outside/absent}, {name: work, value: /outside/work}]}
          script:
            image: none
            command: [python]
            args: [-m, argo_templates.pod, -e, 'argo_templates.steps.fetch:fetch']
            source: '{{inputs.parameters}}'
        """
    ends = [ran(text, fresh=fresh, name=f"fresh-{fresh}".lower())["main"] for fresh in (False, True)]
    assert [(end.phase, end.exit_code, end.message) for end in ends] == [
        ("Failed", 1, "exit status 1: error: /outside/absent: no such folder")
    ] * 2
