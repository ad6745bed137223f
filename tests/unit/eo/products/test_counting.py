"""Counting values of class rasters: as numpy counts them, in pieces."""

import numpy as np
import pytest

from rucio_dafab.eo import counting


@pytest.mark.parametrize("at_once", [1, 7, 1 << 22])
def test_every_value_is_counted(at_once: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(counting, "_AT_ONCE", at_once)
    values = np.random.default_rng(5).integers(0, 256, (31, 17)).astype(np.uint8)
    assert counting.histogram(values[:, ::2]).tolist() == np.bincount(values[:, ::2].ravel(), minlength=256).tolist()


def test_nothing_has_no_values() -> None:
    assert counting.histogram(np.empty((0, 4), np.uint8)).sum() == 0
