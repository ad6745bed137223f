"""Tests of a footprint in SQL: what an index can tell from boxes first, then the exact predicate."""

import math
from collections.abc import Callable
from typing import Any

import shapely
from geoalchemy2 import Geography
from shapely.geometry.base import BaseGeometry
from sqlalchemy import Boolean, ColumnElement, Float, LargeBinary, and_, cast, func, literal, not_, or_

from rucio_dafab.query.model import DistanceWithin, Spatial, SpatialOperator
from rucio_dafab.query.sql_members import Condition

EPSG_4326 = 4326

Predicate = Callable[..., Condition]

SMALLEST_RADIUS = 6_335_000.0
"""Metres, rounded down: the smallest radius of curvature of WGS 84, that of the meridian at the equator."""

_FARTHEST = 1.0
"""Radians: what lies within more than this is not looked for by boxes."""

# What the boxes of two geometries must do where the predicate holds; ``&&`` for the others: overlap.
_OF_BOXES = {SpatialOperator.WITHIN: "@", SpatialOperator.CONTAINS: "~"}


def postgis(name: str) -> Predicate:
    """Return a predicate of PostGIS's own by name; that of distances is asked on the ellipsoid."""
    if name == "ST_DWithin":
        return _within_metres
    predicate = getattr(func, name)
    return lambda footprint, shape: predicate(footprint, shape, type_=Boolean)


def _within_metres(footprint: ColumnElement[Any], shape: ColumnElement[Any], metres: ColumnElement[Any]) -> Condition:
    places = (cast(each, Geography(srid=EPSG_4326)) for each in (footprint, shape))
    return func.ST_DWithin(*places, metres, type_=Boolean)


def relates(
    node: Spatial, footprint: ColumnElement[Any], predicate: Callable[[str], Predicate], negated: bool
) -> Condition:
    """Return how a footprint lies to the geometry of `node`."""
    operator, shape = node.operator, _shape(node.geometry)
    if operator is SpatialOperator.DISJOINT:
        operator, negated = SpatialOperator.INTERSECTS, not negated
    met = predicate(f"ST_{operator.value.removeprefix('s_').capitalize()}")(footprint, shape)
    if negated:
        return not_(met)
    return and_(_boxes(footprint, _OF_BOXES.get(operator, "&&"), shape), met)


def is_near(
    node: DistanceWithin, footprint: ColumnElement[Any], predicate: Callable[[str], Predicate], negated: bool
) -> Condition:
    """Return whether a footprint lies within some metres of the geometry of `node`.

    The edges of a footprint are straight on the map (RFC 7946, 3.1.1), so its box bounds it; PostGIS measures to the
    geodesics between its corners, which may leave the box. What is near them only is not near the footprint.
    """
    met = predicate("ST_DWithin")(footprint, _shape(node.geometry), literal(node.metres, Float))
    around = [func.ST_MakeEnvelope(*box, EPSG_4326) for box in boxes_around(node.geometry.bounds, node.metres)]
    if around:
        met = and_(or_(*(_boxes(footprint, "&&", box) for box in around)), met)
    return not_(met) if negated else met


def boxes_around(bounds: tuple[float, float, float, float], metres: float) -> list[tuple[float, float, float, float]]:
    """Return boxes (west, south, east, north) that hold all within some metres of one; none for all of the globe.

    By the haversine formula, ``sin(d / 2) >= cos(latitude) sin(longitude / 2)`` where neither place is farther from the
    equator than the latitude; with the smallest radius of the ellipsoid instead of the sphere's, and a hundredth more
    for its flattening.
    """
    west, south, east, north = bounds
    angle = 1.01 * metres / SMALLEST_RADIUS
    if angle >= _FARTHEST:
        return []
    south, north = south - math.degrees(angle), north + math.degrees(angle)
    farthest = max(-south, north)
    parallel = math.cos(math.radians(min(farthest, 90.0)))
    # A pole has every longitude; the cosine of its latitude is not quite zero.
    if farthest >= 90 or math.sin(angle / 2) >= parallel:
        return [(-180.0, max(south, -90.0), 180.0, min(north, 90.0))]
    side = 2 * math.degrees(math.asin(math.sin(angle / 2) / parallel))
    west, east = west - side, east + side
    if east - west >= 360:
        return [(-180.0, south, 180.0, north)]
    found = [(max(west, -180.0), south, min(east, 180.0), north)]
    if west < -180:
        found.append((west + 360, south, 180.0, north))
    if east > 180:
        found.append((-180.0, south, east - 360, north))
    return found


def _boxes(footprint: ColumnElement[Any], operator: str, shape: ColumnElement[Any]) -> Condition:
    return footprint.op(operator, return_type=Boolean())(shape)


def _shape(geometry: BaseGeometry) -> ColumnElement[Any]:
    made: ColumnElement[Any] = func.ST_GeomFromWKB(literal(shapely.to_wkb(geometry), LargeBinary), EPSG_4326)
    return made
