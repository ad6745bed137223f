"""What no schema sees in a workflow: tags that resolve, inputs that are supplied, conditions with both sides quoted."""

import importlib
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from types import FunctionType
from typing import Any, Final

from hera.workflows import Input, Output

from argo_templates import lint_names as names
from argo_templates import lint_templates, references
from argo_templates.local import depends, patches
from argo_templates.local.errors import ExpressionError, LocalError
from argo_templates.local.pods import quantity
from argo_templates.local.tags import names as tag_names
from argo_templates.local.tags import of_text as tags_of
from argo_templates.local.tags import without
from argo_templates.schema import Finding

Document = Mapping[str, Any]

_AMOUNTS: Final = ("requests", "limits")
_QUOTED: Final = re.compile(r"'[^']*'")
# What may stand between the quoted texts of a condition.
_OPERATORS: Final = re.compile(r"[\s()]|==|!=|=~|!~|&&|\|\||!")
# What Argo itself gives a value, wherever it stands; a template's own inputs and outputs are looked up.
_GIVEN: Final = re.compile(
    r"workflow\.(name|namespace|uid|serviceAccountName|status|duration|failures|priority|mainEntrypoint|scheduledTime"
    r"|creationTimestamp(\.\w+)?|(labels|annotations|outputs\.\w+)\..+|parameters|parameters\.json)"
    r"|pod\.name|node\.name|retries|lastRetry\.\w+|item|item\..+|tasks\.name|steps\.name"
)


def lint(document: Document, others: Sequence[Document] = ()) -> list[Finding]:
    """Return what is wrong in a Workflow or WorkflowTemplate, as YAML or JSON say it.

    Args:
        document: the workflow.
        others: documents that it may refer to, besides the committed ones.
    """
    library = references.Library.of(others)
    spec = library.merged(document["spec"])
    templates = references.Templates(library, spec)
    known = {f"workflow.parameters.{each['name']}" for each in spec.get("arguments", {}).get("parameters", [])}
    findings = [*_parameters(spec), *names.check(spec), *lint_templates.check(spec)]
    findings += references.check(document, spec, library)
    if "entrypoint" in spec or document.get("kind") == "Workflow":
        findings += _entry(spec, templates)
    for name, template in templates.own.items():
        own = known | _own(template)
        findings += _volumes(name, template, spec)
        findings += _patch(name, template)
        findings += _entrypoint(name, template)
        if "dag" in template:
            findings += _dag(name, template["dag"]["tasks"], templates, own)
        elif "steps" in template:
            findings += _rows(name, template["steps"], templates, own)
        else:
            findings += _tags(name, template, own)
    return sorted(findings)


def _entry(spec: Document, templates: references.Templates) -> Iterator[Finding]:
    if spec.get("entrypoint") not in templates.own:
        yield Finding("spec.entrypoint", f"there is no template {spec.get('entrypoint')!r}")
    for name, hook in spec.get("hooks", {}).items():
        yield from _arguments(f"spec.hooks.{name}", hook, templates)


def _own(template: Document) -> set[str]:
    """Return the tags of a template's own inputs and outputs."""
    inputs, outputs = template.get("inputs", {}), template.get("outputs", {})
    found = {"inputs.parameters"} | {f"inputs.parameters.{each['name']}" for each in inputs.get("parameters", [])}
    found |= {f"inputs.artifacts.{each['name']}" for each in inputs.get("artifacts", [])}
    found |= {f"inputs.artifacts.{each['name']}.path" for each in inputs.get("artifacts", [])}
    found |= {f"outputs.artifacts.{each['name']}.path" for each in outputs.get("artifacts", [])}
    return found | {f"outputs.parameters.{each['name']}.path" for each in outputs.get("parameters", [])}


def _parameters(spec: Document) -> Iterator[Finding]:
    for parameter in spec.get("arguments", {}).get("parameters", []):
        if "enum" in parameter and "value" in parameter and parameter["value"] not in parameter["enum"]:
            yield Finding(f"parameters.{parameter['name']}", f"the default {parameter['value']!r} is not in its enum")


