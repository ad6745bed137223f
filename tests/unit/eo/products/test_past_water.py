"""Reference water counted from earlier masks: exactly what counting one pixel at a time gives."""

import hashlib
from collections.abc import Callable
from datetime import date, timedelta
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from affine import Affine
from numpy.typing import NDArray

from rucio_dafab.eo import reference_water
from rucio_dafab.eo.errors import ProductError
from rucio_dafab.eo.past_water import PastMask, reference_of_masks, too_few
from rucio_dafab.eo.scene import Scene
from rucio_dafab.eo.writers import RasterLegend, encode_cog

Make = Callable[..., Any]
SHAPE = (60, 80)
LEGEND = RasterLegend("water", 1, (("no water", (0, 0, 0)), ("water", (0, 0, 255))))
START = date(2024, 1, 5)


@pytest.fixture
def store(tmp_path: Path) -> Callable[..., PastMask]:
    """Return what writes a mask as products hold it."""

    def write(
        scene: Scene, day: date, water: NDArray[np.bool_], clear: NDArray[np.bool_] | None = None, name: str = ""
    ) -> PastMask:
        seen = np.ones(water.shape, bool) if clear is None else clear
        name = name or f"scene_{day:%Y%m%d}_water_analysis_20"
        path = tmp_path / f"{name}.tif"
        path.write_bytes(encode_cog((water & seen).view(np.uint8), seen, scene.crs, scene.transform, LEGEND, {}))
        return PastMask(name, day, path)

    return write


def counted(
    masks: list[tuple[date, str, NDArray[np.bool_], NDArray[np.bool_]]], shape: tuple[int, int]
) -> NDArray[np.uint8]:
    """Count pixel by pixel, in fractions: by month, each day once."""
    codes = np.full(shape, 255, np.uint8)
    for pixel in np.ndindex(shape):
        days: dict[date, bool] = {}
        for day, _, water, clear in sorted(masks, key=lambda each: (each[0], each[1])):
            if clear[pixel]:
                days.setdefault(day, bool(water[pixel]))
        months: dict[int, list[bool]] = {}
        for day, wet in days.items():
            months.setdefault(day.month, []).append(wet)
        if len(days) < 5 or len(months) < 3:
            continue
        share = sum((Fraction(sum(each), len(each)) for each in months.values()), Fraction()) / len(months)
        codes[pixel] = 1 if share >= Fraction(3, 4) else 2 if share >= Fraction(1, 20) else 0
    return codes


