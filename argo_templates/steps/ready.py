"""ready: whether an area and period are complete in the rolling store, or their deadline has passed."""

import json
import re
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Annotated, Final, Self

from hera.workflows import Input, Output, Parameter

from argo_templates import archives
from argo_templates.archives import Region
from argo_templates.work import MODELS, WorkError, listed
from dasi_backend.store import Store
from rucio_dafab.client import DafabClient
from rucio_dafab.site.home import DERIVED_ACCOUNT, Home

_AFTER: Final = re.compile(r"\+(\d{1,3})d")


class ReadyInput(Input):
    """Which area and period, and until when it is waited for."""

    source: Annotated[str, Parameter(description="The archive")]
    area: Annotated[str, Parameter(description="@name, W_S_E_N, WKT or GeoJSON")]
    start: Annotated[str, Parameter(description="First day: 2026-06-14, today or -14d")]
    end: Annotated[str, Parameter(description="Day after the last")]
    deadline: Annotated[
        str,
        Parameter(
            description="Day from which on what is there is enough: a day; +5d for five days after the end or, where "
            "the end moves with the clock, after each acquisition; empty for none"
        ),
    ] = ""
    cloud_cover: Annotated[float, Parameter(description="Per cent of clouds at most")] = 60.0
    models: Annotated[str, Parameter(description="The models, comma separated")] = ",".join(MODELS)


class ReadyOutput(Output):
    """What may be processed now."""

    scenes: Annotated[str, Parameter(description="A list of scenes of the rolling store with their models (JSON)")]
    count: Annotated[int, Parameter(description="How many scenes")]
    state: Annotated[str, Parameter(description="complete, deadline or waiting")]
    missing: Annotated[int, Parameter(description="Products of the period that are not in the rolling store")]


def ready(given: ReadyInput) -> ReadyOutput:
    """Return the scenes to process, all of which are in the rolling store: none of them waits on a download.

    A period is complete when its last day is over and all that the archive has of it is in the store, or was processed.
    From its deadline on a scene waits for no other, so that one which cannot be fetched keeps none back for ever.

    Raises:
        SourceBusy: if the archive is busy or away.
        WorkError: if a day is none, or the deadline is before the end.
        ClientError: if the catalogue does not answer.
    """
    today = archives.today()
    start, end = archives.day(given.start, today), archives.day(given.end, today)
    late = Deadline.of(given.deadline, given.end, end, today)
    found = archives.products(Region(given.source, given.area, given.cloud_cover), start, end)
    client = DafabClient.of_account(DERIVED_ACCOUNT)
    opened = archives.left_open(client, [each.id for each in found], listed(given.models))
    store = Store(Home.from_environment().store)
    stored = {name for name in opened if store.contains(name)}
    missing = sum(bool(left) and name not in stored for name, left in opened.items())
    complete = not missing and today >= end
    chosen = [
        each for each in found if opened[each.id] and each.id in stored and (complete or late.of_a_scene(each.day))
    ]
    state = "complete" if complete else "deadline" if chosen or late.is_over() else "waiting"
    todo = [{"key": each.id, "scene": each.id, "source": "store", "models": opened[each.id]} for each in chosen]
    return ReadyOutput(scenes=json.dumps(todo), count=len(todo), state=state, missing=missing)


@dataclass(frozen=True, slots=True)
class Deadline:
    """From when on scenes wait for no others.

    Attributes:
        today: the day it is.
        day: from which on none does; ``None`` where there is no such day.
        patience: how long after its acquisition each may wait, where the end of the period moves with the clock.
    """

    today: date
    day: date | None = None
    patience: timedelta | None = None

    @classmethod
    def of(cls, text: str, end_text: str, end: date, today: date) -> Self:
        """Return a deadline as it is written.

        Args:
            text: a day, ``+5d``, or empty for none.
            end_text: the end of the period as it is written: it may move with the clock.
            end: the day that this is.
            today: the day it is.

        Raises:
            WorkError: if it is none, or before the end.
        """
        after = _AFTER.fullmatch(text)
        if after:
            patience = timedelta(days=int(after[1]))
            return cls(today, patience=patience) if archives.moves(end_text) else cls(today, end + patience)
        day = archives.day(text, today) if text else None
        if day is not None and day < end:
            raise WorkError(f"the deadline {day} is before the end {end} of the period")
        return cls(today, day)

    def is_over(self) -> bool:
        """Tell whether no scene waits any more."""
        return self.day is not None and self.today >= self.day

    def of_a_scene(self, acquired: date) -> bool:
        """Tell whether a scene of a day waits no more."""
        return self.is_over() or (self.patience is not None and self.today >= acquired + self.patience)
