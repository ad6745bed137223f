"""Water: exact areas, the anomaly's formulas and its kinds, references that cannot be used."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from rucio_dafab.eo import water
from rucio_dafab.eo.errors import ProductError, SceneError
from rucio_dafab.eo.water import AnomalyType, Difference, Reference

Make = Callable[..., Any]
SHAPE = (10, 20)
PIXEL_KM2 = 0.0001


def measured(observed: np.ndarray, codes: np.ndarray, clear: np.ndarray | None = None) -> water.WaterNumbers:
    everywhere = np.ones(observed.shape, bool)
    seen = everywhere if clear is None else clear
    reference = Reference(codes)
    classes = water.difference(observed & seen, everywhere, seen, reference)
    return water.count(observed & seen, everywhere, seen, PIXEL_KM2, reference=reference, classes=classes)


def columns(first: int, last: int) -> np.ndarray:
    mask = np.zeros(SHAPE, bool)
    mask[:, first:last] = True
    return mask


def codes(permanent: np.ndarray, seasonal: np.ndarray | None = None) -> np.ndarray:
    values = permanent.astype(np.uint8)
    if seasonal is not None:
        values[seasonal] = 2
    return values


def test_threshold_is_inclusive_and_clouds_are_no_water() -> None:
    probabilities = np.array([[0, 127, 128, 255]], np.uint8)
    clear = np.array([[True, True, True, False]])
    assert water.observed_water(probabilities, clear).tolist() == [[False, False, True, False]]
    assert water.observed_water(probabilities, clear, threshold=0.4).tolist() == [[False, True, True, False]]


def test_score_is_gain_minus_loss_in_per_cent_of_permanent_water() -> None:
    # 50 pixels of permanent water; 10 of them dry, 30 more flooded: (70 - 50) / 50.
    numbers = measured(columns(6, 13), codes(columns(5, 10)))
    found = water.anomaly(numbers)
    assert (found.gain, found.loss, found.score) == (60.0, 20.0, 40.0)
    observed, reference = numbers.observed, numbers.permanent_visible
    assert found.score == 100 * (observed - reference) / reference
    assert found.type is AnomalyType.BOTH


@pytest.mark.parametrize(
    ("observed", "kind"),
    [
        (columns(5, 15), AnomalyType.NORMAL),
        (columns(5, 16), AnomalyType.NORMAL),  # exactly 10 % is not above it
        (columns(5, 17), AnomalyType.FLOOD),
        (columns(7, 15), AnomalyType.DROUGHT),
        (columns(7, 17), AnomalyType.BOTH),
    ],
)
def test_kind_of_anomaly(observed: np.ndarray, kind: AnomalyType) -> None:
    assert water.anomaly(measured(observed, codes(columns(5, 15)))).type is kind


def test_seasonal_water_is_expected_wet_and_dry() -> None:
    values = codes(columns(5, 10), seasonal=columns(10, 15))
    wet = water.anomaly(measured(columns(5, 15), values))
    dry = water.anomaly(measured(columns(5, 10), values))
    assert (wet.type, dry.type) == (AnomalyType.NORMAL, AnomalyType.NORMAL)
    assert (wet.score, dry.score) == (100.0, 0.0)


def test_clouds_leave_the_ratio_of_what_is_visible() -> None:
    clear = ~columns(0, 8)
    found = water.anomaly(measured(columns(5, 12), codes(columns(6, 11)), clear))
    assert found.score == pytest.approx(100 * (4 - 3) / 3)
    assert found.type is AnomalyType.FLOOD


def test_no_kind_where_clouds_hide_most_of_the_reference() -> None:
    clear = ~columns(0, 9)
    found = water.anomaly(measured(columns(5, 12), codes(columns(5, 11)), clear))
    assert found.score is not None
    assert found.type is None
    assert found.reason == "67 % of the permanent reference water is hidden"


@pytest.mark.parametrize(
    ("permanent", "clear", "reason"),
    [
        (columns(0, 0), None, "no permanent reference water in the scene"),
        (columns(0, 5), ~columns(0, 5), "all permanent reference water is hidden by cloud"),
        (columns(0, 5), columns(0, 0), "no clear pixel"),
    ],
)
def test_score_is_absent_with_its_reason(permanent: np.ndarray, clear: np.ndarray | None, reason: str) -> None:
    found = water.anomaly(measured(columns(2, 8), codes(permanent), clear))
    assert (found.score, found.type, found.reason) == (None, None, reason)


def test_no_reference() -> None:
    everywhere = np.ones(SHAPE, bool)
    found = water.anomaly(water.count(columns(2, 8), everywhere, everywhere, PIXEL_KM2))
    assert (found.score, found.type, found.reason) == (None, None, "no reference water mask")


@settings(max_examples=40, deadline=None)
@given(
    observed=arrays(bool, (6, 7)),
    values=arrays(np.uint8, (6, 7), elements=st.sampled_from([0, 1, 2, 255])),
    valid=arrays(bool, (6, 7)),
    clear=arrays(bool, (6, 7)),
)
def test_every_pixel_has_one_class(
    observed: np.ndarray, values: np.ndarray, valid: np.ndarray, clear: np.ndarray
) -> None:
    reference, seen = Reference(values), clear & valid
    classes = water.difference(observed & seen, valid, seen, reference)
    numbers = water.count(observed & seen, valid, seen, PIXEL_KM2, reference=reference, classes=classes)
    assert numbers.difference is not None
    assert sum(numbers.difference) == classes.size
    assert numbers.pixels(Difference.NO_DATA) == classes.size - numbers.valid
    assert numbers.pixels(Difference.EXCLUSION_OBSERVED) == numbers.valid - numbers.clear
    wet = numbers.gain + numbers.pixels(Difference.PERMANENT_OBSERVED)
    assert wet == int((observed & seen & reference.known).sum())
    assert numbers.permanent_visible == int((reference.permanent & seen).sum())


def test_reference_comes_from_the_scene(make_scene: Make) -> None:
    values = np.zeros((60, 80), np.uint8)
    values[10:20], values[20:30], values[0] = 1, 2, 255
    reference = water.scene_reference(make_scene(reference=values))
    assert reference is not None
    assert reference.permanent.sum() == reference.seasonal.sum() == 800
    assert not reference.known[0].any()
    assert reference.known[1:].all()


def test_a_scene_need_not_have_one(make_scene: Make) -> None:
    assert water.scene_reference(make_scene()) is None


def test_reference_of_another_grid_is_brought_to_the_scenes(make_scene: Make, tmp_path: Path) -> None:
    scene = make_scene()
    path = tmp_path / "coarse.tif"
    transform = scene.transform @ rasterio.Affine.scale(2)
    values = np.zeros((20, 40), np.uint8)
    values[5:10] = 1
    with rasterio.open(
        path, "w", driver="GTiff", dtype="uint8", count=1, height=20, width=40, crs=scene.crs, transform=transform
    ) as target:
        target.write(values, 1)
    reference = water.read_reference(path, scene)
    assert np.flatnonzero(reference.permanent.any(axis=1)).tolist() == list(range(10, 20))
    assert reference.known[:40].all()
    assert not reference.known[40:].any(), "nothing is known outside the file"


def test_reference_of_strange_values_is_refused(make_scene: Make) -> None:
    with pytest.raises(ProductError, match="holds the value 7: expected 0, 1"):
        water.scene_reference(make_scene(reference=np.full((60, 80), 7, np.uint8)))


def test_reference_that_is_missing_unreadable_or_elsewhere_is_refused(make_scene: Make) -> None:
    scene = make_scene(reference=np.zeros((60, 80), np.uint8))
    path = scene.folder / "reference_water.tif"
    path.write_bytes(b"II*\0" + b"\xff" * 60)
    with pytest.raises(ProductError, match=r"reference_water\.tif cannot be read"):
        water.scene_reference(scene)
    path.unlink()
    with pytest.raises(ProductError, match="asset reference_water is missing"):
        water.scene_reference(scene)
    scene.item["assets"]["reference_water"]["href"] = "../../elsewhere.tif"
    with pytest.raises(SceneError, match="outside the scene's folder"):
        water.scene_reference(scene)
