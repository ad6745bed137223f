"""What is known of one step of a run: a pod, or a DAG, a list of steps, a fan-out above pods."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Final, Self

RUNNING: Final = "Running"
SUCCEEDED: Final = "Succeeded"
FAILED: Final = "Failed"
ERROR: Final = "Error"
SKIPPED: Final = "Skipped"
OMITTED: Final = "Omitted"
"""Argo's phases of a node: the step failed, the executor failed, ``when`` was false, ``depends`` did not hold."""

UNSUCCESSFUL: Final = (FAILED, ERROR)


@dataclass(frozen=True, slots=True)
class Node:
    """One step as it stands.

    Attributes:
        path: where it stands: the names from the entry point on, joined by dots.
        template: the template that it runs.
        kind: ``Pod``, ``DAG``, ``Steps``, ``Group`` (a fan-out), ``Task`` (what never began).
        phase: one of Argo's phases.
        message: why, where it did not succeed.
        began: seconds since the epoch.
        ended: seconds since the epoch; ``None`` while it runs.
        attempts: how many times it was tried.
        exit_code: the exit status of the last try of a pod.
        parameters: its outputs.
        artifacts: files and folders that it left, by name.
        result: what a pod wrote to its standard output, at most 256 KiB of it.
        where: by what its pod can be found: a process group, or a job of Slurm.
        children: phases of the items of a fan-out.
        peak_bytes: memory of the largest process of the last try; 0 where the back end does not measure it.
        cpu_seconds: of processors, of the last try; likewise.
    """

    path: str
    template: str
    kind: str
    phase: str
    message: str = ""
    began: float = 0.0
    ended: float | None = None
    attempts: int = 0
    exit_code: int | None = None
    parameters: Mapping[str, str] = field(default_factory=dict)
    artifacts: Mapping[str, str] = field(default_factory=dict)
    result: str | None = None
    where: Mapping[str, Any] = field(default_factory=dict)
    children: tuple[str, ...] = ()
    peak_bytes: int = 0
    cpu_seconds: float = 0.0

    @property
    def seconds(self) -> float:
        """Wall time from beginning to end; 0 while it runs."""
        return 0.0 if self.ended is None else self.ended - self.began

    def to_json(self) -> dict[str, Any]:
        """Return the node as JSON has it."""
        return asdict(self)

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Self:
        """Read what :meth:`to_json` returned."""
        return cls(**{**value, "children": tuple(value["children"])})


def has_result(node: Node, result: str) -> bool:
    """Tell whether a node that has ended has a result as ``depends`` asks for it."""
    if result == "AnySucceeded":
        return SUCCEEDED in (node.children or (node.phase,))
    if result == "AllFailed":
        return set(node.children or (node.phase,)) <= {*UNSUCCESSFUL}
    return {"Errored": ERROR}.get(result, result) == node.phase
