"""What the water nets learn from: real halves that are kept apart, labels that the image does not deny, paint."""

from pathlib import Path

import numpy as np
import pytest

from models.common.augment import PATH
from models.common.pool import as_sample, crop, stacked
from models.common.real import Labelled
from models.common.scores import difference_index, iou
from models.common.task import RealPiece
from models.water.augment import BANDS, enrich, patches, vary
from models.water.pieces import COAST, CROPS, contradicted, margin, north, south, training_pieces
from models.water_radar.task import TASK as RADAR
from rucio_dafab.eo.simulate.spectra import band_rows, spectrum

MODELS = Path(__file__).resolve().parents[3] / "models"
FORBIDDEN = ("433D", "spain_flood", "denmark")


def plain(name: str, side: int = 128, uncorrected: bool = False) -> RealPiece:
    """Return a piece of one cover alone, without water."""
    pixels = np.broadcast_to(spectrum(name)[band_rows(BANDS), None, None], (len(BANDS), side, side))
    sample = as_sample(pixels, np.zeros((1, side, side)), np.ones((side, side)))
    return RealPiece(name, sample, 1.0, uncorrected)


def test_dry_sand_called_sea_and_open_water_called_land_teach_nothing() -> None:
    covers = np.stack([spectrum(name)[band_rows(BANDS)] for name in ("sand", "deep", "muddy", "crop", "deep")])
    pixels = covers.T[:, None, :]
    water = np.array([[True, True, True, False, False]])
    np.testing.assert_array_equal(contradicted(pixels, BANDS, water), [[True, False, False, False, True]])


def test_a_margin_lies_on_both_sides_of_a_border() -> None:
    labels = np.zeros((9, 12), np.uint8)
    labels[:, 6:] = 1
    found = margin(labels)
    assert found[:, 4:8].all()
    assert not found[:, :3].any()
    assert not found[:, 9:].any()


def test_the_halves_of_an_image_do_not_meet() -> None:
    rows = np.arange(7)[None, :, None].repeat(5, 2).astype(np.float32)
    image = Labelled("rows", rows, np.zeros((7, 5), np.int32), np.ones((7, 5), bool))
    assert set(np.unique(south(image)[0])) == {3, 4, 5, 6}
    assert set(np.unique(north(image).pixels)) == {0, 1, 2}


def test_painted_floods_are_told_to_the_net_in_proportion() -> None:
    rng = np.random.default_rng(3)
    piece = plain("crop")
    wet = []
    for _ in range(30):
        pixels, target, _ = enrich(rng, piece, stacked([crop(rng, piece.sample, 96)]))
        flooded = target[0, 0] > 0.95
        if flooded.sum() > 50:
            wet.append(difference_index(pixels[0, 1], pixels[0, 4])[flooded].mean())
        np.testing.assert_allclose(pixels[0, 3][target[0, 0] == 0], pixels[0, 3][target[0, 0] == 0])
        assert 0 <= target.min() <= target.max() <= 1
    assert len(wet) >= 5
    # The shortwave infrared is dark over every water that is painted, over crops it is not.
    assert np.median(wet) > 0.2


def test_paint_on_an_uncorrected_image_carries_its_air() -> None:
    rng = np.random.default_rng(5)
    piece = plain("crop", uncorrected=True)
    blue = []
    for _ in range(40):
        pixels, target, _ = enrich(rng, piece, stacked([crop(rng, piece.sample, 96)]))
        flooded = target[0, 0] > 0.98
        if flooded.any():
            blue.append(pixels[0, 0][flooded].min())
    assert min(blue) > 0.5 * PATH["B02"]


def test_patches_cover_about_what_is_asked() -> None:
    rng = np.random.default_rng(1)
    covered = [(patches(rng, (128, 128), 0.3) > 0).mean() for _ in range(10)]
    assert 0.25 < np.mean(covered) < 0.35


def test_other_water_changes_water_alone_before_the_air_does() -> None:
    pixels = np.full((64, len(BANDS), 8, 8), 0.1, np.float32)
    target = np.zeros((64, 1, 8, 8), np.float32)
    target[..., :4] = 1
    changed = vary(np.random.default_rng(2), pixels, target)
    assert (pixels == np.float32(0.1)).all()
    difference = (changed[..., :4].mean(axis=(2, 3)) - changed[..., 4:].mean(axis=(2, 3))).mean(axis=0)
    assert difference[2] > difference[4] > -0.002
    assert difference[2] > 0.005


def test_a_crop_beyond_a_small_sample_has_no_weight() -> None:
    sample = as_sample(np.ones((2, 40, 100)), np.zeros((1, 40, 100)), np.ones((40, 100)))
    pixels, target, weight = crop(np.random.default_rng(1), sample, 64)
    assert pixels.shape == (2, 64, 64)
    assert target.shape == (1, 64, 64)
    assert weight.sum() == 40 * 64


@pytest.mark.shared
def test_training_pieces_are_the_southern_halves_and_the_rest_is_never_asked_for(
    shared: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DAFAB_SHARED", str(shared.parent))
    pieces = training_pieces(BANDS)
    assert [piece.sample.weight.shape for piece in pieces] == [(112, 224), (112, 224), (256, 512)]
    assert [piece.uncorrected for piece in pieces] == [False, False, True]
    coast = pieces[0].sample
    wet = coast.target[0][coast.weight > 0] > 0
    pixels = coast.pixels[:, coast.weight > 0].astype(np.float32)
    # What is left of the labels is what the image shows: an index tells it nearly as they do.
    index = difference_index(pixels[1], pixels[4]) > 0
    assert iou(index, wet, np.ones_like(wet)) > 0.9
    assert [piece.sample.pixels.shape for piece in RADAR.pieces()] == [(2, 112, 224), (2, 112, 224)]


def test_what_is_for_evaluation_alone_is_named_in_no_module_of_training() -> None:
    assert COAST.split("_")[1] == "282D"
    assert CROPS.split("_")[1] == "637U"
    for room in ("water", "water_radar"):
        for name in ("task", "train", "net", "pieces", "augment"):
            path = MODELS / room / f"{name}.py"
            text = path.read_text() if path.exists() else ""
            assert not [word for word in FORBIDDEN if word in text], path
