"""discover: the next window of an archive: what is in it and not done, as far as the budgets reach."""

import json
from collections.abc import Iterable
from datetime import date, timedelta
from pathlib import Path
from typing import Annotated, Final

from hera.workflows import Input, Output, Parameter

from argo_templates import archives, measures
from argo_templates.archives import Product, Region
from argo_templates.placement.sites import load_sites
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

    It keeps nothing: what is done is read from the catalogue, so that a walk that was cut off is walked again.

    Raises:
        SourceBusy: if the archive is busy or away.
        SourceError, QueryError: if archive or area are none.
        WorkError: if days or numbers are none, or an energy budget is given and no file states watts.
        ClientError: if the catalogue does not answer.
    """
    region = Region(given.source, given.area, given.cloud_cover)
    end = archives.day(given.end, archives.today())
    at = archives.day(given.cursor or given.start, archives.today())
    if given.days < 1 or given.most < 1:
        raise WorkError(f"days {given.days}, most {given.most}: both are at least 1")
    if given.joules and _joules(given) >= given.joules:
        return _nothing(f"the energy budget of {given.joules:g} J is spent")
    while at < end:
        to = min(at + timedelta(days=given.days), end)
        todo = _todo(archives.products(region, at, to), listed(given.models))
        if todo:
            return _window(given, todo, at, to, end)
        at = to
    return _nothing("all of it is done")


def _todo(found: list[Product], models: tuple[str, ...]) -> list[tuple[Product, str]]:
    """Return what is not done of what an archive has, with the models that have to run."""
    if not models:
        store = Store(Home.from_environment().store)
        return [(each, "") for each in found if not store.contains(each.id)]
    left = archives.left_open(DafabClient.of_account(DERIVED_ACCOUNT), [each.id for each in found], models)
    return [(each, left[each.id]) for each in found if left[each.id]]


def _window(given: DiscoverInput, todo: list[tuple[Product, str]], at: date, to: date, end: date) -> DiscoverOutput:
    fits = list(_fitting([each for each, _ in todo[: given.most]], given.cache_gigabytes))
    if not fits:
        return _nothing(f"the rolling store may hold {given.cache_gigabytes:g} GB: nothing more fits")
    models = {each.id: left for each, left in todo}
    scenes = [
        {"key": each.id, "scene": each.reference, "source": "archive", "models": models[each.id]} for each in fits
    ]
    # What is left of this window is found by the same question, once these are done.
    after = at if len(fits) < len(todo) else to
    following = after.isoformat() if after < end else ""
    return DiscoverOutput(scenes=json.dumps(scenes), count=len(scenes), next=following, reason="")


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


def _nothing(reason: str) -> DiscoverOutput:
    return DiscoverOutput(scenes="[]", count=0, next="", reason=reason)
