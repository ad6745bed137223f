"""Parcels as objects: counted, and measured border to border."""

import geopandas
import numpy as np
import pytest
import shapely
from affine import Affine

from models.fields.objects import border_distances, object_scores, parcels_of, simplification

TRANSFORM = Affine(10, 0, 500_000, 0, -10, 5_000_000)


def squares(*boxes: tuple[int, int, int, int]) -> np.ndarray:
    """Return labels (60, 60) with a rectangle (row, column, height, width) each."""
    labels = np.zeros((60, 60), np.int32)
    for number, (row, column, height, width) in enumerate(boxes, 1):
        labels[row : row + height, column : column + width] = number
    return labels


def test_a_parcel_counts_where_it_shares_half_of_the_union() -> None:
    truth = squares((0, 0, 20, 20), (0, 20, 20, 20), (40, 40, 10, 10))
    # The first whole, the second cut in two halves, the third missed, one too many.
    found = squares((0, 0, 20, 20), (0, 20, 20, 10), (0, 30, 20, 10), (40, 0, 10, 10))
    everywhere = np.ones(truth.shape, bool)
    scores = object_scores(found, truth, everywhere)
    assert (scores.found, scores.real) == (4, 3)
    assert scores.precision == pytest.approx(1 / 4)
    assert (scores.recall, scores.f1) == pytest.approx((1 / 3, 2 / 7))
    assert object_scores(truth, truth, everywhere).f1 == 1
    assert object_scores(np.zeros_like(truth), truth, everywhere).f1 == 0


def test_what_is_not_valid_counts_nowhere() -> None:
    truth, valid = squares((0, 0, 20, 20)), np.ones((60, 60), bool)
    valid[:, 10:] = False
    assert object_scores(squares((0, 0, 20, 10)), truth, valid).f1 == 1


def test_borders_are_as_far_apart_as_they_were_moved() -> None:
    labels = squares((10, 10, 30, 30))
    here = shapely.box(500_100, 5_000_000 - 400, 500_400, 5_000_000 - 100)
    same = border_distances(labels, TRANSFORM, geopandas.GeoSeries([here]))
    assert same.p95 < 1e-6
    beside = border_distances(labels, TRANSFORM, geopandas.GeoSeries([shapely.buffer(here, 20, join_style="mitre")]))
    assert (beside.median, beside.p95) == pytest.approx((20, 20), abs=0.1)


def test_straight_borders_lose_nothing_by_simplification() -> None:
    assert simplification(squares((10, 10, 30, 30)), TRANSFORM).p95 < 1e-6
    stairs = np.tri(60, dtype=np.int32)
    assert 0 < simplification(stairs, TRANSFORM).p95 <= 7.5


def test_maps_become_the_parcels_of_the_product() -> None:
    labels = squares((10, 10, 20, 20), (10, 32, 20, 20))
    maps = np.stack([labels > 0, labels == 0, labels > 0]).astype(np.float32)
    assert len(np.unique(parcels_of(maps, np.ones(labels.shape, bool)))) == 3
