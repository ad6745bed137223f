"""Reference water from JRC occurrence: on the scene's grid, split by its thresholds, and what cannot be used."""

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from affine import Affine
from numpy.typing import NDArray
from pyproj import Transformer

from rucio_dafab.eo import occurrence
from rucio_dafab.eo.errors import ProductError
from rucio_dafab.eo.occurrence import reference_of_occurrence
from rucio_dafab.eo.reference_water import has_tiles
from rucio_dafab.eo.scene import Scene
from rucio_dafab.eo.water import read_reference

Make = Callable[..., Any]
SHAPE = (60, 80)
# Tiles of the tests are coarser than those of JRC (0.00025 degrees), and as wide.
PIXEL = 10 / 5000


def write_tile(path: Path, values: NDArray[Any], west: float, north: float, **more: Any) -> Path:
    path.parent.mkdir(exist_ok=True)
    rows, columns = values.shape
    profile = {
        "driver": "GTiff", "dtype": values.dtype, "count": 1, "height": rows, "width": columns, "crs": "EPSG:4326",
        "transform": Affine(10 / columns, 0, west, 0, -10 / rows, north), "compress": "deflate",
    }  # fmt: skip
    with rasterio.open(path, "w", **profile | more) as target:
        target.write(values, 1)
    return path


def stripes(seed: int = 0) -> NDArray[np.uint8]:
    """Return occurrence that differs from pixel to pixel: 0 to 100, and 255."""
    values = np.random.default_rng(seed).integers(0, 103, (5000, 5000), np.uint8)
    values[values > 100] = 255
    return values


def expected(scene: Scene, tiles: dict[tuple[int, int], NDArray[np.uint8]]) -> NDArray[np.uint8]:
    """Return occurrence at the centre of each pixel, one by one."""
    rows, columns = np.indices(scene.shape) + 0.5
    x, y = scene.transform @ (columns, rows)
    longitude, latitude = Transformer.from_crs(scene.crs.to_wkt(), "EPSG:4326", always_xy=True).transform(x, y)
    found = np.full(scene.shape, 255, np.uint8)
    for (west, north), values in tiles.items():
        column, row = (longitude - west) // PIXEL, (north - latitude) // PIXEL
        inside = (column >= 0) & (column < 5000) & (row >= 0) & (row < 5000)
        found[inside] = values[row[inside].astype(int), column[inside].astype(int)]
    return found