def _tags(place: str, value: Any, known: set[str], skip: tuple[str, ...] = ()) -> Iterator[Finding]:
    for text in _texts(value):
        # An expression is Argo's to read: it is a warning that --local does not (lint_templates.not_here).
        for tag in (each for each in tags_of(text) if not each.strip().startswith((*skip, "="))):
            if tag.strip() not in known and not _GIVEN.fullmatch(tag.strip()):
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
    containers = [template[kind] for kind in ("script", "container") if kind in template]
    containers += [*template.get("initContainers", []), *template.get("sidecars", [])]
    containers += template.get("containerSet", {}).get("containers", [])
    claims = {claim["metadata"]["name"] for claim in spec.get("volumeClaimTemplates", [])}
    mounted = {mount["name"] for container in containers for mount in container.get("volumeMounts", [])} - claims
    for volume in sorted(mounted - volumes):
        yield Finding(name, f"the mounted volume {volume} is not declared")
    for volume in sorted({volume["name"] for volume in template.get("volumes", [])} - mounted):
        yield Finding(name, f"the volume {volume} is mounted nowhere")


def _patch(name: str, template: Document) -> Iterator[Finding]:
    """Find a patch that is no part of a pod, or asks for an amount that Kubernetes cannot read."""
    try:
        patch = patches.read(name, without(template.get(patches.MEMBER, "")))
        asked = [each.get("resources", {}).get(kind, {}) for each in patch.get("containers", []) for kind in _AMOUNTS]
        for amount in (amount for each in asked for amount in each.values()):
            quantity(amount)
    except LocalError as refusal:
        yield Finding(f"{name}.{patches.MEMBER}", str(refusal).removeprefix(f"{name}: {patches.MEMBER}").lstrip(": "))


def _entrypoint(name: str, template: Document) -> Iterator[Finding]:
    arguments = template.get("script", {}).get("args", [])
    if "-e" not in arguments:
        return
    entrypoint = str([*arguments, ""][arguments.index("-e") + 1])
    try:
        annotations = _imported(entrypoint).__annotations__
    except (Exception, SystemExit) as error:  # noqa: BLE001 - a module of anybody may raise anything
        yield Finding(name, f"the entrypoint {entrypoint} cannot be imported: {error or type(error).__name__}")
        return
    of_pod = tag_names(template.get("metadata", {}))
    for way, base in (("inputs", Input), ("outputs", Output)):
        models = [each for each in annotations.values() if isinstance(each, type) and issubclass(each, base)]
        fields = {field for model in models for field in model.model_fields} - set(base.model_fields)
        named = {each["name"] for each in template.get(way, {}).get("parameters", [])}
        if way == "inputs":
            # What the pod's labels and annotations take is no matter of the function's.
            named -= {each for each in named - fields if f"inputs.parameters.{each}" in of_pod}
        if fields != named:
            yield Finding(name, f"{entrypoint} has the {way} {sorted(fields)}, the template {sorted(named)}")


def _imported(entrypoint: str) -> FunctionType:
    """Return the function of ``module:function``.

    Raises:
        TypeError: if it is another thing.
    """
    module, _, name = entrypoint.partition(":")
    found = getattr(importlib.import_module(module), name)
    if not isinstance(found, FunctionType):
        raise TypeError(f"{name} is no function")
    return found


def _dag(name: str, tasks: list[Document], templates: references.Templates, known: set[str]) -> Iterator[Finding]:
    by_name = {task["name"]: task for task in tasks}
    needed = {}
    for task in tasks:
        try:
            needed[task["name"]] = set(depends.names(depends.of_task(task)))
        except ExpressionError as refusal:
            yield Finding(f"{name}.{task['name']}", str(refusal))
    for task in tasks:
        place = f"{name}.{task['name']}"
        yield from _arguments(place, task, templates)
        yield from _condition(place, task)
        yield from _joins(place, task, by_name, needed.get(task["name"], set()))
        ancestors = _ancestors(task["name"], needed)
        if task["name"] in ancestors:
            yield Finding(place, "depends on itself")
        before = {tag for other in ancestors & by_name.keys() for tag in _left("tasks", by_name[other], templates)}
        yield from _tags(place, task, known | before, skip=_unknown(by_name, templates))


