"""The questions of the benchmark of reading: drawn from what the catalogue holds by a seed, as filters of Rucio.

Every plugin is asked the same filters. The keys are aliases of our queryables, which the stock plugins' metadata have
as their keys (:data:`benchmarks.catalogue.fill.STOCK_KEYS`).
"""

import json
import math
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

import psycopg

Filters = list[dict[str, Any]]
"""Alternatives, each of tests that must all hold: what Rucio's ``list_dids`` takes."""

FIRST_DAY: Final = datetime(2023, 1, 1)
"""When the generated items begin."""

EUROPE: Final = (-10.0, 34.0, 32.0, 62.0)
"""Where places are asked (west, south, east, north): inside of what every generated catalogue covers."""

_SPREAD: Final = """
SELECT percentile_disc(ARRAY(SELECT generate_series(0, 100) / 100.0)) WITHIN GROUP (ORDER BY eo_cloud_cover)
FROM dafab.document
"""
_SAMPLE: Final = """
SELECT platform, sat_relative_orbit, proj_code, grid_code FROM dafab.document
WHERE grid_code IS NOT NULL AND sat_relative_orbit IS NOT NULL AND eo_cloud_cover < 20
ORDER BY md5(name || %s) LIMIT %s
"""


@dataclass(frozen=True, slots=True)
class Question:
    """A question to ``list_dids``, and to the plain table where that can answer it: SQL and its values."""

    filters: Filters
    plain: tuple[str, list[Any]] | None = None


@dataclass(frozen=True)
class Case:
    """Questions of one kind."""

    name: str
    questions: list[Question] = field(repr=False)


def stock_cases(connection: psycopg.Connection[Any], count: int, seed: int) -> Iterator[Case]:
    """Yield the four kinds of question that stock Rucio can answer too."""
    rng = random.Random(seed)
    sample = connection.execute(_SAMPLE, [str(seed), 2 * count]).fetchall()
    (spread,) = connection.execute(_SPREAD).fetchone() or ([],)
    yield Case("4 attributes", [Question([_four(*row)]) for row in sample[:count]])
    yield Case("tile", [Question([{"tile": row[3]}]) for row in sample[:count]])
    pairs = zip(sample[:count], sample[count:], strict=False)
    yield Case("or of two", [Question([{"tile": one[3]}, {"tile": other[3]}]) for one, other in pairs])
    begins = (rng.randrange(1, 95) for _ in range(count))
    yield Case("broad 5 %", [Question([_between(spread[begin], spread[begin + 5])]) for begin in begins])


def _four(platform: str, orbit: int, crs: str, _: str) -> dict[str, Any]:
    return {"platform": platform, "relative_orbit": orbit, "crs": crs, "cloud_cover.lt": 20}


def _between(low: float, high: float) -> dict[str, Any]:
    return {"cloud_cover.gte": low, "cloud_cover.lt": high}


def spatial_cases(count: int, seed: int) -> Iterator[Case]:
    """Yield the questions for place, time and cloud cover: those of ``bench/catalogue/bench.py``."""
    rng = random.Random(seed)
    yield Case("box, 90 days, cloud < 20", [_spatial(rng, box, 90) for _ in range(count)])
    yield Case("24 points, 365 days, cloud < 20", [_spatial(rng, polygon, 365) for _ in range(count)])


def _spatial(rng: random.Random, shape: Callable[[random.Random], dict[str, Any]], days: int) -> Question:
    text = json.dumps(shape(rng))
    start = FIRST_DAY + timedelta(days=rng.randrange(730 - days))
    end = start + timedelta(days=days)
    times = f"{start:%Y-%m-%dT%H:%M:%SZ}/{end:%Y-%m-%dT%H:%M:%SZ}"
    plain = (
        "SELECT id FROM plain.item WHERE ST_Intersects(geom, ST_GeomFromGeoJSON(%s))"
        " AND datetime BETWEEN %s AND %s AND cloud < 20"
    )
    filters = [{"geometry.intersects": text, "datetime.during": times, "cloud_cover.lt": 20}]
    return Question(filters, (plain, [text, f"{start}Z", f"{end}Z"]))


def box(rng: random.Random) -> dict[str, Any]:
    """Return a box with sides of 1 to 4 degrees, as GeoJSON."""
    west, south, east, north = EUROPE
    width, height = rng.uniform(1, 4), rng.uniform(1, 4)
    left, low = round(rng.uniform(west, east - width), 5), round(rng.uniform(south, north - height), 5)
    right, high = round(left + width, 5), round(low + height, 5)
    return {"type": "Polygon", "coordinates": [[[left, low], [right, low], [right, high], [left, high], [left, low]]]}


def polygon(rng: random.Random) -> dict[str, Any]:
    """Return an irregular area of 24 points, 0.3 to 2 degrees in radius, as GeoJSON."""
    lon, lat, radius = rng.uniform(-8, 30), rng.uniform(36, 60), rng.uniform(0.3, 2)
    ring = []
    for step in range(24):
        angle, reach = 2 * math.pi * step / 24, radius * rng.uniform(0.6, 1)
        ring.append([round(lon + 1.5 * reach * math.cos(angle), 5), round(lat + reach * math.sin(angle), 5)])
    return {"type": "Polygon", "coordinates": [[*ring, ring[0]]]}
