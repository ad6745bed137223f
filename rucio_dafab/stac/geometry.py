"""Footprints: geometries (RFC 7946, EPSG:4326, longitude before latitude) that the catalogue accepts."""

from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

import orjson
import shapely
from shapely.geometry import mapping
from shapely.geometry.base import BaseGeometry

from rucio_dafab import vocabulary
from rucio_dafab.query.errors import QueryError
from rucio_dafab.query.geometry import parse_geojson, parse_geometry
from rucio_dafab.stac.errors import DocumentInvalid
from rucio_dafab.vocabulary.errors import VocabularyError

SRID: Final = 4326
TYPES: Final = ("Point", "MultiPoint", "LineString", "MultiLineString", "Polygon", "MultiPolygon", "GeometryCollection")
"""What a GeoJSON geometry may be."""

LARGEST_KEPT: Final = 1024
"""Bytes of GeoJSON up to which a parsed footprint is kept for the scenes that have the same one."""


@dataclass(frozen=True, slots=True)
class Footprint:
    """A geometry in two dimensions, in degrees, split at the antimeridian, and the same as the database takes it.

    Attributes:
        shape: the geometry.
        ewkb: extended well-known binary, which names the CRS (:data:`SRID`).
    """

    shape: BaseGeometry
    ewkb: bytes


def read_footprint(value: Any, place: str) -> Footprint:
    """Return the footprint that a GeoJSON geometry gives.

    Args:
        value: the GeoJSON object.
        place: where it stands, for the message.

    Raises:
        DocumentInvalid: if it is no geometry, is empty, leaves the globe or is not valid (with the reason and the
            place that GEOS gives, for example ``Self-intersection[11.5 50.5]``).
    """
    if not isinstance(value, dict) or value.get("type") not in TYPES:
        raise DocumentInvalid(f"{place} is no GeoJSON geometry: its type must be one of {', '.join(TYPES)}")
    text = orjson.dumps(value)
    return (_shared if len(text) <= LARGEST_KEPT else _last)(text, place)


def _footprint(text: bytes, place: str) -> Footprint:
    try:
        shape = parse_geojson(text.decode(), place)
    except QueryError as error:
        raise DocumentInvalid(str(error)) from error
    return Footprint(shape, shapely.to_wkb(shapely.set_srid(shape, SRID), include_srid=True))


# A footprint is read to be checked and again to be stored, and scenes of one tile share theirs: Sentinel-2 has some
# ten thousand tiles over land. Of large ones only the last few are kept.
_shared: Final = lru_cache(maxsize=20_000)(_footprint)
_last: Final = lru_cache(maxsize=8)(_footprint)


def as_geojson(value: Any, place: str) -> dict[str, Any]:
    """Return a geometry, however it is written (WKT, a box ``W_S_E_N``, ``@area``, GeoJSON), as GeoJSON.

    Raises:
        DocumentInvalid: as :func:`read_footprint`.
    """
    if isinstance(value, dict):
        read_footprint(value, place)
        return value
    geojson: dict[str, Any] = _listed(mapping(_parsed(value, place)))
    return geojson


def _parsed(value: Any, place: str) -> BaseGeometry:
    try:
        return parse_geometry(value, vocabulary.load(), place)
    except (QueryError, VocabularyError) as error:
        raise DocumentInvalid(str(error)) from error


def _listed(value: Any) -> Any:
    """Return GeoJSON with lists for shapely's tuples."""
    if isinstance(value, dict):
        return {key: _listed(member) for key, member in value.items()}
    return [_listed(member) for member in value] if isinstance(value, tuple | list) else value
