"""Values of DCAT that no table can say: places, times, checksums, agents, licences."""

import re
from collections.abc import Iterable, Iterator, Mapping
from decimal import Decimal
from typing import Any, Final

import orjson
from shapely.errors import ShapelyError
from shapely.geometry import MultiPolygon, box, shape

from rucio_dafab.stac import export_terms as terms

_MEDIA_TYPE: Final = re.compile(r"([\w.+-]+/[\w.+-]+)\s*(;.*)?", re.ASCII)
_LICENSE: Final = re.compile(r"[A-Za-z0-9.+\-]{1,60}", re.ASCII)
_CRS: Final = re.compile(r"([A-Za-z]{1,20}):([\w.]{1,20})", re.ASCII)

Node = dict[str, Any]
"""A node of JSON-LD."""


def moment(value: object) -> str | None:
    """Return a time of RFC 3339 as XML Schema spells it, or ``None`` for what is no text."""
    return value.strip().upper().replace(" ", "T") if isinstance(value, str) and value.strip() else None


def decimal(value: object) -> str | None:
    """Return a number without an exponent, or ``None`` for what is no finite number."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    number = Decimal(str(value))
    return f"{number:f}" if number.is_finite() else None


def crs(value: object) -> str | None:
    """Return the IRI of a CRS by its code (``EPSG:32631``), or ``None``."""
    found = _CRS.fullmatch(value) if isinstance(value, str) else None
    return None if found is None else f"{terms.CRS}{found[1].upper()}/0/{found[2]}"


def rights(value: object) -> Node | None:
    """Return a statement of rights."""
    return {"@type": "dct:RightsStatement", "label": value} if isinstance(value, str) and value else None


def keywords(value: object) -> list[str] | None:
    """Return the texts of a list."""
    return [each for each in value if isinstance(each, str)] if isinstance(value, list) else None


def text(value: object) -> str | None:
    """Return a text, or a number as one."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return None
    return str(value) or None


def period(start: object, end: object) -> Node | None:
    """Return a period of time, open where a side is missing; ``None`` if both are."""
    ends = {"startDate": moment(start), "endDate": moment(end)}
    known = {term: each for term, each in ends.items() if each}
    return {"@type": "dct:PeriodOfTime"} | known if known else None


def location(geometry: object, bounds: object) -> Node | None:
    """Return a place: the geometry as WKT and as GeoJSON (both longitude before latitude, CRS84), and its box.

    Args:
        geometry: GeoJSON, or null.
        bounds: a ``bbox`` of RFC 7946, of 4 or 6 numbers; its west is greater than its east across the antimeridian.
    """
    found: Node = {}
    if frame := bbox(bounds):
        found["bbox"] = frame
    if isinstance(geometry, dict) and (spelled := _wkt(geometry)):
        json = orjson.dumps(geometry).decode()
        found["geometry"] = [
            {"@type": "geo:wktLiteral", "@value": spelled},
            {"@type": "geo:geoJSONLiteral", "@value": json},
        ]
    return {"@type": "dct:Location"} | found if found else None


def bbox(bounds: object) -> str | None:
    """Return a box as WKT, in two parts across the antimeridian, or ``None`` for what is no box; degrees."""
    if not isinstance(bounds, list) or len(bounds) not in {4, 6}:
        return None
    if not all(isinstance(each, int | float) and not isinstance(each, bool) for each in bounds):
        return None
    half = len(bounds) // 2
    (west, south), (east, north) = bounds[:2], bounds[half : half + 2]
    if west <= east:
        return str(box(west, south, east, north).wkt)
    return str(MultiPolygon([box(west, south, 180, north), box(-180, south, east, north)]).wkt)


def _wkt(geometry: Mapping[str, Any]) -> str | None:
    try:
        return str(shape(geometry).wkt)
    except (ShapelyError, ValueError, TypeError, KeyError, AttributeError, IndexError):
        return None


def checksum(multihash: object) -> Node | None:
    """Return a multihash (hexadecimal) as a checksum of SPDX, or ``None`` where SPDX has no such algorithm."""
    if not isinstance(multihash, str):
        return None
    spelled = multihash.lower()
    for prefix, (name, digits) in terms.CHECKSUMS.items():
        value = spelled.removeprefix(prefix)
        if value != spelled and len(value) == digits and not set(value) - set("0123456789abcdef"):
            return {"@type": "spdx:Checksum", "algorithm": f"{terms.SPDX_ALGORITHM}{name}", "checksumValue": value}
    return None


def media_type(value: object) -> Node:
    """Return what is said of a media type: IANA's IRI of it, and as a format all of it where it has parameters."""
    found = _MEDIA_TYPE.fullmatch(value.strip()) if isinstance(value, str) else None
    if found is None:
        return {}
    said: Node = {"mediaType": f"{terms.MEDIA_TYPE}{found[1]}"}
    return said | {"format": {"@type": "dct:MediaTypeOrExtent", "label": value}} if found[2] else said


def licenses(name: object, linked: Iterable[str]) -> list[str]:
    """Return the IRIs of a licence: SPDX's where it has such a name, else what the links of the document lead to."""
    if isinstance(name, str) and name not in terms.NO_LICENSE and _LICENSE.fullmatch(name):
        return [f"{terms.SPDX_LICENSE}{name}"]
    return list(linked)


def providers(value: object) -> Iterator[tuple[str, str | None, frozenset[str]]]:
    """Yield name, address (if any) and roles of each provider that has a name."""
    for each in value if isinstance(value, list) else ():
        name = each.get("name") if isinstance(each, dict) else None
        if isinstance(name, str) and name:
            roles, url = each.get("roles"), each.get("url")
            known = frozenset(role for role in roles if isinstance(role, str)) if isinstance(roles, list) else ()
            yield name, url if isinstance(url, str) else None, frozenset(known)
