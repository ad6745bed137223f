"""Borders between labels: counted once, whatever the blocks; the weak ones go, weakest first, and no other."""

from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from skimage.measure import label as connected

from rucio_dafab.eo import borders
from rucio_dafab.eo.borders import Borders, together

SHAPE = (11, 9)
# As `connected` numbers them: from 1 without gaps, and some pixels of none.
LABELS = st.builds(
    lambda labels, none: np.where(none, 0, np.unique(labels, return_inverse=True)[1] + 1).astype(np.int32),
    arrays(np.int32, SHAPE, elements=st.integers(0, 6)),
    arrays(bool, SHAPE),
).map(lambda labels: np.unique(np.append(labels, 0), return_inverse=True)[1][:-1].reshape(SHAPE).astype(np.int32))
BOUNDARY = arrays(np.uint8, SHAPE)


def pairs_of(labels: np.ndarray, boundary: np.ndarray) -> Iterator[tuple[tuple[int, int], int]]:
    """Yield the labels and the boundary of each two pixels with different labels, one after the other."""
    rows, columns = labels.shape
    for row in range(rows):
        for column in range(columns):
            for down, right in ((row + 1, column), (row, column + 1)):
                if down < rows and right < columns:
                    one, other = int(labels[row, column]), int(labels[down, right])
                    if one and other and one != other:
                        drawn = max(int(boundary[row, column]), int(boundary[down, right]))
                        yield (min(one, other), max(one, other)), drawn


def strengths(labels: np.ndarray, boundary: np.ndarray) -> dict[tuple[int, int], float]:
    found: dict[tuple[int, int], list[int]] = {}
    for pair, drawn in pairs_of(labels, boundary):
        found.setdefault(pair, []).append(drawn)
    return {pair: sum(each) / len(each) for pair, each in found.items()}


@settings(max_examples=60, deadline=None)
@given(labels=LABELS, boundary=BOUNDARY, rows=st.integers(1, 12))
def test_borders_are_those_counted_one_by_one(labels: np.ndarray, boundary: np.ndarray, rows: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(borders, "ROWS", rows)
        found = Borders.of(labels, boundary)
    keys = zip(found.first.tolist(), found.second.tolist(), strict=True)
    assert dict(zip(keys, found.strength.tolist(), strict=True)) == strengths(labels, boundary)


@settings(max_examples=60, deadline=None)
@given(labels=LABELS, boundary=BOUNDARY, least=st.integers(0, 256))
def test_every_border_that_is_left_is_strong_enough(labels: np.ndarray, boundary: np.ndarray, least: int) -> None:
    found = together(labels, boundary, least)
    assert all(strength >= least for strength in strengths(found, boundary).values())
    assert np.array_equal(found > 0, labels > 0)
    # What was one label still is, and numbers have no gaps.
    assert all(len(np.unique(found[labels == each])) == 1 for each in np.unique(labels))
    assert set(np.unique(found)) | {0} == set(range(found.max() + 1))


@settings(max_examples=30, deadline=None)
@given(labels=LABELS, boundary=BOUNDARY, least=st.integers(0, 256))
def test_connected_labels_stay_connected(labels: np.ndarray, boundary: np.ndarray, least: int) -> None:
    pieces = connected(labels, background=0, connectivity=1).astype(np.int32)
    found = together(pieces, boundary, least)
    assert connected(found, background=0, connectivity=1).max() == found.max()


def test_the_weakest_go_first_and_change_what_the_others_are() -> None:
    labels = np.array([[1, 2, 3], [1, 2, 3], [1, 1, 3]], np.int32)
    boundary = np.zeros((3, 3), np.uint8)
    # 1 | 2 is drawn with 10, 2 | 3 with 120, and what remains of 1 | 3 below with 200.
    boundary[:2, 0], boundary[:2, 2], boundary[2, 2] = 10, 120, 200
    boundary[2, :2] = 10
    first = Borders.of(labels, boundary)
    assert first.strength.tolist() == [10.0, 200.0, 120.0]
    # 2 and 3 alone would be weaker than 130: but 2 goes to 1 first, and what both have with 3 is (2·120 + 200) / 3.
    assert together(labels, boundary, 130).tolist() == [[1, 1, 2], [1, 1, 2], [1, 1, 2]]
    assert together(labels, boundary, 147).max() == 1


def test_nothing_to_do_is_done() -> None:
    empty = np.zeros((4, 5), np.int32)
    assert not together(empty, np.zeros((4, 5), np.uint8), 128).any()
    one = np.ones((1, 1), np.int32)
    assert together(one, np.zeros((1, 1), np.uint8), 128).tolist() == [[1]]
