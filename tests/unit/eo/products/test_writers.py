"""Files: layout, place, tags, standards; the same bytes again; all or nothing on disk."""

import json
import resource
import signal
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import geopandas
import numpy as np
import pyarrow.parquet
import pytest
import rasterio
import shapely
from affine import Affine
from rasterio.crs import CRS

from rucio_dafab.eo import writers
from rucio_dafab.eo.errors import ProductError
from rucio_dafab.eo.writers import RasterLegend

UTM = CRS.from_epsg(32633)
TRANSFORM = Affine(10, 0, 500_000, 0, -10, 5_300_000)
LEGEND = RasterLegend("water", 1, (("land", (240, 240, 230)), ("water", (20, 100, 200))))
TAGS = {"TIFFTAG_DATETIME": "2023:05:04 10:36:29", "TIFFTAG_SOFTWARE": "test 1", "TIFFTAG_COPYRIGHT": "nobody"}


@pytest.fixture
def mask() -> tuple[np.ndarray, np.ndarray]:
    noise = np.random.default_rng(2)
    values = np.kron(noise.integers(0, 2, (30, 40)), np.ones((40, 40), int)).astype(np.uint8)
    valid = np.ones(values.shape, bool)
    valid[:, :100] = False
    return values, valid


def squares(number: int = 30) -> np.ndarray:
    noise = np.random.default_rng(4)
    corners = noise.integers(0, 900, (number, 2)) * 10 + (500_000, 5_290_000)
    return np.array([shapely.box(x, y, x + 50, y + 80) for x, y in corners], object)


def test_cog_is_cloud_optimised_and_one_bit(mask: tuple[np.ndarray, np.ndarray], tmp_path: Path) -> None:
    values, valid = mask
    path = tmp_path / "mask.tif"
    content = writers.encode_cog(values, valid, UTM, TRANSFORM, LEGEND, TAGS)
    path.write_bytes(content)
    with rasterio.open(path) as source:
        assert source.tags(ns="IMAGE_STRUCTURE")["LAYOUT"] == "COG"
        assert source.tags(1, ns="IMAGE_STRUCTURE")["NBITS"] == "1"
        assert source.profile["compress"] == "deflate"
        assert source.block_shapes == [(512, 512)]
        assert source.overviews(1) == [2, 4]
        assert (source.crs, source.transform, source.shape) == (UTM, TRANSFORM, values.shape)
        assert source.colormap(1)[1] == (20, 100, 200, 255)
        assert source.descriptions == ("water",)
        assert {key: source.tags()[key] for key in TAGS} == TAGS
        assert np.array_equal(source.read_masks(1) > 0, valid)
        assert np.array_equal(source.read(1)[valid], values[valid])
        assert not source.read(1)[~valid].any()
    assert len(content) < values.size / 64


def test_cog_of_classes(tmp_path: Path) -> None:
    values = np.arange(9, dtype=np.uint8).repeat(100).reshape(30, 30) % 8
    classes = RasterLegend("classes", 4, [(str(value), (value, 2 * value, 3 * value)) for value in range(8)])
    path = tmp_path / "classes.tif"
    path.write_bytes(writers.encode_cog(values, np.ones(values.shape, bool), UTM, TRANSFORM, classes, {}))
    with rasterio.open(path) as source:
        assert np.array_equal(source.read(1), values)
        assert source.colormap(1)[7] == (7, 14, 21, 255)


def test_codes_that_do_not_follow_each_other_keep_their_values(tmp_path: Path) -> None:
    values = np.full((30, 30), 95, np.uint8)
    codes = RasterLegend("codes", 8, [("a", (1, 2, 3)), ("b", (4, 5, 6))], (10, 95))
    path = tmp_path / "codes.tif"
    path.write_bytes(writers.encode_cog(values, np.ones(values.shape, bool), UTM, TRANSFORM, codes, {}))
    with rasterio.open(path) as source:
        assert np.unique(source.read(1)).tolist() == [95]
        assert source.colormap(1)[95] == (4, 5, 6, 255)


def test_geojson_follows_rfc_7946() -> None:
    geometries = squares()
    rows = [{"id": f"p{number}", "area_km2": 0.004} for number in range(len(geometries))]
    text = writers.encode_geojson(geometries, UTM, rows, {"attribution": "nobody"})
    document = json.loads(text)
    assert (document["type"], document["attribution"]) == ("FeatureCollection", "nobody")
    assert "crs" not in document
    assert [feature["id"] for feature in document["features"]] == [row["id"] for row in rows]
    assert document["features"][0]["properties"] == {"area_km2": 0.004}
    for feature in document["features"]:
        shape = shapely.geometry.shape(feature["geometry"])
        assert shape.is_valid
        assert shape.exterior.is_ccw
        assert feature["geometry"]["coordinates"][0][0] == feature["geometry"]["coordinates"][0][-1]
        assert all(round(value, 7) == value for point in feature["geometry"]["coordinates"][0] for value in point)
    back = geopandas.read_file(text).set_crs("EPSG:4326", allow_override=True).to_crs(UTM.to_wkt())
    assert shapely.hausdorff_distance(back.geometry.to_numpy(), geometries).max() < 0.02, "metres"