def written(path: Path | None) -> NDArray[np.uint8]:
    assert path is not None
    with rasterio.open(path) as source:
        found: NDArray[np.uint8] = source.read(1)
    return found


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_it_is_what_counting_each_pixel_gives(
    seed: int, make_scene: Make, store: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene, rng = make_scene(), np.random.default_rng(seed)
    # Rows wetter and wetter downwards, columns clearer and clearer; some days have two masks.
    often = np.linspace(0, 1, SHAPE[0])[:, None]
    seen = np.linspace(0.1, 1, SHAPE[1])[None, :]
    days = sorted(START + timedelta(days=int(each)) for each in rng.integers(0, 700, 23))
    days.append(days[3])
    masks = [
        (day, f"m{number:02}", rng.random(SHAPE) < often, rng.random(SHAPE) < seen) for number, day in enumerate(days)
    ]
    stored = [store(scene, day, water, clear, name) for day, name, water, clear in masks]
    found = reference_of_masks(stored, scene, tmp_path / "codes.tif")
    right = counted(masks, SHAPE)
    assert set(np.unique(right)) == {0, 1, 2, 255}
    assert (written(found.path) == right).all()
    assert (found.told["days"], found.told["masks"]) == (len(set(days)), len(stored))
    assert found.masks == tuple(sorted(mask.name for mask in stored))
    assert (found.told["start"], found.told["end"]) == (min(days).isoformat(), max(days).isoformat())

    # Whatever their order, and however high a strip is: the same bytes, the same item.
    monkeypatch.setattr(reference_water, "STRIP_ROWS", 64)
    again = reference_of_masks(stored[::-1], scene, tmp_path / "again.tif")
    sums = {hashlib.sha256((tmp_path / name).read_bytes()).hexdigest() for name in ("codes.tif", "again.tif")}
    assert (len(sums), again.told, again.masks) == (1, found.told, found.masks)


def test_a_mask_under_the_rasters_blocks_is_read_whole(make_scene: Make, store: Any, tmp_path: Path) -> None:
    """Three strips of a grid that no block divides."""
    shape, rng = (1100, 70), np.random.default_rng(5)
    scene, water = make_scene(shape), rng.random(shape) < 0.5
    stored = [store(scene, START + timedelta(days=20 * number), water) for number in range(5)]
    found = reference_of_masks(stored, scene, tmp_path / "codes.tif")
    assert (written(found.path) == water).all()


def test_months_weigh_the_same_however_often_they_were_clear(make_scene: Make, store: Any, tmp_path: Path) -> None:
    scene, wet, dry = make_scene(), np.ones(SHAPE, bool), np.zeros(SHAPE, bool)
    summer = [store(scene, date(2024, 7, day), dry) for day in range(1, 13)]
    rest = [store(scene, date(2024, month, 1), wet) for month in (1, 3, 11)]
    # 3 of 15 days are wet, 3 of 4 months.
    assert (written(reference_of_masks([*summer, *rest], scene, tmp_path / "codes.tif").path) == 1).all()


@pytest.mark.parametrize(
    ("days", "said"),
    [
        ([], "earlier masks of 0 days in 0 calendar months, 5 in 3 calendar months are needed"),
        ([date(2024, 1, 1), date(2024, 4, 1), date(2024, 4, 1)], "earlier masks of 2 days in 2 calendar months, "),
        ([date(2024, 6, day) for day in range(1, 20)], "earlier masks of 19 days in 1 calendar months, "),
        ([date(2024, 6, day) for day in (1, 2, 3)] + [date(2023, 1, 1), date(2024, 2, 2)], ""),
    ],
)
def test_too_few_are_none(days: list[date], said: str, make_scene: Make, store: Any, tmp_path: Path) -> None:
    assert too_few(days)[: len(said)] == said
    assert bool(too_few(days)) == bool(said)
    if said:
        scene = make_scene()
        masks = [store(scene, day, np.ones(SHAPE, bool), name=f"m{number}") for number, day in enumerate(days)]
        found = reference_of_masks(masks, scene, tmp_path / "codes.tif")
        assert (found.path, found.told) == (None, {"source": "none", "reason": too_few(days)})


def test_no_pixel_that_was_clear_often_enough_is_none(make_scene: Make, store: Any, tmp_path: Path) -> None:
    scene = make_scene()
    masks = []
    for number in range(6):
        clear = np.zeros(SHAPE, bool)
        clear[number * 10 : number * 10 + 10] = True
        masks.append(store(scene, START + timedelta(days=30 * number), np.ones(SHAPE, bool), clear))
    found = reference_of_masks(masks, scene, tmp_path / "codes.tif")
    assert found.path is None
    assert found.told["reason"] == "no pixel was clear on 5 days in 3 calendar months"


def test_a_mask_that_is_none_is_one_line(make_scene: Make, store: Any, tmp_path: Path) -> None:
    scene = make_scene()
    good = [store(scene, START + timedelta(days=20 * number), np.ones(SHAPE, bool)) for number in range(5)]

    def said(mask: PastMask) -> str:
        with pytest.raises(ProductError) as refusal:
            reference_of_masks([*good, mask], scene, tmp_path / "codes.tif")
        assert "\n" not in str(refusal.value)
        return str(refusal.value)

    day = date(2023, 5, 5)
    other = store(make_scene(origin=(500_010.0, 5_300_000.0)), day, np.ones(SHAPE, bool), name="other")
    assert said(other) == f"the water mask of other is on another grid than scene {scene.id}"
    broken = store(scene, day, np.ones(SHAPE, bool), name="broken")
    broken.path.write_bytes(broken.path.read_bytes()[:300])
    assert said(broken).startswith("the water mask of broken cannot be read: ")
    broken.path.unlink()
    assert said(broken).startswith("the water mask of broken cannot be read: ")
    strange = PastMask("strange", day, tmp_path / "strange.tif")
    profile: dict[str, Any] = {
        "driver": "GTiff", "count": 1, "height": 60, "width": 80, "crs": scene.crs,
        "transform": Affine(10, 0, 500_000, 0, -10, 5_300_000),
    }  # fmt: skip
    with rasterio.open(strange.path, "w", dtype="uint8", **profile) as target:
        target.write(np.full(SHAPE, 7, np.uint8), 1)
    assert said(strange) == "strange holds no water mask: the value 7"
    with rasterio.open(strange.path, "w", dtype="float32", **profile) as target:
        target.write(np.ones(SHAPE, np.float32), 1)
    assert said(strange) == "strange holds no water mask: 1 bands of float32"
