"""The committed nets: described, small, and good enough on scenes they never saw. No torch is needed."""

import datetime as dt
import hashlib
import json
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from models.common.augment import drop_bands, end_bands
from models.common.pool import HELD_OUT, on_grid, vary
from models.common.predict import load, predict
from models.common.scores import best_threshold, boundary_scores, difference_index, iou
from models.fields.task import BANDS, DAYS_BETWEEN, SECOND, edges, later
from models.fields.task import SPECIFICATION as FIELDS
from models.water.task import SPECIFICATION as WATER
from models.water_radar.task import SPECIFICATION as RADAR
from rucio_dafab.eo.models import PRECISION, PRECISIONS, Model, load_model
from rucio_dafab.eo.simulate import Options, simulate
from rucio_dafab.eo.simulate.radar import simulate_radar
from rucio_dafab.resources import resources

MODELS = resources() / "models"
# What is asked for lies some hundredths below what was measured when the nets were trained (see their cards).
WATER_IOU = 0.92
WATER_IOU_WITHOUT_SWIR = 0.90
RADAR_IOU = 0.5
FIELDS_IOU = 0.90
BOUNDARY_PRECISION = 0.85
BOUNDARY_RECALL = 0.85

SCENE = Options(size=256, clouds=0.0, flood=0.7, rivers=1, lakes=5)


@pytest.fixture(scope="module", params=["water", "water_radar", "fields"])
def model(request: pytest.FixtureRequest) -> Model:
    return load(MODELS / request.param / "model.onnx")


def test_a_net_says_what_it_reads_and_gives(model: Model) -> None:
    specification = {"water": WATER, "water_radar": RADAR, "fields": FIELDS}[model.name]
    assert model.version == specification.version
    assert model.bands == specification.bands
    assert model.outputs == specification.outputs
    assert len(model.mean) == len(model.std) == len(model.bands)
    # Reflectance, or decibels of backscatter.
    low, high, spread = (-25, -5, 10) if model.name == "water_radar" else (0, 0.5, 0.3)
    assert all(low < mean < high for mean in model.mean)
    assert all(0 < deviation < spread for deviation in model.std)
    assert (model.optional, model.guard) == (specification.optional, specification.guard)
    described = model.session.get_modelmeta().custom_metadata_map
    assert described["dafab:optional_bands"] == ",".join(specification.optional)


def test_a_net_takes_any_number_of_chips(model: Model) -> None:
    for batch in (1, 3):
        chips = np.zeros((batch, len(model.bands), 256, 256), np.float32)
        (probabilities,) = model.session.run(None, {"chips": chips})
        assert probabilities.shape == (batch, len(model.outputs), 256, 256)
        assert probabilities.min() >= 0
        assert probabilities.max() <= 1


def test_a_net_is_small_and_names_no_machine(model: Model) -> None:
    content = model.path.read_bytes()
    assert len(content) <= 3_000_000
    assert b"/home/" not in content
    assert b".py" not in content


def test_the_card_speaks_of_this_very_file(model: Model) -> None:
    card = model.path.with_name("MODEL_CARD.md").read_text()
    for name in PRECISIONS.values():
        checksum = hashlib.sha256(model.path.with_name(name).read_bytes()).hexdigest()
        assert f"- sha256: {checksum} ({name})" in card
    training = json.loads(model.path.with_name("training.json").read_text())
    assert f"{training['steps']:,} steps" in card
    assert ("No real pixel was used in training" in card) == (model.name == "fields")
    # The images that were learnt from are named with their licences.
    assert all(piece.split(",")[0].split()[0] in card for piece in training.get("pieces", ()))


@pytest.mark.parametrize("name", ["water", "water_radar"])
def test_the_stored_figures_are_of_this_very_file_and_stand_in_the_card(name: str) -> None:
    model = load(MODELS / name / "model.onnx")
    stored = json.loads(model.path.with_name("evaluation.json").read_text())
    assert stored["sha256"] == model.sha256
    card = model.path.with_name("MODEL_CARD.md").read_text()
    for figure in stored["figures"]:
        cells = [f"{score:.3f}" for score in figure["scores"].values()]
        assert f"| {figure['images']} | {figure['standing']} | {' | '.join(cells)} |" in card
    evaluated = " ".join(figure["images"] for figure in stored["figures"] if "evaluation only" in figure["standing"])
    assert "433D" in evaluated
    assert "Spain" in evaluated


