"""Workflow documents: found by name or file, checked, and read with the arguments of a run."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from argo_templates.local import depends, expressions, handed_on, memos, patches, retries, shapes, tags, yaml_text
from argo_templates.local.errors import LocalError, ParameterError, Unsupported

FOLDER: Final = Path(__file__).parents[1] / "rendered"
"""The committed templates; what renders them imports all that their steps do, which is not needed here."""

Document = Mapping[str, Any]
Key = tuple[str, str]
"""A template by the names of its document and of itself."""

KINDS: Final = ("Workflow", "WorkflowTemplate", "ClusterWorkflowTemplate", "CronWorkflow")


def read(path: Path) -> list[dict[str, Any]]:
    """Return the documents of a file of YAML.

    Raises:
        LocalError: if it cannot be read or holds something else.
    """
    found = yaml_text.read_file(path)
    for document in found:
        if not isinstance(document, dict) or document.get("kind") not in KINDS:
            raise LocalError(f"{path}: a document is none of {', '.join(KINDS)}")
    return found


def committed() -> dict[str, Path]:
    """Return the files of the committed templates by their names."""
    return {path.stem: path for path in sorted(FOLDER.rglob("*.yaml"))}


def find(name: str) -> dict[str, Any]:
    """Return the document of a committed template's name, or the only one of a file of YAML.

    Raises:
        LocalError: if there is none, or several.
    """
    known = committed()
    path = known.get(name, Path(name))
    if name not in known and not path.is_file():
        raise LocalError(f"there is no workflow {name}: known are {', '.join(known)}, or name a file of YAML")
    documents = read(path)
    if len(documents) != 1:
        raise LocalError(f"{path} holds {len(documents)} documents: one is run")
    with _as_a_workflow(documents[0]):
        return workflow_of(documents[0])


def workflow_of(document: Document) -> dict[str, Any]:
    """Return what is run: of a CronWorkflow what it would start, of others themselves."""
    if document.get("kind") != "CronWorkflow":
        return dict(document)
    return {
        "apiVersion": document.get("apiVersion"),
        "kind": "Workflow",
        "metadata": {"name": document["metadata"]["name"]},
        "spec": document["spec"]["workflowSpec"],
    }


@dataclass(frozen=True, slots=True)
class Program:
    """All documents that one run needs.

    Attributes:
        name: of the document that is run.
        spec: of it, with what a ``workflowTemplateRef`` says below what it says itself.
        templates: every template that can be reached.
        noted: members without a counterpart here.
    """

    name: str
    spec: Mapping[str, Any]
    templates: Mapping[Key, Mapping[str, Any]]
    noted: tuple[str, ...]

    @property
    def entry(self) -> Key:
        """The template that runs first."""
        return self.of(self.name, {"template": self.spec["entrypoint"]})

    def of(self, document: str, user: Mapping[str, Any]) -> Key:
        """Return the template that a task, a step or a hook of a document names."""
        reference = user.get("templateRef")
        return (reference["name"], reference["template"]) if reference else (document, user["template"])


@contextmanager
def _as_a_workflow(document: Document) -> Iterator[None]:
    """Turn what a document that is built otherwise does to a reader into one line.

    Raises:
        LocalError: naming the document.
    """
    try:
        yield
    except (KeyError, TypeError, AttributeError, ValueError, IndexError, RecursionError) as error:
        metadata = document.get("metadata")
        name = metadata.get("name", "the workflow") if isinstance(metadata, Mapping) else "the workflow"
        raise LocalError(f"{name} is not built as a workflow is: {type(error).__name__} {error}") from error


def load(document: Document, others: Sequence[Document] = ()) -> Program:
    """Read a document with all that it refers to, and refuse what cannot be run before anything is.

    Args:
        document: the Workflow or WorkflowTemplate.
        others: documents that may be referred to, besides the committed ones.

    Raises:
        LocalError: if it is not supported, refers to what is not there, or has an expression that cannot be read.
    """
    with _as_a_workflow(document):
        return _load(document, others)


def _load(document: Document, others: Sequence[Document]) -> Program:
    by_name = {each["metadata"]["name"]: each for each in others if "name" in each.get("metadata", {})}
    name = _name(document)
    noted = set(shapes.check(document))
    spec = _merged(document["spec"], by_name)
    templates = {(name, each["name"]): each for each in spec.get("templates", [])}
    waiting = _references([*templates.values(), {"steps": [hooks_of(spec)]}])
    while waiting:
        other = waiting.pop()
        if any(document_name == other for document_name, _ in templates):
            continue
        found = _other(other, by_name)
        noted |= set(shapes.check(found))
        added = {(other, each["name"]): each for each in found["spec"].get("templates", [])}
        templates |= added
        waiting += _references(added.values())
    program = Program(name, spec, templates, tuple(sorted(noted)))
    _check(program)
    return replace(program, templates={key: templates[key] for key in sorted(_reached(program))})


def _reached(program: Program) -> set[Key]:
    """Return the templates that a run may come to: of a library it needs few."""
    waiting = [program.of(program.name, each) for each in hooks_of(program.spec)]
    waiting.append(program.entry)
    found: set[Key] = set()
    while waiting:
        key = waiting.pop()
        if key not in found:
            found.add(key)
            waiting += [program.of(key[0], user) for user in users(program.templates[key])]
    return found


def hooks_of(spec: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Return what runs at the end of a workflow."""
    return [*([{"template": spec["onExit"]}] if "onExit" in spec else []), *spec.get("hooks", {}).values()]


