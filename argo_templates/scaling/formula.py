"""The formula (``docs/adr/0029-scaling-on-hpk.md``): how many pods of a kind may be in flight at a time.

    wanted = running + (free slots, while nobody waits for longer than the patience) + ahead
    limit  = wanted within least and most, where it is off the present limit by more than the band; falls halve at most

Pure: the same load and limit give the same limit.
"""

import math
from dataclasses import dataclass
from typing import Annotated, ClassVar, Final

from pydantic import ConfigDict, Field

from argo_templates.placement.values import Count

_STRICT: Final = ConfigDict(extra="forbid")


@dataclass(frozen=True, slots=True)
class Bounds:
    """How far a limit may go, and how fast.

    Attributes:
        least: The limit never falls below it, so that work goes on whatever the site does.
        most: The limit never rises above it.
        ahead: Pods that may wait in the queue of a full site, so that a slot that comes free is taken.
        band: Share of the present limit by which a wanted one has to differ before anything is changed.
    """

    __pydantic_config__: ClassVar[ConfigDict] = _STRICT
    least: Annotated[int, Field(ge=1, strict=True)]
    most: Annotated[int, Field(ge=1, strict=True)]
    ahead: Annotated[int, Field(ge=1, strict=True)] = 2
    band: Annotated[float, Field(ge=0, lt=1)] = 0.2


@dataclass(frozen=True, slots=True)
class Seen:
    """What a partition was doing at a moment.

    Attributes:
        running: Our jobs that run there.
        free: Pods that the free cores, memory and GPUs of its nodes would hold, each on one node.
        waited: Seconds that the longest waiting job has waited for room there, whosever it is; 0 where none waits.
    """

    running: Count
    free: Count
    waited: float = 0.0


def wanted(seen: Seen, bounds: Bounds, patience: float) -> int:
    """Return how many pods make sense now, before any hysteresis.

    What is free while somebody waits is not free for us: it is kept for a larger job, or the account is at its limit.

    Args:
        seen: The load.
        bounds: How far the limit may go.
        patience: Seconds that a job may wait before it counts as waiting; Slurm needs some for any job.
    """
    free = 0 if seen.waited > patience else seen.free
    return max(bounds.least, min(bounds.most, seen.running + free + bounds.ahead))


def next_limit(now: int, wish: int, bounds: Bounds) -> int:
    """Return the limit that is to stand from now on; the present one where the change would be too small.

    It rises at once, since what is free may be used, and falls by half at most, since a load that comes in waves is
    back soon. A limit that was set out of bounds by hand comes back into them.

    Args:
        now: The limit that stands.
        wish: What :func:`wanted` says.
        bounds: How far the limit may go.
    """
    inside = max(bounds.least, min(bounds.most, now))
    if inside != now:
        return inside
    if abs(wish - now) <= bounds.band * now:
        return now
    return max(wish, math.ceil(now / 2))