def figures_of(name: str) -> dict[str, dict[str, Any]]:
    """Return the stored figures of a net by what their images are, with the checksum of what was measured checked."""
    stored = json.loads((MODELS / name / "evaluation.json").read_text())
    assert stored["sha256"] == hashlib.sha256((MODELS / name / "model.onnx").read_bytes()).hexdigest()
    return {figure["images"].split(" (")[0]: figure for figure in stored["figures"]}


def test_water_has_the_accuracy_that_is_asked_for_where_labels_are_sharp() -> None:
    figures = figures_of("water")
    assert figures["simulated, 6 held-out scenes of 512×512"]["scores"]["net"] >= 0.97
    # A best threshold was chosen with the truth of these very images: the net never saw them.
    for images in ("Spain flood, west", "282D and 433D pooled, agreed"):
        best = max(score for _, score in figures[images]["best"].values())
        assert figures[images]["scores"]["net"] > best


def test_fields_have_the_accuracy_that_is_asked_for_but_for_whole_parcels() -> None:
    denmark = figures_of("fields")["Denmark, west"]
    assert denmark["extent_iou"] >= 0.80
    assert denmark["boundary_recall"] >= 0.80
    assert denmark["boundary_precision"] >= 0.70
    # Asked for are 0.40: the card says what was tried and what is missing. No later net may be worse.
    assert denmark["parcel_f1"] >= 0.38
    stored = json.loads((MODELS / "fields" / "evaluation.json").read_text())
    assert stored["danish_borders_metres"]["simplified to traced"]["p95"] <= 10.0


def test_a_card_names_where_a_threshold_is_ahead() -> None:
    for name in ("water", "water_radar"):
        card = (MODELS / name / "MODEL_CARD.md").read_text()
        said = next(line for line in card.splitlines() if line.startswith("- A best threshold is ahead"))
        for images, figure in figures_of(name).items():
            best = max(score for _, score in figure["best"].values())
            assert (images in said) == (best > figure["scores"]["net"]), (name, images)


def test_water_is_found_in_a_scene_the_net_never_saw() -> None:
    scene = simulate(HELD_OUT + 77, SCENE, WATER.bands)
    found = predict(load(MODELS / "water" / "model.onnx"), on_grid(scene, WATER.bands))[0] >= 0.5
    assert scene.water_mask.mean() > 0.02
    assert iou(found, scene.water_mask, scene.visible) >= WATER_IOU


def test_water_is_found_without_the_shortwave_bands() -> None:
    scene = simulate(HELD_OUT + 77, SCENE, WATER.bands)
    pixels = on_grid(scene, WATER.bands)
    found = predict(load(MODELS / "water" / "model.onnx"), pixels, absent=WATER.optional)[0] >= 0.5
    assert iou(found, scene.water_mask, scene.visible) >= WATER_IOU_WITHOUT_SWIR


def test_water_is_found_by_radar_in_a_scene_the_net_never_saw() -> None:
    scene = simulate_radar(HELD_OUT + 77, SCENE)
    pixels = np.stack([scene.bands[name] for name in RADAR.bands])
    found = predict(load(MODELS / "water_radar" / "model.onnx"), pixels)[0] >= 0.5
    everywhere = np.ones_like(found)
    assert iou(found, scene.water >= 0.5, everywhere) >= RADAR_IOU


@pytest.mark.parametrize("absent", [SECOND, ()], ids=["one date", "two dates"])
def test_fields_are_found_in_a_scene_the_net_never_saw(absent: tuple[str, ...]) -> None:
    options = Options(size=256, clouds=0.0, flood=0.0, wooded=0.35)
    scene = simulate(HELD_OUT + 78, options, BANDS)
    second = simulate(HELD_OUT + 78, replace(options, date=dt.date(2026, 4, 20)), BANDS)
    assert (scene.parcels == second.parcels).all()
    pixels = np.concatenate([on_grid(scene, BANDS), on_grid(second, BANDS)])
    extent, boundary, _ = predict(load(MODELS / "fields" / "model.onnx"), pixels, absent)
    seen = scene.visible
    assert iou(extent >= 0.5, scene.parcels > 0, seen) >= FIELDS_IOU
    precision, recall = boundary_scores(boundary >= 0.5, edges(scene.parcels), seen)
    assert precision >= BOUNDARY_PRECISION
    assert recall >= BOUNDARY_RECALL


