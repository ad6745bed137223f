"""The source ``dafab`` of earthkit-data: answers as xarray, GeoPandas and earthkit's own fields."""

import gc
import json
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from affine import Affine

from dasi_backend.errors import NothingFound, RequestError
from dasi_backend.store import Store
from rucio_dafab.client import PublishRequest
from rucio_dafab.errors import DafabError
from tests.integration.fields import make_fields
from tests.integration.rolling_store.scenes import make_scene

pytestmark = pytest.mark.integration

RING = [[6, 49], [7, 49], [7, 50], [6, 50], [6, 49]]
TYPES = {"mask": "image/tiff; application=geotiff", "vector": "application/geo+json", "table": "application/x-parquet"}


@pytest.fixture(scope="module")
def from_source() -> Any:
    """Return earthkit's function; its dependencies warn while they are imported."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import earthkit.data

        return earthkit.data.from_source


@pytest.fixture(autouse=True)
def forgiven() -> Iterator[None]:
    """Let what earthkit's dependencies warn of be."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        warnings.simplefilter("ignore", FutureWarning)
        yield


def document(name: str, day: int) -> dict[str, Any]:
    return {
        "type": "Feature",
        "stac_version": "1.1.0",
        "id": name,
        "collection": "water_analysis",
        "bbox": [6, 49, 7, 50],
        "geometry": {"type": "Polygon", "coordinates": [RING]},
        "properties": {"datetime": f"2033-03-{day:02}T10:00:00Z", "platform": "sentinel-2a"},
        "links": [],
        "assets": {key: {"href": f"./{key}", "type": kind, "roles": ["data"]} for key, kind in TYPES.items()},
    }


