"""Outlines: exact before simplifying, a valid coverage near them after it."""

import itertools

import numpy as np
import pytest
import shapely
from affine import Affine
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import ndimage
from skimage.segmentation import watershed

from rucio_dafab.eo import outlines, vectors

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


@settings(max_examples=200, deadline=None)
@given(labels=small_labels)
def test_traced_areas_are_exactly_the_pixels(labels: np.ndarray) -> None:
    regions = vectors.trace(labels)
    assert shapely.is_valid(regions.geometries).all()
    areas = np.zeros(5)
    np.add.at(areas, regions.labels, shapely.area(regions.geometries))
    assert areas[1:].tolist() == [(labels == label).sum() for label in range(1, 5)]
    assert regions.labels.tolist() == sorted(regions.labels)


@settings(max_examples=100, deadline=None)
@given(labels=small_labels)
def test_a_polygon_is_a_part_of_4_connected_pixels(labels: np.ndarray) -> None:
    parts = sum(ndimage.label(labels == label)[1] for label in range(1, 5))
    assert len(vectors.trace(labels)) == parts


@settings(max_examples=200, deadline=None)
@given(labels=small_labels, tolerance=st.sampled_from([0.4, vectors.TOLERANCE, 1.0]))
def test_simplified_is_still_a_coverage(labels: np.ndarray, tolerance: float) -> None:
    simple = vectors.trace(labels, tolerance).geometries
    assert shapely.is_valid(simple).all()
    assert not shapely.is_empty(simple).any()
    assert shapely.coverage_is_valid(simple)


@pytest.mark.parametrize("seed", range(6))
def test_large_patches_with_slivers_are_still_a_coverage(seed: int) -> None:
    noise = np.random.default_rng(seed)
    labels = mosaic(200, 60, seed)
    # Ditches a pixel wide, in every direction: what lies between two outlines that are simplified to the same line.
    labels[ndimage.gaussian_filter(noise.standard_normal((200, 200)), 2) % 0.05 < 0.004] = 0
    labels = vectors.connected(labels, background=0, connectivity=1).astype(np.int32)
    regions = vectors.trace(labels, vectors.TOLERANCE)
    assert regions.labels.tolist() == list(range(1, labels.max() + 1))
    assert shapely.is_valid(regions.geometries).all()
    assert shapely.coverage_is_valid(regions.geometries)
    exact = vectors.trace(labels).geometries
    lines, simple_lines = shapely.boundary(exact), shapely.boundary(regions.geometries)
    assert shapely.hausdorff_distance(lines, simple_lines).max() <= vectors.TOLERANCE + 1e-9


def test_a_ring_that_comes_by_the_same_corner_twice_becomes_a_hole() -> None:
    labels = np.array([[1, 1, 1], [1, 0, 1], [1, 1, 0]], np.int32)
    (polygon,) = vectors.trace(labels).geometries
    assert polygon.is_valid
    assert len(polygon.interiors) == 1
    assert polygon.area == 7


def test_parts_that_meet_at_a_corner_stay_apart() -> None:
    labels = np.array([[3, 0, 0], [0, 3, 3]], np.int32)
    regions = vectors.trace(labels)
    assert regions.labels.tolist() == [3, 3]
    assert sorted(shapely.area(regions.geometries)) == [1, 2]


def test_outlines_longer_than_an_arc_may_be() -> None:
    comb = np.zeros((40, 400), np.int32)
    comb[:20] = 1
    comb[20:, ::2] = 1
    for tolerance in (0.0, vectors.TOLERANCE):
        (polygon,) = vectors.trace(comb, tolerance).geometries
        assert polygon.is_valid
        assert polygon.area == pytest.approx((comb == 1).sum(), rel=0.02)


@pytest.mark.parametrize("rows", [1, 2, 7])
def test_stops_are_the_same_by_bands(rows: int, monkeypatch: pytest.MonkeyPatch) -> None:
    labels = mosaic(50, 20)
    whole = outlines.find_stops(labels)
    monkeypatch.setattr(outlines, "ROWS", rows)
    banded = outlines.find_stops(labels)
    for name in ("x", "y", "around"):
        assert (getattr(whole, name) == getattr(banded, name)).all()


def test_chains_are_put_in_order() -> None:
    # 4 → 1 → 3, 0 alone, and 2 → 5 → 6 → 2.
    order, offsets = outlines.chains(np.array([-1, 3, 5, -1, 1, 6, 2], np.int32))
    found = {tuple(order[begin:end].tolist()) for begin, end in itertools.pairwise(offsets)}
    assert found == {(4, 1, 3), (0,), (2, 5, 6)}


def test_lines_that_cross_are_found() -> None:
    points = np.array([[0, 0], [4, 4], [0, 4], [4, 0], [9, 0], [9, 9], [4, 4], [8, 4]], float)
    lines = vectors._Lines(points, np.array([0, 2, 4, 6]), np.full(4, 2))
    # The first two cross; the last begins where the first ends, which is where arcs may meet.
    assert vectors._crossing(lines).tolist() == [True, True, False, False]


def test_mosaic_is_gap_free_and_near_its_outlines() -> None:
    labels = mosaic()
    traced = vectors.trace(labels).geometries
    simple = vectors.polygonise(labels, TRANSFORM).geometries
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
