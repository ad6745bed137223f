"""Pixels of a scene: reflectance on its 10 m grid, whole, by window or in strips, each block decoded once."""

import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

import numpy as np
import rasterio
from numpy.typing import NDArray
from rasterio.errors import RasterioError
from rasterio.windows import Window

from rucio_dafab.eo.bands import SCENE_CLASSIFICATION, BandFile, Scene
from rucio_dafab.eo.digital_numbers import LARGEST_VALUE
from rucio_dafab.eo.errors import BandUnreadable, SceneError
from rucio_dafab.eo.raster import DECODER, limit_cache, opened, reason
from rucio_dafab.eo.resampling import enlarge_bilinear, enlarge_nearest

# The tiles of Sentinel-2's JPEG 2000 files have 1024 rows, each decoded at once; the blocks of COGs (256, 512) do not
# need as much memory.
LOWEST_STRIP, HIGHEST_STRIP = 512, 1024


@dataclass(frozen=True, eq=False)
class Strip:
    """Full-width rows of a scene: ``values`` float32 (band, row, column) starting at row ``row``, NaN without data."""

    row: int
    values: NDArray[np.float32]


def read_bands(scene: Scene, names: Sequence[str], window: Window | None = None) -> NDArray[np.float32]:
    """Return the named bands on the scene's 10 m grid.

    Coarser bands are enlarged bilinearly. ``SCL`` is read with :func:`read_scl`.

    Args:
        scene: The scene.
        names: Band names, which give the order of the result.
        window: Rows and columns of the 10 m grid; None for all of it.

    Returns:
        float32 (band, row, column): surface reflectance (gamma0 in dB for VV and VH), NaN where there is no data, where
        the sensor was saturated, and where a power is not positive.

    Raises:
        SceneError: if a band is not in the scene, its file is unreadable, or the window leaves the grid.
    """
    with BandReader(scene, names) as reader:
        return reader.read(_checked(scene, window))


def read_scl(scene: Scene, window: Window | None = None) -> NDArray[np.uint8]:
    """Return the scene classification on the 10 m grid (nearest neighbour), uint8 (row, column), 0 without data.

    Raises:
        SceneError: if the scene has none, its file is unreadable, or the window leaves the grid.
    """
    area = _checked(scene, window)
    band = _band(scene, SCENE_CLASSIFICATION)
    with rasterio.Env(**DECODER), opened(band.name, band.path) as source:
        factor = _factor(scene, source)
        block, inner = _coarse(area, factor, source.shape, margin=0)
        values = source.read(1, window=block)
    enlarged: NDArray[np.uint8] = enlarge_nearest(_as_classes(values), factor)[inner]
    return enlarged


def read_classes(scene: Scene) -> NDArray[np.uint8]:
    """Return the scene classification on the grid of its own file (20 m), uint8 (row, column), 0 without data.

    Raises:
        SceneError: if the scene has none, or its file is unreadable.
    """
    band = _band(scene, SCENE_CLASSIFICATION)
    with rasterio.Env(**DECODER), opened(band.name, band.path) as source:
        return _as_classes(source.read(1))


def _as_classes(values: NDArray[Any]) -> NDArray[np.uint8]:
    if values.dtype == np.uint8:
        return values
    return np.where((values >= 0) & (values <= 255), values, 0).astype(np.uint8)


def strips(scene: Scene, names: Sequence[str], rows: int | None = None) -> Iterator[Strip]:
    """Yield the scene from top to bottom in strips of full-width rows (the last may be lower).

    The files stay open between strips and the strips follow the files' blocks, so that each block is decoded once and
    memory holds one strip. The strips together equal one :func:`read_bands`.

    Args:
        scene: The scene.
        names: Of the bands, in the order of the values.
        rows: Of a strip; by default those of the highest block, 512 to 1024.

    Raises:
        SceneError: as :func:`read_bands`.
    """
    height, width = scene.shape
    with BandReader(scene, names) as reader:
        rows = rows or reader.strip_rows
        for row in range(0, height, rows):
            yield Strip(row, reader.read(Window(0, row, width, min(rows, height - row))))


@dataclass(frozen=True, eq=False)
class Glance:
    """A small picture of a band: ``values`` float32 (row, column), NaN without a measurement; where it is saturated."""

    values: NDArray[np.float32]
    saturated: NDArray[np.bool_]


def glance(scene: Scene, names: Sequence[str], most: int) -> list[Glance]:
    """Return small pictures of bands, all of one size: pixels picked from their files' overviews where these have any.

    Args:
        scene: The scene.
        names: Of the bands.
        most: Rows and columns at most; a smaller scene is read whole.

    Raises:
        SceneError: if a band is not in the scene, or its file is unreadable.
    """
    shape = tuple(min(most, size) for size in scene.shape)

    def look(name: str) -> Glance:
        band = _band(scene, name)
        with rasterio.Env(**DECODER), opened(band.name, band.path) as source:
            try:
                numbers = source.read(1, out_shape=shape)
            except RasterioError as error:
                raise _unreadable(band, Window(0, 0, *source.shape[::-1]), error) from error
        full = np.zeros(shape, np.bool_) if band.saturated is None else numbers == band.saturated
        return Glance(to_physical(numbers, band), full)

    limit_cache()
    with ThreadPoolExecutor(len(os.sched_getaffinity(0)), thread_name_prefix="glances") as pool:
        return list(pool.map(look, names))


