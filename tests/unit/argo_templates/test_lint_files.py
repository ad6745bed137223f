"""The linter on files that are not ours."""

import copy
import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from argo_templates import render
from argo_templates.lint_files import WARNING, lint_files
from argo_templates.schema import SchemaUnreadable

OTHERS = """
apiVersion: argoproj.io/v1alpha1
kind: Workflow
metadata: {generateName: steps-}
spec:
  entrypoint: main
  templates:
  - name: main
    steps:
    - - {name: list, template: list}
    - - name: each
        template: say
        withParam: "{{steps.list.outputs.result}}"
        arguments: {parameters: [{name: word, value: "{{item}}"}]}
  - {name: list, container: {image: 'x@sha256:0', command: [echo, '[1]']}}
  - name: say
    inputs: {parameters: [{name: word}], artifacts: [{name: a, path: /a, raw: {data: x}}]}
    outputs: {parameters: [{name: said, valueFrom: {path: /tmp/said}}]}
    container:
      image: x@sha256:0
      command: [sh, -c]
      args: ["cat {{inputs.artifacts.a.path}}; echo {{inputs.parameters.word}} > {{outputs.parameters.said.path}}"]
      env: [{name: POD, value: "{{pod.name}}"}]
"""


@pytest.fixture
def others() -> dict[str, Any]:
    """Return a workflow that is nobody's of ours, and right."""
    found: dict[str, Any] = yaml.safe_load(OTHERS)
    return found


def found(document: Any, folder: Path, schema: Path | None = None) -> list[str]:
    """Return the lines of the linter without the file's name."""
    path = folder / "w.yaml"
    path.write_text(yaml.safe_dump_all(document if isinstance(document, list) else [document]))
    return [str(each).removeprefix(f"{path}: ") for each in lint_files([path], schema) if each.file != "schema"]


@pytest.fixture
def schema(shared: Path) -> Path:
    """Return the file of Argo's schema."""
    return shared / "argo" / "argo-workflows-4.1.schema.json"


@pytest.mark.shared
def test_nothing_is_found_in_what_is_right(others: dict[str, Any], tmp_path: Path, schema: Path) -> None:
    assert found(others, tmp_path, schema) == []


@pytest.mark.shared
def test_ours_have_nothing_but_images_without_a_digest(schema: Path) -> None:
    lines = lint_files(sorted(render.FOLDER.glob("*.yaml")), schema)
    assert {each.level for each in lines} == {WARNING}
    assert {each.message.rpartition(" has no digest")[2] for each in lines} == {": what runs may change under its tag"}


@pytest.mark.shared
def test_a_misspelt_member_is_named(others: dict[str, Any], tmp_path: Path, schema: Path) -> None:
    others["spec"]["entryPoint"] = "main"
    (line,) = found(others, tmp_path, schema)
    assert line.startswith("steps-: spec: Additional properties are not allowed ('entryPoint'")


def test_faults_of_steps(others: dict[str, Any], tmp_path: Path) -> None:
    wrong = copy.deepcopy(others)
    each = wrong["spec"]["templates"][0]["steps"][1][0]
    each |= {"when": "{{item}} == gr-hpc", "withParam": "{{steps.later.outputs.result}}", "arguments": {}}
    assert found(wrong, tmp_path) == [
        "steps-: main.each: quote both sides of the condition '{{item}} == gr-hpc': '{{item}}gr-hpc' is bare",
        "steps-: main.each: the input word of say is not supplied",
        "steps-: main.each: {{steps.later.outputs.result}} resolves to nothing here",
    ]


def test_what_hpk_does_not_do_is_a_warning(others: dict[str, Any], tmp_path: Path) -> None:
    say = others["spec"]["templates"][2]
    say["metadata"] = {"annotations": {"slurm.hpk.io/flags": "--partition=gpu  -N1"}}
    say["container"]["resources"] = {"requests": {"cpu": "500m", "nvidia.com/gpu": 1}}
    say["nodeSelector"] = {"a": "b"}
    lines = found(others, tmp_path)
    assert all(": say: warning: " in line for line in lines)
    assert [line.partition("warning: ")[2][:30] for line in lines] == [
        "HPK ignores nodeSelector",
        "HPK knows no nvidia.com/gpu: a",
        "HPK takes whole cores, not 500",
        "HPK's nodes are tainted: witho",
        "on HPK's nodes HOME and USER m",
        "slurm.hpk.io/flags: '' is no -",
        "slurm.hpk.io/flags: '-N1' is n",
    ]