def _rows(name: str, rows: list[list[Document]], templates: references.Templates, known: set[str]) -> Iterator[Finding]:
    """Find what is wrong in a list of steps: a row sees what the rows above it left."""
    before: set[str] = set()
    for row in rows:
        for step in row:
            place = f"{name}.{step['name']}"
            yield from _arguments(place, step, templates)
            yield from _condition(place, step)
            yield from _tags(place, step, known | before)
        before |= {tag for step in row for tag in _left("steps", step, templates)}


def _left(prefix: str, user: Document, templates: references.Templates) -> set[str]:
    """Return the tags that a task or step leaves for those after it."""
    here = f"{prefix}.{user['name']}"
    found = {f"{here}.{name}" for name in ("status", "exitCode", "id", "ip", "startedAt", "finishedAt")}
    found |= {f"{here}.outputs.{name}" for name in ("result", "exitCode", "parameters")}
    outputs = (templates.of(user) or {}).get("outputs", {})
    for way in ("parameters", "artifacts"):
        found |= {f"{here}.outputs.{way}.{each['name']}" for each in outputs.get(way, [])}
    return found


def _unknown(by_name: Mapping[str, Document], templates: references.Templates) -> tuple[str, ...]:
    """Return the beginnings of tags that a document decides which is not here: outputs of what it defines."""
    return tuple(f"tasks.{name}.outputs." for name, each in by_name.items() if templates.is_elsewhere(each))


def _ancestors(task: str, needed: Mapping[str, set[str]]) -> set[str]:
    found: set[str] = set()
    waiting = list(needed.get(task, ()))
    while waiting:
        other = waiting.pop()
        if other not in found:
            found.add(other)
            waiting += needed.get(other, ())
    return found


def _arguments(place: str, task: Document, templates: references.Templates) -> Iterator[Finding]:
    if "inline" in task or templates.is_elsewhere(task):
        return
    template, called = templates.of(task), references.called(task)
    if template is None:
        yield Finding(place, f"there is no template {called!r}")
        return
    inputs = template.get("inputs", {}).get("parameters", [])
    given = {each["name"] for each in task.get("arguments", {}).get("parameters", [])}
    required = {each["name"] for each in inputs if "value" not in each and "default" not in each}
    for missing in sorted(required - given):
        yield Finding(place, f"the input {missing} of {called} is not supplied")
    for unknown in sorted(given - {each["name"] for each in inputs}):
        yield Finding(place, f"{called} has no input {unknown}")


def _condition(place: str, task: Document) -> Iterator[Finding]:
    """Find what is not quoted: ``gr-hpc`` would be a subtraction."""
    bare = _OPERATORS.sub("", _QUOTED.sub("", task.get("when", "")))
    if bare:
        yield Finding(place, f"quote both sides of the condition {task['when']!r}: {bare!r} is bare")


def _joins(place: str, task: Document, by_name: Mapping[str, Document], needed: Iterable[str]) -> Iterator[Finding]:
    for other in sorted(needed):
        if other not in by_name:
            yield Finding(place, f"depends on {other}, which is no task here")
        elif "when" in by_name[other] and not _takes_left_out(task, other):
            yield Finding(place, f"{other} may be left out: join it as ({other}.Succeeded || {other}.Skipped)")


def _takes_left_out(task: Document, other: str) -> bool:
    """Tell whether a join goes on where what it waits for was left out: a name alone does, too."""
    try:
        read = depends.of_task(task)
    except ExpressionError:
        return True  # told already
    asked = {result for each in depends.tasks(read) if each.name == other for result in each.results}
    return "Skipped" in asked or not asked
