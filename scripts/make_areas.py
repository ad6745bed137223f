"""Make ``etc/areas/countries.geojson`` from the npm package ``world-atlas`` (Natural Earth 1:50m, public domain).

    python scripts/make_areas.py

Needs npm and node. The outlines are simplified, so that the file stays small, and split at the antimeridian.
"""

import subprocess
import sys
import tempfile
from pathlib import Path

import numpy
import orjson
import shapely

from rucio_dafab.query.geometry import normalise

PACKAGES = ("world-atlas@2.0.2", "topojson-client@3.1.0")
CONVERT = """
const {feature} = require('topojson-client');
const world = require('world-atlas/countries-50m.json');
process.stdout.write(JSON.stringify(feature(world, world.objects.countries)));
"""
# About one kilometre: a scene is a hundred of them wide.
TOLERANCE = 0.01
GRID = 0.001
LARGEST_FILE = 1_500_000
# Natural Earth abbreviates some names; people do not, or differently.
ALIASES = {
    "Antigua and Barb.": ["Antigua and Barbuda"],
    "Bosnia and Herz.": ["Bosnia and Herzegovina", "Bosnia"],
    "Central African Rep.": ["Central African Republic"],
    "Congo": ["Republic of the Congo"],
    "Côte d'Ivoire": ["Ivory Coast"],
    "Czechia": ["Czech Republic"],
    "Dem. Rep. Congo": ["Democratic Republic of the Congo", "DR Congo"],
    "Dominican Rep.": ["Dominican Republic"],
    "Eq. Guinea": ["Equatorial Guinea"],
    "Falkland Is.": ["Falkland Islands"],
    "Fr. Polynesia": ["French Polynesia"],
    "Macedonia": ["North Macedonia"],
    "Marshall Is.": ["Marshall Islands"],
    "Netherlands": ["Holland"],
    "S. Sudan": ["South Sudan"],
    "Solomon Is.": ["Solomon Islands"],
    "St. Vin. and Gren.": ["Saint Vincent and the Grenadines"],
    "São Tomé and Principe": ["Sao Tome"],
    "Turkey": ["Türkiye"],
    "United Kingdom": ["UK", "Great Britain"],
    "United States of America": ["USA", "United States"],
    "W. Sahara": ["Western Sahara"],
    "eSwatini": ["Swaziland"],
}


def fetch() -> list[dict[str, object]]:
    """Return the features of the package, through npm and node in a folder of their own."""
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run(  # noqa: S603
            ["npm", "install", "--silent", "--no-audit", "--no-fund", "--prefix", folder, *PACKAGES],  # noqa: S607
            check=True,
        )
        done = subprocess.run(["node", "-e", CONVERT], cwd=folder, check=True, capture_output=True)  # noqa: S603, S607
    features: list[dict[str, object]] = orjson.loads(done.stdout)["features"]
    return features


def outline(feature: dict[str, object]) -> shapely.Geometry:
    """Return the country's outline: valid, split at the antimeridian, simplified."""
    raw = shapely.from_geojson(orjson.dumps(feature["geometry"]))
    whole = shapely.union_all([_cut(part) for part in shapely.get_parts(raw)])
    simple = whole.simplify(TOLERANCE, preserve_topology=True)
    return _polygons(shapely.make_valid(shapely.set_precision(simple, GRID)))


def _cut(part: shapely.Polygon) -> shapely.Geometry:
    """Return one polygon of the package, which stitches what crosses the antimeridian, on the plane and valid."""
    _, south, _, north = part.bounds
    if south == north:  # Antarctica: its shell is the pole, its hole the coast
        return shapely.union_all([normalise(shapely.Polygon(ring), "Antarctica") for ring in part.interiors])
    steps = abs(numpy.diff(shapely.get_coordinates(part.exterior)[:, 0]))
    if steps.max() <= 180:
        return _polygons(shapely.make_valid(part))
    east = shapely.transform(part, lambda xy: numpy.where(xy < (0, -90), numpy.add(xy, (360, 0)), xy))
    east = _polygons(shapely.make_valid(east))
    far = shapely.transform(east.intersection(shapely.box(180, -90, 360, 90)), lambda xy: numpy.subtract(xy, (360, 0)))
    return shapely.union_all([east.intersection(shapely.box(0, -90, 180, 90)), far])


def _polygons(geometry: shapely.Geometry) -> shapely.Geometry:
    parts = [part for part in shapely.get_parts(geometry) if part.geom_type in {"Polygon", "MultiPolygon"}]
    return shapely.union_all(parts)


def main() -> int:
    """Write the file and say how large it is."""
    features = []
    for feature in sorted(fetch(), key=lambda each: each["properties"]["name"]):
        name = feature["properties"]["name"]
        shape = outline(feature)
        if shape.is_empty or not shape.is_valid:
            print(f"{name}: no valid outline", file=sys.stderr)  # noqa: T201
            return 1
        properties = {"name": name, "aliases": ALIASES.get(name, [])}
        features.append(
            {"type": "Feature", "properties": properties, "geometry": orjson.loads(shapely.to_geojson(shape))}
        )
    document = {
        "type": "FeatureCollection",
        "attribution": "Made with Natural Earth 1:50m (public domain), from the npm package world-atlas 2.0.2",
        "features": features,
    }
    target = Path(__file__).resolve().parents[1] / "etc" / "areas" / "countries.geojson"
    text = orjson.dumps(document).replace(b'{"type":"Feature",', b'\n{"type":"Feature",')
    if len(text) > LARGEST_FILE:
        print(f"{len(text):,} bytes are more than {LARGEST_FILE:,}", file=sys.stderr)  # noqa: T201
        return 1
    target.write_bytes(text + b"\n")
    print(f"{len(features)} areas, {len(text):,} bytes: {target.name}")  # noqa: T201
    return 0


if __name__ == "__main__":
    sys.exit(main())
