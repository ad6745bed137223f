"""Batches of items: what one pod of ``dafab-apply`` works on, at the site that was predicted for its items."""

import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final, Self

from argo_templates.placement.values import Placement, of_pods
from argo_templates.work import WorkError, read_json, write_json

DONE: Final = "done"
"""The file in the folder of a batch that says that its container has succeeded."""

_NAME: Final = re.compile(r"[0-9]{4,8}")


@dataclass(frozen=True, slots=True)
class Batch:
    """Items that one pod works on.

    Attributes:
        batch: its number, as a text.
        site, runtime, queue, rse: the place that was chosen for all of them.
        items: their names.
    """

    batch: str
    site: str
    runtime: str
    queue: str
    rse: str
    items: tuple[str, ...]

    def branch(self) -> dict[str, str]:
        """Return what a branch of the workflow is told: flat texts, the items aside."""
        told = asdict(self)
        return {name: str(told[name]) for name in ("batch", "site", "runtime", "queue", "rse")}


@dataclass(frozen=True, slots=True)
class BatchFolder:
    """The folder of a batch: what its pod sees as ``/data``."""

    root: Path

    @classmethod
    def of(cls, work: str, batch: str) -> Self:
        """Return the folder of a batch of a workflow.

        Raises:
            WorkError: if it is no number of a batch.
        """
        if not _NAME.fullmatch(batch):
            raise WorkError(f"{batch[:40]!r} is no batch")
        return cls(every(work) / batch)

    @property
    def given(self) -> Path:
        """What the container reads: a folder an item with ``item.json`` and its files."""
        return self.root / "in"

    @property
    def made(self) -> Path:
        """Where it writes: a folder an item."""
        return self.root / "out"

    @property
    def is_done(self) -> bool:
        """Whether its container has succeeded."""
        return (self.root / DONE).exists()

    def write(self, batch: Batch) -> None:
        """Keep what the batch is."""
        write_json(self.root / "batch.json", asdict(batch))

    def read(self) -> Batch:
        """Return what the batch is.

        Raises:
            WorkError: if there is none.
        """
        value = read_json(self.root / "batch.json")
        return Batch(**{**value, "items": tuple(value["items"])})


def every(work: str) -> Path:
    """Return the folder of the batches of a workflow."""
    return Path(work) / "batches"


def split(placements: Sequence[Placement], most: int) -> list[Batch]:
    """Return the items by the places that were chosen for them, at most so many a batch, numbered."""
    by_place: dict[tuple[str, str, str, str], list[str]] = {}
    for each in placements:
        chosen = each.chosen
        place = (chosen.site, of_pods(chosen.runtime), chosen.queue, chosen.rse)
        by_place.setdefault(place, []).append(each.item)
    parts = [
        (place, tuple(items[start : start + most]))
        for place, items in sorted(by_place.items())
        for start in range(0, len(items), most)
    ]
    return [Batch(f"{number:04d}", *place, items) for number, (place, items) in enumerate(parts, start=1)]
