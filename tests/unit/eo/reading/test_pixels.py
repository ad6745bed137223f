"""Reflectance on the 10 m grid: masks, resampling, windows, strips."""

from pathlib import Path

import numpy as np
import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from rasterio.env import get_gdal_config, set_gdal_config
from rasterio.windows import Window

from rucio_dafab.eo.raster import BLOCKS_KEPT
from rucio_dafab.eo.resampling import enlarge_bilinear, enlarge_nearest
from rucio_dafab.eo.scene import SceneError, open_scene, read_bands, read_scl, strips

from .conftest import MakeScene, item, write_band

RANDOM = np.random.default_rng(7)


def numbers(rows: int, columns: int) -> np.ndarray:
    return RANDOM.integers(1, 8000, (rows, columns)).astype(np.uint16)


def test_no_data_and_saturated_are_nan_before_the_offset(make_scene: MakeScene) -> None:
    values = np.array([[0, 1000], [65535, 2500]], np.uint16)
    scene = open_scene(make_scene({"B02": values}, {"B02": {"raster:offset": -0.1}}))
    np.testing.assert_allclose(read_bands(scene, ["B02"])[0], [[np.nan, 0.0], [np.nan, 0.15]], atol=1e-7)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("kind", [np.float32, np.float64])
def test_what_no_measurement_is_holds_no_data_and_spoils_no_neighbour(make_scene: MakeScene, kind: type) -> None:
    values = RANDOM.uniform(0.01, 0.5, (8, 8)).astype(kind)
    strange = values.copy()
    strange[2, :4] = np.inf, -np.inf, np.nan, np.finfo(kind).min
    plain = {"raster:scale": 1.0}
    scene = open_scene(make_scene({"B02": strange, "B11": (strange[::2, ::2], 20.0)}, {"B02": plain, "B11": plain}))
    fine, coarse = read_bands(scene, ["B02", "B11"])
    known = np.isfinite(strange) & (np.abs(strange) < 1)
    np.testing.assert_array_equal(fine, np.where(known, values, np.nan).astype(np.float32))
    np.testing.assert_array_equal(np.isnan(coarse), ~known[::2, ::2].repeat(2, 0).repeat(2, 1))
    assert not np.isinf(coarse).any()


def test_the_order_of_the_names_is_the_order_of_the_result(make_scene: MakeScene) -> None:
    scene = open_scene(make_scene({"B02": numbers(5, 7), "B08": numbers(5, 7)}))
    forward, backward = read_bands(scene, ["B02", "B08"]), read_bands(scene, ["B08", "B02"])
    assert forward.dtype == np.float32
    assert forward.shape == (2, 5, 7)
    np.testing.assert_array_equal(forward, backward[::-1])


def test_a_plane_stays_a_plane_when_a_coarse_band_is_enlarged(make_scene: MakeScene) -> None:
    # A plane in coordinates is what bilinear interpolation must reproduce away from the border: any shift would show.
    for factor in (2, 6):
        row, column = np.mgrid[0:20, 0:30].astype(np.float64)
        centre = (factor - 1) / 2
        plane = (1000 + 30 * (row * factor + centre) + 12 * (column * factor + centre)).astype(np.float32)
        folder = make_scene(
            {"B02": numbers(20 * factor, 30 * factor), "B11": (plane, 10.0 * factor)},
            {"B11": {"raster:scale": 1.0}},
            name=f"plane{factor}",
        )
        fine_row, fine_column = np.mgrid[0 : 20 * factor, 0 : 30 * factor]
        inner = (slice(factor, -factor), slice(factor, -factor))
        read = read_bands(open_scene(folder), ["B11"])[0]
        np.testing.assert_allclose(read[inner], (1000 + 30 * fine_row + 12 * fine_column)[inner], rtol=1e-6)


def test_no_data_in_a_coarse_band_stays_where_it_is(make_scene: MakeScene) -> None:
    coarse = np.full((6, 6), 2000, np.uint16)
    coarse[2, 3] = 0
    scene = open_scene(make_scene({"B02": numbers(12, 12), "B11": (coarse, 20.0)}))
    read = read_bands(scene, ["B11"])[0]
    expected = np.zeros((12, 12), bool)
    expected[4:6, 6:8] = True
    np.testing.assert_array_equal(np.isnan(read), expected)
    np.testing.assert_allclose(read[~expected], 0.2, rtol=1e-6)


@settings(deadline=None)
@given(
    arrays(np.float32, st.tuples(st.integers(1, 6), st.integers(1, 6)), elements=st.floats(0, 1, width=32)),
    st.sampled_from([2, 3, 6]),
)
def test_bilinear_values_stay_between_their_neighbours(values: np.ndarray, factor: int) -> None:
    enlarged = enlarge_bilinear(values, factor)
    assert enlarged.shape == (values.shape[0] * factor, values.shape[1] * factor)
    assert values.min() - 1e-6 <= enlarged.min() <= enlarged.max() <= values.max() + 1e-6


def test_scene_classification_is_enlarged_by_repeating(make_scene: MakeScene) -> None:
    classes = RANDOM.integers(0, 12, (6, 5)).astype(np.uint8)
    scene = open_scene(make_scene({"B02": numbers(12, 10), "SCL": (classes, 20.0)}))
    np.testing.assert_array_equal(read_scl(scene), enlarge_nearest(classes, 2))
    np.testing.assert_array_equal(read_scl(scene, Window(3, 5, 4, 6)), enlarge_nearest(classes, 2)[5:11, 3:7])


