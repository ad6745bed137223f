"""The steps of ``dafab-process`` one after the other in this process, for ``rucio-dafab run`` and the tests."""

import os
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from time import perf_counter
from typing import Any, Final, TypeVar

from hera.workflows import Output

from argo_templates import curated, progress
from argo_templates.steps.archive import ArchiveInput, ArchiveOutput, archive, one_process, release, withdraw
from argo_templates.steps.clean import CleanInput, clean
from argo_templates.steps.fetch import FetchInput, fetch, is_remote
from argo_templates.steps.infer import RAN, InferInput, infer
from argo_templates.steps.make import MakeInput, make
from argo_templates.steps.parcels import ParcelsInput, parcels
from argo_templates.steps.publish import PublishInput, publish
from argo_templates.steps.recount import RECOUNTED, RecountInput, recount
from argo_templates.steps.reference import ReferenceInput, reference
from argo_templates.work import FIELDS, MODELS, SEASON, WATER, Parcels, Work, read_json
from rucio_dafab.errors import DafabError
from rucio_dafab.site.home import Home
from rucio_dafab.site.lock import exclusive

TRY_AGAIN: Final = os.EX_TEMPFAIL
"""The exit status (75) of what is worth another try."""

StepOutput = TypeVar("StepOutput", bound=Output)


@dataclass(frozen=True, slots=True)
class Event:
    """Something that a watcher may show: a step began, came further, or ended.

    Attributes:
        step: The name of the step, with its model.
        state: ``began``, ``came`` or ``ended``.
        done: How much of ``total`` is done.
        total: How much there is to do; 0 where a step does not say.
        seconds: Wall time since the step began.
        detail: What came of it, once it has ended.
    """

    step: str
    state: str
    done: int = 0
    total: int = 0
    seconds: float = 0.0
    detail: str = ""


Watcher = Callable[[Event], None]


@dataclass(frozen=True, slots=True)
class Report:
    """What a run did.

    Attributes:
        scene: The id of the scene.
        product: What the rolling store calls it.
        outcome: ``created``, ``updated`` or ``unchanged``.
        steps: Wall seconds by step, in the order they ran.
        record: What the source item says of each model.
        curation: How the scene was judged, in one line.
        items: What was registered: the source item, then the derived ones.
    """

    scene: str
    product: str
    outcome: str
    steps: tuple[tuple[str, float], ...]
    record: dict[str, Any]
    curation: str
    items: tuple[dict[str, Any], ...]


def process(
    scene: Path | str,
    rse: str,
    models: Sequence[str] = MODELS,
    *,
    second: Path | str | None = None,
    fields_of: Parcels = SEASON,
    occurrence: Path | None = None,
    keep_work: bool = False,
    watch: Watcher | None = None,
) -> Report:
    """Run every step over one scene at the site of ``DAFAB_HOME``.

    A run that is killed is completed by the next one over the same scene, which takes up what was whole.

    Args:
        scene: the folder of the scene, or the name of one in an archive.
        rse: the storage element that keeps the products.
        models: the models to run.
        second: another acquisition of the same tile, for models that take two; named as the scene is.
        fields_of: whether fields are counted from the parcels that the tile has of the season (``season``), where
            there are any, or are always delineated (``own``).
        occurrence: JRC's water occurrence, a folder of tiles or a GeoTIFF; where none is given that of the site.
        keep_work: leave the working folder for a look at what the steps made.
        watch: is told what happens.

    Raises:
        SiteBusy: if another run works on the scene: two would take each other's results away.
        DafabError: if a step refuses; the text is its reason.
    """
    folder = work_folder(scene)
    home, name = Home.from_environment(), f"run-{folder.name}"
    with exclusive(home, f"rucio-dafab run {scene}", name), one_process(), _settled(Work(folder), keep_work):
        wanted = _Wanted(rse, tuple(models), fields_of, occurrence or home.reference_water)
        return _steps(_Run(watch or _ignore), (scene, second), Work(folder), wanted)


@contextmanager
def _settled(work: Work, keep_work: bool) -> Iterator[None]:
    """End the leases of a run, and remove its working folder unless somebody wants it: a person, or the next try."""
    try:
        yield
    except DafabError as refusal:
        # What another try may mend keeps what was made; what it cannot mend would only lie there.
        if not keep_work and refusal.exit_code != TRY_AGAIN:
            withdraw(work)
            clean(CleanInput(work=str(work.root)))
        else:
            release(work)
        raise
    if keep_work:
        release(work, processed=True)
    else:
        clean(CleanInput(work=str(work.root)))


