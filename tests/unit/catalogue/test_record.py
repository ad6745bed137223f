"""From documents to columns, and what documents are refused: no database needed."""

import json
from datetime import UTC, datetime
from typing import Any

import orjson
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from rucio_dafab.catalogue.record import LONGEST_TEXT, make_record
from rucio_dafab.stac import pointers
from rucio_dafab.stac.errors import DocumentInvalid, KeyUnknown
from rucio_dafab.stac.geometry import as_geojson, read_footprint
from rucio_dafab.stac.validate import MAX_DEPTH, check_document, check_json, is_plain

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=20,
)


def item(**properties: Any) -> dict[str, Any]:
    return {
        "type": "Feature",
        "stac_version": "1.1.0",
        "id": "item",
        "collection": "sentinel_2_l2a",
        "geometry": {"type": "Polygon", "coordinates": [[[6, 49], [7, 49], [7, 50], [6, 50], [6, 49]]]},
        "properties": {"datetime": "2026-06-01T10:00:00Z"} | properties,
        "assets": {},
        "links": [],
    }


def test_a_document_gives_its_columns() -> None:
    themes = [{"concepts": [{"id": "flood"}, {"id": "https://elsewhere.example/Thing"}]}]
    record = make_record(item(**{"eo:cloud_cover": 5, "instruments": ["msi"], "themes": themes, "gsd": 10.0}))
    assert record["eo_cloud_cover"] == 5.0
    assert record["instruments"] == ["msi"]
    assert record["extent_start"] == record["extent_end"]
    assert record["extent_start"].isoformat() == "2026-06-01T10:00:00+00:00"
    assert "https://elsewhere.example/Thing" in record["classes"]
    assert len(record["classes"]) == 2
    assert "flood" not in record["classes"]  # it is known, and kept by its id
    assert not record["partial"]
    assert not {"geometry", "assets", "links"} & json.loads(record["searchable"]).keys()
    assert json.loads(record["document"])["properties"]["gsd"] == 10.0


@given(value=JSON)
def test_no_value_of_a_typed_property_harms_the_others(value: Any) -> None:
    keys = (
        "eo:cloud_cover",
        "platform",
        "sat:relative_orbit",
        "instruments",
        "start_datetime",
        "themes",
        "dafab:water-analysis",
    )
    record = make_record(item(**dict.fromkeys(keys, value), gsd=10.0) | {"geometry": value, "bbox": value})
    assert record["gsd"] == 10.0
    assert record["collection"] == "sentinel_2_l2a"
    assert isinstance(record["eo_cloud_cover"], float | None)
    assert isinstance(record["platform"], str | None)
    assert isinstance(record["sat_relative_orbit"], int | None)


@pytest.mark.parametrize("value", ["5", True, None, [5], {"a": 5}])
def test_a_number_is_a_number(value: Any) -> None:
    assert make_record(item(**{"eo:cloud_cover": value}))["eo_cloud_cover"] is None


def test_integers_may_be_written_as_floats_and_do_not_overflow() -> None:
    assert make_record(item(**{"sat:relative_orbit": 7.0}))["sat_relative_orbit"] == 7
    assert make_record(item(**{"sat:relative_orbit": 7.5}))["sat_relative_orbit"] is None
    assert make_record(item(**{"sat:relative_orbit": 1e300}))["sat_relative_orbit"] is None


def test_text_longer_than_an_index_entry_counts_as_absent() -> None:
    assert make_record(item(platform="x" * LONGEST_TEXT))["platform"] is not None
    assert make_record(item(platform="x" * (LONGEST_TEXT + 1)))["platform"] is None
    assert make_record(item(instruments=["x" * 5000]))["instruments"] is None


def test_an_extent_stands_in_for_the_instant() -> None:
    times = {"datetime": None, "start_datetime": "2020-01-01T00:00:00Z", "end_datetime": "2020-02-01T00:00:00+01:00"}
    record = make_record(item(**times))
    assert record["extent_start"].isoformat() == "2020-01-01T00:00:00+00:00"
    assert record["extent_end"] > record["extent_start"]
    assert not record["partial"]


def test_a_document_without_profile_is_partial() -> None:
    assert make_record({"properties": {"eo:cloud_cover": 3}})["partial"]
    assert make_record({})["extent_start"] is None


@given(value=JSON)
def test_what_the_check_lets_through_can_be_stored(value: Any) -> None:
    try:
        check_json(value)
    except DocumentInvalid:
        return
    text = make_record({"properties": {"x": value}})["document"].decode()
    assert "\\u0000" not in text.replace("\\\\", "")
    assert json.loads(text)["properties"]["x"] == value


