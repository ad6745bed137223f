"""Pictures of a scene and its products on any grid: true colour, masks, outlines; previews as the live catalogue's.

Everything is drawn into a :class:`View`, a small grid in the scene's own reference system (for people) or in Web
Mercator (for maps, where a preview is laid over its bounding box).
"""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import rasterio
import shapely
from affine import Affine
from numpy.typing import NDArray
from PIL import Image, ImageDraw
from pyproj import Transformer
from rasterio.crs import CRS
from rasterio.enums import Resampling
from rasterio.transform import array_bounds
from rasterio.warp import reproject, transform_bounds
from rasterio.warp import transform as moved
from scipy import ndimage

from rucio_dafab.eo.bands import SCENE_CLASSIFICATION, BandFile, Scene
from rucio_dafab.eo.fitness import shows_ground
from rucio_dafab.eo.pixels import to_physical
from rucio_dafab.eo.raster import DECODER, opened
from rucio_dafab.eo.vectors import Geometries

WEB_MERCATOR = CRS.from_epsg(3857)
# The same around the antimeridian, across which a scene would otherwise reach around the Earth: maps that go on beyond
# 180° show it at its place.
_PACIFIC_MERCATOR = CRS.from_proj4(
    "+proj=merc +a=6378137 +b=6378137 +lat_ts=0 +lon_0=180 +x_0=0 +y_0=0 +k=1 +units=m +nadgrids=@null +no_defs"
)
TRUE_COLOUR = ("B04", "B03", "B02")
# The part of the values that the stretch leaves out at each end.
STRETCH_PERCENT = 2.0
GAMMA = 1.15
LINE_SCALE = 3

Colour = tuple[int, int, int]
Pixels = NDArray[np.uint8]


@dataclass(frozen=True)
class View:
    """A grid to draw on: reference system, pixel-to-coordinate transform, width and height in pixels."""

    crs: CRS
    transform: Affine
    width: int
    height: int

    @property
    def bounds_4326(self) -> tuple[float, float, float, float]:
        """Return west, south, east, north in degrees; west is greater than east across the antimeridian."""
        box = array_bounds(self.height, self.width, self.transform)
        if self.crs == _PACIFIC_MERCATOR:
            (west, east), (south, north) = moved(self.crs, "EPSG:4326", box[::2], box[1::2])
            return west, south, east, north
        west, south, east, north = transform_bounds(self.crs, "EPSG:4326", *box)
        return west, south, east, north


def native_view(scene: Scene, longest: int) -> View:
    """Return a grid in the scene's own reference system whose longer side has ``longest`` pixels."""
    rows, columns = scene.shape
    factor = max(rows, columns) / longest
    width, height = max(round(columns / factor), 1), max(round(rows / factor), 1)
    return View(scene.crs, scene.transform @ Affine.scale(columns / width, rows / height), width, height)


def web_view(scene: Scene, longest: int) -> View:
    """Return a grid in EPSG:3857 around the scene whose longer side has ``longest`` pixels.

    Across the antimeridian its origin is moved there, which changes nothing of the picture.
    """
    box = array_bounds(*scene.shape, scene.transform)
    longitudes, _ = moved(scene.crs, "EPSG:4326", [*box[::2], *box[::2]], [*box[1::2], *box[3:0:-2]])
    mercator = _PACIFIC_MERCATOR if np.ptp(longitudes) > 180 else WEB_MERCATOR
    west, south, east, north = transform_bounds(scene.crs, mercator, *box)
    wide, high = east - west, north - south
    width, height = (max(round(side * longest / max(wide, high)), 1) for side in (wide, high))
    return View(mercator, Affine((east - west) / width, 0, west, 0, (south - north) / height, north), width, height)


@dataclass(frozen=True, eq=False)
class Backdrop:
    """The scene in true colour: ``colours`` uint8 (row, column, 3), ``there`` bool (row, column) where it has data."""

    view: View
    colours: Pixels
    there: NDArray[np.bool_]

    def resized(self, longest: int) -> "Backdrop":
        """Return the same place with ``longest`` pixels on its longer side."""
        old = self.view
        factor = longest / max(old.width, old.height)
        width, height = max(round(old.width * factor), 1), max(round(old.height * factor), 1)
        view = View(old.crs, old.transform @ Affine.scale(old.width / width, old.height / height), width, height)
        colours = Image.fromarray(self.colours).resize((width, height), Image.Resampling.BOX)
        there = Image.fromarray(self.there.astype(np.uint8)).resize((width, height), Image.Resampling.NEAREST)
        return Backdrop(view, np.asarray(colours, np.uint8), np.asarray(there, np.bool_))


