"""Outlines: exact before simplifying, a valid coverage after it, the same by block as in one."""

import numpy as np
import pytest
import shapely
from affine import Affine
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import ndimage
from skimage.segmentation import watershed

from rucio_dafab.eo import vectors

TRANSFORM = Affine(10, 0, 500_000, 0, -10, 5_300_000)


def mosaic(side: int = 300, parcels: int = 160, seed: int = 3) -> np.ndarray:
    """Return irregular touching parcels with unused land between, int32 (row, column)."""
    noise = np.random.default_rng(seed)
    seeds = np.zeros((side, side), np.int32)
    places = noise.choice(side * side, parcels, replace=False)
    seeds.ravel()[places] = np.arange(1, parcels + 1)
    ground = ndimage.gaussian_filter(noise.random((side, side)), 3)
    land = ndimage.gaussian_filter(noise.random((side, side)), 12)
    return watershed(ground, seeds, mask=land > np.quantile(land, 0.25)).astype(np.int32)


small_labels = arrays(np.int32, (9, 11), elements=st.integers(0, 4))


@settings(max_examples=25, deadline=None)
@given(labels=small_labels, block=st.integers(2, 12))
def test_traced_areas_are_exactly_the_pixels(labels: np.ndarray, block: int) -> None:
    regions = vectors.trace(labels, block)
    assert shapely.is_valid(regions.geometries).all()
    areas = np.zeros(5)
    np.add.at(areas, regions.labels, shapely.area(regions.geometries))
    assert areas[1:].tolist() == [(labels == label).sum() for label in range(1, 5)]


@settings(max_examples=25, deadline=None)
@given(labels=small_labels, block=st.integers(2, 12))
def test_blocks_leave_no_seam(labels: np.ndarray, block: int) -> None:
    whole, cut = vectors.trace(labels, 64), vectors.trace(labels, block)
    assert whole.labels.tolist() == cut.labels.tolist()
    for label in np.unique(whole.labels):
        one, other = (shapely.union_all(each.geometries[each.labels == label]) for each in (whole, cut))
        assert one.equals(other)


@settings(max_examples=25, deadline=None)
@given(labels=small_labels)
def test_simplified_is_still_a_coverage(labels: np.ndarray) -> None:
    simple = vectors.simplify(vectors.trace(labels).geometries)
    assert shapely.is_valid(simple).all()
    assert not shapely.is_empty(simple).any()
    assert shapely.coverage_is_valid(simple)


def test_mosaic_is_gap_free_and_near_its_outlines() -> None:
    labels = mosaic()
    traced = vectors.trace(labels, 100).geometries
    simple = vectors.polygonise(labels, TRANSFORM, block=100).geometries
    assert shapely.coverage_is_valid(simple)
    assert (shapely.get_type_id(simple) == shapely.GeometryType.POLYGON).all()
    # No overlaps and no slivers: the union is as large as the sum.
    assert shapely.union_all(simple).area == pytest.approx(shapely.area(simple).sum(), rel=1e-9)
    distance = shapely.hausdorff_distance(vectors.to_coordinates(traced, TRANSFORM), simple)
    assert np.quantile(distance, 0.95) <= 10.0, "metres"
    assert shapely.get_num_coordinates(simple).sum() < 0.75 * shapely.get_num_coordinates(traced).sum()
    assert shapely.area(simple).sum() == pytest.approx(100.0 * (labels > 0).sum(), rel=0.01)


def test_long_straight_borders_stay_shared() -> None:
    # 997 pixels divided into pixels leave remainders of 1e-12, which would tear neighbours apart.
    labels = np.ones((997, 3), np.int32)
    labels[331:, :] = 2
    labels[:, 1][500:700] = 3
    assert shapely.coverage_is_valid(vectors.polygonise(labels, TRANSFORM).geometries)


def test_coordinates_are_the_grids() -> None:
    labels = np.zeros((30, 40), np.int32)
    labels[10:20, 5:25] = 7
    regions = vectors.polygonise(labels, TRANSFORM, tolerance=0)
    assert regions.labels.tolist() == [7]
    assert regions.geometries[0].bounds == (500_050, 5_299_800, 500_250, 5_299_900)


def test_nothing_gives_nothing() -> None:
    assert len(vectors.polygonise(np.zeros((20, 20), np.int32), TRANSFORM)) == 0


def test_components_are_numbered_in_raster_order() -> None:
    mask = np.array([[0, 1, 0, 1], [0, 1, 0, 1], [1, 0, 0, 0]], bool)
    assert vectors.components(mask).tolist() == [[0, 1, 0, 2], [0, 1, 0, 2], [3, 0, 0, 0]]
