"""Reference water from a raster of water occurrence that the user has: JRC's Global Surface Water.

Pekel, Cottam, Gorelick and Belward: High-resolution mapping of global surface water and its long-term changes. Nature
540 (2016), doi 10.1038/nature20584. Its files are uint8 in EPSG:4326, 0.00025 degrees a pixel: 0 is never water, 1 to
100 the per cent of the observations with water, 255 no data. They come as tiles of 10 by 10 degrees that are named by
their north-western corner: ``occurrence_10E_50Nv1_4_2021.tif``. Nothing is downloaded here.
"""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Final

import numpy as np
import rasterio
import shapely
from numpy.typing import NDArray
from rasterio.crs import CRS
from rasterio.errors import RasterioError
from rasterio.windows import Window

from rucio_dafab.eo.bands import Scene
from rucio_dafab.eo.counting import histogram
from rucio_dafab.eo.errors import ProductError
from rucio_dafab.eo.geography import to_longitude_latitude
from rucio_dafab.eo.on_grid import on_grid
from rucio_dafab.eo.raster import reason
from rucio_dafab.eo.reference_water import TILES, ReferenceWater, Source, codes_file, codes_of, split, strips_of

TITLE: Final = "JRC Global Surface Water, occurrence (Pekel et al. 2016)"
DOI: Final = "10.1038/nature20584"
ATTRIBUTION: Final = "Source: EC JRC/Google"
"""What the licence of the data set asks for."""

NO_DATA: Final = 255
ALWAYS: Final = 100
NORTH, SOUTH = 80, -60
"""The data set reaches from 60° south to 80° north."""

_CRS: Final = CRS.from_epsg(4326)
# In degrees: a tenth of a pixel, by which corners of tiles may be rounded.
_NEAR: Final = 0.000_025
# Of the rim of a scene, in metres: meridians are straight between points that are so near.
_STEP: Final = 1_000.0


def reference_of_occurrence(place: Path, scene: Scene, target: Path) -> ReferenceWater:
    """Write the reference of a scene from occurrence to ``target``: nearest neighbour, what has no data is unknown.

    Memory holds a strip of the scene and the blocks of the rasters that it touches. GDAL looks a pixel up at most an
    eighth of a pixel beside its place.

    Args:
        place: A folder with the tiles of JRC under their own names (``occurrence_*.tif``), or one GeoTIFF.
        scene: The scene whose grid is meant.
        target: The file of codes to write.

    Raises:
        ProductError: if a file is missing, there twice, unreadable, in another reference system or no occurrence, or
            the files leave a part of the scene open; or ``target`` cannot be written.
    """
    files = _files(place, scene)
    if not files:
        return ReferenceWater.none(f"the occurrence of water is known from {-SOUTH}° south to {NORTH}° north only")
    with ExitStack() as stack, codes_file(target, scene) as codes:
        views = [stack.enter_context(_on_grid(path, scene)) for path in files]
        for window in strips_of(scene):
            percent = _percent(views, window)
            codes.write(window, codes_of(percent, percent != NO_DATA))
    names = [path.name for path in files]
    if not codes.known:
        return ReferenceWater.none(f"{', '.join(names)}: no occurrence of water is known in the scene")
    told = {"source": Source.OCCURRENCE.value, "title": TITLE, "doi": DOI, "attribution": ATTRIBUTION, "files": names}
    return ReferenceWater(told | split(), target)


def _files(place: Path, scene: Scene) -> list[Path]:
    """Return the files that cover a scene, by name; none where the data set has nothing.

    Where a file lies its header says: the names of tiles are no more than names.
    """
    if not (place.is_file() or place.is_dir()):
        raise ProductError(f"{place}: there is no such folder or file of water occurrence")
    if place.suffix.lower() == ".vrt":
        raise ProductError(f"{place}: a VRT may lead anywhere: give the folder of its tiles, or one GeoTIFF")
    ground = shapely.intersection(_footprint(scene), shapely.box(-180, SOUTH, 180, NORTH))
    if ground.is_empty:
        return []
    every = [place] if place.is_file() else sorted(place.glob(TILES))
    found: dict[shapely.Geometry, Path] = {}
    for path in every:
        extent = _extent(path)
        if not shapely.intersects(extent, ground):
            continue
        same = next((found[other] for other in found if shapely.equals_exact(other, extent, _NEAR)), None)
        if same:
            raise ProductError(f"{place}: {same.name} and {path.name} are the same tile: keep one of them")
        found[extent] = path
    gap = shapely.difference(ground, shapely.buffer(shapely.union_all(list(found)), _NEAR, join_style="mitre"))
    if not gap.is_empty:
        there = shapely.point_on_surface(gap)
        where = f"{there.y:.2f}° north, {there.x:.2f}° east"
        raise ProductError(f"{place}: no occurrence of water is there for {where}, which scene {scene.id} covers")
    return list(found.values())


def _footprint(scene: Scene) -> shapely.Geometry:
    rows, columns = scene.shape
    corners = ((0, 0), (columns, 0), (columns, rows), (0, rows))
    rim = shapely.segmentize(shapely.Polygon([scene.transform @ corner for corner in corners]), _STEP)
    (footprint,) = to_longitude_latitude(np.array([rim], object), scene.crs)
    return footprint


def _extent(path: Path) -> shapely.Geometry:
    """Return where a file lies, after a look at whether it is occurrence at all."""
    try:
        with rasterio.open(path, driver="GTiff") as source:
            if source.count != 1 or source.dtypes[0] != "uint8":
                raise ProductError(f"{path}: {source.count} bands of {source.dtypes[0]}: occurrence is one of uint8")
            if source.crs != _CRS:
                theirs = source.crs.to_string()[:60] if source.crs else "no reference system"
                raise ProductError(f"{path}: the occurrence of water is in {theirs}: expected EPSG:4326")
            return shapely.box(*source.bounds)
    except RasterioError as error:
        raise ProductError(f"{path}: the occurrence of water cannot be read: {reason(error)}") from error


@contextmanager
def _on_grid(path: Path, scene: Scene) -> Iterator["_View"]:
    """Yield a file of occurrence as it lies on the grid of a scene."""
    try:
        # Whatever the file declares: what is never water would else be what nobody looked at.
        with on_grid(path, scene, NO_DATA, declared=False) as view:
            yield _View(path, view)
    except RasterioError as error:
        raise ProductError(f"{path}: the occurrence of water cannot be read: {reason(error)}") from error


class _View:
    """An open file of occurrence on the grid of a scene."""

    def __init__(self, path: Path, view: Any) -> None:
        self._path, self._view = path, view

    def read(self, window: Window) -> NDArray[np.uint8]:
        """Return the occurrence in a window, uint8 (row, column)."""
        try:
            values: NDArray[np.uint8] = self._view.read(1, window=window)
        except RasterioError as error:
            raise ProductError(f"{self._path}: the occurrence of water cannot be read: {reason(error)}") from error
        found = np.flatnonzero(histogram(values))
        strange = found[(found > ALWAYS) & (found != NO_DATA)]
        if len(strange):
            raise ProductError(
                f"{self._path} holds the value {strange[0]}: occurrence is 0 to {ALWAYS}, and {NO_DATA} no data"
            )
        return values


def _percent(views: Sequence[_View], window: Window) -> NDArray[np.uint8]:
    """Return the occurrence in a window from the first file that has it, uint8 (row, column)."""
    percent = views[0].read(window)
    for view in views[1:]:
        other = view.read(window)
        np.copyto(percent, other, where=percent == NO_DATA)
    return percent