@given(value=JSON | st.recursive(st.floats() | st.tuples(st.integers()), st.lists), parsed=st.booleans())
@example(value={"a": "\\u0000"}, parsed=False)
@example(value={"a": datetime(2026, 6, 1, tzinfo=UTC)}, parsed=False)
@example(value={"a": (1, 2)}, parsed=False)
@example(value={"a": 2**53}, parsed=True)
def test_what_is_plain_passes_the_thorough_check(value: Any, parsed: bool) -> None:
    if parsed:
        try:
            value = orjson.loads(orjson.dumps(value))
        except orjson.JSONEncodeError:
            return
    if is_plain(value, parsed=parsed):
        check_json(value)


def test_ordinary_documents_are_plain() -> None:
    assert is_plain(item(**{"eo:cloud_cover": 5, "instruments": ["msi"], "ü": None, "gsd": 10.0}))
    assert not is_plain({"a": (1, 2)})
    assert not is_plain({"a": float("nan")})


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ({"a": float("nan")}, "/a is nan"),
        ({"a": [0, float("inf")]}, "/a/1 is inf"),
        ({"a/b": {"~": 2**63}}, "/a~1b/~0 is an integer"),
        ({"a": "x\0y"}, "/a has a NUL"),
        ({"a\0": 1}, "NUL"),
        ({"a": "\ud800"}, "surrogate"),
        ({"a": {1: 2}}, "no string"),
        ({"a": object()}, "object"),
    ],
)
def test_what_json_or_postgresql_cannot_hold_is_refused(value: Any, said: str) -> None:
    with pytest.raises(DocumentInvalid, match=said.replace("~", "~")) as refused:
        check_json(value)
    assert "\n" not in str(refused.value)


def test_nesting_has_an_end() -> None:
    deep: Any = 0
    for _ in range(MAX_DEPTH + 1):
        deep = [deep]
    with pytest.raises(DocumentInvalid, match="nested deeper"):
        check_json(deep)


def test_check_document_takes_collections_and_items() -> None:
    check_document(item())
    check_document({"type": "Collection", "id": "sentinel_2_l2a"})
    for kind in ("Catalog", ["Feature"], {"Feature": 1}):
        with pytest.raises(DocumentInvalid, match="/type"):
            check_document({"type": kind, "id": "stac"})
    # In UTC these are of the years 0 and 10000: PostgreSQL would keep them, and no listing could read them.
    for time in ("0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00"):
        with pytest.raises(DocumentInvalid, match="/properties/datetime lies outside of the years"):
            check_document(item(datetime=time))
    with pytest.raises(DocumentInvalid, match="end_datetime is before"):
        check_document(item(start_datetime="2020-02-01T00:00:00Z", end_datetime="2020-01-01T00:00:00Z"))


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("POINT(1 2)", "no GeoJSON"),
        ({"type": "Feature"}, "no GeoJSON"),
        ({"type": "Point", "coordinates": []}, "empty"),
        ({"type": "Point", "coordinates": [200, 0]}, "200"),
        ({"type": "Polygon", "coordinates": [[[0, 0], [1, 1], [1, 0], [0, 1], [0, 0]]]}, "Self-intersection"),
        ({"type": "Polygon", "coordinates": "x"}, "/geometry"),
    ],
)
def test_a_footprint_that_is_none_is_refused_with_its_place(value: Any, said: str) -> None:
    with pytest.raises(DocumentInvalid, match=said):
        read_footprint(value, "/geometry")


def test_a_footprint_over_the_antimeridian_is_split() -> None:
    ring = [[179, 0], [-179, 0], [-179, 1], [179, 1], [179, 0]]
    assert read_footprint({"type": "Polygon", "coordinates": [ring]}, "/geometry").shape.geom_type == "MultiPolygon"


def test_geometries_of_command_lines_become_geojson() -> None:
    assert as_geojson("POINT(6 49)", "geometry") == {"type": "Point", "coordinates": [6.0, 49.0]}
    assert as_geojson("6_49_7_50", "geometry")["type"] == "Polygon"


def test_pointers_read_set_and_remove() -> None:
    document: dict[str, Any] = {"a": {"b": [1, 2]}}
    assert pointers.get(document, ("a", "b", "1")) == 2
    assert pointers.get(document, ("a", "x")) is pointers.ABSENT
    pointers.put(document, ("a", "c", "d"), 3)
    assert document["a"]["c"] == {"d": 3}
    with pytest.raises(DocumentInvalid, match="/a/b/x"):
        pointers.put(document, ("a", "b", "x"), 1)
    pointers.remove(document, ("a", "c"))
    with pytest.raises(KeyUnknown, match="/a/c"):
        pointers.remove(document, ("a", "c"))
