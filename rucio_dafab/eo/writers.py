"""Files of products: encoded in memory, the same bytes for the same input, and put in place whole or not at all."""

import io
import json
import os
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import geopandas
import numpy as np
import orjson
import pyarrow.parquet
import rasterio
import shapely
from affine import Affine
from numpy.typing import NDArray
from PIL.Image import Image
from rasterio.crs import CRS
from rasterio.io import MemoryFile
from rasterio.shutil import copy
from rasterio.windows import Window

from rucio_dafab.eo.errors import ProductError
from rucio_dafab.eo.geography import to_longitude_latitude
from rucio_dafab.eo.vectors import Geometries

COG_MEDIA_TYPE = "image/tiff; application=geotiff; profile=cloud-optimized"
GEOJSON_MEDIA_TYPE = "application/geo+json"
PARQUET_MEDIA_TYPE = "application/vnd.apache.parquet"
PNG_MEDIA_TYPE = "image/png"
BLOCK = 512

Colour = tuple[int, int, int]


@dataclass(frozen=True)
class RasterLegend:
    """What the values of a class raster mean.

    Attributes:
        name: The band's description.
        bits: Bits a pixel (1, 2, 4 or 8).
        classes: Name and colour of every value.
        values: The values of the classes; none for 0 on.
    """

    name: str
    bits: int
    classes: Sequence[tuple[str, Colour]]
    values: Sequence[int] = ()

    @property
    def entries(self) -> list[tuple[int, str, Colour]]:
        """Return value, name and colour of each class."""
        values = self.values or range(len(self.classes))
        return [(value, *each) for value, each in zip(values, self.classes, strict=True)]


def write_all(contents: Mapping[Path, bytes]) -> None:
    """Put files in place all or none: every one under a temporary name beside its place first, then all renamed.

    Raises:
        ProductError: if the disk is full or a folder cannot be written; no temporary file is left behind then.
    """
    parts: dict[Path, Path] = {}
    try:
        for path, content in contents.items():
            parts[path] = path.with_name(f".{path.name}.{os.getpid()}.part")
            _write(parts[path], content)
        for path, part in parts.items():
            part.replace(path)
    except OSError as error:
        for part in parts.values():
            with suppress(OSError):
                part.unlink(missing_ok=True)
        raise ProductError(f"cannot write {path}: {error.strerror or error}") from error


