"""What a template leaves: outputs of a pod read from its files, those of a DAG taken from its tasks."""

import shutil
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from argo_templates.local import tags
from argo_templates.local.documents import text
from argo_templates.local.nodes import ERROR, FAILED, SUCCEEDED, Node
from argo_templates.local.pods import Pod
from argo_templates.local.process import Ended

_MEBIBYTE: Final = 2**20

Place = Callable[[str, str], Path]
"""Returns where an artifact of a step is kept."""


def of_pod(node: Node, template: Mapping[str, Any], pod: Pod, ended: Ended, place: Place) -> Node:
    """Return the node of a pod that has ended, with its outputs; what it should have left and did not is an error."""
    if ended.status is None:
        return replace(node, phase=ERROR, message=ended.error)
    node = replace(node, exit_code=ended.status, result=pod.result())
    node = replace(node, peak_bytes=ended.peak_bytes, cpu_seconds=ended.cpu_seconds)
    if ended.status:
        said = _shortage(node, pod, ended) if ended.out_of_memory else pod.last_words()
        message = f"exit status {ended.status}" + (f": {said}" if said else "")
        return replace(node, phase=FAILED, message=message)
    parameters, missing = _parameters(template, pod)
    artifacts, absent = _artifacts(node.path, template, pod, place)
    if missing or absent:
        return replace(node, phase=ERROR, message=f"it did not leave {', '.join([*missing, *absent])}")
    return replace(node, phase=SUCCEEDED, parameters=parameters, artifacts=artifacts)


def _shortage(node: Node, pod: Pod, ended: Ended) -> str:
    """Return what memory a pod asked for and took; a scheduler that ends it need not say how much it had."""
    used = f"{ended.used / _MEBIBYTE:,.0f} MiB" if ended.used else "all of it"
    asked = (pod.limit or pod.memory) / _MEBIBYTE
    return f"killed for memory at try {node.attempts}: {node.template} asked for {asked:,.0f} MiB and used {used}"


def _parameters(template: Mapping[str, Any], pod: Pod) -> tuple[dict[str, str], list[str]]:
    values, missing = {}, []
    for each in template.get("outputs", {}).get("parameters", []):
        source = each.get("valueFrom", {})
        path = pod.paths.place(source["path"]) if "path" in source else None
        if path is not None and path.is_file():
            # Argo, too, takes a line's end off.
            values[each["name"]] = pod.paths.in_pod(path.read_text(encoding="utf-8", errors="replace")).removesuffix(
                "\n"
            )
        elif "default" in source or "value" in each:
            values[each["name"]] = text(source.get("default", each.get("value")))
        else:
            missing.append(source.get("path", each["name"]))
    return values, missing


def _artifacts(path: str, template: Mapping[str, Any], pod: Pod, place: Place) -> tuple[dict[str, str], list[str]]:
    kept, missing = {}, []
    for each in template.get("outputs", {}).get("artifacts", []):
        found = pod.paths.place(each["path"])
        if not found.exists():
            missing += [] if each.get("optional") else [each["path"]]
            continue
        target = place(path, each["name"])
        _move(found, target)
        kept[each["name"]] = str(target)
    return kept, missing


def _move(found: Path, target: Path) -> None:
    """Keep a file or folder; what an earlier try kept there gives way."""
    if target.is_dir():
        shutil.rmtree(target)
    target.parent.mkdir(parents=True, exist_ok=True)
    if found.is_dir():
        shutil.copytree(found, target)
    else:
        shutil.copyfile(found, target)


def of_graph(template: Mapping[str, Any], scope: tags.Scope) -> tuple[dict[str, str], dict[str, str]]:
    """Return the outputs of a DAG or of steps: parameters and artifacts of what ran in it.

    Raises:
        TagError: if what an output is taken from did not run.
    """
    outputs = template.get("outputs", {})
    parameters = {}
    for each in outputs.get("parameters", []):
        source = each.get("valueFrom", {})
        tag = source.get("parameter", "")
        if "default" in source and not tags.names(tag) <= scope.keys():
            parameters[each["name"]] = text(source["default"])
        else:
            parameters[each["name"]] = tags.put_in(tag, scope)
    artifacts = {each["name"]: tags.put_in(each["from"], scope) for each in outputs.get("artifacts", [])}
    return parameters, artifacts
