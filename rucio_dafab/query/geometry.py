"""Geometries as people write them, made into valid shapely geometries in EPSG:4326.

Edges are straight in longitude and latitude (RFC 7946). An edge over more than 180° and less than 360° of longitude is
the short way round: it crosses the antimeridian, and the geometry is split there. A ring that runs once round the Earth
encloses the nearer pole.
"""

import math
import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote

import numpy
import orjson
import shapely
from numpy.typing import NDArray
from shapely.errors import GEOSException
from shapely.geometry.base import BaseGeometry, BaseMultipartGeometry

from rucio_dafab.query.errors import LimitError, QueryError, located
from rucio_dafab.query.limits import LIMITS, Limits, check_bytes
from rucio_dafab.vocabulary import Geometries

_NUMBER = r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?"
_BOX = re.compile(rf"({_NUMBER})[_,|]({_NUMBER})[_,|]({_NUMBER})[_,|]({_NUMBER})")
# GEOS reads WKT recursively: a hostile nesting would overflow its stack. MULTIPOLYGON in a collection needs four.
_DEEPEST_WKT = 6
_WORLD = (shapely.box(-180, -90, 180, 90), shapely.box(180, -90, 540, 90), shapely.box(-540, -90, -180, 90))
_BACK = (0.0, -360.0, 360.0)


def parse_geometry(value: object, areas: Geometries, place: str = "", limits: Limits = LIMITS) -> BaseGeometry:
    """Return the geometry that `value` means.

    Args:
        value: ``@area``, a box ``W_S_E_N`` in degrees (W > E crosses the antimeridian), WKT (``|`` may stand for
        ``,``),
            GeoJSON as text or dictionary (a geometry or a Feature), or any of these percent-encoded.
        areas: Where named areas and places are looked up.
        place: What a refusal names.
        limits: How large the geometry may be.

    Raises:
        QueryError: saying why it is not a usable geometry, and where in it; also for an unknown area.
    """
    if isinstance(value, Mapping):
        return parse_geojson(_dump(value, place), place, limits)
    if not isinstance(value, str) or not value.strip():
        raise QueryError("a geometry is WKT, GeoJSON, a box W_S_E_N or @area", place)
    check_bytes(value, limits.geometry_bytes, "the geometry", place)
    text = (unquote(value) if "%" in value else value).strip()
    if text.startswith("@"):
        with located(place):
            return areas.geometry(text[1:])
    if box := _BOX.fullmatch(text):
        return parse_box(tuple(float(edge) for edge in box.groups()), place)
    if text.startswith("{"):
        return parse_geojson(text, place, limits)
    return normalise(_from_wkt(text, place), place, limits)


def parse_geojson(text: str, place: str = "", limits: Limits = LIMITS) -> BaseGeometry:
    """Return the geometry of a text in GeoJSON; for the rest see :func:`parse_geometry`.

    Raises:
        QueryError: as that does.
    """
    return normalise(_from_geojson(text, place, limits), place, limits)


def parse_box(edges: tuple[float, ...], place: str = "") -> BaseGeometry:
    """Return the box of `edges` (west, south, east, north, degrees); west > east crosses the antimeridian.

    Raises:
        QueryError: if an edge is out of range or the box has no area.
    """
    west, south, east, north = edges
    _refuse_out_of_range(numpy.array([[west, south], [east, north]]), place)
    if south >= north or west == east:
        raise QueryError(f"the box {west:g}_{south:g}_{east:g}_{north:g} (W_S_E_N) has no area", place)
    if west < east:
        return _settle(shapely.box(west, south, east, north))
    halves = [_settle(shapely.box(*sides)) for sides in ((west, south, 180.0, north), (-180.0, south, east, north))]
    parts = [half for half in halves if half.area > 0]
    if not parts:
        raise QueryError(f"the box {west:g}_{south:g}_{east:g}_{north:g} (W_S_E_N) has no area", place)
    return parts[0] if len(parts) == 1 else shapely.multipolygons(parts)