def outline(document: Document) -> Program:
    """Return a document with nothing that it refers to, unchecked: a server may do what the local executor does not."""
    with _as_a_workflow(document):
        return Program(_name(document), dict(document["spec"]), {}, ())


def arguments(program: Program, given: Mapping[str, str]) -> dict[str, str]:
    """Return every parameter of a workflow with its value.

    Raises:
        ParameterError: if a parameter is not known, not given, out of its enum, or none that pods can hand on.
    """
    declared = {each["name"]: each for each in program.spec.get("arguments", {}).get("parameters", [])}
    for name in given:
        if name not in declared:
            known = f"it takes {', '.join(declared)}" if declared else "it takes none"
            raise ParameterError(f"{program.name} takes no parameter {name}: {known}")
    values = {}
    for name, parameter in declared.items():
        value = given.get(name, parameter.get("value", parameter.get("default")))
        if value is None:
            raise ParameterError(f"{program.name} needs the parameter {name}: {parameter.get('description', name)}")
        values[name] = check_enum(program.name, parameter, text(value))
    if handed_on.LIBRARY in _references([*program.spec.get("templates", []), {"steps": [hooks_of(program.spec)]}]):
        handed_on.check_arguments(program.name, values)
    return values


def check_enum(place: str, parameter: Mapping[str, Any], value: str) -> str:
    """Return the value of a parameter.

    Raises:
        ParameterError: if it is out of the parameter's enum.
    """
    allowed = [text(each) for each in parameter.get("enum", [])]
    if allowed and value not in allowed:
        raise ParameterError(f"{place}: {parameter['name']} cannot be {value!r}: it is one of {', '.join(allowed)}")
    return value


def text(value: Any) -> str:
    """Return a value of YAML as the text that Argo makes of it."""
    return value if isinstance(value, str) else json.dumps(value)


def _name(document: Document) -> str:
    metadata = document.get("metadata", {})
    return str(metadata.get("name") or metadata.get("generateName", "workflow-").rstrip("-"))


def _merged(spec: Mapping[str, Any], by_name: Mapping[str, Document]) -> dict[str, Any]:
    reference = spec.get("workflowTemplateRef")
    if reference is None:
        return dict(spec)
    found = _other(reference["name"], by_name)
    shapes.check(found)
    return merged(spec, _merged(found["spec"], by_name))


