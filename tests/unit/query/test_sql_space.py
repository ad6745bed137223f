"""The boxes in which what is near is looked for: they must hold all of it, on the ellipsoid."""

from hypothesis import example, given
from hypothesis import strategies as st
from pyproj import Geod

from rucio_dafab.query.sql_space import boxes_around

ELLIPSOID = Geod(ellps="WGS84")


@given(
    st.floats(-180, 180), st.floats(-90, 90), st.floats(0, 5), st.floats(0, 360), st.floats(0, 1), st.floats(0, 6.2e6)
)
@example(0.0, 85.0, 5.0, 0.0, 1.0, 1e-67)
def test_whatever_is_near_lies_in_a_box(
    longitude: float, latitude: float, side: float, azimuth: float, share: float, metres: float
) -> None:
    bounds = (longitude, latitude, min(longitude + side, 180.0), min(latitude + side, 90.0))
    boxes = boxes_around(bounds, metres)
    for corner in ((bounds[0], bounds[1]), (bounds[2], bounds[3]), (bounds[0], bounds[3]), (bounds[2], bounds[1])):
        x, y, _ = ELLIPSOID.fwd(*corner, azimuth, share * metres)
        # Both names of the antimeridian are the same place; a coordinate may be off by a rounding.
        places = [(x, y)] if abs(x) < 180 else [(-180.0, y), (180.0, y)]
        assert not boxes or any(_holds(box, place) for box in boxes for place in places)


def _holds(box: tuple[float, float, float, float], place: tuple[float, float]) -> bool:
    (west, south, east, north), (x, y) = box, place
    return west - 1e-9 <= x <= east + 1e-9 and south - 1e-9 <= y <= north + 1e-9


def test_boxes_are_no_larger_than_needed() -> None:
    ((west, south, east, north),) = boxes_around((6.0, 49.0, 6.0, 49.0), 10_000)
    _, _, wide = ELLIPSOID.inv(west, 49, east, 49)
    _, _, high = ELLIPSOID.inv(6, south, 6, north)
    assert 20_000 < wide < 21_000
    assert 20_000 < high < 21_000


def test_over_the_antimeridian_there_are_two_boxes_and_at_a_pole_all_longitudes() -> None:
    assert len(boxes_around((179.9, 0, 179.95, 1), 50_000)) == 2
    assert len(boxes_around((-179.95, 0, -179.9, 1), 50_000)) == 2
    assert boxes_around((10, 89.9, 10, 89.9), 50_000)[0][::2] == (-180, 180)
    assert boxes_around((0, 0, 1, 1), 1e7) == []
