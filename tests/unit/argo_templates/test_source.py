"""The document of a source item: what it keeps of the staged scene, and what it says of the models."""

import json
from pathlib import Path
from typing import Any

import pytest

from argo_templates.source import processing, same_scene, source_document, with_processing

pytestmark = pytest.mark.shared


@pytest.fixture
def staged(shared: Path) -> dict[str, Any]:
    """Return the item of a real scene."""
    item: dict[str, Any] = json.loads((shared / "scenes" / "ftw_austria_a" / "item.json").read_text())
    return item


def test_no_link_to_a_file_of_the_rolling_store_can_die(staged: dict[str, Any]) -> None:
    document = source_document(staged, "mission=s2,product=ftw_austria_a")
    assert document["assets"] == {}
    assert [band["name"] for band in document["properties"]["bands"]] == ["B02", "B03", "B04", "B08"]
    assert [(link["rel"], link["href"]) for link in document["links"]] == [
        ("via", "dasi:mission=s2,product=ftw_austria_a")
    ]
    assert document["collection"] == "sentinel_2_l2a"


def test_radar_is_another_collection_than_reflectance(staged: dict[str, Any]) -> None:
    radar = staged | {"assets": {"vv": {"href": "./VV.tif"}, "vh": {"href": "./VH.tif"}}}
    assert source_document(radar, "product=x")["collection"] == "sentinel_1_rtc"
    both = staged | {"assets": staged["assets"] | radar["assets"]}
    assert source_document(both, "product=x")["collection"] == "sentinel_2_l2a"


def test_an_interval_stays_an_interval(staged: dict[str, Any]) -> None:
    properties = source_document(staged, "product=x")["properties"]
    assert properties["datetime"] is None
    assert properties["start_datetime"] == staged["properties"]["start_datetime"]
    assert properties["end_datetime"] == staged["properties"]["end_datetime"]


def test_the_staged_item_is_left_alone(staged: dict[str, Any]) -> None:
    before = json.dumps(staged)
    source_document(staged, "product=x")
    assert json.dumps(staged) == before


def test_what_is_known_of_the_models_does_not_make_another_scene(staged: dict[str, Any]) -> None:
    document = source_document(staged, "product=x")
    processed = with_processing(document, {"water": {"outcome": "skipped"}})
    assert processing(document) == {}
    assert processing(processed) == {"water": {"outcome": "skipped"}}
    assert same_scene(document, processed)


def test_nothing_is_said_while_nothing_is_known(staged: dict[str, Any]) -> None:
    document = source_document(staged, "product=x")
    assert with_processing(document, {}) == document


@pytest.mark.parametrize(
    ("member", "value"), [("geometry", {"type": "Point", "coordinates": [1, 2]}), ("properties", {"gsd": 20})]
)
def test_another_place_or_property_is_another_scene(staged: dict[str, Any], member: str, value: Any) -> None:
    document = source_document(staged, "product=x")
    assert not same_scene(document, {**document, member: value})
