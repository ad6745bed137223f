"""make: the products of one model from its prediction."""

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Final

from hera.workflows import Input, Output, Parameter

from argo_templates import predictions
from argo_templates.steps.infer import RAN, SKIPPED, named_by_origin
from argo_templates.steps.reference import chosen
from argo_templates.work import (
    MODELS,
    WATER,
    Work,
    WorkError,
    fingerprint,
    finished,
    read_json,
    seal_of,
    whole,
    write_json,
)
from rucio_dafab import __version__
from rucio_dafab.eo.models import choose_model
from rucio_dafab.eo.scene import open_scene

PRODUCT: Final = "product.json"
"""In a product's folder: ``{"item": STAC item, "files": {asset: path in the folder}}``."""


class MakeInput(Input):
    """Which model's prediction of which run."""

    work: Annotated[str, Parameter(description="The working folder of this run")]
    model: Annotated[str, Parameter(description="The model: water or fields")]


class MakeOutput(Output):
    """The derived item."""

    outcome: Annotated[str, Parameter(description="made, or skipped where the model did not run")]
    item: Annotated[str, Parameter(description="The id of the derived item; empty when skipped")]


def make(given: MakeInput) -> MakeOutput:
    """Make the products of a model; those that are there already are not made again.

    Raises:
        WorkError: if the model's outcome or prediction is missing, or nothing is made from such a model.
        ProductError: if the products cannot be made.
    """
    work = Work(Path(given.work))
    if given.model not in MODELS:
        raise WorkError(f"nothing is made from model {given.model!r}: known are {', '.join(MODELS)}")
    if read_json(work.outcome(given.model))["outcome"] != RAN:
        return MakeOutput(outcome=SKIPPED, item="")
    result = work.product(given.model)
    sources = [work.prediction(given.model), *([work.reference] if _compares(work, given.model) else [])]
    made_from = fingerprint("make", *map(seal_of, sources), __version__)
    if not finished(result, made_from):
        with whole(result, made_from) as folder, named_by_origin(work):
            _make(work, given.model, folder)
    return MakeOutput(outcome="made", item=read_json(result / PRODUCT)["item"]["id"])


def _compares(work: Work, model: str) -> bool:
    """Tell whether a product is compared with a reference that a step before this one chose."""
    return model == WATER and work.reference.is_dir()


def _make(work: Work, name: str, folder: Path) -> None:
    # Two seconds of scikit-image and GeoPandas, which a run that is refused or was made before does not need.
    from rucio_dafab.eo import products  # noqa: PLC0415

    makers: dict[str, Callable[..., products.Product]] = {"water": products.make_water, "fields": products.make_fields}
    prediction = predictions.load(work.prediction(name))
    scene = open_scene(work.staged)
    more = {"reference": chosen(work)} if _compares(work, name) else {}
    product = makers[name](scene, prediction, choose_model(name, scene.bands), folder, **more)
    files = {asset: str(path.relative_to(folder)) for asset, path in product.files.items()}
    write_json(folder / PRODUCT, {"item": product.item, "files": files})
