"""From a scene's reference system to EPSG:4326, as RFC 7946 wants it: right-handed rings, split at the antimeridian."""

import numpy as np
import shapely
from numpy.typing import NDArray
from pyproj import Transformer
from rasterio.crs import CRS

from rucio_dafab.eo.vectors import Geometries

# RFC 7946 section 11.2: seven decimals are about a centimetre.
DECIMALS = 7


def to_longitude_latitude(geometries: Geometries, crs: CRS) -> Geometries:
    """Return geometries of ``crs`` in EPSG:4326: longitude before latitude, counter-clockwise outer rings, 7 decimals.

    A geometry that crosses the antimeridian becomes a multi-part one, cut at it.
    """
    transformer = Transformer.from_crs(crs.to_wkt(), "EPSG:4326", always_xy=True)

    def move(points: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.column_stack(transformer.transform(points[:, 0], points[:, 1]))

    moved = np.asarray(shapely.transform(geometries, move), object)
    moved = _split(moved)
    rounded = shapely.transform(moved, lambda points: np.round(points, DECIMALS))
    return np.asarray(shapely.orient_polygons(_repaired(np.asarray(rounded, object))), object)


def _split(geometries: Geometries) -> Geometries:
    """Cut the geometries that jump from 180° to -180° and leave the others alone."""
    if not len(geometries):
        return geometries
    bounds = shapely.bounds(geometries)
    crossing = np.flatnonzero(bounds[:, 2] - bounds[:, 0] > 180)
    result = geometries.copy()
    for index in crossing:
        around = shapely.transform(geometries[index], lambda xy: np.column_stack((xy[:, 0] % 360, xy[:, 1])))
        east = shapely.intersection(around, shapely.box(0, -90, 180, 90))
        west = shapely.intersection(around, shapely.box(180, -90, 360, 90))
        west = shapely.transform(west, lambda xy: xy - (360, 0))
        result[index] = shapely.MultiPolygon([*_polygons(east), *_polygons(west)])
    return result


def _polygons(geometry: shapely.Geometry) -> list[shapely.Polygon]:
    return [part for part in shapely.get_parts(geometry) if isinstance(part, shapely.Polygon) and not part.is_empty]


def _repaired(geometries: Geometries) -> Geometries:
    """Mend the rare ring that touches itself after rounding to a centimetre."""
    broken = np.flatnonzero(~shapely.is_valid(geometries))
    for index in broken:
        mended = _polygons(shapely.make_valid(geometries[index], method="structure"))
        geometries[index] = mended[0] if len(mended) == 1 else shapely.MultiPolygon(mended)
    return geometries