def test_several_documents_and_a_cron_workflow(others: dict[str, Any], tmp_path: Path) -> None:
    cron = {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "CronWorkflow",
        "metadata": {"name": "nightly"},
        "spec": {"schedules": ["0 1 * * *"], "workflowSpec": others["spec"] | {"entrypoint": "absent"}},
    }
    assert found([others, cron], tmp_path) == ["nightly: spec.entrypoint: there is no template 'absent'"]


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("a: [", "{0} is not YAML"),
        ("kind: Pod", "a document is none of Workflow"),
        ("", "it holds no document"),
        ("kind: Workflow", "it is not built as a workflow is"),
        ("kind: Workflow\nspec: {templates: [3]}", "it is not built as a workflow is: spec.templates[0] has to be an"),
        ("kind: Workflow\nmetadata: []\nspec: {}", "it is not built as a workflow is: metadata has to be an object"),
        ("kind: Workflow\nmetadata:\nspec:", "metadata has to be an object; spec has to be an object"),
        ("kind: Workflow\nspec: {templates: }", "spec.templates has to be a list"),
        ("kind: Workflow\nspec: {templates: [{name: a, dag: }]}", "spec.templates[0].dag has to be an object"),
        ("kind: Workflow\nspec: {templates: [{name: a, dag: {tasks: {}}}]}", "[0].dag.tasks has to be a list"),
        ("kind: Workflow\nspec: {templates: [{name: a, steps: [{}]}]}", "[0].steps has to be a list of lists"),
        ("kind: Workflow\nspec: {templates: [{name: 5}]}", "spec.templates[0].name has to be a text"),
        ("kind: Workflow\nspec: {templates: [{name: [a], podSpecPatch: {}}]}", "[0].podSpecPatch has to be a text"),
        ("kind: Workflow\nspec: {arguments: {parameters: [{name: a, enum: b}]}}", "[0].enum has to be a list"),
        ("kind: Workflow\nspec: {hooks: {exit: 3}}", "spec.hooks.exit has to be an object"),
        ("kind: Workflow\nspec: {templates: [{}]}", "it is not built as a workflow is: there is no 'name'"),
        ("kind: Workflow\nspec: &s {templates: [*s]}", "an anchor stands within itself"),
    ],
)
def test_what_is_no_workflow(text: str, line: str, tmp_path: Path) -> None:
    path = tmp_path / "w.yaml"
    path.write_text(text)
    first = str(lint_files([path])[0])
    assert line.format(path) in first
    assert "\n" not in first


def test_without_a_schema_that_is_said(tmp_path: Path, others: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ARGO_SCHEMA", raising=False)
    path = tmp_path / "w.yaml"
    path.write_text(json.dumps(others))
    (only,) = lint_files([path])
    assert (only.level, only.file) == (WARNING, "schema")


def test_a_schema_that_is_none(tmp_path: Path) -> None:
    (tmp_path / "schema.json").write_text("[]")
    for name in ("schema.json", "absent.json"):
        with pytest.raises(SchemaUnreadable):
            lint_files([], tmp_path / name)


def test_a_document_that_is_not_here_is_a_warning_and_one_beside_it_is_read(tmp_path: Path) -> None:
    task = {"name": "a", "templateRef": {"name": "elsewhere", "template": "b"}}
    spec = {"entrypoint": "main", "templates": [{"name": "main", "dag": {"tasks": [task]}}]}
    path, other = tmp_path / "one.yaml", tmp_path / "two.yaml"
    path.write_text(yaml.safe_dump({"kind": "Workflow", "metadata": {"name": "one"}, "spec": spec}))
    found = [each for each in lint_files([path]) if each.document]
    assert [(each.path, each.level) for each in found] == [("main", WARNING)]
    assert "elsewhere is not here" in found[0].message
    template = {"name": "b", "inputs": {"parameters": [{"name": "c"}]}, "dag": {"tasks": []}}
    document = {"kind": "WorkflowTemplate", "metadata": {"name": "elsewhere"}, "spec": {"templates": [template]}}
    other.write_text(yaml.safe_dump(document))
    found = [each for each in lint_files([path, other]) if each.document]
    assert [(each.path, each.message) for each in found] == [("main.a", "the input c of elsewhere/b is not supplied")]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["-e"], "the entrypoint  cannot be imported: Empty module name"),
        (["-e", ".:f"], "the entrypoint .:f cannot be imported: the 'package' argument is required"),
        (["-e", "os:path"], "the entrypoint os:path cannot be imported: path is no function"),
        (["-e", "leaves:f"], "the entrypoint leaves:f cannot be imported: 3"),
    ],
)
def test_an_entry_point_that_is_none(
    arguments: list[str], said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "leaves.py").write_text("raise SystemExit(3)")
    monkeypatch.syspath_prepend(str(tmp_path))
    template = {"name": "main", "script": {"image": "x@sha256:0", "args": arguments, "source": ""}}
    document = {"kind": "Workflow", "spec": {"entrypoint": "main", "templates": [template]}}
    assert any(" ".join(said.split()) in line for line in found(document, tmp_path))