@pytest.mark.parametrize("precision", ["fp16", "int8"])
@pytest.mark.parametrize("name", ["water", "water_radar", "fields"])
def test_a_net_says_nearly_the_same_in_every_precision(
    name: str, precision: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    task = import_module(f"models.{name}.task").TASK
    whole = load_model(name, threads=2)
    monkeypatch.setenv(PRECISION, precision)
    other = load_model(name, threads=2)
    assert (other.precision, other.path.name) == (precision, PRECISIONS[precision])
    assert (other.bands, other.mean, other.outputs) == (whole.bands, whole.mean, whole.outputs)
    pixels = task.sample(HELD_OUT + 79, 256).pixels.astype(np.float32)
    differs = np.abs(predict(other, pixels) - predict(whole, pixels))
    assert differs.mean() < (0.002 if precision == "fp16" else 0.02)


def test_training_chips_lack_bands_together() -> None:
    rng = np.random.default_rng(1)
    chips = np.ones((400, 4, 16, 16), np.float32)
    end_bands(rng, chips, [1, 2], 0.2)
    ended = (chips[:, 1] == 0).any(axis=(1, 2))
    assert 0.1 < ended.mean() < 0.3
    assert (chips[:, 1] == chips[:, 2]).all()
    assert (chips[:, [0, 3]] == 1).all()
    drop_bands(rng, chips, [1, 2], 0.5)
    assert 0.4 < (chips[:, 1] == 0).all(axis=(1, 2)).mean() < 0.6
    assert (chips[:, [0, 3]] == 1).all()


def test_a_second_acquisition_is_of_the_same_place_on_another_day() -> None:
    first = vary(5, 128)
    second = later(5, first)
    between = abs(second.date - first.date).days
    assert DAYS_BETWEEN[0] <= min(between, 365 - between) < DAYS_BETWEEN[1]
    assert replace(second, date=first.date, clouds=first.clouds) == first


def test_held_out_scenes_vary() -> None:
    options = [vary(seed, 256) for seed in range(HELD_OUT, HELD_OUT + 20)]
    assert len({option.date for option in options}) > 10
    assert any(option.flood > 0 for option in options)
    assert any(option.drought > 0 for option in options)


def test_prediction_has_the_size_of_its_input() -> None:
    model = load(MODELS / "water" / "model.onnx")
    pixels = np.full((6, 100, 391), 0.1, np.float32)
    assert predict(model, pixels).shape == (1, 100, 391)


def test_scores() -> None:
    truth = np.zeros((8, 8), bool)
    truth[2:6, 2:6] = True
    everywhere = np.ones_like(truth)
    assert iou(truth, truth, everywhere) == 1
    assert iou(~truth, truth, everywhere) == 0
    assert iou(truth & False, truth & False, everywhere) == 1
    moved = np.roll(truth, 1, axis=0)
    assert iou(moved, truth, everywhere) == pytest.approx(12 / 20)
    assert boundary_scores(moved, truth, everywhere) == (1, 1)
    assert boundary_scores(np.roll(truth, 4, axis=0), truth, everywhere)[1] < 1
    best = best_threshold("x", truth.astype(np.float32), truth, everywhere, (-1, 0.5, 2))
    assert (best.value, best.iou) == (0.5, 1)
    zero = np.zeros((2, 2), np.float32)
    assert (difference_index(zero, zero) == 0).all()


def test_edges_lie_on_both_sides() -> None:
    parcels = np.array([[1, 1, 2, 2], [1, 1, 2, 2], [0, 0, 0, 0]])
    np.testing.assert_array_equal(edges(parcels), [[0, 1, 1, 0], [1, 1, 1, 1], [1, 1, 1, 1]])


def test_resources_hold_the_models() -> None:
    assert Path(MODELS, "water", "model.onnx").is_file()
