"""What tags stand for: of the workflow, of a template's inputs, of tasks that have ended, of an item of a fan-out."""

import json
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from argo_templates.local import tags
from argo_templates.local.documents import check_enum, text
from argo_templates.local.errors import ParameterError
from argo_templates.local.nodes import UNSUCCESSFUL, Node
from argo_templates.local.state import Run


def of_workflow(run: Run, parameters: Mapping[str, str], document: Mapping[str, Any]) -> dict[str, str]:
    """Return the tags of a whole workflow."""
    metadata = document.get("metadata", {})
    began = datetime.fromtimestamp(run.options().created, UTC)
    scope = {
        "workflow.name": run.name,
        "workflow.namespace": "local",
        "workflow.uid": run.name,
        "workflow.serviceAccountName": "",
        "workflow.creationTimestamp": began.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "workflow.parameters": json.dumps([{"name": key, "value": value} for key, value in parameters.items()]),
    }
    scope |= {f"workflow.parameters.{name}": value for name, value in parameters.items()}
    for kind in ("labels", "annotations"):
        scope |= {f"workflow.{kind}.{name}": text(value) for name, value in metadata.get(kind, {}).items()}
    return scope


def of_outcome(phase: str, began: float, nodes: list[Node]) -> dict[str, str]:
    """Return the tags that an exit handler has besides."""
    failures = [
        {"displayName": node.path.rpartition(".")[2], "message": node.message, "templateName": node.template}
        | {"phase": node.phase, "podName": node.path}
        for node in nodes
        if node.kind == "Pod" and node.phase in UNSUCCESSFUL
    ]
    return {
        "workflow.status": phase,
        "workflow.failures": json.dumps(failures),
        "workflow.duration": f"{time.time() - began:.3f}",
    }


def of_inputs(
    place: str, template: Mapping[str, Any], given: Mapping[str, Any], scope: tags.Scope
) -> tuple[dict[str, str], dict[str, str]]:
    """Return the tags of a template's inputs, and its input artifacts as :func:`argo_templates.local.pods.make` has it.

    Args:
        place: the step, for refusals.
        template: whose inputs.
        given: the arguments of the task, with their tags.
        scope: what they stand for.

    Raises:
        ParameterError: if an input is missing or out of its enum.
        TagError: if a tag resolves to nothing.
    """
    inputs = template.get("inputs", {})
    arguments = {each["name"]: _argument(each, scope) for each in given.get("parameters", [])}
    values = {}
    for each in inputs.get("parameters", []):
        value = arguments.get(each["name"])
        if value is None:
            value = tags.put_in(each.get("value", each.get("default")), scope)
        if value is None:
            raise ParameterError(f"{place}: the input {each['name']} of {template['name']} is not given")
        values[each["name"]] = check_enum(place, each, text(value))
    artifacts = _artifacts(place, template, given, scope)
    found = {f"inputs.parameters.{name}": value for name, value in values.items()}
    found["inputs.parameters"] = json.dumps([{"name": name, "value": value} for name, value in values.items()])
    found |= {f"inputs.artifacts.{each['name']}.path": each["path"] for each in inputs.get("artifacts", [])}
    found |= {f"inputs.artifacts.{name}": kind.partition(":")[2] for name, kind in artifacts.items()}
    outputs = template.get("outputs", {})
    for way in ("parameters", "artifacts"):
        for each in outputs.get(way, []):
            path = each.get("path") or each.get("valueFrom", {}).get("path")
            if path:
                found[f"outputs.{way}.{each['name']}.path"] = path
    return found, artifacts


def of_node(prefix: str, name: str, node: Node) -> dict[str, str]:
    """Return the tags of a task (``tasks``) or a step (``steps``) that has ended."""
    here = f"{prefix}.{name}"
    scope = {f"{here}.status": node.phase}
    if node.exit_code is not None:
        scope[f"{here}.exitCode"] = str(node.exit_code)
    if node.result is not None:
        scope[f"{here}.outputs.result"] = node.result
    scope |= {f"{here}.outputs.parameters.{key}": value for key, value in node.parameters.items()}
    if node.kind == "Group":
        scope[f"{here}.outputs.parameters"] = node.parameters.get("", "[]")
    return scope | {f"{here}.outputs.artifacts.{key}": value for key, value in node.artifacts.items()}


def of_item(item: Any) -> dict[str, str]:
    """Return the tags of an item of a fan-out."""
    members = item.items() if isinstance(item, Mapping) else ()
    return {"item": text(item)} | {f"item.{name}": text(value) for name, value in members}


def _argument(argument: Mapping[str, Any], scope: tags.Scope) -> Any:
    if "value" in argument:
        return tags.put_in(text(argument["value"]), scope)
    source = argument.get("valueFrom", {})
    return tags.put_in(source["parameter"], scope) if "parameter" in source else source.get("default")


def _artifacts(place: str, template: Mapping[str, Any], given: Mapping[str, Any], scope: tags.Scope) -> dict[str, str]:
    found = {}
    sources = {each["name"]: each for each in given.get("artifacts", [])}
    for each in template.get("inputs", {}).get("artifacts", []):
        source = each | sources.get(each["name"], {})
        if "raw" in source:
            found[each["name"]] = f"raw:{tags.put_in(source['raw']['data'], scope)}"
        elif "from" in source:
            found[each["name"]] = f"path:{tags.put_in(source['from'], scope)}"
        elif not each.get("optional"):
            raise ParameterError(f"{place}: the input artifact {each['name']} of {template['name']} is not given")
    return found
