"""Measure the fields net and write its card: ``python -m models.fields.evaluate``."""

import sys
from pathlib import Path

import numpy as np

from models.common.card import write_card
from models.common.markdown import Rows, table
from models.common.pool import HELD_OUT, on_grid, vary
from models.common.predict import load, predict
from models.common.real import Labelled, denmark
from models.common.scores import boundary_scores, iou
from models.fields.task import SPECIFICATION, edges
from rucio_dafab.eo.inference import Model
from rucio_dafab.eo.simulate import simulate

MODEL = Path(__file__).with_name("model.onnx")
SCENES = 6

PURPOSE = """Where agricultural parcels are in a Sentinel-2 scene: `extent` (a parcel), `boundary` (the pixels on either
side of a parcel's edge) and `distance` (depth in the parcel: 0 at its edge, 1 at its deepest), from which a watershed
makes polygons."""

LIMITS = """- Trained on simulated scenes: vineyards, terraces, dunes, golf courses and sports grounds may come out as
  fields.
- One date. Neighbours with the same crop and no margin between them cannot be told apart.
- The Danish figure is from three bands (its image has no B08) of an image that was not corrected for the air: the
  hardest case."""


def simulated() -> list[Labelled]:
    """Return held-out simulated scenes of 512 pixels; what a cloud or a flood hides is not counted."""
    found = []
    for seed in range(HELD_OUT, HELD_OUT + SCENES):
        scene = simulate(seed, vary(seed, 512), SPECIFICATION.bands)
        seen = scene.visible & ((scene.water < 0.3) | (scene.parcels == 0))
        found.append(Labelled(f"simulated {seed}", on_grid(scene, SPECIFICATION.bands), scene.parcels, seen))
    return found


def measured(name: str, images: list[Labelled], model: Model, absent: tuple[str, ...]) -> tuple[str, ...]:
    """Return a row of figures: extent IoU, boundary precision and recall within a pixel, means over the images."""
    scores: list[tuple[float, float, float]] = []
    for image in images:
        extent, boundary = predict(model, image.pixels, absent)[:2] >= 0.5
        inner = edges(image.truth)
        precision, recall = boundary_scores(boundary, inner, image.valid)
        scores.append((iou(extent, image.truth > 0, image.valid), precision, recall))
    return (name, *(f"{score:.3f}" for score in np.mean(scores, axis=0)))


def main() -> None:
    """Measure, print and write the card."""
    MODEL.with_name("MODEL_CARD.md").unlink(missing_ok=True)
    model, scenes = load(MODEL), simulated()
    rows: Rows = [
        measured(f"simulated, {SCENES} held-out scenes of 512×512", scenes, model, ()),
        measured("the same without B08", scenes, model, ("B08",)),
        measured("Denmark, west (184 real parcels; RGB, L1C)", [denmark(SPECIFICATION.bands)], model, ("B08",)),
    ]
    figures = table(("image", "extent IoU", "boundary precision @1 px", "boundary recall @1 px"), rows)
    sys.stdout.write(figures + "\n")
    note = "\n\nThe Danish image is for evaluation: it was not trained or tuned on."
    write_card(MODEL, "Fields", PURPOSE, figures + note, LIMITS)


if __name__ == "__main__":
    main()
