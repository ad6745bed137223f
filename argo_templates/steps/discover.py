"""discover: the next window of an archive: what is in it and not done, as far as the budgets reach."""

import json
from collections.abc import Iterable, Sequence
from datetime import date, timedelta
from pathlib import Path
from typing import Annotated, Final

from hera.workflows import Input, Output, Parameter

from argo_templates import archives, failures, measures, walks
from argo_templates.archives import Product, Region
from argo_templates.placement.sites import load_sites
from argo_templates.walks import Step
from argo_templates.work import MODELS, RunFolder, WorkError, listed
from dasi_backend.store import Store
from rucio_dafab.client import DafabClient
from rucio_dafab.site.home import DERIVED_ACCOUNT, Home

GIGABYTE: Final = 10**9


class DiscoverInput(Input):
    """Where to look, from when on, and what may be spent."""

    work: Annotated[str, Parameter(description="The folder of the workflow")]
    source: Annotated[str, Parameter(description="The archive")]
    area: Annotated[str, Parameter(description="@name, W_S_E_N, WKT or GeoJSON")]
    start: Annotated[str, Parameter(description="First day: 2026-06-14, today or -14d")]
    end: Annotated[str, Parameter(description="Day after the last")]
    cursor: Annotated[str, Parameter(description="Where the last window ended; empty for the first")] = ""
    days: Annotated[int, Parameter(description="Days of a window")] = 10
    cloud_cover: Annotated[float, Parameter(description="Per cent of clouds at most")] = 60.0
    models: Annotated[str, Parameter(description="The models, comma separated; empty to fill the store alone")] = (
        ",".join(MODELS)
    )
    most: Annotated[int, Parameter(description="Scenes at once; what is left of a window comes next")] = 10
    cache_gigabytes: Annotated[float, Parameter(description="What the rolling store may hold; 0 for no bound")] = 0.0
    joules: Annotated[float, Parameter(description="Energy of this workflow, an estimate; 0 for no bound")] = 0.0
    site: Annotated[str, Parameter(description="The site whose file states watts")] = ""


class DiscoverOutput(Output):
    """What there is to do."""

    scenes: Annotated[str, Parameter(description="A list of scenes with their sources and models (JSON)")]
    count: Annotated[int, Parameter(description="How many scenes")]
    next: Annotated[str, Parameter(description="Where the next window begins; empty at the end")]
    reason: Annotated[str, Parameter(description="Why it ends here")]


def discover(given: DiscoverInput) -> DiscoverOutput:
    """Find what of a window is not done with the models of here; windows without any are passed over.

    What is done is read from the catalogue, so that a walk that was cut off is walked again. What failed of late comes
    last, and a scene is handed out once a walk: the walk ends as failed, with what was not made, once nothing is left.

    Raises:
        SourceBusy: if the archive is busy or away.
        SourceError, QueryError: if archive or area are none.
        WorkError: if days or numbers are none, an energy budget is given and no file states watts, or this is the end
            and scenes that were handed out were not made.
        ClientError: if the catalogue does not answer.
    """
    if given.days < 1 or given.most < 1:
        raise WorkError(f"days {given.days}, most {given.most}: both are at least 1")
    step = Step.at(RunFolder(Path(given.work)), given.cursor)
    handed_out = step.handed_out()
    region = Region(given.source, given.area, given.cloud_cover)
    end = archives.day(given.end, archives.today())
    at = step.day or archives.day(given.start, archives.today())
    reason = _spent(given, step, at)
    while at < end and not reason:
        to = min(at + timedelta(days=given.days), end)
        found = {each.id: each for each in archives.products(region, at, to) if each.id not in handed_out}
        todo = _last(_left(list(found), listed(given.models)))
        fits = list(_fitting([found[name] for name in list(todo)[: given.most]], given.cache_gigabytes))
        if fits:
            # What is left of this window is found by the same question, once these are done.
            return _handed(step, fits, todo, at if len(fits) < len(todo) else to)
        reason = f"the rolling store may hold {given.cache_gigabytes:g} GB: nothing more fits" if todo else ""
        at = to
    return _end(handed_out, listed(given.models), reason or "all of it is done")


def _spent(given: DiscoverInput, step: Step, at: date) -> str:
    """Return why a walk ends before its step begins; nothing where it goes on."""
    if given.joules and _joules(given) >= given.joules:
        return f"the energy budget of {given.joules:g} J is spent"
    if step.number >= walks.MOST_STEPS:
        return f"{walks.MOST_STEPS} windows are as many as one run takes: submitted again it goes on from {at}"
    return ""


def _left(names: Sequence[str], models: tuple[str, ...]) -> dict[str, str]:
    """Return the products that are not done, with the models that have to run; without models: that are not stored."""
    if not models:
        store = Store(Home.from_environment().store)
        return {name: "" for name in names if not store.contains(name)}
    left = archives.left_open(DafabClient.of_account(DERIVED_ACCOUNT), names, models)
    return {name: left[name] for name in names if left[name]}


def _last(todo: dict[str, str]) -> dict[str, str]:
    """Return what there is to do with what failed of late at its end: it keeps nothing else from its turn."""
    failed = failures.of_late(DafabClient.of_account(DERIVED_ACCOUNT)) if todo else {}
    return {name: todo[name] for name in failures.last(todo, failed)}


def _handed(step: Step, fits: Sequence[Product], todo: dict[str, str], after: date) -> DiscoverOutput:
    scenes = [{"key": each.id, "scene": each.reference, "source": "archive", "models": todo[each.id]} for each in fits]
    step.hand_out([each.id for each in fits])
    return DiscoverOutput(scenes=json.dumps(scenes), count=len(scenes), next=step.following(after), reason="")


def _end(handed_out: Iterable[str], models: tuple[str, ...], reason: str) -> DiscoverOutput:
    """Return that nothing follows.

    Raises:
        WorkError: naming what was handed out in this walk and not made.
    """
    failed = _left(sorted(handed_out), models)
    if failed:
        raise WorkError(f"{len(failed)} scenes were not made: {walks.told(failed)}; of the rest: {reason}")
    return DiscoverOutput(scenes="[]", count=0, next="", reason=reason)


def _fitting(products: Iterable[Product], cache_gigabytes: float) -> Iterable[Product]:
    """Yield the products that fit beside what the store holds; an archive that says no size is taken at its word."""
    room = cache_gigabytes * GIGABYTE - Store(Home.from_environment().store).size() if cache_gigabytes else None
    for each in products:
        if room is not None:
            room -= each.bytes
            if room < 0:
                return
        yield each


def _joules(given: DiscoverInput) -> float:
    site = load_sites().named(given.site)
    watts = None if site is None or not site.queues else site.queues[0].watts_per_core
    if watts is None:
        raise WorkError(f"an energy budget needs watts_per_core in the file of the site {given.site!r}")
    return watts * sum(each.cpu_seconds for each in measures.read(RunFolder(Path(given.work))))
