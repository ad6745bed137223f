"""Rasters cut to areas and brought to grids: whole pixels, values where they were, classes kept."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from affine import Affine

from dasi_backend.cropping import Cut, cut
from dasi_backend.errors import RequestError, StoreError

WEST, NORTH = 600000.0, 5500000.0


def write(path: Path, values: Any, crs: str | None = "EPSG:32632", pixel: float = 10.0, **more: Any) -> Path:
    rows, columns = values.shape
    profile = {"driver": "GTiff", "dtype": values.dtype, "count": 1, "crs": crs, **more}
    grid = Affine(pixel, 0, WEST, 0, -pixel, NORTH)
    with rasterio.open(path, "w", width=columns, height=rows, transform=grid, **profile) as raster:
        raster.write(values, 1)
        raster.set_band_description(1, "water")
    return path


def made(source: Path, wanted: Cut) -> Any:
    target = source.with_name("made.tif")
    target.unlink(missing_ok=True)
    cut(source, target, wanted, "it")
    with rasterio.open(target) as raster:
        return raster.read(1), raster.profile, raster.descriptions


def degrees(left: float, bottom: float, right: float, top: float) -> tuple[float, float, float, float]:
    """Return a box in degrees that lies within one in metres."""
    from rasterio.warp import transform_bounds

    return transform_bounds("EPSG:32632", "EPSG:4326", left, bottom, right, top)


CLASSES = np.arange(64, dtype=np.uint8).reshape(8, 8)


def test_an_area_takes_whole_pixels_with_their_values(tmp_path: Path) -> None:
    source = write(tmp_path / "a.tif", CLASSES, nodata=255)
    area = degrees(WEST + 25, NORTH - 55, WEST + 45, NORTH - 35)
    values, profile, descriptions = made(source, Cut(area))
    column = round((profile["transform"].c - WEST) / 10)
    row = round((NORTH - profile["transform"].f) / 10)
    assert (profile["transform"].c - WEST) % 10 == 0
    assert np.array_equal(values, CLASSES[row : row + values.shape[0], column : column + values.shape[1]])
    assert column <= 2
    assert row <= 3
    assert column + values.shape[1] >= 5
    assert row + values.shape[0] >= 6
    assert (profile["nodata"], profile["dtype"], descriptions) == (255, "uint8", ("water",))


def test_an_area_that_reaches_beyond_gives_what_there_is(tmp_path: Path) -> None:
    source = write(tmp_path / "a.tif", CLASSES)
    values, profile, _ = made(source, Cut(degrees(WEST - 5000, NORTH - 5000, WEST + 5000, NORTH + 5000)))
    assert np.array_equal(values, CLASSES)
    assert profile["transform"] == Affine(10, 0, WEST, 0, -10, NORTH)


def test_classes_stay_classes_on_a_coarser_grid(tmp_path: Path) -> None:
    source = write(tmp_path / "a.tif", CLASSES)
    values, profile, _ = made(source, Cut(grid=(20.0, 20.0)))
    assert values.shape == (4, 4)
    assert profile["transform"].a == 20
    assert np.isin(values, CLASSES).all()


def test_numbers_are_averaged_on_a_coarser_grid_but_not_what_is_no_data(tmp_path: Path) -> None:
    values = CLASSES.astype(np.float32)
    values[:2, :2] = (1, 3)
    values[0, 0] = -9
    averaged, _, _ = made(write(tmp_path / "a.tif", values, nodata=-9), Cut(grid=(20.0, 20.0)))
    assert averaged[0, 0] == pytest.approx((3 + 1 + 3) / 3)
    assert averaged[3, 3] == pytest.approx(CLASSES[6:, 6:].mean())
    nearest, _, _ = made(write(tmp_path / "b.tif", values, nodata=-9), Cut(grid=(20.0, 20.0), interpolation="nearest"))
    assert nearest[3, 3] in CLASSES[6:, 6:]


def test_no_data_may_be_told_of_a_raster_that_does_not_say_it(tmp_path: Path) -> None:
    values = np.full((4, 4), 100, np.uint16)
    values[0, :2] = 0
    with rasterio.open(
        tmp_path / "in.tif", "w", driver="GTiff", dtype="uint16", count=1, width=4, height=4, crs="EPSG:32632",
        transform=Affine(10, 0, 600000, 0, -10, 5500000),
    ) as raster:  # fmt: skip
        raster.write(values, 1)
    for nodata, corner in ((None, 50), (0, 100)):
        cut(tmp_path / "in.tif", tmp_path / f"{nodata}.tif", Cut(None, (20, 20), "average"), "in", nodata)
        with rasterio.open(tmp_path / f"{nodata}.tif") as made:
            assert (made.nodata, made.read(1)[0, 0]) == (nodata, corner)


def test_what_cannot_be_cut_is_refused(tmp_path: Path) -> None:
    source = write(tmp_path / "a.tif", CLASSES)
    for wanted, said in (
        (Cut((0.0, 0.0, 1.0, 1.0)), "it lies outside of the area"),
        (Cut(grid=(1e-5, 1e-5)), "at most 1,073,741,824 are made"),
    ):
        with pytest.raises(RequestError, match=said):
            made(source, wanted)
    with pytest.raises(RequestError, match="reference system"):
        made(write(tmp_path / "b.tif", CLASSES, crs=None), Cut(grid=(20.0, 20.0)))
    (tmp_path / "c.tif").write_bytes(b"II*\0 no raster")
    with pytest.raises(StoreError, match="it cannot be cut"):
        made(tmp_path / "c.tif", Cut())


@pytest.mark.parametrize(
    ("area", "grid", "interpolation", "wanted"),
    [
        ((), (), (), Cut()),
        (("50", "5", "49", "6"), ("20",), (), Cut((5, 49, 6, 50), (20, 20))),
        (("50/5/49/6",), ("20", "10"), ("Average",), Cut((5, 49, 6, 50), (20, 10), "average")),
    ],
)
def test_keys_are_read_as_in_mars(area: Any, grid: Any, interpolation: Any, wanted: Cut) -> None:
    assert Cut.parse(area, grid, interpolation) == wanted


@pytest.mark.parametrize(
    ("area", "grid", "interpolation", "said"),
    [
        (("50", "5", "49"), (), (), "area=50/5/49: write N/W/S/E"),
        (("49", "5", "50", "6"), (), (), "north, west, south, east"),
        (("5", "50", "6", "49"), (), (), "north, west, south, east"),
        (("nan", "5", "49", "6"), (), (), "area=nan/5/49/6"),
        (("x", "5", "49", "6"), (), (), "area=x/5/49/6"),
        ((), ("0",), (), "more than 0"),
        ((), ("1", "2", "3"), (), "grid=1/2/3"),
        ((), (), ("best",), "interpolation=best: one of nearest"),
    ],
)
def test_keys_that_mean_nothing_are_refused(area: Any, grid: Any, interpolation: Any, said: str) -> None:
    with pytest.raises(RequestError, match=said):
        Cut.parse(area, grid, interpolation)
