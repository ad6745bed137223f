"""One page of HTML over many products, with pictures, numbers and a map, that needs nothing but itself."""

import math
from base64 import b64encode
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import orjson
import shapely
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from shapely.geometry.base import BaseGeometry

from rucio_dafab.resources import resources

MARGIN: Final = 0.25
"""Share of the width of what is mapped that is shown around it."""

_LEAST_MARGIN: Final = 0.5
_NUMBERS: Final = (
    ("dafab:observed_water_km2", "observed water", "{:,.2f} km²"),
    ("dafab:anomaly_type", "anomaly", "{}"),
    ("dafab:anomaly_score", "anomaly score", "{:+.1f} %"),
    ("dafab:agricultural_coverage", "fields", "{:.1f} %"),
    ("eo:cloud_cover", "cloud cover", "{:.1f} %"),
)
"""Properties that are told of a product, what they are called, and how they are written."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A product on the page.

    Attributes:
        item: Its STAC item.
        picture: Its thumbnail, a PNG.
    """

    item: Mapping[str, Any]
    picture: bytes | None = None


def page(entries: Sequence[Entry], land: Iterable[BaseGeometry], *, title: str, question: str) -> str:
    """Return the page.

    Args:
        entries: The products, in the order of the page.
        land: Outlines that are drawn below them on the map, EPSG:4326.
        title: What it is called.
        question: What was asked for them.
    """
    environment = Environment(
        loader=FileSystemLoader(resources() / "etc" / "report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("products.html.jinja").render(
        title=title,
        question=question,
        entries=[_card(entry) for entry in entries],
        summary=list(_summary(entries)),
        map=_map(entries, land),
        notice="; ".join(sorted({str(entry.item["properties"].get("attribution", "")) for entry in entries} - {""})),
    )


def _card(entry: Entry) -> dict[str, Any]:
    properties = entry.item["properties"]
    times = [properties.get(key) for key in ("datetime", "start_datetime", "end_datetime")]
    return {
        "id": entry.item["id"],
        "collection": entry.item.get("collection", ""),
        "when": " to ".join(
            str(each)[:16].replace("T", " ") for each in (times[:1] if times[0] else times[1:]) if each
        ),
        "picture": b64encode(entry.picture).decode() if entry.picture else "",
        "numbers": list(_numbers(properties)),
    }


def _numbers(properties: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for key, name, form in _NUMBERS:
        value = properties.get(key)
        if isinstance(value, str | int | float):
            yield name, value if isinstance(value, str) else form.format(value)
    parcels = (properties.get("dafab:smart-agriculture") or {}).get("number_of_fields")
    if parcels is not None:
        yield "parcels", f"{parcels:,}"


def _summary(entries: Sequence[Entry]) -> Iterator[str]:
    counted = Counter(str(entry.item.get("collection")) for entry in entries)
    yield from (f"{number} {name}" for name, number in sorted(counted.items()))
    anomalies = Counter(entry.item["properties"].get("dafab:anomaly_type") for entry in entries)
    yield from (f"{number} {name}" for name, number in sorted(anomalies.items(), key=str) if name)


def _map(entries: Sequence[Entry], land: Iterable[BaseGeometry]) -> dict[str, Any] | None:
    """Return the paths of a map in longitude and latitude, north up; ``None`` where nothing has a place."""
    placed = [
        (str(entry.item["id"]), shapely.from_geojson(orjson.dumps(entry.item["geometry"]).decode()))
        for entry in entries
        if entry.item.get("geometry")
    ]
    if not placed:
        return None
    west, south, east, north = shapely.total_bounds([shape for _, shape in placed])
    margin = max(MARGIN * max(east - west, north - south), _LEAST_MARGIN)
    window = shapely.box(west - margin, south - margin, east + margin, north + margin)
    # A degree of longitude is as wide as it is in the middle of the map.
    width = math.cos(math.radians((south + north) / 2))
    left, low, right, high = window.bounds
    return {
        "view": f"{left * width:.4f} {-high:.4f} {(right - left) * width:.4f} {high - low:.4f}",
        "land": [path for shape in land if (path := _path(shapely.intersection(shape, window), width))],
        "footprints": [(name, _path(shape, width)) for name, shape in placed],
    }


def _path(shape: BaseGeometry, width: float) -> str:
    """Return the polygons of a shape as a path of SVG, whose y goes down."""
    rings = [ring for part in shapely.get_parts(shape) if part.geom_type == "Polygon" for ring in _rings(part)]
    return "".join(
        "M" + "L".join(f"{x * width:.4f} {-y:.4f}" for x, y in shapely.get_coordinates(ring)[:-1].tolist()) + "Z"
        for ring in rings
    )


def _rings(polygon: BaseGeometry) -> Iterator[BaseGeometry]:
    yield shapely.get_exterior_ring(polygon)
    yield from (shapely.get_interior_ring(polygon, number) for number in range(len(polygon.interiors)))
