"""A raster cut to an area and brought to another size of pixels, by GDAL."""

import math
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Self

import numpy as np
import rasterio
from affine import Affine
from rasterio.enums import Resampling
from rasterio.errors import RasterioError
from rasterio.io import MemoryFile
from rasterio.vrt import WarpedVRT
from rasterio.warp import transform_bounds

from dasi_backend.errors import RequestError, StoreError

INTERPOLATIONS: Final = ("nearest", "bilinear", "cubic", "average", "mode")
_MOST_PIXELS: Final = 1 << 30


@dataclass(frozen=True, slots=True)
class Cut:
    """What is made of a raster.

    Attributes:
        area: West, south, east and north in degrees (EPSG:4326); ``None`` for all of it.
        grid: Width and height of a pixel in units of the raster's reference system; ``None`` for its own.
        interpolation: One of :data:`INTERPOLATIONS`; ``None`` for nearest where values are whole numbers, which may be
            classes, and else average where pixels become larger and bilinear where they become smaller.
    """

    area: tuple[float, float, float, float] | None = None
    grid: tuple[float, float] | None = None
    interpolation: str | None = None

    @classmethod
    def parse(cls, area: Sequence[str], grid: Sequence[str], interpolation: Sequence[str]) -> Self:
        """Read the keys of a request: ``area=N/W/S/E``, ``grid=20`` or ``grid=20/10``, ``interpolation=average``.

        Raises:
            RequestError: naming the key and the value.
        """
        area, grid = ([part.strip() for each in values for part in each.split("/")] for values in (area, grid))
        box = _numbers("area", area, (0, 4), "N/W/S/E in degrees")
        if box and not (-90 <= box[2] < box[0] <= 90 and -180 <= box[1] < box[3] <= 180):
            raise RequestError(f"area={'/'.join(area)}: north, west, south, east in degrees, as in MARS")
        size = _numbers("grid", grid, (0, 1, 2), "one or two sizes")
        if any(each <= 0 for each in size):
            raise RequestError(f"grid={'/'.join(grid)}: the size of a pixel is more than 0")
        named = interpolation[0].lower() if interpolation else None
        if named is not None and (named not in INTERPOLATIONS or len(interpolation) > 1):
            raise RequestError(f"interpolation={'/'.join(interpolation)}: one of {', '.join(INTERPOLATIONS)}")
        north, west, south, east = box or (0.0, 0.0, 0.0, 0.0)
        return cls((west, south, east, north) if box else None, (size[0], size[-1]) if size else None, named)


def cut(source: Path, target: Path, wanted: Cut, name: str, nodata: float | None = None) -> None:
    """Write a new GeoTIFF of what is wanted of a raster. Whole pixels of the area are taken, none outside the raster.

    Args:
        source: The raster.
        target: The file to write.
        wanted: What of it.
        name: What the raster is, for errors.
        nodata: The value that means no data, where the raster does not say it: JPEG 2000 cannot. No interpolation
            takes such pixels into account.

    Raises:
        RequestError: if it has no reference system, or the area lies outside of it, or the answer would be too large.
        StoreError: if it cannot be read.
        OSError: if the file cannot be written, as where the disk is full.
    """
    try:
        with rasterio.open(source) as raster:
            transform, width, height = _frame(raster, wanted, name)
            how = _resampling(raster, wanted, transform)
            absent = nodata if raster.nodata is None else raster.nodata
            frame = {"crs": raster.crs, "transform": transform, "width": width, "height": height}
            with WarpedVRT(raster, **frame, resampling=how, src_nodata=absent, nodata=absent) as warped:
                made = _made(raster, warped)
    except (RasterioError, OSError) as error:
        raise StoreError(f"{name} cannot be cut: {' '.join(str(error).split())}") from error
    with made, target.open("wb") as file:
        file.write(made.getbuffer())
        file.flush()
        os.fsync(file.fileno())


def _numbers(key: str, values: Sequence[str], counts: Sequence[int], meaning: str) -> list[float]:
    try:
        numbers = [float(value) for value in values]
    except ValueError:
        numbers = [math.nan]
    if len(numbers) not in counts or not all(map(math.isfinite, numbers)):
        raise RequestError(f"{key}={'/'.join(values)}: write {meaning}")
    return numbers


def _frame(raster: Any, wanted: Cut, name: str) -> tuple[Affine, int, int]:
    """Return transform, width and height of the answer, in whole pixels from the raster's corner."""
    own = raster.transform
    if raster.crs is None or own.b or own.d:
        raise RequestError(f"{name} is not on a grid that points north, with a reference system: it cannot be cut")
    columns, rows = wanted.grid or (own.a, -own.e)
    left, bottom, right, top = raster.bounds
    if wanted.area is not None:
        west, south, east, north = transform_bounds("EPSG:4326", raster.crs, *wanted.area, densify_pts=21)
        left, bottom, right, top = max(left, west), max(bottom, south), min(right, east), min(top, north)
        if left >= right or bottom >= top:
            raise RequestError(f"{name} lies outside of the area")
    first = math.floor(round((left - own.c) / columns, 6)), math.floor(round((own.f - top) / rows, 6))
    last = math.ceil(round((right - own.c) / columns, 6)), math.ceil(round((own.f - bottom) / rows, 6))
    width, height = last[0] - first[0], last[1] - first[1]
    if width * height > _MOST_PIXELS:
        raise RequestError(f"{name}: {width:,} by {height:,} pixels, at most {_MOST_PIXELS:,} are made")
    return Affine(columns, 0, own.c + first[0] * columns, 0, -rows, own.f - first[1] * rows), width, height


def _resampling(raster: Any, wanted: Cut, transform: Affine) -> Resampling:
    if wanted.interpolation is not None:
        return Resampling[wanted.interpolation]
    if np.issubdtype(np.dtype(raster.dtypes[0]), np.integer):
        return Resampling.nearest
    return Resampling.average if transform.a > raster.transform.a else Resampling.bilinear


def _made(raster: Any, warped: Any) -> MemoryFile:
    """Return a GeoTIFF in memory: of a file GDAL does not say that the disk is full, and leaves what it could write."""
    profile = {
        "driver": "GTiff",
        "dtype": raster.dtypes[0],
        "count": raster.count,
        "width": warped.width,
        "height": warped.height,
        "crs": raster.crs,
        "transform": warped.transform,
        "nodata": warped.nodata,
        "compress": "deflate",
        "tiled": True,
        "BIGTIFF": "IF_SAFER",
    }
    memory = MemoryFile(ext=".tif")
    with memory.open(**profile) as made:
        made.update_tags(**{key: value for key, value in raster.tags().items() if key != "AREA_OR_POINT"})
        for band in raster.indexes:
            made.write(warped.read(band), band)
            if raster.descriptions[band - 1]:
                made.set_band_description(band, raster.descriptions[band - 1])
            if raster.count == 1 and raster.colorinterp[0].name == "palette":
                made.write_colormap(band, raster.colormap(band))
    return memory
