"""Parcels: known ones are found again, by block as in one; numbers count exactly."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import shapely
from affine import Affine
from hypothesis import given, settings
from hypothesis.extra.numpy import arrays
from scipy import ndimage
from skimage.segmentation import watershed

from rucio_dafab.eo import fields
from rucio_dafab.eo.fields import FieldRules, Parcels

Make = Callable[..., Any]
TRANSFORM = Affine(10, 0, 500_000, 0, -10, 5_300_000)


@pytest.fixture
def maps(maps_of: Make) -> Make:
    def make(labels: np.ndarray) -> np.ndarray:
        return np.stack([np.rint(np.asarray(each, float) * 255) for each in maps_of(labels).values()]).astype(np.uint8)

    return make


def everywhere(labels: np.ndarray) -> np.ndarray:
    return np.ones(labels.shape, bool)


def same_partition(first: np.ndarray, second: np.ndarray) -> bool:
    """Tell whether two label arrays divide the pixels alike, whatever the numbers."""
    pairs = np.unique(np.column_stack((first.ravel(), second.ravel())), axis=0)
    return len(pairs) == len(np.unique(first)) == len(np.unique(second))


def test_touching_parcels_are_found_again(chequered: Make, maps: Make) -> None:
    labels = chequered((60, 90), 15)
    found = fields.instances(maps(labels), everywhere(labels), FieldRules())
    assert same_partition(found, labels)


@pytest.mark.parametrize("block", [20, 37, 64])
def test_blocks_leave_no_seam(block: int, chequered: Make, maps: Make) -> None:
    labels = chequered((130, 150), 16)
    labels[:, 70:75] = 0
    whole = fields.instances(maps(labels), everywhere(labels), FieldRules())
    cut = fields.instances(maps(labels), everywhere(labels), FieldRules(block=block, halo=24))
    assert np.array_equal(whole, cut)


def test_noisy_maps_divide_alike_by_block(maps: Make) -> None:
    noise = np.random.default_rng(8)
    seeds = np.zeros((260, 260), np.int32)
    seeds.ravel()[noise.choice(seeds.size, 120, replace=False)] = np.arange(1, 121)
    labels = watershed(ndimage.gaussian_filter(noise.random(seeds.shape), 3), seeds).astype(np.int32)
    blurred = maps(labels).astype(float) + noise.normal(0, 30, (3, *labels.shape))
    probabilities = np.clip(ndimage.gaussian_filter(blurred, (0, 1, 1)), 0, 255).astype(np.uint8)
    whole = fields.instances(probabilities, everywhere(labels), FieldRules())
    cut = fields.instances(probabilities, everywhere(labels), FieldRules(block=90, halo=48))
    pairs, counts = np.unique(np.column_stack((whole.ravel(), cut.ravel())), axis=0, return_counts=True)
    best = {label: counts[pairs[:, 0] == label].max() for label in np.unique(whole)}
    assert sum(best.values()) >= 0.999 * labels.size


def test_a_parcel_larger_than_block_and_halo_is_one(maps: Make) -> None:
    labels = np.zeros((200, 220), np.int32)
    labels[10:190, 10:210] = 1
    found = fields.instances(maps(labels), everywhere(labels), FieldRules(block=50, halo=10))
    assert found.max() == 1
    assert np.array_equal(found > 0, labels > 0)


def test_a_narrow_parcel_is_kept_and_what_is_nowhere_deep_is_none(maps: Make) -> None:
    labels = np.zeros((40, 40), np.int32)
    labels[5:35, 10:13], labels[5:35, 20:23] = 1, 2
    probabilities = maps(labels)
    probabilities[2][labels == 2] = FieldRules().depth - 1
    found = fields.instances(probabilities, everywhere(labels), FieldRules())
    assert np.array_equal(found > 0, labels == 1)


def test_neighbours_with_little_boundary_between_them_are_one(chequered: Make, maps: Make) -> None:
    labels = chequered((30, 45), 15)
    probabilities = maps(labels)
    # Little is drawn between the two at the upper left; between the next two it is enough.
    probabilities[1][:15, 13:17] = FieldRules().border - 28
    probabilities[1][:15, 28:32] = FieldRules().border + 2
    found = fields.instances(probabilities, everywhere(labels), FieldRules())
    first, second, third = (found[7, column] for column in (7, 22, 37))
    assert first == second != third
    assert found.max() == labels.max() - 1


def test_nothing_where_there_is_no_data(chequered: Make, maps: Make) -> None:
    labels = chequered((40, 40), 20)
    valid = everywhere(labels)
    valid[:, 30:] = False
    found = fields.instances(maps(labels), valid, FieldRules())
    assert not found[:, 30:].any()
    assert (found[:, :30] > 0).all()


@settings(max_examples=20, deadline=None)
@given(
    probabilities=arrays(np.uint8, (3, 14, 17)),
    valid=arrays(bool, (14, 17)),
)
def test_any_maps_give_connected_parcels_inside_the_extent(probabilities: np.ndarray, valid: np.ndarray) -> None:
    found = fields.instances(probabilities, valid, FieldRules(block=6, halo=3))
    inside = (probabilities[0] >= 128) & valid
    assert not found[~inside].any()
    parcels = fields.delineate(probabilities, valid, valid, TRANSFORM, FieldRules(minimum_hectares=0.01, block=6))
    assert shapely.is_valid(parcels.geometries).all()
    assert shapely.coverage_is_valid(parcels.geometries)


def test_areas_are_exact_for_squares(chequered: Make, maps: Make) -> None:
    labels = chequered((60, 60), 20)
    parcels = fields.delineate(maps(labels), everywhere(labels), everywhere(labels), TRANSFORM)
    assert len(parcels) == 9
    # A corner where four parcels meet stays; one at the rim of the scene may lose half a pixel.
    assert parcels.hectares == pytest.approx(np.full(9, 4.0), abs=0.01)
    assert parcels.hectares.sum() == pytest.approx(36.0, abs=0.02)


def test_small_parcels_are_dropped(maps: Make) -> None:
    labels = np.zeros((40, 40), np.int32)
    labels[2:5, 2:5], labels[10:14, 10:14] = 1, 2
    found = fields.delineate(maps(labels), everywhere(labels), everywhere(labels), TRANSFORM)
    assert len(found) == 1
    assert found.hectares[0] >= 0.1


def test_one_cloudy_pixel_makes_a_parcel_cloudy(chequered: Make, maps: Make) -> None:
    labels = chequered((40, 60), 20)
    clear = everywhere(labels)
    clear[25, 45] = False
    parcels = fields.delineate(maps(labels), everywhere(labels), clear, TRANSFORM)
    assert parcels.cloud_free.tolist() == [True, True, True, True, True, False]


def test_a_parcel_that_is_mostly_under_a_cloud_is_no_parcel(chequered: Make, maps: Make) -> None:
    labels = chequered((40, 60), 20)
    clear = everywhere(labels)
    clear[20:40, 40:51] = False  # 11 of 20 columns of the last parcel
    clear[0:20, 0:9] = False  # 9 of 20 columns of the first
    parcels = fields.delineate(maps(labels), everywhere(labels), clear, TRANSFORM)
    assert parcels.cloud_free.tolist() == [False, True, True, True, True]


def test_numbers() -> None:
    parcels = Parcels(
        np.array([shapely.box(0, 0, 100, 100), shapely.box(100, 0, 400, 100), shapely.box(400, 0, 600, 100)], object),
        np.array([1.0, 3.0, 2.0]),
        np.array([True, False, True]),
    )
    found = fields.numbers(parcels, 1000, TRANSFORM)
    assert (found.number, found.cloud_free_number) == (3, 2)
    assert (found.minimum_hectares, found.mean_hectares, found.maximum_hectares) == (1.0, 2.0, 3.0)
    assert found.total_hectares == 6.0
    assert found.coverage_percent == pytest.approx(60.0), "6 of 10 ha"
    assert found.cloud_free_coverage_percent == pytest.approx(30.0)


def test_numbers_of_nothing_are_zero() -> None:
    nothing = Parcels(np.empty(0, object), np.empty(0), np.empty(0, bool))
    found = fields.numbers(nothing, 0, TRANSFORM)
    assert (found.number, found.total_hectares, found.minimum_hectares, found.coverage_percent) == (0, 0.0, 0.0, 0.0)
