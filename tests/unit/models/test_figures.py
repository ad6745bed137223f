"""Figures and cards: what is measured is what is written."""

import json
from pathlib import Path

import numpy as np

from models.common.cost import TILE_CHIPS, precisions, training_cost
from models.common.figures import Comparison, as_table, store
from models.common.real import Labelled

TRUTH = np.array([[1, 1, 0, 0]], np.int32)
PIXELS = np.array([[[0.9, 0.4, 0.3, 0.1]]], np.float32)


def comparison() -> Comparison:
    return Comparison(
        {"bright": lambda image: image.pixels[0] > 0.5, "all": lambda image: image.pixels[0] > 0},
        {"level": (lambda image: image.pixels[0], (0.0, 0.35, 0.8))},
    )


def test_scores_are_of_all_pixels_together() -> None:
    hidden = np.array([[True, False, True, True]])
    images = [Labelled("one", PIXELS, TRUTH, np.ones((1, 4), bool)), Labelled("two", PIXELS, TRUTH, hidden)]
    figure = comparison().measure("both", "no", images)
    # Water: pixels 0 and 1 of the first, 0 of the second.
    assert figure.scores == {"bright": 2 / 3, "all": 3 / 7}
    assert figure.best == {"level": (0.35, 1.0)}
    text = as_table([figure], "IoU")
    assert text.splitlines()[0] == "| IoU | seen in training | bright | all | best level |"
    assert text.splitlines()[2] == "| both | no | 0.667 | 0.429 | 1.000 at +0.35 |"


def test_figures_are_stored_with_the_checksum_of_what_was_measured(tmp_path: Path) -> None:
    model = tmp_path / "model.onnx"
    model.write_bytes(b"abc")
    image = Labelled("one", PIXELS, TRUTH, np.ones((1, 4), bool))
    stored = json.loads(store([comparison().measure("x", "no", [image])], model).read_text())
    assert stored["sha256"] == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    assert stored["figures"][0]["scores"]["bright"] == 0.5


def test_the_table_of_precisions_is_of_this_very_file(tmp_path: Path) -> None:
    model = tmp_path / "model.onnx"
    assert precisions(model, "a").startswith("Not measured")
    values = {"iou": 0.97, "cpu_seconds": 0.025, "megabytes": 2.0}
    found = {"sha256": "a", "watts": 8.0, "precisions": {"fp32": values}}
    (tmp_path / "precision.json").write_text(json.dumps(found))
    assert precisions(model, "b").startswith("Not measured")
    row = f"| fp32 | CPU, one thread | 0.970 | model.onnx, 2.00 MB | 40 | {TILE_CHIPS * 0.025 * 8:.0f} |"
    assert row in precisions(model, "a")


def test_what_training_cost_is_said_to_be_estimated() -> None:
    said = training_cost({"minutes": 60, "chips_a_second": 5.0})
    assert said.startswith("about 8 Wh and 2 g of CO2 (estimated: 8 W")
    assert "5.0 chips/s" in said
    assert "chips/s" not in training_cost({"minutes": 60})


def test_what_training_cost_is_what_codecarbon_said() -> None:
    said = training_cost({"minutes": 60, "watt_hours": 9.2, "co2_grams": 0.97, "energy_by": "codecarbon 3, estimated"})
    assert said == "9.2 Wh and 1.0 g of CO2 (codecarbon 3, estimated)"
