"""What is refused before anything runs, by name."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from argo_templates.library import NAME as LIBRARY
from argo_templates.local import documents, handed_on, runs
from argo_templates.local.errors import LocalError, ParameterError, Unsupported
from argo_templates.local.slurm import FLAG
from rucio_dafab.site.home import Home

MAIN = "{name: main, container: {image: none, command: ['true']}}"


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("templates: [{name: main, suspend: {}}]", "spec.templates[main].suspend"),
        ("templates: [{name: main, daemon: true, container: {image: x, command: [a]}}]", "spec.templates[main].daemon"),
        (
            "templates: [{name: main, container: {image: x, command: [a]}, sidecars: []}]",
            "spec.templates[main].sidecars",
        ),
        ("templates: [{name: main, resource: {action: get}}]", "spec.templates[main].resource"),
        (f"templates: [{MAIN}]\nvolumeClaimTemplates: []", "spec.volumeClaimTemplates"),
        (f"templates: [{MAIN}]\nsuspend: true", "spec.suspend"),
        (f"templates: [{MAIN}]\nvolumes: [{{name: a, nfs: {{server: b}}}}]", "spec.volumes[a].nfs"),
        (
            "templates: [{name: main, memoize: {key: a, cache: {secret: {}}}, container: {image: x, command: [a]}}]",
            "spec.templates[main].memoize.cache.secret",
        ),
        (
            "templates: [{name: main, container:"
            " {image: x, command: [a], env: [{name: A, valueFrom: {fieldRef: {}}}]}}]",
            "spec.templates[main].container.env[A].valueFrom.fieldRef",
        ),
        (
            "templates: [{name: main, inputs: {artifacts: [{name: a, path: /a, s3: {}}]}, container: {image: x}}]",
            "spec.templates[main].inputs.artifacts[a].s3",
        ),
        (
            f"templates: [{MAIN}]\narguments: {{parameters: [{{name: a, value: '{{{{workflow.name}}}}'}}]}}",
            "tags in the argument a",
        ),
        (
            "templates: [{name: main, synchronization: {semaphores: [{database: {}}]}, container: {image: x}}]",
            "spec.templates[main].synchronization.semaphores[0].database",
        ),
    ],
)
def test_what_is_not_done_is_named(prepared: Callable[..., Any], text: str, named: str) -> None:
    with pytest.raises(Unsupported) as refusal:
        prepared(text)
    assert str(refusal.value) == f"test: the local executor does not do {named}"


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("templates: [{name: main, dag: {tasks: [{name: a, template: b}]}}]", "main: there is no template 'b'"),
        (
            "templates: [{name: main, dag: {tasks: [{name: a, template: sh, depends: b}]}}]",
            "main.a depends on b, which is no task there",
        ),
        (
            "templates: [{name: main, dag: {tasks: [{name: a, template: sh, depends: b},"
            " {name: b, template: sh, depends: a}]}}]",
            "main: a, b depend on one another in a circle",
        ),
        (
            "templates: [{name: main, dag: {tasks: [{name: a, template: sh, when: 'x-y == z'}]}}]",
            "when 'x-y == z' cannot be read at '-y == z'",
        ),
        (
            "templates: [{name: main, retryStrategy: {retryPolicy: OnTransientError}, container: {image: x}}]",
            "retryPolicy OnTransientError is not done here: Always, OnFailure, OnError are",
        ),
        (
            "templates: [{name: main, retryStrategy: {backoff: {duration: soon}}, container: {image: x}}]",
            "'soon' is no duration",
        ),
        (
            f"templates: [{MAIN}]\nvolumes: [{{name: a, secret: {{secretName: nowhere}}}}]",
            "the volume nowhere has no folder here: name one by --volume nowhere=FOLDER",
        ),
        (
            "templates: [{name: main, container: {image: x, command: [a]}, synchronization: {semaphores:"
            " [{configMapKeyRef: {name: nowhere, key: a}}]}}]",
            "the config map nowhere has no folder here: name one by --volume nowhere=FOLDER",
        ),
        (
            "templates: [{name: main, container: {image: x, command: echo}}]",
            "main: command has to be a list of texts: put numbers into quotation marks",
        ),
        (
            "templates: [{name: main, container: {image: x, command: [sleep], args: [5]}}]",
            "main: args has to be a list of texts: put numbers into quotation marks",
        ),
        ("templates: [{name: main, script: {image: x, command: [sh], source: 5}}]", "main: source has to be a text"),
        (
            "templates: [{name: main, memoize: {key: a, maxAge: soon, cache: {configMap: {name: a}}},"
            " container: {image: x, command: [a]}}]",
            "'soon' is no duration",
        ),
        (
            "templates: [{name: main, memoize: {key: a, cache: {configMap: {name: a}}},"
            " outputs: {artifacts: [{name: b, path: /b}]}, container: {image: x, command: [a]}}]",
            "main: the local executor does not do memoize of a template with output artifacts",
        ),
    ],
)
def test_what_cannot_be_run_is_said_in_one_line(prepared: Callable[..., Any], text: str, line: str) -> None:
    with pytest.raises(LocalError) as refusal:
        prepared(text)
    assert str(refusal.value) == line


@pytest.mark.parametrize(
    ("parameters", "line"),
    [
        ({}, "dafab-process needs the parameter scene: Folder below /scenes, address or name in an archive"),
        ({"scene": "x", "rse": "MARS"}, "dafab-process: rse cannot be 'MARS': it is one of MELUXINA, CLOUD"),
        (
            {"scene": "x", "sceen": "y"},
            "dafab-process takes no parameter sceen: it takes scene, source, models, second",
        ),
        ({"scene": "x", "site": "a b/c"}, "dafab-process: site 'a b/c' is no value of a label: "),
        ({"scene": "x", "site": "a" * 64}, f"dafab-process: site '{'a' * 64}' is no value of a label: "),
        ({"scene": "x", "partition": "a --uid=0"}, "dafab-process: partition 'a --uid=0' is no partition of Slurm's: "),
        ({"scene": "x", "partition": ""}, "dafab-process: partition '' is no partition of Slurm's: "),
    ],
)
def test_arguments_are_checked(home: Home, parameters: dict[str, str], line: str) -> None:
    with pytest.raises(ParameterError) as refusal:
        runs.prepare(home, documents.find("dafab-process"), parameters)
    assert str(refusal.value).startswith(line)
    assert not (home.root / "runs").exists()


@pytest.mark.parametrize(
    "text",
    [
        "kind: Workflow",
        "kind: Workflow\nmetadata: 3\nspec: {}",
        "kind: Workflow\nspec: {templates: [3], entrypoint: main}",
        "kind: Workflow\nspec: {templates: 3, entrypoint: main}",
        "kind: Workflow\nspec: {entrypoint: a, templates: [{name: a, dag: {tasks: 3}}]}",
        "kind: Workflow\nspec: {entrypoint: a, templates: [{name: a, parallelism: x, container: {command: [a]}}]}",
        "kind: CronWorkflow\nmetadata: {name: a}\nspec: {}",
        "kind: [",
        "kind: Pod",
        "",
    ],
)
def test_what_is_built_otherwise_is_refused_in_one_line(home: Home, tmp_path: Path, text: str) -> None:
    path = tmp_path / "w.yaml"
    path.write_text(text)
    with pytest.raises(LocalError) as refusal:
        runs.prepare(home, documents.find(str(path)), {})
    assert "\n" not in str(refusal.value)


def test_a_label_that_kubernetes_would_refuse_is_an_error_of_its_pod(home: Home, prepared: Callable[..., Any]) -> None:
    pod = "{name: main, metadata: {labels: {a: '{{workflow.parameters.b}}'}}, container: {image: x, command: ['true']}}"
    text = f"arguments: {{parameters: [{{name: b, value: c}}]}}\ntemplates: [{pod}]"
    assert runs.execute(home, prepared(text)).phase == "Succeeded"
    status = runs.execute(home, prepared(text, parameters={"b": "c/d"}))
    assert status.phase == "Error"
    assert status.message.startswith("main: the label a 'c/d' is no value of a label: ")


def test_what_is_put_into_a_flag_stays_one_flag() -> None:
    flags = {handed_on.FLAGS: "--partition={{p}} --gres=gpu:1  {{more}}"}
    scope = {"p": "a --uid=0", "more": "--time=1 --mem=2"}
    assert handed_on.flags(flags, scope) == ("--partition=a --uid=0", "--gres=gpu:1", "--time=1", "--mem=2")
    assert not FLAG.fullmatch(handed_on.flags(flags, scope)[0])
    assert handed_on.LIBRARY == LIBRARY


def test_what_has_no_counterpart_is_kept_with_the_run(prepared: Callable[..., Any]) -> None:
    run = prepared(f"templates: [{MAIN}]\nserviceAccountName: me\npodGC: {{strategy: OnPodSuccess}}")
    assert run.options().noted == ("image", "podGC", "serviceAccountName")


def test_a_workflow_that_there_is_not(home: Home) -> None:
    with pytest.raises(LocalError, match=r"there is no workflow dafab-proces: known are dafab-.*dafab-process"):
        documents.find("dafab-proces")
