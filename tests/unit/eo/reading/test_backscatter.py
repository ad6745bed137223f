"""Sentinel-1 RTC scenes: power or decibels, as the item, the file or the numbers say."""

from typing import Any

import numpy as np
import pytest
import rasterio

from rucio_dafab.eo.scene import SceneError, open_scene, read_bands

from .conftest import MakeScene

DECIBELS = np.linspace(-30, 5, 400, dtype=np.float32).reshape(20, 20)
POWER = (10 ** (DECIBELS / 10)).astype(np.float32)


def read(make_scene: MakeScene, values: np.ndarray, **described: Any) -> np.ndarray:
    scene = open_scene(make_scene({"VV": values, "VH": values}, {"VV": described, "VH": described}))
    return read_bands(scene, ["VV", "VH"])


@pytest.mark.parametrize(
    ("values", "described"),
    [
        (DECIBELS, {"unit": "dB"}),
        (DECIBELS, {"bands": [{"unit": "decibel"}]}),
        (POWER, {"raster:bands": [{"unit": "linear"}]}),
        (POWER, {"unit": "1"}),
        (DECIBELS, {}),
        (POWER, {}),
    ],
)
def test_backscatter_is_decibels_whatever_the_file_holds(
    make_scene: MakeScene, values: np.ndarray, described: dict[str, Any]
) -> None:
    for band in read(make_scene, values, **described):
        np.testing.assert_allclose(band, DECIBELS, atol=1e-4)


def test_what_the_item_says_counts_more_than_the_numbers(make_scene: MakeScene) -> None:
    # Strong backscatter in decibels is positive, as power is.
    town = np.full((20, 20), 4.0, np.float32)
    np.testing.assert_allclose(read(make_scene, town, unit="dB"), 4.0)
    np.testing.assert_allclose(read(make_scene, town, unit="power"), 10 * np.log10(4.0), atol=1e-5)


def test_the_file_s_own_unit_counts_where_the_item_is_silent(make_scene: MakeScene) -> None:
    folder = make_scene({"VV": np.full((20, 20), 4.0, np.float32)})
    with rasterio.open(folder / "VV.tif", "r+") as file:
        file.units = ("dB",)
    np.testing.assert_allclose(read_bands(open_scene(folder), ["VV"]), 4.0)


def test_power_that_is_not_positive_is_no_data(make_scene: MakeScene) -> None:
    values = POWER.copy()
    values[0, :3] = (0.0, -1e-4, np.nan)
    found = read(make_scene, values, unit="power")
    assert np.isnan(found[:, 0, :3]).all()
    assert np.isnan(found).sum() == 6


def test_nodata_does_not_decide_the_unit(make_scene: MakeScene) -> None:
    values = POWER.copy()
    values[:15] = -32768
    found = read(make_scene, values, nodata=-32768)
    np.testing.assert_allclose(found[:, 15:], [DECIBELS[15:]] * 2, atol=1e-4)
    assert np.isnan(found[:, :15]).all()


def test_an_amplitude_is_refused(make_scene: MakeScene) -> None:
    with pytest.raises(SceneError, match=r"band VV: .*VV\.tif has the unit 'amplitude': backscatter is read as dB or"):
        read(make_scene, POWER, unit="Amplitude")


def test_a_band_of_reflectance_is_left_alone(make_scene: MakeScene) -> None:
    numbers = np.full((20, 20), 2500, np.uint16)
    scene = open_scene(make_scene({"B03": numbers}, {"B03": {"unit": "1"}}))
    np.testing.assert_allclose(read_bands(scene, ["B03"]), 0.25, atol=1e-6)
