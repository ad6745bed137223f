"""infer: one model over the bands it takes, read back from the rolling store."""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, Final

from hera.workflows import Input, Output, Parameter

from argo_templates import predictions, progress
from argo_templates.work import CPU, DEVICE, GPU, Work, fingerprint, finished, read_json, seal_of, whole, write_json
from dasi_backend.keys import UNKNOWN
from dasi_backend.store import Product, Store
from rucio_dafab.eo.bands import SCENE_CLASSIFICATION, of_second, second_name
from rucio_dafab.eo.errors import BandUnreadable
from rucio_dafab.eo.inference import infer as run_model
from rucio_dafab.eo.models import Model, choose_model
from rucio_dafab.eo.pairs import paired
from rucio_dafab.eo.scene import Scene, open_scene
from rucio_dafab.errors import DafabError
from rucio_dafab.site.home import Home

RAN: Final = "ran"
CUDA: Final = "CUDAExecutionProvider"
SKIPPED: Final = "skipped"


class InferInput(Input):
    """Which model over which run's scene."""

    work: Annotated[str, Parameter(description="The working folder of this run")]
    model: Annotated[str, Parameter(description="The model: water or fields")]
    second: Annotated[
        str, Parameter(description="Another acquisition of the tile: its id in the rolling store; empty for none")
    ] = ""


class InferOutput(Output):
    """Whether the model ran."""

    outcome: Annotated[str, Parameter(description="ran, or skipped where the scene lacks a band that the model takes")]
    reason: Annotated[str, Parameter(description="Why it was skipped; empty when it ran")]


class NoSecond(DafabError):
    """What is named as second acquisition is none of the scene's tile."""


class NoGpu(DafabError):
    """A pod was given a GPU that its image cannot use; a model on its cores would hold it for nothing."""


def infer(given: InferInput) -> InferOutput:
    """Run a model over the archived scene and keep the prediction; one that is there already is not made again.

    A second acquisition is used by a model that takes bands of one; only then the outcome names it.

    Raises:
        ModelError: if there is no such model.
        NoGpu: if the pod is one with a GPU and the model would run without.
        NoSecond: if the second acquisition is the scene itself, or of another tile.
        SceneError: if a band cannot be read, no pixel is clear, or the second acquisition is of another grid or kind.
        NotStored: if the rolling store no longer has the scene, or lacks the second acquisition.
    """
    work = Work(Path(given.work))
    scene = open_scene(work.staged)
    stored = _stored(work, given.second) if given.second else None
    there = (*scene.bands, *(second_name(band) for band in (stored.bands if stored else ())))
    model = choose_model(given.model, there)
    if os.environ.get(DEVICE, CPU) == GPU and model.provider != CUDA:
        raise NoGpu(f"a GPU was asked for, and ONNX Runtime has none here: {model.name} would run on {model.provider}")
    missing = model.lacks(there)
    second = stored if stored and not missing and _of_second(model, stored) else None
    if not missing:
        with named_by_origin(work):
            _predict(work, given.model, model, scene, second)
    outcome, reason = (SKIPPED, absent_bands(work, missing)) if missing else (RAN, "")
    write_json(work.outcome(given.model), _record(model, outcome, reason, second))
    return InferOutput(outcome=outcome, reason=reason)


def _stored(work: Work, second: str) -> Product:
    """Return what the rolling store has of a second acquisition, which is of the same tile as far as both say one.

    Asked whether the model takes one or not: what cannot be is never passed over in silence.
    """
    store = Store(Home.from_environment().store)
    found, first = store.get(second), store.get(read_json(work.archived)["id"])
    if found.key == first.key:
        raise NoSecond(f"scene {first.key.id} cannot be its own second acquisition")
    if UNKNOWN not in (found.key.tile, first.key.tile) and found.key.tile != first.key.tile:
        tiles = f"is of tile {found.key.tile.upper()}, not of {first.key.tile.upper()}"
        raise NoSecond(f"the second acquisition {second} {tiles} as {first.key.id}")
    return found


def _of_second(model: Model, second: Product) -> list[str]:
    """Return the bands of a second acquisition that a model takes and that are there."""
    return [band for name in model.bands if (band := of_second(name)) in second.bands and band is not None]


def absent_bands(work: Work, missing: Sequence[str]) -> str:
    """Name the bands that are absent, and the files in which the scene's metadata promises them."""
    promised = read_json(work.origin)["absent"]
    said = [f"{band} ({promised[band]} is not there)" if band in promised else band for band in missing]
    return f"bands absent: {', '.join(said)}"


@contextmanager
def named_by_origin(work: Work) -> Iterator[None]:
    """Let a band that is unreadable inside the block be named by the file it came from, not by our copy."""
    try:
        yield
    except BandUnreadable as error:
        origin = read_json(work.origin)["bands"].get(error.band, error.path)
        raise BandUnreadable(error.band, origin, error.why) from error


def _record(model: Model, outcome: str, reason: str, second: Product | None) -> dict[str, Any]:
    """Return what the source item will say of this model."""
    record = {"outcome": outcome, "version": model.version, "model:sha256": model.sha256}
    return record | ({"reason": reason} if reason else {}) | ({"second": second.key.id} if second else {})


def _predict(work: Work, name: str, model: Model, scene: Scene, second: Product | None) -> None:
    result = work.prediction(name)
    parts = ["infer", seal_of(work.staged), read_json(work.archived)["keys"], model.sha256]
    made_from = fingerprint(*parts, *([second.manifest.content] if second else []))
    if finished(result, made_from):
        return
    wanted = [band for band in (*model.bands, SCENE_CLASSIFICATION) if band in scene.bands]
    taken = _retrieved(read_json(work.archived)["id"], work.bands(name), wanted, made_from)
    if second:
        other = _retrieved(second.key.id, work.second_bands(name), _of_second(model, second), made_from)
        taken = paired(taken, other)
    prediction = run_model(model, taken, progress.report)
    with whole(result, made_from) as folder:
        predictions.save(prediction, folder)


def _retrieved(scene: str, folder: Path, bands: Sequence[str], made_from: str) -> Scene:
    """Return a scene with these bands alone, as the rolling store has them."""
    if not finished(folder, made_from):
        with whole(folder, made_from) as empty:
            Store(Home.from_environment().store).retrieve(scene, empty, bands)
    return open_scene(folder)
