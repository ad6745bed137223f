"""Geometries: what is taken, where it is split, and why it is refused."""

import subprocess
import sys

import numpy
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st

from rucio_dafab.query.errors import LimitError, QueryError
from rucio_dafab.query.geometry import normalise, parse_geometry
from rucio_dafab.vocabulary import areas

AREAS = areas.load()


def read(value: object) -> shapely.Geometry:
    return parse_geometry(value, AREAS, "geometry.within")


def test_a_box_over_the_antimeridian_is_two() -> None:
    box = read("170_-10_-170_10")
    assert box.equals(shapely.MultiPolygon([shapely.box(170, -10, 180, 10), shapely.box(-180, -10, -170, 10)]))
    assert box.area == 400


def test_a_wide_box_stays_wide_when_read_again() -> None:
    wide = read("-170_-10_170_10")
    assert wide.area == 6800
    assert read(shapely.to_geojson(wide)).equals(wide)


@pytest.mark.parametrize("wkt", ["POLYGON((170 -10|-170 -10|-170 10|170 10|170 -10))", "LINESTRING(170 0|-170 0)"])
def test_the_short_way_round_is_split(wkt: str) -> None:
    split = read(wkt)
    assert split.geom_type.startswith("Multi") and len(split.geoms) == 2
    assert split.is_valid and split.bounds[::2] == (-180, 180)
    assert normalise(split).equals(split)


def test_a_hole_on_the_other_side_stays_a_hole() -> None:
    split = read("POLYGON((170 -10|-160 -10|-160 10|170 10|170 -10)|(-175 -1|-174 -1|-174 1|-175 1|-175 -1))")
    assert split.area == pytest.approx(30 * 20 - 2)
    assert not split.contains(shapely.Point(-174.5, 0))


@pytest.mark.parametrize("latitude", [70, -70])
def test_a_ring_round_the_earth_encloses_the_pole(latitude: int) -> None:
    ring = "|".join(f"{longitude} {latitude}" for longitude in (-150, -50, 50, 150, -150))
    cap = read(f"POLYGON(({ring}))")
    assert cap.is_valid
    assert cap.area == pytest.approx(360 * 20)
    assert cap.contains(shapely.Point(0, 89 if latitude > 0 else -89))


def test_the_whole_world_is_the_whole_world() -> None:
    assert read("POLYGON((-180 -90|180 -90|180 90|-180 90|-180 -90))").area == 360 * 180


def test_heights_are_dropped() -> None:
    assert read("POINT Z (1 2 3)") == shapely.Point(1, 2)


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ("POLYGON((0 0|1 1|0 1|1 0|0 0))", "invalid: Self-intersection[0.5 0.5]"),
        ("POLYGON((179 0|-179 1|179 1|-179 0|179 0))", "invalid: Self-intersection"),
        ("POLYGON EMPTY", "empty"),
        ("POINT(200 0)", "(200 0) is out of range: longitude -180…180 first, then latitude"),
        ("POINT(0 91)", "out of range"),
        ("POINT(nan 0)", "out of range"),
        ("0_0_0_1", "has no area"),
        ("0_5_1_1", "has no area"),
        ("180_-90_-180_90", "has no area"),
        ("CIRCULARSTRING(0 0|1 1|2 0)", "curves are not taken"),
        ("CURVEPOLYGON(CIRCULARSTRING(0 0|1 1|2 0|0 0))", "curves are not taken"),
        ("0_0_1e308_1", "out of range"),
        ("SRID=3857;POINT(0 0)", "EPSG:4326, not SRID=3857"),
        ("GEOMETRYCOLLECTION(POINT(0 0)|LINESTRING(0 0|1 1))", "geometries of one kind"),
        ('{"type":"FeatureCollection","features":[]}', "one geometry or one Feature"),
        ('{"type":"Point","coordinates":[NaN,0]}', "the GeoJSON cannot be read"),
        ('{"type":"Point"}', "the GeoJSON cannot be read"),
        ({"type": "Point", "coordinates": {1, 2}}, "the GeoJSON cannot be read"),
        ("", "a geometry is WKT, GeoJSON, a box W_S_E_N or @area"),
        (5, "a geometry is WKT, GeoJSON, a box W_S_E_N or @area"),
    ],
)
def test_refusals_say_why(value: object, reason: str) -> None:
    with pytest.raises(QueryError) as refusal:
        read(value)
    assert str(refusal.value).startswith("geometry.within: ")
    assert reason in str(refusal.value)


def test_limits() -> None:
    saw = ",".join(f"{step % 100} {step % 90}" for step in range(20_000))
    with pytest.raises(LimitError, match=r"20,000 vertices, at most 10,000"):
        read(f"LINESTRING({saw})")
    with pytest.raises(LimitError, match=r"bytes, at most 2,097,152"):
        read("POINT(" + "0" * 3_000_000 + " 0)")


@pytest.mark.parametrize("text", ["GEOMETRYCOLLECTION(" * 50_000, '{"a":' * 50_000, "(" * 50_000])
def test_hostile_nesting_does_not_kill_the_process(text: str) -> None:
    code = (
        "import sys\n"
        "from rucio_dafab.query.errors import QueryError\n"
        "from rucio_dafab.query.geometry import parse_geometry\n"
        "from rucio_dafab.vocabulary import areas\n"
        "try: parse_geometry(sys.stdin.read(), areas.load())\n"
        "except QueryError: sys.exit(7)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], input=text, text=True, timeout=60, check=False)
    assert done.returncode == 7


@settings(max_examples=150, deadline=None)
@given(st.text(alphabet='POINTLGYECMUSR()0123456789.,|- {}[]":e@_%', max_size=60))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        geometry = read(text)
    except QueryError:
        return
    assert geometry.is_valid and not geometry.is_empty


@settings(max_examples=100, deadline=None)
@given(st.floats(-179, 179), st.floats(-80, 80), st.floats(0.5, 60), st.floats(0.5, 9))
def test_splitting_keeps_the_area(west: float, south: float, width: float, height: float) -> None:
    plane = shapely.box(west, south, west + width, south + height)
    around = shapely.transform(plane, lambda xy: numpy.column_stack([(xy[:, 0] + 180) % 360 - 180, xy[:, 1]]))
    split = normalise(around)
    assert split.is_valid
    assert split.area == pytest.approx(plane.area, rel=1e-9)