def normalise(geometry: BaseGeometry, place: str = "", limits: Limits = LIMITS) -> BaseGeometry:
    """Return `geometry` in two dimensions, split at the antimeridian, after checking that it is usable.

    Raises:
        QueryError: if it is empty, has a coordinate that is not finite or out of range, or is invalid; with the place.
        LimitError: if it has too many vertices.
    """
    if geometry is None or geometry.is_empty:
        raise QueryError("the geometry is empty", place)
    if (vertices := shapely.get_num_coordinates(geometry)) > limits.vertices:
        raise LimitError(f"the geometry has {vertices:,} vertices, at most {limits.vertices:,} are taken", place)
    flat = shapely.force_2d(geometry)
    xy = shapely.get_coordinates(flat)
    west, east = _refuse_out_of_range(xy, place)
    # Most geometries are narrower than the longest edge that is taken as it is: none of theirs needs a look.
    if east - west > 180 and _crosses(flat):
        return _settle(_union([_split(part, place) for part in _parts(flat)], place))
    _refuse_invalid(flat, place)
    return _union(_parts(flat), place) if flat.geom_type == "GeometryCollection" else flat


def _union(parts: list[BaseGeometry], place: str) -> BaseGeometry:
    if len(set(shapely.get_dimensions(parts))) > 1:
        raise QueryError("a collection must hold geometries of one kind (points, lines or polygons)", place)
    return shapely.union_all(parts)


def _refuse_invalid(geometry: BaseGeometry, place: str) -> None:
    if not geometry.is_valid:
        raise QueryError(f"the geometry is invalid: {shapely.is_valid_reason(geometry)}", place)


def _parts(geometry: BaseGeometry) -> list[BaseGeometry]:
    if not isinstance(geometry, BaseMultipartGeometry):
        return [geometry]
    return [leaf for part in geometry.geoms for leaf in _parts(part)]


def _split(part: BaseGeometry, place: str) -> BaseGeometry:
    """Return a single-part geometry, cut at the antimeridian where it crosses it."""
    plane = _unwrap(part) if _crosses(part) else part
    _refuse_invalid(plane, place)
    if plane is part:
        return part
    pieces = [
        shapely.transform(piece, lambda xy, shift=shift: numpy.add(xy, (shift, 0.0)))
        for world, shift in zip(_WORLD, _BACK, strict=True)
        if not (piece := plane.intersection(world)).is_empty and piece.area + piece.length > 0
    ]
    return _settle(_union(pieces, place))


def _settle(geometry: BaseGeometry) -> BaseGeometry:
    """Return `geometry` with long edges divided, so that none is mistaken for one across the antimeridian."""
    return shapely.segmentize(geometry, 180.0)


def _crosses(geometry: BaseGeometry) -> bool:
    """Return whether an edge of `geometry` crosses the antimeridian."""
    rings_and_lines = [
        line
        for part in _parts(geometry)
        for line in ([part.exterior, *part.interiors] if part.geom_type == "Polygon" else [part])
    ]
    xy, line = shapely.get_coordinates(rings_and_lines, return_index=True)
    steps = numpy.abs(numpy.diff(xy[:, 0]))[numpy.diff(line) == 0]
    return bool(((steps > 180) & (steps < 360)).any())


def _unwrap(part: BaseGeometry) -> BaseGeometry:
    """Return `part` on a continuous plane, where longitudes run on beyond ±180°."""
    if part.geom_type == "Polygon":
        shell = _unwrap_ring(shapely.get_coordinates(part.exterior))
        holes = [_unwrap_ring(shapely.get_coordinates(ring)) for ring in part.interiors]
        return shapely.Polygon(shell, [_beside(hole, shell) for hole in holes])
    return shapely.linestrings(_run_on(shapely.get_coordinates(part)))