def _write(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def encode_cog(
    values: NDArray[np.uint8],
    valid: NDArray[np.bool_],
    crs: CRS,
    transform: Affine,
    legend: RasterLegend,
    tags: Mapping[str, str],
) -> bytes:
    """Return a class raster as a cloud-optimised GeoTIFF: 512 tiles, overviews, colour table, DEFLATE.

    Which pixels hold data stands in an internal mask of one bit a pixel: one bit of class leaves no number for nodata.

    Args:
        values: uint8 (row, column), the class of each pixel.
        valid: bool (row, column), where there is data.
        crs: Reference system.
        transform: Pixel (column, row) to coordinates.
        legend: Names, colours and bits.
        tags: TIFF tags and others (``TIFFTAG_COPYRIGHT``, …).
    """
    height, width = values.shape
    profile = {
        "driver": "GTiff", "dtype": "uint8", "count": 1, "height": height, "width": width,
        "crs": crs, "transform": transform, "nbits": legend.bits, "photometric": "palette", "bigtiff": "no",
    }  # fmt: skip
    colours = {value: (*colour, 255) for value, _, colour in legend.entries}
    with rasterio.Env(GDAL_TIFF_INTERNAL_MASK=True, GDAL_NUM_THREADS="1"), MemoryFile() as plain, MemoryFile() as cog:
        with plain.open(**profile) as target:
            _write_strips(target, values, valid)
            target.write_colormap(1, colours)
            target.set_band_description(1, legend.name)
            target.update_tags(**tags)
        with plain.open() as source:
            # GDAL's own level: 9 takes half as long again and saves 7 % of a file of a megabyte.
            copy(source, cog.name, driver="COG", compress="DEFLATE", blocksize=BLOCK, overview_resampling="mode")
        content: bytes = cog.read()
    return content


def _write_strips(target: Any, values: NDArray[np.uint8], valid: NDArray[np.bool_]) -> None:
    """Write classes and mask: at once, what is copied on the way would take several times the memory of a tile."""
    height, width = values.shape
    for window in (Window(0, row, width, min(BLOCK, height - row)) for row in range(0, height, BLOCK)):
        rows = window.toslices()
        target.write(values[rows] * valid[rows], 1, window=window)
        target.write_mask(valid[rows], window=window)


def shrunk_cog(content: bytes, longest: int) -> NDArray[np.uint8]:
    """Return the classes of a GeoTIFF of :func:`encode_cog`, uint8 (row, column), from its overviews.

    Args:
        content: The file.
        longest: The longer side has at least so many pixels, and less than twice as many, where the raster itself has.
    """
    with MemoryFile(content) as file, file.open() as source:
        step = 1 << max(int(max(source.shape) / longest).bit_length() - 1, 0)
        shape = tuple(-(-side // step) for side in source.shape)
        values: NDArray[np.uint8] = source.read(1, out_shape=shape)
    return values


def encode_geojson(
    geometries: Geometries,
    crs: CRS,
    properties: Sequence[Mapping[str, Any]],
    members: Mapping[str, Any] | None = None,
) -> bytes:
    """Return polygons of ``crs`` as an RFC 7946 feature collection: EPSG:4326, right-hand rule, 7 decimals, UTF-8.

    Args:
        geometries: Polygons (n).
        crs: Their reference system.
        properties: Their n properties; ``id`` becomes the feature's id, otherwise features count from 1.
        members: Further members of the collection.
    """
    texts = shapely.to_geojson(to_longitude_latitude(geometries, crs))
    lines = [
        b'{"type":"Feature","id":%b,"geometry":%b,"properties":%b}'
        % (
            orjson.dumps(each.get("id", str(number))),
            text.encode(),
            orjson.dumps({key: value for key, value in each.items() if key != "id"}),
        )
        for number, (text, each) in enumerate(zip(texts, properties, strict=True), start=1)
    ]
    head = orjson.dumps({"type": "FeatureCollection", **(members or {})})[:-1]
    return head + b',"features":[\n' + b",\n".join(lines) + b"\n]}\n"


def encode_geoparquet(
    geometries: Geometries, crs: CRS, columns: Mapping[str, Sequence[Any] | NDArray[Any]], metadata: Mapping[str, Any]
) -> bytes:
    """Return polygons in their own reference system as GeoParquet 1.1 with a covering bbox column, in the given order.

    Args:
        geometries: Polygons (n).
        crs: Their reference system.
        columns: The other columns, n values each.
        metadata: Members of the file's metadata beside ``geo``, written as JSON.
    """
    frame = geopandas.GeoDataFrame(dict(columns), geometry=geometries, crs=crs.to_wkt())
    first = io.BytesIO()
    frame.to_parquet(first, index=False, schema_version="1.1.0", write_covering_bbox=True, geometry_encoding="WKB")
    table = pyarrow.parquet.read_table(first)
    # Without pandas' own entry: it records the versions of libraries, which are no part of the product.
    kept = {b"geo": table.schema.metadata[b"geo"]}
    kept |= {key.encode(): json.dumps(value, sort_keys=True).encode() for key, value in metadata.items()}
    second = io.BytesIO()
    pyarrow.parquet.write_table(
        table.replace_schema_metadata(kept), second, compression="zstd", row_group_size=20_000, version="2.6"
    )
    return second.getvalue()


def hilbert_order(geometries: Geometries) -> NDArray[np.intp]:
    """Return the order of the geometries along a Hilbert curve over their bounds: near in place, near in file."""
    if not len(geometries):
        return np.empty(0, np.intp)
    return np.argsort(geopandas.GeoSeries(geometries).hilbert_distance().to_numpy(), kind="stable")


def encode_png(image: Image) -> bytes:
    """Return the image as PNG, without any time or software entry."""
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue()