@pytest.fixture(scope="module")
def config(site: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Publish masks, vectors and tables of two days, archive a scene and fields; return what reaches all of them."""
    import geopandas
    from shapely.geometry import box

    folder = tmp_path_factory.mktemp("earthkit")
    client = site.client("dafab_admin")
    for day in (1, 2):
        name, files = f"earthkit_{day}", {}
        profile = {"driver": "GTiff", "dtype": "uint8", "count": 1, "crs": "EPSG:32632", "nodata": 255}
        grid = Affine(10, 0, 600000, 0, -10, 5500000)
        with rasterio.open(folder / "mask.tif", "w", width=4, height=3, transform=grid, **profile) as raster:
            raster.write(np.full((3, 4), day, np.uint8), 1)
        frame = geopandas.GeoDataFrame({"field": [day]}, geometry=[box(6, 49, 7, 50)], crs="EPSG:4326")
        frame.to_file(folder / "vector.geojson", driver="GeoJSON")
        frame.to_parquet(folder / "table.parquet")
        for asset, path in (("mask", "mask.tif"), ("vector", "vector.geojson"), ("table", "table.parquet")):
            files[asset] = client.upload(folder / path, "MELUXINA", f"{name}.{path}")
        client.publish(PublishRequest("dafab", document(name, day), files))
    make_scene(folder / "scene", "earthkit_scene", size=16)
    item = json.loads((folder / "scene" / "item.json").read_text())
    item |= {"geometry": {"type": "Polygon", "coordinates": [RING]}, "bbox": [6, 49, 7, 50]}
    (folder / "scene" / "item.json").write_text(json.dumps(item))
    Store(folder / "store").archive(folder / "scene")
    (folder / "grib").mkdir()
    schema = make_fields(folder / "grib")
    grib = {"type": "grib", "schema": str(schema), "spaces": [{"roots": [{"path": str(folder / "grib" / "fields")}]}]}
    members = [
        grib | {"select": "class=^od$"},
        {"select": "mission=^s2$", "spaces": [{"roots": [{"path": str(folder / "store")}]}]},
        {"type": "rucio", "rucio": {"config_path": str(site.home.client_config("user_dafab")), "rse": "MELUXINA"}},
    ]
    (folder / "dasi.yml").write_text(json.dumps({"type": "select", "fdbs": members}))
    return folder / "dasi.yml"


WHICH = {"collection": "water_analysis", "date": "20330301/to/20330302"}


def test_masks_become_one_dataset(from_source: Any, config: Path) -> None:
    masks = from_source("dafab", {**WHICH, "asset": "mask"}, config=config)
    assert len(masks) == 2
    data = masks.to_xarray()
    assert dict(data.sizes) == {"item": 2, "y": 3, "x": 4}
    assert set(data["item"].values) == {"earthkit_1", "earthkit_2"}
    assert int(data["data"].sel(item="earthkit_2").values.max()) == 2
    assert data.attrs["crs"] == "EPSG:32632"
    assert (float(data["x"][0]), float(data["y"][0])) == (600005.0, 5499995.0)
    one = masks[0].to_xarray()
    assert one["data"].dims == ("y", "x")
    assert one["data"].attrs["nodata"] == 255


@pytest.mark.parametrize("asset", ["vector", "table"])
def test_vectors_become_one_frame(from_source: Any, config: Path, asset: str) -> None:
    frame = from_source("dafab", config=config, asset=asset, **WHICH).to_geopandas()
    assert sorted(zip(frame["item"], frame["field"], strict=True)) == [("earthkit_1", 1), ("earthkit_2", 2)]
    assert frame.crs.to_epsg() == 4326
    assert frame.geometry.iloc[0].area == pytest.approx(1)


def test_a_scene_becomes_reflectances_on_its_grid(from_source: Any, config: Path) -> None:
    scene = from_source("dafab", {"mission": "s2", "date": "20260601", "band": "b02"}, config=config)
    data = scene.to_xarray(bands=["b02"])
    assert set(data.data_vars) == {"B02"}
    assert (data["B02"].dtype, data.attrs["id"]) == (np.float32, "earthkit_scene")
    assert dict(data.sizes) == {"y": 16, "x": 16}


def test_an_answer_stays_while_it_is_used(from_source: Any, config: Path) -> None:
    """As in the documentation: the source itself is gone when its first answer is read."""
    answer = from_source("dafab", {"mission": "s2", "date": "20260601", "band": "b02"}, config=config)[0]
    gc.collect()
    assert set(answer.to_xarray(bands=["b02"]).data_vars) == {"B02"}
    path = answer.path
    del answer
    gc.collect()
    assert not path.exists()


def test_fields_become_earthkits_own(from_source: Any, config: Path) -> None:
    request = "retrieve, class=od, stream=oper, expver=1, type=fc, param=2t, date=20320614, time=12, step=0/6"
    fields = from_source("dafab", request, config=config)
    assert len(fields) == 2
    assert sorted(fields.metadata("step")) == [0, 6]
    assert fields[0].values.shape == (12,)
    assert from_source("dafab", request, config=config)[0].values.shape == (12,)


def test_files_go_with_the_source_unless_a_folder_is_named(from_source: Any, config: Path, tmp_path: Path) -> None:
    source = from_source("dafab", {**WHICH, "asset": "mask"}, config=config)
    paths = [answer.path for answer in source]
    assert all(path.is_file() for path in paths)
    del source
    gc.collect()
    assert not any(path.exists() for path in paths)
    for kept in (False, True):
        source = from_source("dafab", {**WHICH, "asset": "mask"}, config=config, folder=tmp_path)
        assert [answer.retrieved.kept for answer in source] == [kept, kept]
    assert (tmp_path / "earthkit_1" / "mask.tif").is_file()


@pytest.mark.parametrize(
    ("request_", "said"),
    [
        ({"colour": "red"}, "unknown key 'colour'"),
        (None, "needs to know what to fetch"),
        ({}, "needs to know what to fetch"),
        ("list, collection=water_analysis", "not list"),
        ('retrieve, collection=water_analysis, target="x"', "without target"),
        ({**WHICH, "date": "20330303"}, "nothing in"),
        ({**WHICH, "cloud_cover": "<<3"}, "cloud_cover"),
    ],
)
def test_what_is_not_answered_is_refused(from_source: Any, config: Path, request_: Any, said: str) -> None:
    with pytest.raises(DafabError, match=said) as refusal:
        from_source("dafab", request_, config=config)
    assert "\n" not in str(refusal.value)


def test_what_does_not_fit_together_is_refused(from_source: Any, config: Path) -> None:
    masks = from_source("dafab", {**WHICH, "asset": "mask"}, config=config)
    with pytest.raises(RequestError, match="is no vector file"):
        masks.to_geopandas()
    vectors = from_source("dafab", {**WHICH, "asset": "vector"}, config=config)
    with pytest.raises(RequestError, match="is no raster"):
        vectors.to_xarray()
    with pytest.raises(RequestError, match=r"2 \w+ answer the request, and expect=3"):
        from_source("dafab", {**WHICH, "asset": "mask"}, config=config, expect=3)
    none = from_source("dafab", {**WHICH, "date": "20330303"}, config=config, expect="any")
    assert len(none) == 0
    with pytest.raises(RequestError, match="brackets"):
        from_source("dafab", {**WHICH, "asset": "mask"}, config=config, folder="kept[id]")
    with pytest.raises(RequestError, match="nothing answered"):
        none.to_xarray()
    with pytest.raises(NothingFound):
        from_source("dafab", {**WHICH, "date": "20330303"}, config=config)