class BandReader:
    """The open files of some bands of a scene (a context manager): decoded side by side, each by one thread."""

    def __init__(self, scene: Scene, names: Sequence[str]) -> None:
        self._scene = scene
        self._bands = [_band(scene, name) for name in names]
        self._stack = ExitStack()
        self._sources: list[Any] = []

    def __enter__(self) -> Self:
        limit_cache()
        with self._stack as stack:
            self._sources = [stack.enter_context(opened(band.name, band.path)) for band in self._bands]
            threads = min(len(self._bands), len(os.sched_getaffinity(0))) or 1
            self._pool = stack.enter_context(ThreadPoolExecutor(threads, thread_name_prefix="bands"))
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.__exit__(kind, error, trace)

    @property
    def strip_rows(self) -> int:
        """Rows of a strip that decodes as few blocks as can be at once: those of the highest, 512 to 1024."""
        highest: int = max(source.block_shapes[0][0] for source in self._sources)
        return min(max(highest, LOWEST_STRIP), HIGHEST_STRIP)

    def read(self, window: Window) -> NDArray[np.float32]:
        """Return the bands in ``window`` of the 10 m grid, float32 (band, row, column), NaN without data."""
        values = np.empty((len(self._bands), int(window.height), int(window.width)), np.float32)
        reading = [self._pool.submit(self._read_into, index, values, window) for index in range(len(self._bands))]
        for one in reading:
            one.result()
        return values

    def _read_into(self, index: int, values: NDArray[np.float32], window: Window) -> None:
        band, source = self._bands[index], self._sources[index]
        factor = _factor(self._scene, source)
        block, inner = _coarse(window, factor, source.shape, margin=1 if factor > 1 else 0)
        try:
            with rasterio.Env(**DECODER):
                numbers = source.read(1, window=block)
        except RasterioError as error:
            raise _unreadable(band, block, error) from error
        values[index] = enlarge_bilinear(to_physical(numbers, band), factor)[inner]


def to_physical(numbers: NDArray[Any], band: BandFile) -> NDArray[np.float32]:
    """Return ``numbers * scale + offset`` as float32, NaN where the digital number says no data or saturated.

    So it is where that is not finite, or larger than any measurement. Power becomes decibels: 10·log10 of it, NaN where
    it is not positive.

    The masks are taken before the offset: digital number 0 is no data whatever the offset makes of it.
    """
    # Whole numbers of 8 and 16 bits cannot be what no measurement is: infinity, or fillings such as -3.4e38.
    wide = numbers.dtype.itemsize > 2
    with np.errstate(over="ignore", invalid="ignore"):
        values = numbers.astype(np.float32)
        values *= np.float32(band.scale)
        values += np.float32(band.offset)
    if wide:
        values[~(np.abs(values) <= LARGEST_VALUE)] = np.nan
    for special in (band.nodata, band.saturated):
        if special is not None and not np.isnan(special):
            values[numbers == special] = np.nan
    if band.power:
        values[~(values > 0)] = np.nan
        np.log10(values, out=values)
        values *= np.float32(10)
    return values


def _unreadable(band: BandFile, block: Window, error: BaseException) -> BandUnreadable:
    rows = f"rows {int(block.row_off)} to {int(block.row_off + block.height)}"
    return BandUnreadable(band.name, band.path, f"cannot be read in {rows}: {reason(error)}")


def _band(scene: Scene, name: str) -> BandFile:
    try:
        return scene.bands[name]
    except KeyError:
        raise SceneError(f"scene {scene.id} has no band {name} (it has {', '.join(sorted(scene.bands))})") from None


def _checked(scene: Scene, window: Window | None) -> Window:
    height, width = scene.shape
    if window is None:
        return Window(0, 0, width, height)
    inside = (
        window.col_off >= 0
        and window.row_off >= 0
        and window.width > 0
        and window.height > 0
        and window.col_off + window.width <= width
        and window.row_off + window.height <= height
    )
    if not inside:
        raise SceneError(f"scene {scene.id}: {window} leaves its grid of {height} × {width} pixels")
    return window


def _factor(scene: Scene, source: Any) -> int:
    """Return how many 10 m pixels a pixel of the file is wide."""
    factor: int = round(source.transform.a / scene.transform.a)
    return factor


def _coarse(window: Window, factor: int, shape: tuple[int, int], margin: int) -> tuple[Window, tuple[slice, slice]]:
    """Return the window of a coarser file that covers ``window`` with a margin, and where ``window`` lies in it.

    The second value is in 10 m pixels, relative to the enlarged block.
    """
    row, column = int(window.row_off), int(window.col_off)
    height, width = int(window.height), int(window.width)
    top, left = max(row // factor - margin, 0), max(column // factor - margin, 0)
    bottom = min(-(-(row + height) // factor) + margin, shape[0])
    right = min(-(-(column + width) // factor) + margin, shape[1])
    rows = slice(row - top * factor, row - top * factor + height)
    columns = slice(column - left * factor, column - left * factor + width)
    return Window(left, top, right - left, bottom - top), (rows, columns)
