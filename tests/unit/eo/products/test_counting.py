"""Counting values of class rasters: as numpy counts them, in pieces."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from rucio_dafab.eo import counting


@pytest.mark.parametrize("at_once", [1, 7, 1 << 22])
def test_every_value_is_counted(at_once: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(counting, "_AT_ONCE", at_once)
    values = np.random.default_rng(5).integers(0, 256, (31, 17)).astype(np.uint8)
    assert counting.histogram(values[:, ::2]).tolist() == np.bincount(values[:, ::2].ravel(), minlength=256).tolist()


def test_nothing_has_no_values() -> None:
    assert counting.histogram(np.empty((0, 4), np.uint8)).sum() == 0


@pytest.mark.parametrize("at_once", [1, 7, 1000])
@given(labels=arrays(np.int32, (9, 11), elements=st.integers(0, 40)), where=arrays(bool, (9, 11)))
def test_occurrences_are_those_counted_at_once(at_once: int, labels: np.ndarray, where: np.ndarray) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(counting, "_AT_ONCE", at_once)
        every, some = counting.occurrences(labels), counting.occurrences(labels, where)
    size = int(labels.max()) + 1
    assert every.tolist() == np.bincount(labels.ravel(), minlength=size).tolist()
    assert some.tolist() == np.bincount(labels[where], minlength=size).tolist()
    assert counting.occurrences(np.zeros((0, 4), np.int32)).tolist() == [0]
