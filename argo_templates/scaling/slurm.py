"""What a partition of Slurm is doing, by its own commands: free slots of its nodes, our jobs, how long others wait."""

import os
import re
import subprocess
import time
from collections.abc import Iterable, Iterator, Mapping, Set
from dataclasses import dataclass
from typing import Final

from argo_templates.local.process import command_of
from argo_templates.scaling.errors import NoAnswer, ScaleError
from argo_templates.scaling.formula import Seen
from argo_templates.scaling.settings import Scaled, Settings

SECONDS: Final = 60.0
"""How long Slurm may take for an answer."""

_FIELD: Final = re.compile(r"(\w+)=(\S*)")
_GPUS: Final = re.compile(r"(?:^|,)gpu(?::[^:,()]+)?:(\d+)")
_FREE_STATES: Final = ("IDLE", "MIXED")
_HARMLESS_FLAGS: Final = frozenset({"CLOUD", "DYNAMIC_NORM", "COMPLETING"})
"""Of the words behind a node's state, those with which it takes jobs; with DRAIN, PLANNED and others it does not."""

_OF_THEIR_OWN: Final = ("Dependency", "BeginTime", "JobHeldUser", "JobHeldAdmin", "DependencyNeverSatisfied")
"""Reasons for waiting that have nothing to do with room."""

_DEFAULTS: Final = ("SQUEUE_", "SINFO_", "SCONTROL_", "SLURM_CLUSTERS")
"""How variables begin by which a user gives these commands other defaults (their manuals, "Environment variables")."""

_COLUMNS: Final = "%T|%V|%U|%u|%P|%r"
"""State, submission, user by number and name, partitions, reason: nothing in them is free text of a user's."""


@dataclass(frozen=True, slots=True)
class Node:
    """A node that takes jobs: its partitions, and what of it is free (cores, MiB, GPUs)."""

    partitions: frozenset[str]
    cores: int
    mebibytes: int
    gpus: int

    def holds(self, scaled: Scaled) -> int:
        """Return how many pods it has room for now."""
        request = scaled.request
        room = min(self.cores // request.cores, self.mebibytes // request.mebibytes)
        return max(0, min(room, self.gpus // scaled.gpus) if scaled.gpus else room)


@dataclass(frozen=True, slots=True)
class Job:
    """A job of the queue: state, Unix seconds of submission, user by number and name, partitions, reason to wait."""

    state: str
    submitted: float
    number: str
    name: str
    partitions: frozenset[str]
    reason: str


def seen(settings: Settings) -> dict[str, Seen]:
    """Return what goes on in the partition of every limit, by its key.

    Raises:
        NoAnswer: if Slurm does not answer.
        ScaleError: if its commands are not here, or it has no such partition.
    """
    nodes = nodes_of_partitions({each.partition for each in settings.limits})
    jobs = list(jobs_of(_asked("squeue", "--noheader", "--all", f"--format={_COLUMNS}")))
    now = time.time()
    return {each.limit: _seen(each, settings, nodes, jobs, now) for each in settings.limits}


def nodes_of_partitions(partitions: Set[str]) -> list[Node]:
    """Return all nodes that take jobs, with what is free of them.

    Args:
        partitions: that there have to be.

    Raises:
        NoAnswer: if Slurm does not answer.
        ScaleError: if its commands are not here, or it has no such partition.
    """
    known = set(_asked("sinfo", "--noheader", "--all", "--format=%R").split())
    if lost := sorted(partitions - known):
        raise ScaleError(f"Slurm has no partition {', '.join(lost)}: there are {', '.join(sorted(known))}")
    return list(nodes_of(_asked("scontrol", "show", "node", "--details", "--oneliner")))


def _seen(scaled: Scaled, settings: Settings, nodes: Iterable[Node], jobs: Iterable[Job], now: float) -> Seen:
    here = [job for job in jobs if scaled.partition in job.partitions]
    waiting = [job for job in here if job.state == "PENDING" and job.reason not in _OF_THEIR_OWN]
    return Seen(
        running=sum(job.state != "PENDING" and settings.is_ours(job.name, job.number) for job in here),
        free=sum(node.holds(scaled) for node in nodes if scaled.partition in node.partitions),
        waited=max((now - job.submitted for job in waiting), default=0.0),
    )


def nodes_of(text: str) -> Iterator[Node]:
    """Yield the nodes that take jobs, from a line each of ``scontrol show node``."""
    for line in text.splitlines():
        fields = dict(_FIELD.findall(line))
        # A star behind the state is a node that does not answer.
        state, *flags = fields.get("State", "").split("+")
        if state in _FREE_STATES and _HARMLESS_FLAGS.issuperset(flags):
            yield Node(
                frozenset(fields.get("Partitions", "").split(",")),
                _number(fields, "CPUEfctv" if "CPUEfctv" in fields else "CPUTot") - _number(fields, "CPUAlloc"),
                _number(fields, "RealMemory") - _number(fields, "AllocMem"),
                _gpus(fields.get("Gres", "")) - _gpus(fields.get("GresUsed", "")),
            )


def jobs_of(text: str) -> Iterator[Job]:
    """Yield the jobs of a queue, from a line each of ``squeue``."""
    for line in text.splitlines():
        try:
            state, submitted, number, name, partitions, reason = line.split("|")
            yield Job(state, float(submitted), number, name, frozenset(partitions.split(",")), reason)
        except ValueError as error:
            raise ScaleError(f"squeue says what it was not asked for: {line[:80]!r}") from error


def _number(fields: Mapping[str, str], name: str) -> int:
    try:
        return int(fields[name])
    except (KeyError, ValueError) as error:
        raise ScaleError(f"scontrol says no number {name} of node {fields.get('NodeName', '')}") from error


def _gpus(text: str) -> int:
    return sum(map(int, _GPUS.findall(text)))


def _asked(name: str, *arguments: str) -> str:
    """Return what a command of Slurm's says."""
    # A user's own defaults for it would change what it is asked: SQUEUE_STATES hides jobs, SINFO_PARTITION partitions.
    kept = {key: value for key, value in os.environ.items() if not key.startswith(_DEFAULTS)}
    environment = kept | {"SLURM_TIME_FORMAT": "%s", "LC_ALL": "C"}
    try:
        asked = subprocess.run(  # noqa: S603
            [str(command_of(name)), *arguments],
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
            env=environment,
            timeout=SECONDS,
        )
    except subprocess.TimeoutExpired as error:
        raise NoAnswer(f"Slurm does not answer: {name} took more than {SECONDS:.0f} s") from error
    if asked.returncode:
        raise NoAnswer(f"Slurm does not answer: {' '.join((asked.stderr or asked.stdout).split())[:300]}")
    return asked.stdout
