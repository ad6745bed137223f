"""What is scaled, by which bounds: one file of YAML (``scale.yaml``), read whole or refused with every fault."""

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, ClassVar, Final

from pydantic import ConfigDict, Field

from argo_templates import resource_requests
from argo_templates.placement.documents import load
from argo_templates.placement.values import Amount, Count
from argo_templates.resource_requests import Request
from argo_templates.scaling.formula import Bounds
from rucio_dafab.resources import resources

SHIPPED: Final = resources() / "etc" / "argo" / "scale" / "scale.yaml"
"""The example that ships."""

_STRICT: Final = ConfigDict(extra="forbid")
_USER: Final = re.compile(r"[\w.-]*")


@dataclass(frozen=True, slots=True)
class Scaled:
    """One limit that is adapted.

    Attributes:
        limit: Its key in the config map of limits.
        partition: Slurm's partition in which its pods run.
        step: The step whose measured cores and memory a pod asks for.
        bounds: How far the limit may go.
        gpus: That a pod asks for.
    """

    __pydantic_config__: ClassVar[ConfigDict] = _STRICT
    limit: Annotated[str, Field(pattern=r"^[a-z0-9]([a-z0-9.-]{0,61}[a-z0-9])?$")]
    partition: Annotated[str, Field(pattern=r"^[\w.-]+$")]
    step: str
    bounds: Bounds
    gpus: Count = 0

    @property
    def request(self) -> Request:
        """What one of its pods asks for."""
        return resource_requests.of(self.step)


@dataclass(frozen=True, slots=True)
class Settings:
    """What is scaled.

    Attributes:
        limits: Each of them.
        patience_seconds: A job that waits longer than this shows that what is free is not free for us.
        user: Whose jobs are ours, a name or a number; empty for the user of this process.
    """

    __pydantic_config__: ClassVar[ConfigDict] = _STRICT
    limits: tuple[Scaled, ...]
    patience_seconds: Amount = 120.0
    user: str = field(default="")

    def is_ours(self, name: str, number: str) -> bool:
        """Tell whether a job of a user, by name and number, is one of ours."""
        return (self.user or str(os.geteuid())) in (name, number)


def load_settings(path: Path = SHIPPED) -> Settings:
    """Return what is scaled.

    Raises:
        SiteFault: a line for each fault.
    """
    return load(Settings, path, _faults)


def _faults(found: Settings) -> Iterator[str]:
    keys = [each.limit for each in found.limits]
    yield from (f"limits: two are called {key}" for key in sorted(set(keys)) if keys.count(key) > 1)
    for each in found.limits:
        if each.step not in resource_requests.shipped().steps:
            yield f"{each.limit}: there is no measured step {each.step[:40]!r}"
        if each.bounds.least > each.bounds.most:
            yield f"{each.limit}: least {each.bounds.least} is above most {each.bounds.most}"
    if not _USER.fullmatch(found.user):
        yield f"user: {found.user[:40]!r} is no user"
    if not found.limits:
        yield "limits: nothing is scaled"