def backdrop(scene: Scene, view: View) -> Backdrop:
    """Return the scene in red, green and blue on a view.

    Each colour is stretched between the 2nd and the 98th percentile of the clear pixels: clouds would leave the ground
    black. A scene without visible bands is drawn in grey from its first band.

    Raises:
        SceneError: if a band file cannot be read.
    """
    names = TRUE_COLOUR if all(name in scene.bands for name in TRUE_COLOUR) else (next(iter(scene.bands)),) * 3
    values = np.stack([_read(scene.bands[name], view) for name in names], axis=-1)
    there: NDArray[np.bool_] = np.asarray(np.isfinite(values).all(axis=-1))
    if not there.any():
        return Backdrop(view, np.zeros(values.shape, np.uint8), there)
    ground = there & _clear(scene, view)
    sample = values[ground if ground.any() else there]
    low, high = np.percentile(sample, (STRETCH_PERCENT, 100 - STRETCH_PERCENT), axis=0)
    values[~there] = low
    stretched = np.clip((values - low) / np.maximum(high - low, 1e-6), 0, 1) ** (1 / GAMMA)
    return Backdrop(view, np.rint(stretched * 255).astype(np.uint8), there)


def on_view(values: Pixels, scene: Scene, view: View) -> Pixels:
    """Return a class raster of the scene on the view: the commonest class, 0 outside.

    Args:
        values: uint8 (row, column) on the scene's grid, or a coarser one of the same extent.
        scene: The scene.
        view: Where to.
    """
    rows, columns = (whole / part for whole, part in zip(scene.shape, values.shape, strict=True))
    return _reprojected(values, scene.crs, scene.transform @ Affine.scale(columns, rows), view)


def _reprojected(values: Pixels, crs: CRS, transform: Affine, view: View) -> Pixels:
    target = np.zeros((view.height, view.width), np.uint8)
    shrinks = abs(view.transform.a) > 1.5 * abs(transform.a) or max(values.shape) > 1.5 * max(target.shape)
    reproject(
        values,
        target,
        src_transform=transform,
        src_crs=crs,
        dst_transform=view.transform,
        dst_crs=view.crs,
        resampling=Resampling.mode if shrinks else Resampling.nearest,
        num_threads=1,
    )
    return target


def dimmed(colours: Pixels, amount: float = 0.55) -> Pixels:
    """Return a picture paler and greyer, so that what is drawn over it stands out."""
    grey = colours.mean(axis=-1, keepdims=True)
    pale: Pixels = np.rint((0.35 * colours + 0.65 * grey) * amount + 255 * (1 - amount) * 0.55).astype(np.uint8)
    return pale


def tinted(colours: Pixels, mask: NDArray[np.bool_], colour: Colour, opacity: float = 0.8) -> Pixels:
    """Return a picture with ``colour`` laid over the pixels of ``mask``."""
    result = colours.copy()
    result[mask] = np.rint((1 - opacity) * colours[mask] + opacity * np.array(colour)).astype(np.uint8)
    return result


def outlined(
    colours: Pixels, geometries: Geometries, crs: CRS, view: View, *, colour: Colour, width: float = 1.0
) -> Pixels:
    """Return a picture with the polygons' rings drawn over it, smooth, ``width`` pixels wide."""
    if not len(geometries):
        return colours
    rings = shapely.get_parts(shapely.boundary(geometries))
    size = (view.width * LINE_SCALE, view.height * LINE_SCALE)
    layer = Image.new("L", size)
    pen = ImageDraw.Draw(layer)
    for points in _rings_on_view(rings, crs, view):
        # Pillow takes flat lists of numbers as they are.
        pen.line(points.ravel().tolist(), fill=255, width=max(round(width * LINE_SCALE), 1), joint="curve")
    cover = np.asarray(layer.resize((view.width, view.height), Image.Resampling.BOX), np.float32)[..., None] / 255
    return np.rint(colours * (1 - cover) + np.array(colour, np.float32) * cover).astype(np.uint8)