def work_folder(scene: Path | str) -> Path:
    """Return the folder in which a scene is worked on: the same for every run over it."""
    place = str(scene) if is_remote(str(scene)) else str(Path(scene).absolute())
    name = re.sub(r"[^A-Za-z0-9._-]", "_", place.rstrip("/").rpartition("/")[2])
    return Home.from_environment().work / f"{name[:100]}-{sha256(place.encode()).hexdigest()[:12]}"


class _Run:
    """Calls steps and keeps their times."""

    def __init__(self, watch: Watcher) -> None:
        self._watch = watch
        self.seconds: list[tuple[str, float]] = []

    def step(self, name: str, call: Callable[[], StepOutput], detail: Callable[[StepOutput], str]) -> StepOutput:
        began = perf_counter()
        self._watch(Event(name, "began"))
        with progress.heard_by(lambda done, total: self._came(name, done, total, perf_counter() - began)):
            output = call()
        seconds = perf_counter() - began
        self.seconds.append((name, seconds))
        self._watch(Event(name, "ended", seconds=seconds, detail=detail(output)))
        return output

    def _came(self, name: str, done: int, total: int, seconds: float) -> None:
        self._watch(Event(name, "came", done, total, seconds))


@dataclass(frozen=True, slots=True)
class _Wanted:
    """Which products are made, where they go, whose parcels the fields are, and where occurrence of water may be."""

    rse: str
    models: tuple[str, ...]
    fields_of: Parcels
    occurrence: Path


def _steps(run: _Run, scenes: tuple[Path | str, Path | str | None], folder: Work, wanted: _Wanted) -> Report:
    """Run them over a scene and, where there is one, its second acquisition."""
    work, (scene, second) = str(folder.root), scenes
    archived = _stored(run, scene, folder)
    other = "" if second is None else _stored(run, second, folder.second, " second").scene_id
    stored = _season_parcels(run, work, wanted, other) if FIELDS in wanted.models else ""
    if WATER in wanted.models:
        _reference(run, work, wanted)
    for model in wanted.models:
        if model == FIELDS and stored:
            _recount(run, work, stored)
        else:
            _model(run, work, model, other)
    published = run.step(
        "publish",
        lambda: publish(PublishInput(work=work, rse=wanted.rse, models=",".join(wanted.models))),
        lambda out: out.outcome,
    )
    registered = read_json(folder.published)
    return Report(
        scene=archived.scene_id,
        product=archived.product,
        outcome=published.outcome,
        steps=tuple(run.seconds),
        record=registered["record"],
        curation=curated.said(folder),
        items=tuple(registered["items"]),
    )


def _stored(run: _Run, scene: Path | str, folder: Work, which: str = "") -> ArchiveOutput:
    """Bring a scene into the rolling store."""
    work = str(folder.root)
    run.step(
        f"fetch{which}",
        lambda: fetch(FetchInput(scene=str(scene), work=work)),
        lambda out: f"{curated.said(folder)}; {out.scene_id}: {out.bands}",
    )
    return run.step(
        f"archive{which}", lambda: archive(ArchiveInput(work=work)), lambda out: f"{out.outcome}: {out.product}"
    )


def _season_parcels(run: _Run, work: str, wanted: _Wanted, second: str) -> str:
    """Return the item of the parcels that the fields are counted from; empty where they are delineated."""
    given = ParcelsInput(work=work, models=",".join(wanted.models), second=second, parcels=wanted.fields_of)
    return run.step("parcels", lambda: parcels(given), lambda out: out.item or "none of the season: delineate").item


def _reference(run: _Run, work: str, wanted: _Wanted) -> None:
    """Make the reference that the water of the scene is compared with."""
    given = ReferenceInput(work=work, models=",".join(wanted.models), occurrence=str(wanted.occurrence))
    run.step("reference", lambda: reference(given), lambda out: out.source or "nothing to compare with")


def _recount(run: _Run, work: str, stored: str) -> None:
    """Count the fields of the scene from stored parcels."""
    run.step(
        "recount",
        lambda: recount(RecountInput(work=work, item=stored)),
        lambda out: out.item if out.outcome == RECOUNTED else f"{out.outcome}: {out.reason}",
    )


def _model(run: _Run, work: str, model: str, second: str) -> None:
    inferred = run.step(
        f"infer {model}",
        lambda: infer(InferInput(work=work, model=model, second=second)),
        lambda out: out.outcome if out.outcome == RAN else f"{out.outcome}: {out.reason}",
    )
    if inferred.outcome == RAN:
        run.step(f"make {model}", lambda: make(MakeInput(work=work, model=model)), lambda out: out.item)


def _ignore(event: Event) -> None:
    """Watch nothing."""