def codes(percent: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return np.select([percent == 255, percent >= 75, percent >= 5], [255, 1, 2], 0).astype(np.uint8)


def written(path: Path) -> NDArray[np.uint8]:
    with rasterio.open(path) as source:
        assert source.nodata == 255
        found: NDArray[np.uint8] = source.read(1)
    return found


def test_it_is_brought_to_the_grid_and_split_at_5_and_75(make_scene: Make, tmp_path: Path) -> None:
    # 1,200 rows are three strips. The scene lies in one tile, far from its rim.
    scene = make_scene((1200, 900))
    values = stripes()
    write_tile(tmp_path / "jrc" / "occurrence_10E_50Nv1_4_2021.tif", values, 10, 50)
    write_tile(tmp_path / "jrc" / "occurrence_20E_50Nv1_4_2021.tif", values, 20, 50)
    found = reference_of_occurrence(tmp_path / "jrc", scene, tmp_path / "codes.tif")
    assert found.told == {
        "source": "occurrence", "title": occurrence.TITLE, "doi": "10.1038/nature20584",
        "attribution": "Source: EC JRC/Google", "files": ["occurrence_10E_50Nv1_4_2021.tif"],
        "permanent_percent": 75.0, "seasonal_percent": 5.0,
    }  # fmt: skip
    assert found.path is not None
    made, right = written(found.path), codes(expected(scene, {(10, 50): values}))
    assert set(np.unique(right)) == {0, 1, 2, 255}
    # 1.25 m beside are allowed at the borders of pixels, which are some 150 m wide here.
    assert (made != right).mean() < 0.005
    reference = read_reference(found.path, scene)
    assert (reference.permanent == (made == 1)).all()
    assert (reference.seasonal == (made == 2)).all()
    assert (reference.known == (made != 255)).all()


@pytest.mark.parametrize(("percent", "code"), [(0, 0), (4, 0), (5, 2), (74, 2), (75, 1), (100, 1), (255, 255)])
def test_thresholds(percent: int, code: int, make_scene: Make, tmp_path: Path) -> None:
    values = np.full((50, 50), percent, np.uint8)
    values[0, 0] = 0
    tile = write_tile(tmp_path / "tile.tif", values, 10, 50)
    found = reference_of_occurrence(tile, make_scene(), tmp_path / "codes.tif")
    if code == 255:
        assert (found.path, found.told["source"]) == (None, "none")
        assert found.told["reason"] == "tile.tif: no occurrence of water is known in the scene"
    else:
        assert found.path is not None
        assert (written(found.path) == code).all()


def test_never_water_is_known_whatever_the_file_declares(make_scene: Make, tmp_path: Path) -> None:
    tile = write_tile(tmp_path / "tile.tif", np.zeros((50, 50), np.uint8), 10, 50, nodata=0)
    found = reference_of_occurrence(tile, make_scene(), tmp_path / "codes.tif")
    assert found.path is not None
    assert (written(found.path) == 0).all()


def test_a_scene_in_two_tiles_takes_both(make_scene: Make, tmp_path: Path) -> None:
    # 20 degrees east cross the grid of zone 33 in its 40th column.
    x, y = Transformer.from_crs("EPSG:4326", "EPSG:32633", always_xy=True).transform(20, 47.8)
    scene = make_scene(origin=(x - 400, y))
    left, right = stripes(1), stripes(2)
    write_tile(tmp_path / "jrc" / "occurrence_10E_50N.tif", left, 10, 50)
    only = tmp_path / "jrc"
    with pytest.raises(ProductError, match=r"no occurrence of water is there for 4\d\.\d\d° north, 20\.0\d° east"):
        reference_of_occurrence(only, scene, tmp_path / "codes.tif")
    write_tile(tmp_path / "jrc" / "occurrence_20E_50N.tif", right, 20, 50)
    found = reference_of_occurrence(only, scene, tmp_path / "codes.tif")
    assert found.told["files"] == ["occurrence_10E_50N.tif", "occurrence_20E_50N.tif"]
    assert found.path is not None
    made = written(found.path)
    assert (made != codes(expected(scene, {(10, 50): left, (20, 50): right}))).mean() < 0.005
    assert (made[:, -1] != codes(expected(scene, {(10, 50): left}))[:, -1]).any()


def test_a_scene_over_the_antimeridian_takes_both_sides(make_scene: Make, tmp_path: Path) -> None:
    x, y = Transformer.from_crs("EPSG:4326", "EPSG:32760", always_xy=True).transform(180, -17)
    scene = make_scene(crs="EPSG:32760", origin=(x - 400, y))
    left, right = stripes(1), stripes(2)
    write_tile(tmp_path / "jrc" / "occurrence_170E_10S.tif", left, 170, -10)
    write_tile(tmp_path / "jrc" / "occurrence_180W_10S.tif", right, -180, -10)
    found = reference_of_occurrence(tmp_path / "jrc", scene, tmp_path / "codes.tif")
    assert found.path is not None
    assert len(found.told["files"]) == 2
    made = written(found.path)
    assert (made != codes(expected(scene, {(170, -10): left, (-180, -10): right}))).mean() < 0.005


def test_beyond_80_degrees_north_there_is_none(make_scene: Make, tmp_path: Path) -> None:
    write_tile(tmp_path / "jrc" / "occurrence_10E_50N.tif", np.zeros((50, 50), np.uint8), 10, 50)
    _, y = Transformer.from_crs("EPSG:4326", "EPSG:32633", always_xy=True).transform(15, 82)
    found = reference_of_occurrence(tmp_path / "jrc", make_scene(origin=(500_000.0, y)), tmp_path / "codes.tif")
    assert found.told == {
        "source": "none",
        "reason": "the occurrence of water is known from 60° south to 80° north only",
    }


def test_again_gives_the_same_bytes(make_scene: Make, tmp_path: Path) -> None:
    scene = make_scene((700, 80))
    tile = write_tile(tmp_path / "tile.tif", stripes(), 10, 50)
    sums = set()
    for name in ("one.tif", "two.tif"):
        reference_of_occurrence(tile, scene, tmp_path / name)
        sums.add(hashlib.sha256((tmp_path / name).read_bytes()).hexdigest())
    assert len(sums) == 1


def test_what_is_no_occurrence_is_one_line(make_scene: Make, tmp_path: Path) -> None:
    scene, plain = make_scene(), np.zeros((50, 50), np.uint8)

    def said(place: Path) -> str:
        with pytest.raises(ProductError) as refusal:
            reference_of_occurrence(place, scene, tmp_path / "codes.tif")
        assert "\n" not in str(refusal.value)
        return str(refusal.value)

    other = write_tile(tmp_path / "utm.tif", plain, 10, 50, crs="EPSG:32633")
    assert said(other).endswith("utm.tif: the occurrence of water is in EPSG:32633: expected EPSG:4326")
    none = write_tile(tmp_path / "nowhere.tif", plain, 10, 50, crs=None)
    assert said(none).endswith("is in no reference system: expected EPSG:4326")
    # The transition map of the same data set, or another one.
    strange = write_tile(tmp_path / "strange.tif", plain + 137, 10, 50)
    assert said(strange).endswith("strange.tif holds the value 137: occurrence is 0 to 100, and 255 no data")
    real = write_tile(tmp_path / "real.tif", plain.astype(np.float32), 10, 50)
    assert said(real).endswith("real.tif: 1 bands of float32: occurrence is one of uint8")
    assert said(tmp_path / "absent").endswith("absent: there is no such folder or file of water occurrence")
    (tmp_path / "empty").mkdir()
    assert "no occurrence of water is there for 47.8" in said(tmp_path / "empty")
    (tmp_path / "mosaic.vrt").write_text("<VRTDataset/>")
    assert "a VRT may lead anywhere" in said(tmp_path / "mosaic.vrt")
    write_tile(tmp_path / "twice" / "occurrence_10E_50Nv1_3_2020.tif", plain, 10, 50)
    write_tile(tmp_path / "twice" / "occurrence_10E_50Nv1_4_2021.tif", plain, 10, 50)
    assert "v1_3_2020.tif and occurrence_10E_50Nv1_4_2021.tif are the same tile" in said(tmp_path / "twice")


def test_a_file_that_breaks_off_is_one_line(make_scene: Make, tmp_path: Path) -> None:
    tile = write_tile(tmp_path / "tile.tif", stripes(), 10, 50)
    whole = tile.read_bytes()
    for part in (40, len(whole) // 10):
        tile.write_bytes(whole[:part])
        with pytest.raises(ProductError, match=r"tile\.tif: the occurrence of water cannot be read") as refusal:
            reference_of_occurrence(tile, make_scene(), tmp_path / "codes.tif")
        assert "\n" not in str(refusal.value)


def test_where_nothing_can_be_written_is_one_line(make_scene: Make, tmp_path: Path) -> None:
    tile = write_tile(tmp_path / "tile.tif", np.zeros((50, 50), np.uint8), 10, 50)
    with pytest.raises(ProductError, match="cannot be written to"):
        reference_of_occurrence(tile, make_scene(), tmp_path / "absent" / "codes.tif")


def test_a_folder_without_tiles_is_none(tmp_path: Path) -> None:
    assert not has_tiles(tmp_path / "absent")
    (tmp_path / "readme.txt").touch()
    assert not has_tiles(tmp_path)
    (tmp_path / "occurrence_10E_50Nv1_4_2021.tif").touch()
    assert has_tiles(tmp_path)
