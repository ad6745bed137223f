"""What no schema sees in a workflow: tags that resolve, inputs that are supplied, conditions with both sides quoted."""

import importlib
import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from hera.workflows import Input, Output

from argo_templates.schema import Finding

Document = Mapping[str, Any]

_TAG: Final = re.compile(r"\{\{(.*?)\}\}", re.DOTALL)
_QUOTED: Final = re.compile(r"'[^']*'")
# What may stand between the quoted texts of a condition.
_OPERATORS: Final = re.compile(r"[\s()]|==|!=|=~|!~|&&|\|\||!")
_DEPENDENCY: Final = re.compile(r"([A-Za-z][\w-]*)(?:\.(Succeeded|Failed|Errored|Skipped|Omitted|Daemoned))?")
_WORKFLOW: Final = frozenset({"name", "namespace", "uid", "serviceAccountName", "status", "creationTimestamp"})


def lint(document: Document) -> list[Finding]:
    """Return what is wrong in a Workflow or WorkflowTemplate, as YAML or JSON say it."""
    spec = document["spec"]
    templates = {template["name"]: template for template in spec.get("templates", [])}
    known = {f"workflow.parameters.{each['name']}" for each in spec.get("arguments", {}).get("parameters", [])}
    known |= {f"workflow.{name}" for name in _WORKFLOW}
    findings = [*_parameters(spec)]
    if spec.get("entrypoint") not in templates:
        findings.append(Finding("spec.entrypoint", f"there is no template {spec.get('entrypoint')!r}"))
    for name, template in templates.items():
        inputs = {f"inputs.parameters.{each['name']}" for each in template.get("inputs", {}).get("parameters", [])}
        findings += _volumes(name, template, spec)
        findings += _entrypoint(name, template)
        if "dag" in template:
            findings += _dag(name, template["dag"]["tasks"], templates, known | inputs)
        else:
            findings += _tags(name, template, known | inputs | {"inputs.parameters"})
    return sorted(findings)


def _parameters(spec: Document) -> Iterator[Finding]:
    for parameter in spec.get("arguments", {}).get("parameters", []):
        if "enum" in parameter and "value" in parameter and parameter["value"] not in parameter["enum"]:
            yield Finding(f"parameters.{parameter['name']}", f"the default {parameter['value']!r} is not in its enum")


def _tags(place: str, value: Any, known: set[str]) -> Iterator[Finding]:
    for text in _texts(value):
        for tag in _TAG.findall(text):
            if tag.startswith("="):
                yield Finding(place, f"{{{{{tag}}}}} is an expression, which only Argo itself can evaluate")
            elif tag.strip() not in known:
                yield Finding(place, f"{{{{{tag}}}}} resolves to nothing here")


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for each in value.values():
            yield from _texts(each)
    elif isinstance(value, list):
        for each in value:
            yield from _texts(each)


def _volumes(name: str, template: Document, spec: Document) -> Iterator[Finding]:
    volumes = {volume["name"] for volume in [*template.get("volumes", []), *spec.get("volumes", [])]}
    mounted = {mount["name"] for mount in template.get("script", {}).get("volumeMounts", [])}
    for volume in sorted(mounted - volumes):
        yield Finding(name, f"the mounted volume {volume} is not declared")
    for volume in sorted({volume["name"] for volume in template.get("volumes", [])} - mounted):
        yield Finding(name, f"the volume {volume} is mounted nowhere")


def _entrypoint(name: str, template: Document) -> Iterator[Finding]:
    arguments = template.get("script", {}).get("args", [])
    if "-e" not in arguments:
        return
    entrypoint = arguments[arguments.index("-e") + 1]
    module, _, function = entrypoint.partition(":")
    try:
        annotations = getattr(importlib.import_module(module), function).__annotations__
    except (ImportError, AttributeError) as error:
        yield Finding(name, f"the entrypoint {entrypoint} cannot be imported: {error}")
        return
    for way, base in (("inputs", Input), ("outputs", Output)):
        models = [each for each in annotations.values() if isinstance(each, type) and issubclass(each, base)]
        fields = {field for model in models for field in model.model_fields} - set(base.model_fields)
        named = {each["name"] for each in template.get(way, {}).get("parameters", [])}
        if fields != named:
            yield Finding(name, f"{entrypoint} has the {way} {sorted(fields)}, the template {sorted(named)}")


def _dag(name: str, tasks: list[Document], templates: Mapping[str, Document], known: set[str]) -> Iterator[Finding]:
    by_name = {task["name"]: task for task in tasks}
    needed = {task["name"]: _needed(task) for task in tasks}
    for task in tasks:
        place = f"{name}.{task['name']}"
        yield from _arguments(place, task, templates)
        yield from _condition(place, task)
        yield from _joins(place, task, by_name)
        ancestors = _ancestors(task["name"], needed)
        if task["name"] in ancestors:
            yield Finding(place, "depends on itself")
        outputs = {
            f"tasks.{other}.outputs.parameters.{each['name']}"
            for other in ancestors & by_name.keys()
            for each in templates.get(by_name[other]["template"], {}).get("outputs", {}).get("parameters", [])
        }
        yield from _tags(place, task, known | outputs)


def _needed(task: Document) -> set[str]:
    return {name for name, _ in _DEPENDENCY.findall(task.get("depends", ""))}


def _ancestors(task: str, needed: Mapping[str, set[str]]) -> set[str]:
    found: set[str] = set()
    waiting = list(needed.get(task, ()))
    while waiting:
        other = waiting.pop()
        if other not in found:
            found.add(other)
            waiting += needed.get(other, ())
    return found


def _arguments(place: str, task: Document, templates: Mapping[str, Document]) -> Iterator[Finding]:
    if task["template"] not in templates:
        yield Finding(place, f"there is no template {task['template']!r}")
        return
    inputs = templates[task["template"]].get("inputs", {}).get("parameters", [])
    given = {each["name"] for each in task.get("arguments", {}).get("parameters", [])}
    required = {each["name"] for each in inputs if "value" not in each and "default" not in each}
    for missing in sorted(required - given):
        yield Finding(place, f"the input {missing} of {task['template']} is not supplied")
    for unknown in sorted(given - {each["name"] for each in inputs}):
        yield Finding(place, f"{task['template']} has no input {unknown}")


def _condition(place: str, task: Document) -> Iterator[Finding]:
    """Find what is not quoted: ``gr-hpc`` would be a subtraction."""
    bare = _OPERATORS.sub("", _QUOTED.sub("", task.get("when", "")))
    if bare:
        yield Finding(place, f"quote both sides of the condition {task['when']!r}: {bare!r} is bare")


def _joins(place: str, task: Document, by_name: Mapping[str, Document]) -> Iterator[Finding]:
    depends = task.get("depends", "")
    for other in sorted(_needed(task)):
        if other not in by_name:
            yield Finding(place, f"depends on {other}, which is no task here")
        elif "when" in by_name[other] and f"({other}.Succeeded || {other}.Skipped)" not in depends:
            yield Finding(place, f"{other} may be left out: join it as ({other}.Succeeded || {other}.Skipped)")