def test_geojson_is_split_at_the_antimeridian() -> None:
    # Zone 1 begins at 180° W, which is at 182 km of easting in Fiji.
    edge = shapely.box(172_000, 8_000_000, 192_000, 8_010_000)
    (feature,) = json.loads(writers.encode_geojson(np.array([edge]), CRS.from_epsg(32701), [{}]))["features"]
    shape = shapely.geometry.shape(feature["geometry"])
    assert feature["geometry"]["type"] == "MultiPolygon"
    assert shape.is_valid
    assert (shape.bounds[0], shape.bounds[2]) == (-180.0, 180.0)
    assert all(part.bounds[2] - part.bounds[0] < 1 for part in shape.geoms)
    assert all(part.exterior.is_ccw for part in shape.geoms)


def columns_of(number: int) -> dict[str, Any]:
    return {"id": [str(each) for each in range(number)], "metrics:area": np.full(number, 4000, np.float32)}


def test_geoparquet_is_1_1_with_a_covering_box(tmp_path: Path) -> None:
    geometries = squares()
    path = tmp_path / "parcels.parquet"
    path.write_bytes(
        writers.encode_geoparquet(geometries, UTM, columns_of(30), {"collection": {"schemas": {"a": ["b"]}}})
    )
    schema = pyarrow.parquet.read_schema(path)
    geo = json.loads(schema.metadata[b"geo"])
    assert geo["version"] == "1.1.0"
    assert geo["columns"]["geometry"]["covering"]["bbox"]["xmin"] == ["bbox", "xmin"]
    assert geo["columns"]["geometry"]["crs"]["id"] == {"authority": "EPSG", "code": 32633}
    assert json.loads(schema.metadata[b"collection"]) == {"schemas": {"a": ["b"]}}
    assert b"pandas" not in schema.metadata
    frame = geopandas.read_parquet(path)
    assert frame.crs.to_epsg() == 32633
    assert shapely.equals_exact(frame.geometry.to_numpy(), geometries, 0).all()
    inside = geopandas.read_parquet(path, bbox=(500_000, 5_290_000, 503_000, 5_293_000))
    assert 0 < len(inside) < 30


def test_no_polygons_are_files_too(tmp_path: Path) -> None:
    nothing = np.empty(0, object)
    assert json.loads(writers.encode_geojson(nothing, UTM, []))["features"] == []
    path = tmp_path / "none.parquet"
    path.write_bytes(writers.encode_geoparquet(nothing, UTM, columns_of(0), {}))
    assert len(geopandas.read_parquet(path)) == 0
    assert len(writers.hilbert_order(nothing)) == 0


def test_hilbert_order_keeps_neighbours_together() -> None:
    geometries = squares(400)
    ordered = geometries[writers.hilbert_order(geometries)]

    def walk(shapes: np.ndarray) -> float:
        return float(np.hypot(*np.diff(shapely.get_coordinates(shapely.centroid(shapes)), axis=0).T).sum())

    assert walk(ordered) < 0.2 * walk(geometries)


def test_same_input_same_bytes(mask: tuple[np.ndarray, np.ndarray]) -> None:
    geometries = squares()
    rows = [{"id": str(number)} for number in range(30)]
    for encode in (
        lambda: writers.encode_cog(*mask, UTM, TRANSFORM, LEGEND, TAGS),
        lambda: writers.encode_geojson(geometries, UTM, rows),
        lambda: writers.encode_geoparquet(geometries, UTM, columns_of(30), {"a": 1}),
    ):
        assert encode() == encode()


def contents(folder: Path) -> Mapping[Path, bytes]:
    return {folder / "a.bin": b"new a", folder / "b.bin": bytes(300_000)}


def test_files_are_put_in_place(tmp_path: Path) -> None:
    writers.write_all(contents(tmp_path / "deep" / "er"))
    assert (tmp_path / "deep" / "er" / "a.bin").read_bytes() == b"new a"
    assert sorted(path.name for path in (tmp_path / "deep" / "er").iterdir()) == ["a.bin", "b.bin"]


def test_a_full_disk_leaves_everything_as_it_was(tmp_path: Path) -> None:
    (tmp_path / "a.bin").write_bytes(b"old a")
    limit = resource.getrlimit(resource.RLIMIT_FSIZE)
    before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, limit[1]))
        with pytest.raises(ProductError, match=r"cannot write .*b\.bin: File too large"):
            writers.write_all(contents(tmp_path))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limit)
        signal.signal(signal.SIGXFSZ, before)
    assert [path.name for path in tmp_path.iterdir()] == ["a.bin"]
    assert (tmp_path / "a.bin").read_bytes() == b"old a"


def test_a_folder_that_is_a_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("")
    with pytest.raises(ProductError, match=r"cannot write .*taken/a\.bin: (File exists|Not a directory)"):
        writers.write_all(contents(tmp_path / "taken"))
