"""infer: one model over the bands it takes, read back from the rolling store."""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, Final

from hera.workflows import Input, Output, Parameter

from argo_templates import predictions, progress
from argo_templates.work import CPU, DEVICE, GPU, Work, fingerprint, finished, read_json, seal_of, whole, write_json
from dasi_backend.store import Store
from rucio_dafab.eo.bands import SCENE_CLASSIFICATION
from rucio_dafab.eo.errors import BandUnreadable
from rucio_dafab.eo.inference import infer as run_model
from rucio_dafab.eo.inference import missing_bands
from rucio_dafab.eo.models import Model, choose_model
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


class InferOutput(Output):
    """Whether the model ran."""

    outcome: Annotated[str, Parameter(description="ran, or skipped where the scene lacks a band that the model takes")]
    reason: Annotated[str, Parameter(description="Why it was skipped; empty when it ran")]


class NoGpu(DafabError):
    """A pod was given a GPU that its image cannot use; a model on its cores would hold it for nothing."""


def infer(given: InferInput) -> InferOutput:
    """Run a model over the archived scene and keep the prediction; one that is there already is not made again.

    Raises:
        ModelError: if there is no such model.
        NoGpu: if the pod is one with a GPU and the model would run without.
        SceneError: if a band cannot be read or no pixel is clear.
        NotStored: if the rolling store no longer has the scene.
    """
    work = Work(Path(given.work))
    scene = open_scene(work.staged)
    model = choose_model(given.model, scene.bands)
    if os.environ.get(DEVICE, CPU) == GPU and model.provider != CUDA:
        raise NoGpu(f"a GPU was asked for, and ONNX Runtime has none here: {model.name} would run on {model.provider}")
    missing = missing_bands(model, scene)
    if not missing:
        with named_by_origin(work):
            _predict(work, given.model, model, scene)
    outcome, reason = (SKIPPED, _absent(work, missing)) if missing else (RAN, "")
    write_json(work.outcome(given.model), _record(model, outcome, reason))
    return InferOutput(outcome=outcome, reason=reason)


def _absent(work: Work, missing: Sequence[str]) -> str:
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


def _record(model: Model, outcome: str, reason: str) -> dict[str, Any]:
    """Return what the source item will say of this model."""
    record = {"outcome": outcome, "version": model.version, "model:sha256": model.sha256}
    return record | ({"reason": reason} if reason else {})


def _predict(work: Work, name: str, model: Model, scene: Scene) -> None:
    result = work.prediction(name)
    made_from = fingerprint("infer", seal_of(work.staged), read_json(work.archived)["keys"], model.sha256)
    if finished(result, made_from):
        return
    wanted = [band for band in (*model.bands, SCENE_CLASSIFICATION) if band in scene.bands]
    prediction = run_model(model, _retrieved(work, work.bands(name), wanted, made_from), progress.report)
    with whole(result, made_from) as folder:
        predictions.save(prediction, folder)


def _retrieved(work: Work, folder: Path, bands: Sequence[str], made_from: str) -> Scene:
    """Return the scene with these bands alone, as the rolling store has them."""
    if not finished(folder, made_from):
        with whole(folder, made_from) as empty:
            Store(Home.from_environment().store).retrieve(read_json(work.archived)["id"], empty, bands)
    return open_scene(folder)