def test_names_that_stand_twice(others: dict[str, Any], tmp_path: Path) -> None:
    templates = others["spec"]["templates"]
    templates[0]["steps"][0].append(templates[0]["steps"][0][0])
    templates[2]["inputs"]["parameters"] *= 2
    templates.append({"name": "list", "container": {"image": "x@sha256:0"}})
    assert found(others, tmp_path) == [
        "steps-: main: the task list stands 2 times",
        "steps-: say: the parameter of the inputs word stands 2 times",
        "steps-: spec: the template list stands 2 times",
    ]


def test_a_template_may_call_itself_on_a_condition_alone(tmp_path: Path) -> None:
    def document(**more: str) -> dict[str, Any]:
        templates = [
            {"name": "main", "steps": [[{"name": "a", "template": "other"}]]},
            {"name": "other", "dag": {"tasks": [{"name": "b", "template": "main"} | more]}},
        ]
        return {"kind": "Workflow", "spec": {"entrypoint": "main", "templates": templates}}

    line = "it calls itself whatever happens: a condition has to decide about it"
    assert found(document(), tmp_path) == [f"main: {line}", f"other: {line}"]
    assert found(document(when="'{{workflow.name}}' == 'x'"), tmp_path) == []


@pytest.mark.parametrize("place", ["template", "spec"])
def test_a_pod_without_a_token_needs_an_account_for_argos_own_container(
    place: str, others: dict[str, Any], tmp_path: Path
) -> None:
    spec = others["spec"]
    holder = spec if place == "spec" else spec["templates"][1]
    holder["automountServiceAccountToken"] = False
    line = "automountServiceAccountToken is false: Argo wants executor.serviceAccountName beside it"
    named = ["list", "say"] if place == "spec" else ["list"]
    assert found(others, tmp_path) == [f"steps-: {name}: {line}" for name in named]
    holder["executor"] = {"serviceAccountName": "reports"}
    assert found(others, tmp_path) == []


@pytest.mark.parametrize("place", ["spec", "list"])
def test_retries_that_argo_cannot_read(place: str, others: dict[str, Any], tmp_path: Path) -> None:
    holder = others["spec"] if place == "spec" else others["spec"]["templates"][1]
    backoff = {"duration": "soon", "factor": "two", "cap": "1m30s", "maxDuration": "{{workflow.name}}"}
    holder["retryStrategy"] = {"limit": "x", "expression": "foo(", "retryPolicy": "Sometimes", "backoff": backoff}
    at = f"steps-: {place}.retryStrategy"
    assert found(others, tmp_path) == [
        f"{at}.backoff.duration: 'soon' is no duration",
        f"{at}.backoff.factor: 'two' is no number",
        f"{at}.expression: 'foo(' cannot be read: nothing closes '('",
        f"{at}.limit: 'x' is no number of tries",
        f"{at}.retryPolicy: 'Sometimes' is none of Always, OnFailure, OnError, OnTransientError",
    ]
    right = {"limit": "{{workflow.name}}", "expression": "asInt(lastRetry.exitCode) in [75] && ')' != \"'\""}
    holder["retryStrategy"] = right
    assert found(others, tmp_path) == []


def test_a_template_is_one_thing(others: dict[str, Any], tmp_path: Path) -> None:
    others["spec"]["templates"] += [{"name": "orphan"}, {"name": "two", "suspend": {}, "dag": {"tasks": []}}]
    kinds = "container, containerSet, script, dag, steps, resource, suspend, data, http, plugin"
    assert found(others, tmp_path) == [
        f"steps-: orphan: a template is one of {kinds}, not none",
        f"steps-: two: a template is one of {kinds}, not dag and suspend",
    ]


def test_what_argo_alone_evaluates_is_a_warning(others: dict[str, Any], tmp_path: Path) -> None:
    listing, said = others["spec"]["templates"][1], "--local does not"
    listing["container"]["args"] = ["{{=asInt(inputs.parameters.x) + 1}}", "{{= workflow.name }}"]
    listing["retryStrategy"] = {"expression": "sprig.lower(lastRetry.message) contains 'no'"}
    lines = found(others, tmp_path)
    assert [line.partition(": warning: ")[0] for line in lines] == ["steps-: list"] * 2 + ["steps-: list.retryStrategy"]
    assert all(line.endswith(said) for line in lines)
    assert "{{=asInt(inputs.parameters.x) + 1}} is an expression: Argo evaluates it" in lines[1]


def test_a_name_gives_a_terminal_no_orders(tmp_path: Path) -> None:
    template = {"name": "a\nerror: b\x1b[31m", "container": {"image": "x", "command": ["{{c}}"]}}
    document = {"kind": "Workflow", "spec": {"entrypoint": "main", "templates": [template]}}
    assert "a error: b\\x1b[31m: {{c}} resolves to nothing here" in found(document, tmp_path)


def test_a_text_of_braces_takes_no_time(tmp_path: Path) -> None:
    template = {"name": "main", "container": {"image": "x@sha256:0", "command": ["}}" + "{{" * 500_000]}}
    document = {"kind": "Workflow", "spec": {"entrypoint": "main", "templates": [template]}}
    assert found(document, tmp_path) == []
