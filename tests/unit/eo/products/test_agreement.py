"""How masks agree: scores against values computed by hand."""

import math

import numpy as np
import pytest

from rucio_dafab.eo.agreement import Agreement, compare, trustworthiness

HAND = Agreement(both=4, first=1, second=2, neither=13)
"""Twenty pixels: 5 of water in the first mask, 6 in the second."""


def test_scores_are_those_computed_by_hand() -> None:
    assert HAND.pixels == 20
    assert HAND.iou_water == 4 / 7
    assert HAND.iou_other == 13 / 16
    # (4·13 − 1·2) ÷ √(5·6·14·15)
    assert HAND.mcc == pytest.approx(50 / math.sqrt(6300))
    # Agreement 17/20; by chance (5·6 + 15·14) ÷ 400 = 0.6; (0.85 − 0.6) ÷ 0.4
    assert HAND.kappa == pytest.approx(0.625)


def test_the_document_has_the_names_of_the_profile_and_its_shares_sum_to_a_hundred() -> None:
    document = HAND.document()
    shares = {name: value for name, value in document.items() if name.endswith("_percentage")}
    assert shares == {
        "overlap_water_percentage": 20.0,
        "left_join_water_percentage": 5.0,
        "right_join_water_percentage": 10.0,
        "overlap_other_percentage": 65.0,
    }
    assert set(document) - set(shares) == {"iou_score_water", "iou_score_other", "mcc_score", "kappa_score"}


def test_opposites_and_equals() -> None:
    assert Agreement(3, 0, 0, 5).mcc == Agreement(3, 0, 0, 5).kappa == 1.0
    assert Agreement(0, 3, 5, 0).mcc == -1.0
    # Half of each: exactly what chance gives.
    assert (Agreement(1, 1, 1, 1).mcc, Agreement(1, 1, 1, 1).kappa) == (0.0, 0.0)


@pytest.mark.parametrize(
    ("counts", "told"),
    [
        ((0, 0, 0, 9), {"iou_other": 1.0}),
        ((9, 0, 0, 0), {"iou_water": 1.0}),
        ((0, 2, 0, 7), {"iou_water": 0.0, "iou_other": 7 / 9, "kappa": 0.0}),
        ((0, 0, 0, 0), {}),
    ],
)
def test_what_cannot_be_told_is_none_and_never_zero(counts: tuple[int, ...], told: dict[str, float]) -> None:
    found = Agreement(*counts)
    for score in ("iou_water", "iou_other", "mcc", "kappa"):
        assert getattr(found, score) == (pytest.approx(told[score]) if score in told else None), score


def test_a_whole_tile_does_not_overflow() -> None:
    half = 10980**2 // 2
    assert Agreement(half, 0, 0, half).mcc == pytest.approx(1.0)


def test_masks_are_compared_pixel_by_pixel_where_both_see() -> None:
    first = np.array([[1, 1, 0, 0, 1]], bool)
    second = np.array([[1, 0, 1, 0, 1]], bool)
    seen = np.array([[1, 1, 1, 1, 0]], bool)
    assert compare(first, second, seen) == Agreement(1, 1, 1, 1)
    assert compare(second, first & False, seen) == Agreement(0, 2, 0, 2)
    assert compare(first, second, seen & False).pixels == 0


def test_the_profile_s_pairs_are_made_of_the_masks_there_are() -> None:
    wet, dry, seen = np.ones((2, 2), bool), np.zeros((2, 2), bool), np.ones((2, 2), bool)
    assert set(trustworthiness({"ai": wet, "noai": wet, "scl": dry}, seen)) == {"ai_noai", "ai_scl", "noai_scl"}
    found = trustworthiness({"ai": wet, "scl": dry}, seen)
    assert found == {"ai_scl": Agreement(0, 4, 0, 0)}
    assert trustworthiness({"ai": wet}, seen) == {}