@pytest.fixture(scope="session")
def uneven(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a scene whose coarse bands reach beyond its last rows and columns."""
    folder = tmp_path_factory.mktemp("uneven")
    coarse = numbers(42, 49)
    coarse[3:9, 4:6] = 0
    for name, values, pixel in (("B02", numbers(83, 97), 10.0), ("B11", coarse, 20.0), ("B01", numbers(14, 17), 60.0)):
        write_band(folder / f"{name}.jp2", values, pixel)
    assets = {name: {"href": f"{name}.jp2"} for name in ("B02", "B11", "B01")}
    (folder / "item.json").write_bytes(orjson.dumps(item(assets)))
    return folder


@settings(deadline=None, max_examples=40)
@given(data=st.data())
def test_a_window_is_a_piece_of_the_whole(data: st.DataObject, uneven: Path) -> None:
    scene = open_scene(uneven)
    whole = read_bands(scene, ["B02", "B11", "B01"])
    row, column = data.draw(st.integers(0, 82)), data.draw(st.integers(0, 96))
    height, width = data.draw(st.integers(1, 83 - row)), data.draw(st.integers(1, 97 - column))
    part = read_bands(scene, ["B02", "B11", "B01"], Window(column, row, width, height))
    np.testing.assert_array_equal(part, whole[:, row : row + height, column : column + width])


@pytest.mark.parametrize("rows", [1, 7, 64, 83, 1024])
def test_strips_together_are_the_whole(rows: int, uneven: Path) -> None:
    scene = open_scene(uneven)
    read = list(strips(scene, ["B02", "B11", "B01"], rows))
    assert [strip.row for strip in read] == list(range(0, 83, rows))
    together = np.concatenate([strip.values for strip in read], axis=1)
    np.testing.assert_array_equal(together, read_bands(scene, ["B02", "B11", "B01"]))


@pytest.mark.parametrize(("block", "rows"), [(64, 512), (512, 512), (1024, 1024), (2048, 1024)])
def test_strips_are_as_high_as_the_blocks_that_are_decoded_at_once(tmp_path: Path, block: int, rows: int) -> None:
    write_band(tmp_path / "B02.tif", numbers(1100, 16), blockysize=block)
    (tmp_path / "item.json").write_bytes(orjson.dumps(item({"B02": {"href": "./B02.tif"}})))
    read = [strip.row for strip in strips(open_scene(tmp_path), ["B02"])]
    assert read == list(range(0, 1100, rows))


def test_decoded_blocks_take_little_memory(make_scene: MakeScene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GDAL_CACHEMAX", raising=False)
    scene, before = open_scene(make_scene({"B02": numbers(5, 5)})), get_gdal_config("GDAL_CACHEMAX")
    try:
        set_gdal_config("GDAL_CACHEMAX", 2 * BLOCKS_KEPT)
        read_bands(scene, ["B02"])
        assert get_gdal_config("GDAL_CACHEMAX") == BLOCKS_KEPT
        set_gdal_config("GDAL_CACHEMAX", 2 * BLOCKS_KEPT)
        monkeypatch.setenv("GDAL_CACHEMAX", "512")
        read_bands(scene, ["B02"])
        assert get_gdal_config("GDAL_CACHEMAX") == 2 * BLOCKS_KEPT
    finally:
        set_gdal_config("GDAL_CACHEMAX", before)


@pytest.mark.parametrize("window", [Window(-1, 0, 2, 2), Window(0, 0, 6, 2), Window(0, 4, 1, 2), Window(0, 0, 0, 1)])
def test_a_window_off_the_grid_is_refused(make_scene: MakeScene, window: Window) -> None:
    scene = open_scene(make_scene({"B02": numbers(5, 5)}))
    with pytest.raises(SceneError, match="leaves its grid of 5 × 5 pixels"):
        read_bands(scene, ["B02"], window)


def test_a_band_the_scene_does_not_have_is_named(make_scene: MakeScene) -> None:
    scene = open_scene(make_scene({"B02": numbers(5, 5)}))
    with pytest.raises(SceneError, match=r"scene made_scene has no band B11 \(it has B02\)"):
        read_bands(scene, ["B02", "B11"])
    with pytest.raises(SceneError, match="has no band SCL"):
        read_scl(scene)


# Several tiles a file: decoders with threads of their own swallow what goes wrong in one of them.
@pytest.mark.parametrize("suffix", [".jp2", ".tif"])
@pytest.mark.parametrize("part", [0.3, 0.6, 0.9, 0.999])
def test_a_band_that_breaks_off_is_named_with_its_file(make_scene: MakeScene, suffix: str, part: float) -> None:
    folder = make_scene({"B02": numbers(300, 300), "B03": numbers(300, 300)})
    if suffix == ".jp2":
        (folder / "B03.tif").unlink()
        write_band(folder / "B03.jp2", numbers(300, 300), BLOCKXSIZE=64, BLOCKYSIZE=64)
        written = folder / "item.json"
        written.write_text(written.read_text().replace("B03.tif", "B03.jp2"))
    band = folder / f"B03{suffix}"
    band.write_bytes(band.read_bytes()[: int(band.stat().st_size * part)])
    with pytest.raises(SceneError, match=f"band B03: {band} ") as refusal:
        read_bands(open_scene(folder), ["B02", "B03"])
    assert "\n" not in str(refusal.value)
