"""Footprints as STAC wants them: valid, counter-clockwise, and cut where they cross the antimeridian (RFC 7946)."""

from collections.abc import Sequence
from typing import Any

import shapely
from shapely.affinity import translate
from shapely.geometry import MultiPolygon, Polygon, box, mapping

from rucio_dafab.eo.errors import SceneError


def outline(ring: Sequence[tuple[float, float]]) -> Polygon | MultiPolygon:
    """Return the area inside a ring of (longitude, latitude), degrees, in parts that never cross 180° (section 3.1.9).

    A ring that spans more than 180° of longitude is one that crosses the antimeridian. Real footprints touch themselves
    where the swath's edge cuts a corner of the tile; those are repaired.

    Raises:
        SceneError: if the ring encloses nothing.
    """
    longitudes = [longitude for longitude, _ in ring]
    crosses = max(longitudes) - min(longitudes) > 180
    turned = [(longitude + 360 if crosses and longitude < 0 else longitude, latitude) for longitude, latitude in ring]
    whole = _areas(shapely.make_valid(Polygon(turned)))
    if not crosses:
        return _collected(whole)
    west, east = box(0, -90, 180, 90), box(180, -90, 360, 90)
    parts = [part for polygon in whole for part in _areas(polygon.intersection(west))]
    parts += [translate(part, -360) for polygon in whole for part in _areas(polygon.intersection(east))]
    return _collected(parts)


def _areas(geometry: Any) -> list[Polygon]:
    """Return the polygons of a geometry, without the points and lines that a repair may leave."""
    if isinstance(geometry, Polygon):
        return [geometry] if geometry.area > 0 else []
    return [area for part in getattr(geometry, "geoms", ()) for area in _areas(part)]


def _collected(parts: list[Polygon]) -> Polygon | MultiPolygon:
    if not parts:
        raise SceneError("the product's footprint encloses nothing")
    return parts[0] if len(parts) == 1 else MultiPolygon(parts)


def geojson(area: Polygon | MultiPolygon) -> dict[str, Any]:
    """Return GeoJSON with exterior rings counter-clockwise and coordinates of 1e-6 degrees (0.1 m)."""
    geometry: dict[str, Any] = mapping(shapely.orient_polygons(shapely.set_precision(area, 1e-6)))
    return geometry


def bounds(area: Polygon | MultiPolygon) -> list[float]:
    """Return west, south, east, north; west is larger than east across the antimeridian (section 5.2)."""
    west, south, east, north = area.bounds
    if west == -180 and east == 180:
        parts = list(getattr(area, "geoms", ()))
        west = min(part.bounds[0] for part in parts if part.bounds[0] > 0)
        east = max(part.bounds[2] for part in parts if part.bounds[2] < 0)
    return [round(value, 6) for value in (west, south, east, north)]


def centroid(area: Polygon | MultiPolygon) -> dict[str, float]:
    """Return the centroid as ``{lat, lon}``, degrees (STAC projection extension), also across the antimeridian."""
    parts = list(getattr(area, "geoms", (area,)))
    crosses = area.bounds[0] == -180 and area.bounds[2] == 180
    point = MultiPolygon([translate(part, 360) if crosses and part.bounds[2] < 0 else part for part in parts]).centroid
    longitude = point.x - 360 if point.x > 180 else point.x
    return {"lat": round(point.y, 5), "lon": round(longitude, 5)}