def merged(spec: Mapping[str, Any], base: Mapping[str, Any]) -> dict[str, Any]:
    """Return a ``spec`` over the one that it refers to: its parameters and members go before."""
    own = {each["name"]: each for each in spec.get("arguments", {}).get("parameters", [])}
    parameters = [each | own.pop(each["name"], {}) for each in base.get("arguments", {}).get("parameters", [])]
    return {**base, **spec, "arguments": {"parameters": [*parameters, *own.values()]}}


def _other(name: str, by_name: Mapping[str, Document]) -> Document:
    if name in by_name:
        return by_name[name]
    path = committed().get(name)
    if path is None:
        raise LocalError(f"there is no workflow {name}, which is referred to")
    return read(path)[0]


def _references(templates: Iterable[Mapping[str, Any]]) -> list[str]:
    return [
        user["templateRef"]["name"] for template in templates for user in users(template) if user.get("templateRef")
    ]


def users(template: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Return the tasks or steps of a template, and their hooks."""
    own = [*template.get("dag", {}).get("tasks", []), *(each for row in template.get("steps", []) for each in row)]
    hooks = [hook for each in own for hook in each.get("hooks", {}).values()]
    return [*own, *hooks, *({"template": each["onExit"]} for each in own if "onExit" in each)]


def _check(program: Program) -> None:
    for each in program.spec.get("arguments", {}).get("parameters", []):
        if tags.names(each.get("value")):
            raise Unsupported(f"{program.name}: the local executor does not do tags in the argument {each['name']}")
    if "entrypoint" not in program.spec:
        raise LocalError(f"{program.name} has no entrypoint")
    top = [{"template": program.spec["entrypoint"]}, *hooks_of(program.spec)]
    for document, place, user in [
        *((program.name, "spec", user) for user in top),
        *((key[0], key[1], user) for key, template in program.templates.items() for user in users(template)),
    ]:
        if "template" not in user and "templateRef" not in user:
            raise LocalError(f"{place}: {user.get('name', 'a hook')} names no template")
        if program.of(document, user) not in program.templates:
            raise LocalError(f"{place}: there is no template {program.of(document, user)[1]!r}")
    for (_, name), template in program.templates.items():
        _check_template(name, template)


def _check_template(name: str, template: Mapping[str, Any]) -> None:
    kinds = [kind for kind in ("script", "container", "dag", "steps") if kind in template]
    if len(kinds) != 1:
        raise LocalError(f"{name}: a template is one of script, container, dag and steps, not {kinds or 'none'}")
    for member in ("activeDeadlineSeconds", "parallelism"):
        if not tags.names(template.get(member)):
            float(template.get(member, 0))
    tasks = template.get("dag", {}).get("tasks", [])
    needed = {task["name"]: depends.names(depends.of_task(task)) for task in tasks}
    for task, others in needed.items():
        for other in sorted(others - needed.keys()):
            raise LocalError(f"{name}.{task} depends on {other}, which is no task there")
    _check_order(name, needed)
    _check_texts(name, template.get("script") or template.get("container") or {})
    memos.check(name, template)
    patches.check(name, template)
    if "retryStrategy" in template:
        retries.parse(template["retryStrategy"])
    for user in users(template):
        if "when" in user:
            expressions.parse(tags.without(str(user["when"])), expressions.WHEN)


def _check_texts(name: str, container: Mapping[str, Any]) -> None:
    """Refuse what a cluster refuses, too: a number among the arguments, or a command that is one text."""
    for member in ("command", "args"):
        listed = container.get(member, [])
        if not isinstance(listed, list) or not all(isinstance(each, str) for each in listed):
            raise LocalError(f"{name}: {member} has to be a list of texts: put numbers into quotation marks")
    for member in ("image", "source", "workingDir"):
        if not isinstance(container.get(member, ""), str):
            raise LocalError(f"{name}: {member} has to be a text")


def _check_order(name: str, needed: Mapping[str, frozenset[str]]) -> None:
    left = dict(needed)
    while left:
        free = [task for task, others in left.items() if not others & left.keys()]
        if not free:
            raise LocalError(f"{name}: {', '.join(sorted(left))} depend on one another in a circle")
        for task in free:
            del left[task]
