"""What is wrong with a document, all at once."""

from typing import Any

import pytest

from rucio_dafab.stac.report import violations
from rucio_dafab.stac.schemas import load


def item(**properties: Any) -> dict[str, Any]:
    return {
        "type": "Feature",
        "stac_version": "1.1.0",
        "id": "one",
        "collection": "water_analysis",
        "geometry": {"type": "Point", "coordinates": [6, 49]},
        "properties": {"datetime": "2026-06-01T10:00:00Z"} | properties,
    }


@pytest.mark.parametrize("value", [None, [], [1], "x", 5])
def test_what_is_no_object(value: Any) -> None:
    assert [str(each) for each in violations(value)] == ["the document is no JSON object"]


def test_a_valid_document_has_none() -> None:
    assert violations(item()) == ()


def test_what_json_cannot_hold_is_told_alone() -> None:
    assert [each.pointer for each in violations(item(gsd=float("nan"), platform=5))] == ["/properties/gsd"]


def test_schema_stac_types_and_names_are_told_together() -> None:
    broken = item(gsd=-1, **{"sat:relative_orbit": 5.0}) | {"id": "a b", "bbox": [0, 5, 1, -5]}
    assert {each.pointer for each in violations(broken)} == {
        "/properties/gsd",  # the schema
        "/bbox",  # STAC
        "/properties/sat:relative_orbit",  # the type of a queryable
        "/id",  # a name that Rucio cannot keep
    }


def test_a_document_that_is_too_large() -> None:
    assert "4194304" in violations(item(title="x" * 5_000_000))[0].message


def test_another_schema() -> None:
    found = violations(item(), load().named("smart_agriculture"))
    assert [str(each) for each in found] == ["/collection must be 'smart_agriculture', not 'water_analysis'"]


def test_a_place_is_a_pointer_whoever_names_it() -> None:
    nowhere = item() | {"geometry": {"type": "Point", "coordinates": [200, 0]}}
    assert [each.pointer for each in violations(nowhere)] == ["/geometry"]
