"""Opening band files: one clear line for what is unreadable, and the one grid that the bands of a scene share."""

import os
import warnings
from collections.abc import Iterable
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import rasterio
from affine import Affine
from rasterio.crs import CRS
from rasterio.env import get_gdal_config, set_gdal_config
from rasterio.errors import NotGeoreferencedWarning, RasterioError

from rucio_dafab.eo.bands import BandFile
from rucio_dafab.eo.errors import BandUnreadable, SceneError

if TYPE_CHECKING:
    from collections.abc import Iterator

# rasterio silences this one of its own arrays by `warnings.catch_warnings`, which of two threads undoes the other's.
warnings.filterwarnings("ignore", category=NotGeoreferencedWarning)

# How the files that scenes come in begin. Naming the driver keeps GDAL from formats that follow references to other
# files or to the network (VRT, WMS, …), whatever a file is called.
_SIGNATURES = (
    (b"II*\x00", "GTiff"),
    (b"MM\x00*", "GTiff"),
    (b"II+\x00", "GTiff"),
    (b"MM\x00+", "GTiff"),
    (b"\x00\x00\x00\x0cjP  ", "JP2OpenJPEG"),
    (b"\xff\x4f\xff\x51", "JP2OpenJPEG"),
)

# GDAL decodes JPEG 2000 with several threads unless told otherwise, and then reports a tile that cannot be decoded on
# the error stream alone: the caller gets whatever was in memory. With one thread the read fails. Bands are decoded side
# by side instead (:class:`rucio_dafab.eo.pixels.BandReader`).
DECODER = {"GDAL_NUM_THREADS": "1", "GDAL_DISABLE_READDIR_ON_OPEN": "EMPTY_DIR"}

# Bytes of decoded blocks that GDAL keeps for the process. Two rows of Sentinel-2's tiles are 240 MB in six bands, and
# more is never asked for twice; by itself GDAL would keep a twentieth of the machine's memory.
BLOCKS_KEPT = 256_000_000
_CACHE = "GDAL_CACHEMAX"


@dataclass(frozen=True)
class Grid:
    """The grid of one raster: reference system, pixel-to-coordinate transform, rows and columns, and how it is coded.

    ``unit`` is what the file's header says of its numbers; empty where it says nothing.
    """

    crs: CRS
    transform: Affine
    shape: tuple[int, int]
    dtype: str
    nodata: float | None
    scale: float
    offset: float
    unit: str = ""

    @property
    def bounds(self) -> tuple[float, float, float, float]:
        """West, south, east, north in coordinates of ``crs``."""
        west, north = self.transform.c, self.transform.f
        rows, columns = self.shape
        return west, north + rows * self.transform.e, west + columns * self.transform.a, north


def limit_cache() -> None:
    """Have GDAL keep :data:`BLOCKS_KEPT` at most in this process, unless the environment says how much it may."""
    if _CACHE not in os.environ and get_gdal_config(_CACHE) > BLOCKS_KEPT:
        set_gdal_config(_CACHE, BLOCKS_KEPT)


@contextmanager
def opened(name: str, path: Path, part: tuple[int, int] | None = None) -> "Iterator[Any]":
    """Open the file of band ``name`` for reading.

    Args:
        name: Of the band.
        path: The file.
        part: Where in the file the raster is, first byte and bytes, if it is not all of it.

    Raises:
        BandUnreadable: if the file is missing, is no GeoTIFF or JPEG 2000, or breaks off; also when that is noticed
            while the caller reads from it.
    """
    driver = _driver(name, path, part[0] if part else 0)
    place = f"/vsisubfile/{part[0]}_{part[1]},{path}" if part else path
    try:
        with rasterio.Env(**DECODER):
            source = rasterio.open(place, driver=driver)
        with source:
            yield source
    except RasterioError as error:
        raise BandUnreadable(name, path, f"cannot be read: {reason(error)}") from error


def _driver(name: str, path: Path, offset: int) -> str:
    try:
        with path.open("rb") as file:
            file.seek(offset)
            start = file.read(12)
    except OSError as error:
        raise BandUnreadable(name, path, f"cannot be read: {error.strerror}") from error
    for signature, driver in _SIGNATURES:
        if start.startswith(signature):
            return driver
    raise BandUnreadable(name, path, "is neither a GeoTIFF nor a JPEG 2000 file")


def reason(error: BaseException) -> str:
    """Return GDAL's own last words in one line; rasterio keeps them as the cause of a bare 'Read failed'."""
    return " ".join(str(error.__cause__ or error).split())


def read_grid(band: BandFile) -> Grid:
    """Return the grid of a band file.

    Raises:
        SceneError: if the file cannot be opened, holds several bands, has no reference system or is not north-up.
    """
    with opened(band.name, band.path) as source:
        if source.count != 1:
            raise SceneError(f"band {band.name}: {band.path} holds {source.count} bands, not one")
        if source.crs is None:
            raise SceneError(f"band {band.name}: {band.path} has no coordinate reference system")
        transform = source.transform
        if transform.b or transform.d or transform.a <= 0 or transform.e >= 0:
            raise SceneError(f"band {band.name}: {band.path} is not a north-up grid")
        return Grid(
            source.crs, transform, source.shape, source.dtypes[0], source.nodata, source.scales[0], source.offsets[0],
            source.units[0] or "",
        )  # fmt: skip


def common_grid(grids: Iterable[tuple[BandFile, Grid]]) -> Grid:
    """Return the grid of the finest band, after checking that every other band covers it exactly.

    A coarser band must have the same reference system and upper left corner, and pixels a whole number of times larger.

    Raises:
        SceneError: naming the band of another reference system, place or size.
    """
    pairs = list(grids)
    finest_band, finest = min(pairs, key=lambda pair: (pair[1].transform.a, -pair[1].shape[0] * pair[1].shape[1]))
    for band, grid in pairs:
        problem = _difference(grid, finest)
        if problem:
            raise SceneError(f"band {band.name}: {band.path} {problem} (as {finest_band.name} has it)")
    return finest


def _difference(grid: Grid, finest: Grid) -> str | None:
    """Say in what ``grid`` does not fit the finest grid, or None when it does."""
    if grid.crs != finest.crs:
        return f"is in {grid.crs.to_string()}, not in {finest.crs.to_string()}"
    ratio = grid.transform.a / finest.transform.a
    factor = round(ratio)
    if abs(ratio - factor) > 1e-6 or abs(grid.transform.e / finest.transform.e - ratio) > 1e-6:
        return f"has {grid.transform.a:g} m pixels, no whole multiple of {finest.transform.a:g} m"
    tolerance = finest.transform.a * 0.01
    if abs(grid.transform.c - finest.transform.c) > tolerance or abs(grid.transform.f - finest.transform.f) > tolerance:
        return f"starts at {_corner(grid)}, not at {_corner(finest)}"
    expected = tuple(-(-size // factor) for size in finest.shape)
    if tuple(grid.shape) != expected:
        return f"has {grid.shape[0]} × {grid.shape[1]} pixels, not {expected[0]} × {expected[1]}"
    return None


def _corner(grid: Grid) -> str:
    return f"{grid.transform.c:.10g} {grid.transform.f:.10g}"
