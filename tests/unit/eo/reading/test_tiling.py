"""Chips: they cover the scene, overlap, and their weights add up."""

from collections.abc import Generator, Iterator
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rucio_dafab.eo.pixels import Strip
from rucio_dafab.eo.tiling import CHIP, OVERLAP, ahead, chip_rows, chip_starts, padded, ramp, total_weights


@given(st.integers(1, 3000))
def test_chips_cover_an_axis_and_overlap(length: int) -> None:
    starts = chip_starts(length)
    covered = np.zeros(max(length, CHIP), int)
    for start in starts:
        covered[start : start + CHIP] += 1
    assert covered.min() >= 1
    assert starts == sorted(set(starts))
    assert starts[-1] + CHIP == max(length, CHIP)
    assert all(later - earlier <= CHIP - OVERLAP for earlier, later in pairwise(starts))


def test_a_full_tile_has_2401_chips() -> None:
    assert len(chip_starts(10980)) ** 2 == 2401


@given(st.integers(1, 3000))
def test_weights_are_never_zero_and_one_inside(length: int) -> None:
    total = total_weights(length)
    assert total.shape == (max(length, CHIP),)
    assert total.min() > 0
    assert ramp()[OVERLAP : CHIP - OVERLAP].min() == 1
    np.testing.assert_array_equal(ramp(), ramp()[::-1])


def test_neighbours_blend_into_one() -> None:
    # Two ramps that overlap by exactly their length add up to one: no seam.
    total = total_weights(2 * CHIP - OVERLAP)
    np.testing.assert_allclose(total[OVERLAP : 2 * CHIP - 2 * OVERLAP], 1, rtol=1e-6)


@pytest.mark.parametrize("shape", [(1, 1), (10, 10), (255, 3), (300, 40)])
def test_small_scenes_are_continued_by_reflection(shape: tuple[int, int]) -> None:
    values = np.random.default_rng(0).random((2, *shape)).astype(np.float32)
    filled = padded(values)
    assert filled.shape == (2, max(shape[0], CHIP), max(shape[1], CHIP))
    np.testing.assert_array_equal(filled[:, : shape[0], : shape[1]], values)
    assert not np.isnan(filled).any()
    if 1 < shape[0] < CHIP:
        np.testing.assert_array_equal(filled[:, shape[0], : shape[1]], values[:, shape[0] - 2])


def cut(values: np.ndarray, rows: int) -> Iterator[Strip]:
    for row in range(0, values.shape[1], rows):
        yield Strip(row, values[:, row : row + rows])


@settings(deadline=None)
@given(st.integers(1, 1500), st.integers(1, 700))
def test_rows_of_chips_come_out_of_strips_of_any_height(height: int, rows: int) -> None:
    values = np.arange(height, dtype=np.float32)[None, :, None].repeat(2, axis=2)
    regrouped = list(chip_rows(cut(values, rows), height))
    assert [row.row for row in regrouped] == chip_starts(height)
    for row in regrouped:
        np.testing.assert_array_equal(row.values, values[:, row.row : row.row + CHIP])


def test_reading_ahead_keeps_order_and_passes_errors_on() -> None:
    def failing() -> Generator[Strip, None, None]:
        yield from cut(np.zeros((1, 5, 1), np.float32), 1)
        raise ValueError("broken")

    seen: list[int] = []
    with pytest.raises(ValueError, match="broken"):
        seen.extend(strip.row for strip in ahead(failing()))
    assert seen == [0, 1, 2, 3, 4]


def test_leaving_early_closes_the_strips() -> None:
    closed: list[bool] = []

    def endless() -> Generator[Strip, None, None]:
        try:
            while True:
                yield Strip(0, np.zeros((1, 1, 1), np.float32))
        finally:
            closed.append(True)

    reading = ahead(endless())
    next(reading)
    reading.close()
    assert closed == [True]
