"""ready: whether an area and period are complete in the rolling store, or their deadline has passed."""

import json
from datetime import UTC, datetime
from typing import Annotated

from hera.workflows import Input, Output, Parameter

from argo_templates import archives
from argo_templates.archives import Region
from argo_templates.work import MODELS, WorkError, listed
from dasi_backend.store import Store
from rucio_dafab.client import DafabClient
from rucio_dafab.site.home import DERIVED_ACCOUNT, Home


class ReadyInput(Input):
    """Which area and period, and until when it is waited for."""

    source: Annotated[str, Parameter(description="The archive")]
    area: Annotated[str, Parameter(description="@name, W_S_E_N, WKT or GeoJSON")]
    start: Annotated[str, Parameter(description="First day: 2026-06-14, today or -14d")]
    end: Annotated[str, Parameter(description="Day after the last")]
    deadline: Annotated[str, Parameter(description="Day from which on what is there is enough; empty for none")] = ""
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

    Raises:
        SourceBusy: if the archive is busy or away.
        WorkError: if a day is none, or the deadline is before the end.
        ClientError: if the catalogue does not answer.
    """
    today = archives.today()
    start, end = archives.day(given.start, today), archives.day(given.end, today)
    deadline = archives.day(given.deadline, today) if given.deadline else None
    if deadline is not None and deadline < end:
        raise WorkError(f"the deadline {deadline} is before the end {end} of the period")
    found = archives.products(Region(given.source, given.area, given.cloud_cover), start, end)
    client = DafabClient.of_account(DERIVED_ACCOUNT)
    opened = archives.left_open(client, [each.id for each in found], listed(given.models))
    store = Store(Home.from_environment().store)
    stored = {name for name in opened if store.contains(name)}
    missing = sum(bool(left) and name not in stored for name, left in opened.items())
    state = "waiting"
    if not missing and datetime.now(UTC).date() >= end:
        state = "complete"
    elif deadline is not None and today >= deadline:
        state = "deadline"
    todo = [
        {"key": name, "scene": name, "source": "store", "models": left}
        for name, left in opened.items()
        if left and name in stored and state != "waiting"
    ]
    return ReadyOutput(scenes=json.dumps(todo), count=len(todo), state=state, missing=missing)
