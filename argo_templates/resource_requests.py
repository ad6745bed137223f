"""What the pod of a step asks for: from what it was measured to take, in ``resource_requests.yaml`` beside this file.

Memory is what was measured and a margin, and at most that is used; a second try may use more. Cores are what was
measured, rounded up: HPK knows whole ones alone.
"""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Annotated, ClassVar, Final

import yaml
from pydantic import ConfigDict, Field

from argo_templates.local.patches import MAIN
from argo_templates.placement import documents
from argo_templates.placement.values import Count, Rate

FILE: Final = Path(__file__).with_name("resource_requests.yaml")
_STRICT: Final = ConfigDict(extra="forbid")
_SLACK: Final = 0.1
"""A tenth of a core more asks for no further core."""


@dataclass(frozen=True, slots=True)
class Took:
    """What a step was measured to take.

    Attributes:
        peak_mib: memory of the largest of its processes, MiB.
        cores: processor seconds a second.
        run: the measurement, by its name.
        of: what it worked on, where the measurement had several.
    """

    __pydantic_config__: ClassVar[ConfigDict] = _STRICT
    peak_mib: Rate
    cores: Rate
    run: str
    of: str = ""


@dataclass(frozen=True, slots=True)
class Run:
    """A measurement: how it is done again, over what, and when and at which load it was."""

    __pydantic_config__: ClassVar[ConfigDict] = _STRICT
    source: str
    over: str
    measured: str


@dataclass(frozen=True, slots=True)
class Assumed:
    """What nobody has measured, and why."""

    __pydantic_config__: ClassVar[ConfigDict] = _STRICT
    mebibytes: Count
    cores: Count
    why: str


@dataclass(frozen=True, slots=True)
class Request:
    """What a pod asks for.

    Attributes:
        cores: whole ones.
        mebibytes: memory of the first try.
    """

    cores: int
    mebibytes: int

    def at(self, retries: int) -> int:
        """Return the memory of a try in MiB: Argo puts its number before the digits of the first try's.

        Argo's simple tags cannot multiply. What they can make of 900 is 1900 and of 6100 is 16100: at least twice as
        much, in text that Argo, the local executor and people read alike.
        """
        return int(f"{retries}{self.mebibytes}")

    @property
    def memory(self) -> str:
        """What the first try asks for, and may have, as Kubernetes writes it."""
        return f"{self.mebibytes}Mi"

    @property
    def gibibytes(self) -> float:
        """The memory of the first try in GiB, rounded up to a tenth."""
        return math.ceil(self.mebibytes / 102.4) / 10

    @property
    def patch(self) -> str:
        """The ``podSpecPatch`` by which a later try has more memory."""
        memory = {"memory": f"{{{{retries}}}}{self.memory}"}
        container = {"name": MAIN, "resources": {"requests": memory, "limits": dict(memory)}}
        return yaml.safe_dump({"containers": [container]}, sort_keys=False)


@dataclass(frozen=True, slots=True)
class Requests:
    """What all steps ask for.

    Attributes:
        margin: what is asked for, by what was measured.
        round_to_mib: memory is rounded up to a multiple of it.
        least_mib: what the smallest asks for.
        runs: the measurements.
        steps: what steps were measured to take, by the names of their functions.
        assumed: by the names of templates.
    """

    __pydantic_config__: ClassVar[ConfigDict] = _STRICT
    margin: Annotated[float, Field(ge=1)]
    round_to_mib: Annotated[int, Field(ge=1)]
    least_mib: Count
    runs: Mapping[str, Run]
    steps: Mapping[str, tuple[Took, ...]]
    assumed: Mapping[str, Assumed]

    def of(self, step: str) -> Request:
        """Return what a step asks for.

        Raises:
            KeyError: if the file says nothing of it.
        """
        if step in self.assumed:
            return Request(self.assumed[step].cores, self.assumed[step].mebibytes)
        took = self.steps[step]
        most = max(each.peak_mib for each in took) * self.margin
        cores = math.ceil(max(each.cores for each in took) - _SLACK)
        mebibytes = math.ceil(most / self.round_to_mib) * self.round_to_mib
        return Request(max(1, cores), max(self.least_mib, mebibytes))


def load(path: Path = FILE) -> Requests:
    """Return the requests.

    Raises:
        SiteFault: a line for each fault of the file.
    """
    return documents.load(Requests, path, _faults)


def _faults(found: Requests) -> Iterator[str]:
    for step, took in found.steps.items():
        yield from (f"steps.{step}: there is no run {each.run}" for each in took if each.run not in found.runs)
        if not took:
            yield f"steps.{step}: nothing was measured"


@cache
def shipped() -> Requests:
    """Return the requests of the file that ships, read once."""
    return load()


def of(step: str) -> Request:
    """Return what a step asks for, by the file that ships."""
    return shipped().of(step)


def of_template(name: str) -> Request | None:
    """Return what a template of ours asks for, by its name, such as ``infer-hpk``; ``None`` for another's."""
    found = shipped()
    known = {*found.steps, *found.assumed}
    step = next((each for each in (name.replace("-", "_"), name.partition("-")[0]) if each in known), None)
    return None if step is None else found.of(step)
