"""What of Argo's documents the local executor does; all else is refused by name before anything runs.

Three kinds of members: those it does; those for which one machine has no counterpart (a service account, what a cluster
enforces), which are named in the run's record and on the screen; and all others, which are refused.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from argo_templates.local.errors import LocalError, Unsupported


@dataclass(frozen=True, slots=True)
class Shape:
    """The members of one kind of object.

    Attributes:
        does: names of members that are done, whatever is in them.
        noted: names of members without a counterpart here.
        within: members that are objects, or lists of them, by the shape of these.
    """

    does: frozenset[str] = frozenset()
    noted: frozenset[str] = frozenset()
    within: Mapping[str, str] = field(default_factory=dict)


def _names(text: str) -> frozenset[str]:
    return frozenset(text.split())


_ANY_POD: Final = _names(
    "affinity automountServiceAccountToken hostAliases nodeSelector priorityClassName schedulerName securityContext "
    "serviceAccountName tolerations metrics archiveLocation podResources executor"
)
_CONTAINER: Final = _names("image imagePullPolicy securityContext terminationMessagePath terminationMessagePolicy")

SHAPES: Final[Mapping[str, Shape]] = {
    "document": Shape(_names("apiVersion kind"), within={"metadata": "metadata", "spec": "spec"}),
    "metadata": Shape(_names("name generateName labels annotations namespace"), _names("creationTimestamp uid")),
    "spec": Shape(
        _names("entrypoint onExit parallelism activeDeadlineSeconds"),
        _ANY_POD
        | _names("podGC ttlStrategy podMetadata workflowMetadata artifactGC archiveLogs volumeClaimGC podPriority")
        | _names("priority dnsPolicy dnsConfig hostNetwork imagePullSecrets podPriorityClassName podDisruptionBudget"),
        {
            "templates": "template",
            "arguments": "arguments",
            "volumes": "volume",
            "workflowTemplateRef": "reference",
            "hooks": "hooks",
            "retryStrategy": "retry",
            "synchronization": "synchronization",
        },
    ),
    "template": Shape(
        _names("name parallelism activeDeadlineSeconds failFast podSpecPatch"),
        _ANY_POD,
        {
            "inputs": "arguments",
            "outputs": "outputs",
            "metadata": "pod metadata",
            "retryStrategy": "retry",
            "script": "script",
            "container": "container",
            "dag": "dag",
            "steps": "steps",
            "volumes": "volume",
            "synchronization": "synchronization",
            "memoize": "memo",
        },
    ),
    "pod metadata": Shape(_names("labels annotations")),
    "dag": Shape(_names("failFast"), within={"tasks": "task"}),
    "task": Shape(
        _names("name template depends dependencies when withItems withParam onExit"),
        within={
            "arguments": "arguments",
            "hooks": "hooks",
            "templateRef": "reference",
            "continueOn": "continue",
            "withSequence": "sequence",
        },
    ),
    "steps": Shape(
        _names("name template when withItems withParam onExit"),
        within={
            "arguments": "arguments",
            "hooks": "hooks",
            "templateRef": "reference",
            "continueOn": "continue",
            "withSequence": "sequence",
        },
    ),
    "sequence": Shape(_names("count start end")),
    "continue": Shape(_names("failed error")),
    "reference": Shape(_names("name template clusterScope")),
    "hooks": Shape(within={"exit": "hook"}),
    "hook": Shape(_names("template"), within={"arguments": "arguments", "templateRef": "reference"}),
    "arguments": Shape(within={"parameters": "parameter", "artifacts": "artifact"}),
    "outputs": Shape(within={"parameters": "parameter", "artifacts": "artifact"}),
    "parameter": Shape(_names("name value default enum description"), within={"valueFrom": "value from"}),
    "value from": Shape(_names("path default parameter supplied")),
    "artifact": Shape(_names("name path from optional description"), _names("archive"), {"raw": "raw"}),
    "raw": Shape(_names("data")),
    "retry": Shape(_names("limit retryPolicy expression"), _names("affinity"), {"backoff": "backoff"}),
    "backoff": Shape(_names("duration factor maxDuration cap")),
    "synchronization": Shape(within={"mutexes": "mutex", "semaphores": "semaphore"}),
    "mutex": Shape(_names("name"), _names("namespace")),
    "semaphore": Shape(_names(""), _names("namespace"), {"configMapKeyRef": "key of a config map"}),
    "key of a config map": Shape(_names("name key")),
    "memo": Shape(_names("key maxAge"), within={"cache": "cache"}),
    "cache": Shape(within={"configMap": "cache map"}),
    "cache map": Shape(_names("name")),
    "script": Shape(
        _names("command args source workingDir resources"), _CONTAINER, {"env": "env", "volumeMounts": "mount"}
    ),
    "container": Shape(
        _names("name command args workingDir resources"), _CONTAINER, {"env": "env", "volumeMounts": "mount"}
    ),
    "env": Shape(_names("name value"), within={"valueFrom": "env from"}),
    "env from": Shape(within={"secretKeyRef": "key of a secret"}),
    "key of a secret": Shape(_names("name key optional")),
    "mount": Shape(_names("name mountPath subPath"), _names("readOnly")),
    "volume": Shape(
        _names("name emptyDir"),
        within={
            "persistentVolumeClaim": "claim",
            "secret": "secret",
            "configMap": "config map",
            "hostPath": "host path",
        },
    ),
    "claim": Shape(_names("claimName"), _names("readOnly")),
    "secret": Shape(_names("secretName"), _names("defaultMode")),
    "config map": Shape(_names("name"), _names("defaultMode")),
    "host path": Shape(_names("path type")),
}


_LISTS: Final = _names(
    "templates volumes tasks steps parameters artifacts env volumeMounts mutexes semaphores withItems dependencies enum"
)
"""Members that are lists; ``steps`` is one of lists."""

_TEXTS: Final = _names("name template entrypoint when depends withParam onExit expression podSpecPatch")


def misbuilt(document: Mapping[str, Any]) -> list[str]:
    """Return what is no list, object or text where a workflow has one, as ``spec.templates[0] has to be an object``."""
    return list(_misbuilt(document, "document", ""))


def _misbuilt(value: Any, shape: str, path: str) -> Iterator[str]:
    if not isinstance(value, Mapping):
        yield f"{path} has to be an object"
        return
    for member, inner in value.items():
        place = f"{path}.{member}" if path else str(member)
        if member in SHAPES[shape].within:
            yield from _inner(inner, member, SHAPES[shape].within[member], place)
        elif member in _LISTS and not isinstance(inner, list):
            yield f"{place} has to be a list"
        elif member in _TEXTS and not isinstance(inner, str):
            yield f"{place} has to be a text: put it into quotation marks"


def _inner(value: Any, member: str, shape: str, path: str) -> Iterator[str]:
    if member not in _LISTS:
        yield from _misbuilt(value, shape, path)
    elif not isinstance(value, list) or (member == "steps" and not all(isinstance(row, list) for row in value)):
        yield f"{path} has to be a list{' of lists' if member == 'steps' else ''}"
    else:
        rows = enumerate(value if member != "steps" else [step for row in value for step in row])
        for position, each in rows:
            yield from _misbuilt(each, shape, f"{path}[{position}]")


def check(document: Mapping[str, Any]) -> list[str]:
    """Return the members of a Workflow or WorkflowTemplate that have no counterpart here, as ``podGC``.

    Raises:
        LocalError: if a list, an object or a text is something else.
        Unsupported: naming every member that the local executor does not do.
    """
    if wrong := misbuilt(document):
        raise LocalError(f"it is not built as a workflow is: {'; '.join(wrong[:3])}")
    found = list(_walk(document, "document", ""))
    refused = sorted({path for path, noted in found if not noted})
    if refused:
        raise Unsupported(
            f"{document.get('metadata', {}).get('name', 'the workflow')}: the local executor does not do "
            f"{', '.join(refused)}"
        )
    return sorted({path.rpartition(".")[2] for path, _ in found})


def _walk(value: Any, shape: str, path: str) -> Iterator[tuple[str, bool]]:
    if isinstance(value, list):
        for position, each in enumerate(value):
            name = each.get("name", position) if isinstance(each, Mapping) else position
            yield from _walk(each, shape, f"{path}[{name}]")
        return
    if not isinstance(value, Mapping):
        return
    known = SHAPES[shape]
    for member, inner in value.items():
        place = f"{path}.{member}" if path else member
        if member in known.within:
            yield from _walk(inner, known.within[member], place)
        elif member not in known.does:
            yield place, member in known.noted