def _run_on(xy: NDArray[numpy.float64]) -> NDArray[numpy.float64]:
    step = numpy.diff(xy[:, 0])
    turn = numpy.where((numpy.abs(step) > 180) & (numpy.abs(step) < 360), -numpy.sign(step) * 360.0, 0.0)
    out = xy.copy()
    out[1:, 0] += numpy.cumsum(turn)
    return out


def _unwrap_ring(xy: NDArray[numpy.float64]) -> NDArray[numpy.float64]:
    ring = _run_on(xy)
    if math.isclose(ring[0, 0], ring[-1, 0]):
        return ring
    pole = math.copysign(90.0, float(ring[:, 1].mean()))
    return numpy.vstack([ring, [[ring[-1, 0], pole], [ring[0, 0], pole], ring[0]]])


def _beside(hole: NDArray[numpy.float64], shell: NDArray[numpy.float64]) -> NDArray[numpy.float64]:
    """Shift `hole` by whole turns to where `shell` is."""
    turns = round(float((shell[:, 0].min() + shell[:, 0].max() - hole[:, 0].min() - hole[:, 0].max()) / 720))
    return numpy.add(hole, (360.0 * turns, 0.0))


def _refuse_out_of_range(xy: NDArray[numpy.float64], place: str) -> tuple[float, float]:
    """Return the least and the greatest longitude of coordinates that are all on the globe."""
    (west, south), (east, north) = xy.min(axis=0).tolist(), xy.max(axis=0).tolist()
    if west >= -180 and south >= -90 and east <= 180 and north <= 90:  # never so where one is NaN
        return west, east
    wrong = ~numpy.isfinite(xy).all(axis=1) | (numpy.abs(xy[:, 0]) > 180) | (numpy.abs(xy[:, 1]) > 90)
    x, y = xy[wrong][0]
    raise QueryError(
        f"the coordinate ({x:g} {y:g}) is out of range: longitude -180…180 first, then latitude -90…90", place
    )


def _from_wkt(text: str, place: str) -> BaseGeometry:
    body = text.replace("|", ",")
    if body.upper().startswith("SRID="):
        srid, _, body = body.partition(";")
        if srid.upper() != "SRID=4326":
            raise QueryError(f"geometries are in EPSG:4326, not {srid[:20]}", place)
    if _nesting(body) > _DEEPEST_WKT:
        raise LimitError(f"the WKT is nested deeper than {_DEEPEST_WKT} parentheses", place)
    try:
        return shapely.from_wkt(body)
    except NotImplementedError as error:  # GEOS reads curves and surfaces, which are no geometries of GeoJSON
        raise QueryError("curves are not taken: points, lines and polygons are", place) from error
    except (GEOSException, UnicodeEncodeError, ValueError) as error:
        raise QueryError(f"not a geometry (WKT, GeoJSON, W_S_E_N or @area): {_one_line(error)}", place) from error


def _nesting(text: str) -> int:
    depth = deepest = 0
    for bracket in re.findall(r"[()]", text):
        depth += 1 if bracket == "(" else -1
        deepest = max(deepest, depth)
    return deepest


def _from_geojson(text: str, place: str, limits: Limits) -> BaseGeometry:
    check_bytes(text, limits.geometry_bytes, "the geometry", place)
    try:
        document = orjson.loads(text)  # refuses NaN and deep nesting, which GEOS would not
        if not isinstance(document, dict) or document.get("type") == "FeatureCollection":
            raise QueryError("GeoJSON must be one geometry or one Feature", place)
        return shapely.from_geojson(text)
    except (GEOSException, orjson.JSONDecodeError, UnicodeEncodeError) as error:
        raise QueryError(f"the GeoJSON cannot be read: {_one_line(error)}", place) from error


def _dump(value: Mapping[str, Any], place: str) -> str:
    try:
        return orjson.dumps(value).decode()
    except orjson.JSONEncodeError as error:
        raise QueryError(f"the GeoJSON cannot be read: {_one_line(error)}", place) from error


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())[:160]
