"""Footprints: repaired, cut at the antimeridian, oriented."""

import pytest
from shapely.geometry import MultiPolygon, Polygon, shape

from rucio_dafab.eo.errors import SceneError
from rucio_dafab.eo.footprint import bounds, centroid, geojson, outline


def test_an_ordinary_ring_stays_one_polygon_and_turns_counter_clockwise() -> None:
    area = outline([(10, 48), (10, 49), (11, 49), (11, 48), (10, 48)])
    assert isinstance(area, Polygon)
    written = geojson(area)
    assert shape(written).exterior.is_ccw
    assert bounds(area) == [10, 48, 11, 49]
    assert centroid(area) == {"lat": 48.5, "lon": 10.5}


def test_a_ring_across_the_antimeridian_is_cut_in_two() -> None:
    area = outline([(179, 60), (-178, 60), (-178, 61), (179, 61), (179, 60)])
    assert isinstance(area, MultiPolygon)
    assert area.area == pytest.approx(3.0)
    assert bounds(area) == [179, 60, -178, 61]
    assert centroid(area) == {"lat": 60.5, "lon": -179.5}
    assert all(part.bounds[0] >= -180 and part.bounds[2] <= 180 for part in area.geoms)


def test_a_ring_that_touches_itself_is_repaired() -> None:
    area = outline([(0, 0), (2, 0), (2, 2), (0, 0), (-2, 2), (-2, 0), (0, 0)])
    assert area.is_valid
    assert area.area == pytest.approx(4.0)


def test_a_ring_around_nothing_is_refused() -> None:
    with pytest.raises(SceneError, match="encloses nothing"):
        outline([(0, 0), (1, 1), (0, 0), (1, 1)])
