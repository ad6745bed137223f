"""Measure the water net and write its card: ``python -m models.water.evaluate``."""

import sys
from pathlib import Path

import numpy as np

from models.common.card import Rows, table, write_card
from models.common.pool import HELD_OUT, Array, on_grid, vary
from models.common.predict import load, predict
from models.common.real import Labelled, spain_flood, terramesh
from models.common.scores import best_threshold, difference_index, iou
from models.water.task import SPECIFICATION
from rucio_dafab.eo.inference import Model
from rucio_dafab.eo.simulate import simulate

MODEL = Path(__file__).with_name("model.onnx")
SWEEP = np.round(np.arange(-0.5, 0.51, 0.05), 2)
SCENES = 6
"""Held-out simulated scenes."""

PURPOSE = """How much of each pixel of a Sentinel-2 scene is under water: rivers, lakes and floods.
From 0.5 on a pixel is water."""

LIMITS = """- Trained on simulated scenes: real water has colours, glint, ice, shadows of mountains and wetland plants
  that they lack.
- An index threshold is compared in the same run. `best` thresholds were chosen on the image itself, with its truth: no
  user can do that.
- Land cover labels (TerraMesh) are coarse and of another date; the hand-drawn flood label is the only sharp truth here.
- The flood chip is L1C: not corrected for the air, which the net sees in training only as an added term.
- Clouds hide water: use the scene classification; the net learned nothing about what lies under them."""


def simulated() -> list[Labelled]:
    """Return held-out simulated scenes of 512 pixels with water in them."""
    found = []
    for seed in range(HELD_OUT, HELD_OUT + SCENES):
        scene = simulate(seed, vary(seed, 512), SPECIFICATION.bands)
        pixels = on_grid(scene, SPECIFICATION.bands)
        found.append(Labelled(f"simulated {seed}", pixels, scene.water_mask.astype(np.int32), scene.visible))
    return found


def pooled(name: str, images: list[Labelled], model: Model) -> tuple[str, ...]:
    """Return a row of figures over all pixels of some images: net, net without SWIR, indices at 0 and at their best."""
    truth = np.concatenate([image.truth.ravel() > 0 for image in images])
    valid = np.concatenate([image.valid.ravel() for image in images])

    def flat(layers: list[Array]) -> Array:
        return np.concatenate([layer.ravel() for layer in layers])

    net = iou(flat([predict(model, image.pixels)[0] for image in images]) >= 0.5, truth, valid)
    visible = iou(flat([predict(model, i.pixels, SPECIFICATION.optional)[0] for i in images]) >= 0.5, truth, valid)
    rows = {"NDWI": SPECIFICATION.bands.index("B08"), "MNDWI": SPECIFICATION.bands.index("B11")}
    cells = [name, f"{net:.3f}", f"{visible:.3f}"]
    for index, row in rows.items():
        values = flat([difference_index(image.pixels[1], image.pixels[row]) for image in images])
        best = best_threshold(index, values, truth, valid, SWEEP)
        cells.append(f"{iou(values > 0, truth, valid):.3f} / {best.iou:.3f} at {best.value:+.2f}")
    return tuple(cells)


def behind(rows: Rows) -> str:
    """Return a limit that names the images on which an index at 0, which anybody can use, is ahead of the net."""
    worse = [name for name, net, _, *indices in rows if any(cell.split(" ")[0] > net for cell in indices)]
    if not worse:
        return ""
    return f"\n- An index above 0 is better than the net on: {'; '.join(worse)}. There the index should guard it."


def main() -> None:
    """Measure, print and write the card."""
    MODEL.with_name("MODEL_CARD.md").unlink(missing_ok=True)
    model, bands = load(MODEL), SPECIFICATION.bands
    rows: Rows = [
        pooled(f"simulated, {SCENES} held-out scenes of 512×512", simulated(), model),
        pooled("TerraMesh 282D (coast; land cover)", [terramesh("terramesh_282D_485L_3_3", bands)], model),
        pooled("TerraMesh 433D (river; land cover)", [terramesh("terramesh_433D_629L_3_1", bands)], model),
        pooled("Spain flood, west (hand label, L1C)", [spain_flood(bands)], model),
    ]
    head = ("water IoU", "net", "net without B11, B12", "NDWI at 0 / best", "MNDWI at 0 / best")
    figures = table(head, rows)
    sys.stdout.write(figures + "\n")
    note = (
        "\n\nAll real images are for evaluation: none was trained on. The Spanish figure is not fully blind: "
        "the simulator's muddy flood\nwater and its stronger air came after a first, bad figure there had been seen."
    )
    write_card(MODEL, "Water", PURPOSE, figures + note, LIMITS + behind(rows))


if __name__ == "__main__":
    main()
