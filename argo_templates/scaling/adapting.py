"""Limits adapted once: Slurm is asked, the formula applied, and what has changed is written."""

from collections.abc import Sequence
from dataclasses import dataclass

from argo_templates.scaling.formula import Seen, next_limit, wanted
from argo_templates.scaling.limits import Limits, number
from argo_templates.scaling.settings import Settings
from argo_templates.scaling.slurm import seen


@dataclass(frozen=True, slots=True)
class Adapted:
    """What was seen for a limit, and what became of it.

    Attributes:
        limit: Its key.
        before, after: Pods in flight at most.
        seen: The load by which it was chosen.
        patience: Seconds that a job may wait before it counts.
    """

    limit: str
    before: int
    after: int
    seen: Seen
    patience: float

    def __str__(self) -> str:
        """Return it in one line."""
        waits = f"a job waits for {self.seen.waited:,.0f} s" if self.seen.waited > self.patience else "nobody waits"
        load = f"{self.seen.running} running, room for {self.seen.free} more, {waits}"
        change = f"stays {self.before}" if self.after == self.before else f"{self.before} -> {self.after}"
        return f"{self.limit}: {change} ({load})"


def adapt(settings: Settings, limits: Limits, where: str, *, dry_run: bool = False) -> Sequence[Adapted]:
    """Adapt every limit that the settings name; nothing is written where nothing changes.

    Args:
        settings: What is scaled.
        limits: Where the limits stand.
        where: That place, for people.
        dry_run: Only say what would be written.

    Raises:
        NoAnswer: if Slurm or the place of the limits does not answer now (exit status 75).
        ScaleError: if a limit is absent or no number, or either of them refuses.
    """
    present = limits.read()
    before = {each.limit: number(present, each.limit, where) for each in settings.limits}
    load = seen(settings)
    found = []
    for each in settings.limits:
        wish = wanted(load[each.limit], each.bounds, settings.patience_seconds)
        after = next_limit(before[each.limit], wish, each.bounds)
        found.append(Adapted(each.limit, before[each.limit], after, load[each.limit], settings.patience_seconds))
    changes = {each.limit: each.after for each in found if each.after != each.before}
    if changes and not dry_run:
        limits.write(changes)
    return found