def with_transparency(colours: Pixels, there: NDArray[np.bool_], palette: bool = True) -> Image.Image:
    """Return the picture, transparent where there is no data; 255 colours keep it below 4 MiB at 1536 pixels."""
    image = Image.fromarray(np.dstack((colours, np.where(there, 255, 0).astype(np.uint8))))
    return image.quantize(256, method=Image.Quantize.FASTOCTREE, dither=Image.Dither.NONE) if palette else image


def _rings_on_view(rings: Geometries, crs: CRS, view: View) -> Iterable[NDArray[np.float64]]:
    """Return the points of each ring, float64 (n, 2), as columns and rows of the enlarged view.

    Points that fall into the pixel of the one before are left out: on a preview of a whole tile that is most of them.
    """
    points, owners = shapely.get_coordinates(rings, return_index=True)
    if crs != view.crs:
        mover = Transformer.from_crs(crs.to_wkt(), view.crs.to_wkt(), always_xy=True)
        points = np.column_stack(mover.transform(points[:, 0], points[:, 1]))
    a, b, c, d, e, f = tuple(~view.transform)[:6]
    columns = (a * points[:, 0] + b * points[:, 1] + c) * LINE_SCALE
    rows = (d * points[:, 0] + e * points[:, 1] + f) * LINE_SCALE
    placed = np.column_stack((columns, rows))
    pixels = np.floor(placed).astype(np.int32)
    border = np.diff(owners, prepend=-1, append=-1) != 0
    # Both ends of a ring stay, so that it is closed.
    kept = border[:-1] | border[1:]
    kept[1:] |= (pixels[1:] != pixels[:-1]).any(axis=1)
    placed, owners = placed[kept], owners[kept]
    yield from np.split(placed, np.flatnonzero(np.diff(owners)) + 1)


def _clear(scene: Scene, view: View) -> NDArray[np.bool_]:
    """Return where the scene classification shows the ground, bool (row, column); everywhere without one.

    The classification is read whole: the overviews of a JPEG 2000 file are averages, which mean nothing of class codes.
    Around clouds a margin of 1 % of the picture is left out, because their bright edges go unseen.
    """
    if SCENE_CLASSIFICATION not in scene.bands:
        return np.ones((view.height, view.width), np.bool_)
    band = scene.bands[SCENE_CLASSIFICATION]
    with rasterio.Env(**DECODER), opened(band.name, band.path) as source:
        unclear = (~shows_ground(source.read(1))).astype(np.uint8)
        hidden = _reprojected(unclear, scene.crs, source.transform, view) > 0
    margin = max(max(view.width, view.height) // 100, 1)
    return ~np.asarray(ndimage.binary_dilation(hidden, iterations=margin), np.bool_)


def _read(band: BandFile, view: View) -> NDArray[np.float32]:
    """Return a band's digital numbers on the view, float32 (row, column), NaN without data.

    It is read at the nearest coarser power of two first, where GDAL takes the overviews of a COG and the resolution
    levels of a JPEG 2000 file: whole, a tile takes three times 18 seconds to decode.
    """
    target = np.full((view.height, view.width), np.nan, np.float32)
    with rasterio.Env(**DECODER), opened(band.name, band.path) as source:
        step = 1 << max(int(max(source.shape) / max(target.shape)).bit_length() - 1, 0)
        rows, columns = (-(-length // step) for length in source.shape)
        numbers = source.read(1, out_shape=(rows, columns), resampling=Resampling.average).astype(np.float32)
        transform = source.transform @ Affine.scale(source.width / columns, source.height / rows)
        numbers[numbers == (0 if band.nodata is None else band.nodata)] = np.nan
        reproject(
            numbers,
            target,
            src_transform=transform,
            src_crs=source.crs,
            src_nodata=np.nan,
            dst_transform=view.transform,
            dst_crs=view.crs,
            dst_nodata=np.nan,
            resampling=Resampling.cubic if _magnifies(source, view) else Resampling.average,
            num_threads=1,
        )
    # Bright points are thousands of times as strong as water: power is drawn as decibels, reflectance as it is.
    return to_physical(target, band) if band.power else target


def _magnifies(source: rasterio.io.DatasetReader, view: View) -> bool:
    return bool(max(source.shape) <= max(view.width, view.height))
