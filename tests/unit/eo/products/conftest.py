"""Small scenes with known truth, and predictions that say exactly that truth."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pytest
import rasterio
from affine import Affine
from numpy.typing import NDArray
from pyproj import Transformer
from scipy import ndimage

from rucio_dafab.eo.inference import Prediction
from rucio_dafab.eo.scene import Scene, open_scene

MakeScene = Callable[..., Scene]


@dataclass(frozen=True)
class Card:
    """A model as products see it."""

    name: str = "water"
    version: str = "1.2.0"
    sha256: str = "5a" * 32


@pytest.fixture
def card() -> Card:
    return Card()


def _write(path: Path, values: NDArray[Any], crs: str, transform: Any, **options: Any) -> None:
    height, width = values.shape
    with rasterio.open(
        path, "w", driver="GTiff", dtype=values.dtype, count=1, height=height, width=width, crs=crs,
        transform=transform, **options,
    ) as target:  # fmt: skip
        target.write(values, 1)


@pytest.fixture
def make_scene(tmp_path: Path) -> MakeScene:
    """Return a maker of staged scenes: RGB bands of noise on a UTM grid; reference, classes and gaps on demand."""

    def make(
        shape: tuple[int, int] = (60, 80),
        *,
        crs: str = "EPSG:32633",
        origin: tuple[float, float] = (500_000.0, 5_300_000.0),
        reference: NDArray[np.uint8] | None = None,
        scl: NDArray[np.uint8] | None = None,
        valid: NDArray[np.bool_] | None = None,
        name: str = "S2A_TEST",
        **properties: Any,
    ) -> Scene:
        folder = tmp_path / f"scene-{len(list(tmp_path.glob('scene-*')))}"
        folder.mkdir()
        transform = Affine(10, 0, origin[0], 0, -10, origin[1])
        noise = np.random.default_rng(5)
        assets: dict[str, Any] = {}
        for band in ("B02", "B03", "B04"):
            values = noise.integers(500, 3000, shape).astype(np.uint16)
            if valid is not None:
                values[~valid] = 0
            _write(folder / f"{band}.tif", values, crs, transform, nodata=0)
            assets[band] = {"href": f"./{band}.tif", "raster:scale": 0.0001, "raster:offset": 0.0}
        if reference is not None:
            _write(folder / "reference_water.tif", reference, crs, transform)
            assets["reference_water"] = {"href": "./reference_water.tif", "roles": ["reference"]}
        if scl is not None:
            _write(folder / "SCL.tif", scl, crs, transform)
            assets["SCL"] = {"href": "./SCL.tif"}
        item = {
            "type": "Feature", "stac_version": "1.1.0", "id": name, "collection": "sentinel-2-l2a",
            "geometry": _corners(crs, transform, shape), "links": [], "assets": assets,
            "properties": {"datetime": "2023-05-04T10:36:29Z", "constellation": "sentinel-2", "proj:code": crs,
                           "eo:cloud_cover": 12.5, **properties},
        }  # fmt: skip
        (folder / "item.json").write_bytes(orjson.dumps(item))
        return open_scene(folder)

    return make


def _corners(crs: str, transform: Any, shape: tuple[int, int]) -> dict[str, Any]:
    rows, columns = shape
    move = Transformer.from_crs(crs, "EPSG:4326", always_xy=True)
    corners = ((0, 0), (0, rows), (columns, rows), (columns, 0), (0, 0))
    return {"type": "Polygon", "coordinates": [[move.transform(*(transform @ corner)) for corner in corners]]}


@pytest.fixture
def predict() -> Callable[..., Prediction]:
    """Return a maker of predictions from bool or 0…1 arrays (row, column) by output name."""

    def make(
        valid: NDArray[np.bool_] | None = None, clear: NDArray[np.bool_] | None = None, **outputs: NDArray[Any]
    ) -> Prediction:
        maps = np.stack([np.rint(np.asarray(values, np.float64) * 255).astype(np.uint8) for values in outputs.values()])
        there = np.ones(maps.shape[1:], bool) if valid is None else valid
        seen = there if clear is None else clear & there
        return Prediction(tuple(outputs), maps, there, seen, clear is None, 1, 0, 0.0, 0.0)

    return make


@pytest.fixture
def chequered() -> Callable[[tuple[int, int], int], NDArray[np.int32]]:
    """Return a maker of square parcels of ``side`` pixels that touch, int32 (row, column), from 1 in raster order."""

    def make(shape: tuple[int, int], side: int) -> NDArray[np.int32]:
        rows, columns = np.indices(shape) // side
        return (rows * (-(-shape[1] // side)) + columns + 1).astype(np.int32)

    return make


@pytest.fixture
def maps_of() -> Callable[[NDArray[np.int32]], dict[str, NDArray[Any]]]:
    """Return what a perfect net says of parcels (0 is no parcel): extent, boundary and distance, 0…1."""

    def make(labels: NDArray[np.int32]) -> dict[str, NDArray[Any]]:
        edge = np.zeros(labels.shape, bool)
        for axis in (0, 1):
            for step in (1, -1):
                edge |= labels != np.roll(labels, step, axis)
        depth = ndimage.distance_transform_edt(~edge) * (labels > 0)
        deepest = ndimage.maximum(depth, labels, np.arange(labels.max() + 1))
        deepest[0] = 1
        return {"extent": labels > 0, "boundary": edge, "distance": depth / np.maximum(deepest, 1)[labels]}

    return make
