"""The observed mask: the net, its guard, and what the item says of both."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rucio_dafab.eo import water_layers
from rucio_dafab.eo.indices import INDICES, majority, readable
from rucio_dafab.eo.inference import Prediction
from rucio_dafab.eo.observation import SCL_SNOW, observe
from rucio_dafab.eo.products import make_water
from rucio_dafab.eo.raster import opened
from rucio_dafab.stac.report import violations
from rucio_dafab.stac.schemas import load

Make = Callable[..., Any]
SHAPE = (20, 30)


def columns(*where: tuple[int, int]) -> np.ndarray:
    mask = np.zeros(SHAPE, bool)
    for first, last in where:
        mask[:, first:last] = True
    return mask


@pytest.fixture
def disputed(predict: Make) -> Prediction:
    """Return a prediction whose net says columns 0…9, NDWI 5…14 and MNDWI 8…19; the last two columns are cloud."""
    made: Prediction = predict(water=columns((0, 10)), clear=columns((0, 28)))
    masks = np.stack([columns((8, 20)), columns((5, 15))])
    return replace(made, indices=("mndwi", "ndwi"), index_water=masks, guard=("ndwi", "mndwi"))


def test_an_index_is_positive_where_its_first_band_is_brighter() -> None:
    green = np.array([[0.1, 0.1, -0.02, np.nan, 0.1]], np.float32)
    infrared = np.array([[0.05, 0.2, -0.03, 0.1, np.nan]], np.float32)
    # The third sum is not positive: noise over darkness is no water.
    np.testing.assert_array_equal(INDICES["ndwi"].water([green, infrared]), [[True, False, False, False, False]])
    backscatter = np.array([[-25.0, -16.0, -3.0, np.nan]], np.float32)
    np.testing.assert_array_equal(INDICES["vv"].water([backscatter]), [[True, False, False, False]])


def test_the_indices_that_bands_allow() -> None:
    assert readable(("B03", "B08", "B11")) == ("mndwi", "ndwi")
    assert readable(("B03", "B08")) == ("ndwi",)
    assert readable(("VV", "VH")) == ("vv",)
    assert readable(("B02",)) == ()


def test_a_majority_is_more_than_half() -> None:
    one, other, third = (np.array([values], bool) for values in ([1, 1, 0, 1], [1, 0, 0, 1], [0, 1, 1, 1]))
    np.testing.assert_array_equal(majority([one, other, third]), [[True, True, False, True]])
    np.testing.assert_array_equal(majority([one, other]), [[True, False, False, True]])
    np.testing.assert_array_equal(majority([one]), one)


def test_the_guard_overrules_the_net_where_both_indices_are_against_it(disputed: Prediction) -> None:
    observed = observe(disputed, None)
    np.testing.assert_array_equal(observed.water, columns((5, 15)))
    # Columns 0…4 are taken from the net, 10…14 given.
    assert observed.overruled == 10 * SHAPE[0]
    assert observed.rule == "majority of: net >= 0.5, NDWI > 0, MNDWI > 0"


def test_without_the_shortwave_bands_net_and_index_must_agree(disputed: Prediction) -> None:
    bare = replace(disputed, indices=("ndwi",), index_water=disputed.index_water[1:], guard=("ndwi",))
    np.testing.assert_array_equal(observe(bare, None).water, columns((5, 10)))


def test_a_net_without_a_guard_is_believed(disputed: Prediction) -> None:
    observed = observe(replace(disputed, guard=()), None)
    np.testing.assert_array_equal(observed.water, columns((0, 10)))
    assert (observed.rule, observed.overruled) == ("net >= 0.5", 0)


def test_cloud_is_no_water_whoever_says_so(disputed: Prediction) -> None:
    everywhere = replace(disputed, index_water=np.ones_like(disputed.index_water))
    assert not observe(everywhere, None).water[:, 28:].any()


def test_snow_is_no_water_where_the_classification_knows_it(
    disputed: Prediction, make_scene: Make, card: Any, tmp_path: Path
) -> None:
    scl = np.full(SHAPE, 5, np.uint8)
    scl[:, :4] = scl[:, 28:] = SCL_SNOW
    scene, said = make_scene(SHAPE, scl=scl), replace(disputed, guard=())
    observed = observe(said, scl)
    np.testing.assert_array_equal(observed.water, columns((4, 10)))
    assert (observed.rule, observed.snow) == ("net >= 0.5; no snow (SCL 11)", 4 * SHAPE[0])
    properties = make_water(scene, said, card, tmp_path / "out").item["properties"]
    assert properties["dafab:snow_percent"] == pytest.approx(100 * 4 / 28, abs=1e-4)


def test_the_item_says_how_its_mask_was_decided(
    disputed: Prediction, make_scene: Make, card: Any, tmp_path: Path
) -> None:
    product = make_water(make_scene(SHAPE), disputed, card, tmp_path / "out")
    properties = product.item["properties"]
    assert properties["processing:expression"] == {
        "format": "text",
        "expression": "water = majority of: net >= 0.5, NDWI > 0, MNDWI > 0",
    }
    assert properties["dafab:guard"] == ["ndwi", "mndwi"]
    assert properties["dafab:guard_overruled_percent"] == pytest.approx(100 * 10 / 28, abs=1e-4)
    assert properties["dafab:water_index"] == "MNDWI > 0"
    with opened("mask", product.files[water_layers.OBSERVED_WATER]) as source:
        np.testing.assert_array_equal(source.read(1)[:, :28] == 1, columns((5, 15))[:, :28])


def test_trust_is_told_against_the_index_and_the_classification(
    disputed: Prediction, make_scene: Make, card: Any, tmp_path: Path
) -> None:
    scene = make_scene(SHAPE)
    item = make_water(scene, disputed, card, tmp_path / "out").item
    trust = item["properties"]["dafab:water-analysis"]["trustworthiness_observed_water_mask"]
    # Observed: columns 5…14; MNDWI: 8…19; seen: 0…27. Both 7 columns, first 3, second 5, neither 13.
    assert set(trust) == {"ai_noai"}
    assert trust["ai_noai"]["iou_score_water"] == pytest.approx(7 / 15, abs=1e-4)
    assert trust["ai_noai"]["iou_score_other"] == pytest.approx(13 / 21, abs=1e-4)
    assert trust["ai_noai"]["mcc_score"] == pytest.approx((7 * 13 - 15) / (10 * 12 * 16 * 18) ** 0.5, abs=1e-4)
    chance = (10 * 12 + 18 * 16) / 28**2
    assert trust["ai_noai"]["kappa_score"] == pytest.approx((20 / 28 - chance) / (1 - chance), abs=1e-4)
    schema = load().named("water_analysis")
    assert violations(item | {"stac_extensions": [*item["stac_extensions"], schema.uri]}) == ()


def test_a_scene_without_water_leaves_out_what_cannot_be_told(
    disputed: Prediction, make_scene: Make, card: Any, tmp_path: Path
) -> None:
    dry = replace(disputed, probabilities=disputed.probabilities * 0, index_water=disputed.index_water & False)
    item = make_water(make_scene(SHAPE), dry, card, tmp_path / "out").item
    (pair,) = item["properties"]["dafab:water-analysis"]["trustworthiness_observed_water_mask"].values()
    assert pair["iou_score_other"] == 1.0
    assert not {"iou_score_water", "mcc_score", "kappa_score"} & set(pair)


def test_bands_that_were_done_without_are_named(
    disputed: Prediction, make_scene: Make, card: Any, tmp_path: Path
) -> None:
    bare = replace(disputed, bands_absent=("B11", "B12"))
    properties = make_water(make_scene(SHAPE), bare, card, tmp_path / "out").item["properties"]
    assert properties["dafab:bands_absent"] == ["B11", "B12"]
