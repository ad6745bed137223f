"""Scenes and nets made on the spot: real GeoTIFF, JPEG 2000 and ONNX bytes, small enough to reason about."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pytest
import rasterio
from affine import Affine
from numpy.typing import NDArray

ORIGIN = (600_000.0, 5_400_000.0)

MakeScene = Callable[..., Path]
MakeModel = Callable[..., Path]


def write_band(
    path: Path,
    values: NDArray[Any],
    pixel: float = 10.0,
    crs: str | None = "EPSG:32632",
    origin: tuple[float, float] = ORIGIN,
    **more: Any,
) -> None:
    """Write one band; JPEG 2000 without loss where the name ends so, else a tiled GeoTIFF."""
    driver: dict[str, Any] = (
        {"driver": "JP2OpenJPEG", "QUALITY": "100", "REVERSIBLE": "YES"}
        if path.suffix == ".jp2"
        else {"driver": "GTiff", "compress": "deflate", "tiled": True, "blockxsize": 64, "blockysize": 64}
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    profile = {
        "width": values.shape[1],
        "height": values.shape[0],
        "count": 1,
        "dtype": values.dtype,
        "crs": crs,
        "transform": Affine(pixel, 0, origin[0], 0, -pixel, origin[1]),
    }
    with rasterio.open(path, "w", **(profile | driver | more)) as file:
        file.write(values, 1)


def item(assets: Mapping[str, Any], **properties: Any) -> dict[str, Any]:
    """Return a small valid item."""
    ring = [[9.0, 48.0], [9.1, 48.0], [9.1, 48.1], [9.0, 48.1], [9.0, 48.0]]
    return {
        "type": "Feature",
        "stac_version": "1.1.0",
        "id": "made_scene",
        "geometry": {"type": "Polygon", "coordinates": [ring]},
        "bbox": [9.0, 48.0, 9.1, 48.1],
        "properties": {"datetime": "2026-06-01T10:00:00Z"} | properties,
        "links": [],
        "assets": dict(assets),
    }


@pytest.fixture
def make_scene(tmp_path: Path) -> MakeScene:
    """Return a function that writes a STAC folder: band name to digital numbers, or to (numbers, pixel size)."""

    def make(
        bands: Mapping[str, NDArray[Any] | tuple[NDArray[Any], float]],
        assets: Mapping[str, Mapping[str, Any]] | None = None,
        name: str = "scene",
        properties: Mapping[str, Any] | None = None,
    ) -> Path:
        folder = tmp_path / name
        written: dict[str, Any] = {}
        for key, given in bands.items():
            values, pixel = given if isinstance(given, tuple) else (given, 10.0)
            write_band(folder / f"{key}.tif", values, pixel)
            declared = {"raster:scale": 0.0001, "raster:offset": 0.0} if key not in ("SCL", "VV", "VH") else {}
            written[key] = {"href": f"./{key}.tif"} | declared | dict((assets or {}).get(key, {}))
        (folder / "item.json").write_bytes(orjson.dumps(item(written, **(properties or {}))))
        return folder

    return make


def _field(number: int, value: int | bytes) -> bytes:
    """Encode one protobuf field: a varint or length-delimited bytes (protobuf encoding specification)."""
    if isinstance(value, int):
        return _varint(number << 3) + _varint(value)
    return _varint(number << 3 | 2) + _varint(len(value)) + value


def _varint(value: int) -> bytes:
    parts = bytearray()
    while value > 0x7F:
        parts.append(value & 0x7F | 0x80)
        value >>= 7
    parts.append(value)
    return bytes(parts)


def _tensor(name: str, dimensions: Sequence[int | str], element: int) -> bytes:
    """Encode onnx.ValueInfoProto; an open dimension is a string."""
    shape = b"".join(
        _field(1, _field(1, size) if isinstance(size, int) else _field(2, size.encode())) for size in dimensions
    )
    tensor = _field(1, element) + _field(2, shape)
    return _field(1, name.encode()) + _field(2, _field(1, tensor))


def tiny_onnx(
    channels: int,
    outputs: int,
    metadata: Mapping[str, str],
    *,
    input_name: str = "chips",
    output_name: str = "probabilities",
    size: int = 256,
    batch: int | str = "batch",
    element: int = 1,
) -> bytes:
    """Return an ONNX net: sigmoid of a 1×1 convolution whose output ``o`` is the mean of all channels plus ``o``."""
    weights = np.full((outputs, channels, 1, 1), 1 / channels, np.float32)
    bias = np.arange(outputs, dtype=np.float32)
    initialisers = b"".join(
        _field(
            5, b"".join(_field(1, n) for n in array.shape) + _field(2, 1) + _field(8, name) + _field(9, array.tobytes())
        )
        for name, array in ((b"w", weights), (b"b", bias))
    )
    convolution = (
        b"".join(_field(1, name) for name in (input_name.encode(), b"w", b"b")) + _field(2, b"c") + _field(4, b"Conv")
    )
    sigmoid = _field(1, b"c") + _field(2, output_name.encode()) + _field(4, b"Sigmoid")
    graph = (
        _field(1, convolution)
        + _field(1, sigmoid)
        + _field(2, b"tiny")
        + initialisers
        + _field(11, _tensor(input_name, [batch, channels, size, size], element))
        + _field(12, _tensor(output_name, [batch, outputs, size, size], element))
    )
    properties = b"".join(_field(14, _field(1, k.encode()) + _field(2, v.encode())) for k, v in metadata.items())
    return _field(1, 8) + _field(7, graph) + _field(8, _field(1, b"") + _field(2, 13)) + properties


def metadata(bands: str = "B02,B03", outputs: str = "water", **changes: str) -> dict[str, str]:
    """Return a model's metadata as the contract has it; a change to the empty string leaves the key out."""
    count = len(bands.split(","))
    written = {
        "name": "tiny",
        "version": "1.0",
        "bands": bands,
        "mean": ",".join(["0.1"] * count),
        "std": ",".join(["0.2"] * count),
        "outputs": outputs,
    } | changes
    return {f"dafab:{key}": value for key, value in written.items() if value}


@pytest.fixture
def make_model(tmp_path: Path) -> MakeModel:
    """Return a function that writes a tiny net and returns its path."""

    def make(described: Mapping[str, str] | None = None, name: str = "tiny", **shape: Any) -> Path:
        given = dict(metadata() if described is None else described)
        path = tmp_path / name / "model.onnx"
        path.parent.mkdir(exist_ok=True)
        shape.setdefault("channels", len(given.get("dafab:bands", "B02,B03").split(",")))
        shape.setdefault("outputs", len(given.get("dafab:outputs", "water").split(",")))
        path.write_bytes(tiny_onnx(metadata=given, **shape))
        return path

    return make
