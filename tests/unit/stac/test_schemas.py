"""The product profiles: what is in etc/schemas, which one counts for a document, what is told of a misfit."""

import gzip
import json
import time
from copy import deepcopy
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from rucio_dafab.resources import resources
from rucio_dafab.stac.errors import DocumentInvalid, SchemaError, SchemaUnknown
from rucio_dafab.stac.report import violations
from rucio_dafab.stac.schemas import BASE, MOST_VIOLATIONS, ProfileViolated, check_profile, load, may_lack_place, read
from rucio_dafab.stac.validate import check_document

COLLECTIONS = {
    "events",
    "models",
    "sentinel_1_rtc",
    "sentinel_2_l2a",
    "smart_agriculture",
    "water_analysis",
    "workflow_runs",
}
WATER = load().named("water_analysis")


def item(collection: str = "water_analysis", **properties: Any) -> dict[str, Any]:
    return {
        "type": "Feature",
        "stac_version": "1.1.0",
        "id": "one",
        "collection": collection,
        "geometry": {"type": "Point", "coordinates": [6, 49]},
        "bbox": [6, 49, 6, 49],
        "properties": {"datetime": "2026-06-01T10:00:00Z"} | properties,
        "assets": {"mask": {"href": "mask.tif", "roles": ["data"]}},
        "links": [{"rel": "license", "href": "https://example.org"}],
    }


def test_each_collection_of_a_site_has_a_schema() -> None:
    assert {path.stem for path in (resources() / "etc" / "collections").glob("*.json")} == COLLECTIONS
    assert set(load().by_collection) == COLLECTIONS


@pytest.mark.parametrize("schema", list(load()), ids=lambda each: f"{each.collection}-{each.version}")
def test_the_files_are_valid_2020_12_and_share_what_all_items_have(schema: Any) -> None:
    jsonschema.Draft202012Validator.check_schema(schema.content)
    assert schema.content["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert schema.content["properties"]["collection"] == {"const": schema.collection}
    for shared in ("asset", "link", "percent", "themes"):
        assert schema.content["$defs"][shared] == WATER.content["$defs"][shared]
    for shared in ("datetime", "eo:cloud_cover", "sat:relative_orbit", "proj:transform"):
        own, theirs = (each.content["properties"]["properties"]["properties"] for each in (schema, WATER))
        assert own[shared] == theirs[shared]


@pytest.mark.parametrize("collection", sorted(COLLECTIONS))
def test_an_item_that_only_says_when_and_where_fits(collection: str) -> None:
    check_document(item(collection))


@pytest.mark.shared
def test_all_real_items_fit_and_a_validation_is_quick(shared: Path) -> None:
    with gzip.open(shared / "dafab_items.ndjson.gz") as lines:
        documents = [json.loads(line) for line in lines]
    assert [each["id"] for each in documents if not WATER.fits(each)] == []
    best = min(_seconds(documents) for _ in range(5))
    assert best / len(documents) < 100e-6


def _seconds(documents: list[dict[str, Any]]) -> float:
    began = time.perf_counter()
    for document in documents:
        WATER.fits(document)
    return time.perf_counter() - began


@pytest.mark.shared
def test_both_validators_agree_on_real_items_and_on_broken_ones(shared: Path) -> None:
    """The compiled validator finds what the reference implementation finds, at the same places."""
    with gzip.open(shared / "dafab_items.ndjson.gz") as lines:
        document = json.loads(next(iter(lines)))
    reference = jsonschema.Draft202012Validator(WATER.content)
    for pointer, value in (
        (("properties", "dafab:water-analysis", "observed_water"), "much"),
        (("properties", "dafab:water-analysis", "excess_total_water", "number"), -1),
        (("assets", "dafab-AI-cloud-mask"), {"title": "no href"}),
        (("links", 1), {"href": "x"}),
        (("bbox",), [1, 2, 3]),
        (("stac_extensions",), [WATER.uri]),
    ):
        broken = deepcopy(document)
        place = broken
        for member in pointer[:-1]:
            place = place[member]
        place[pointer[-1]] = value
        expected = sorted(_pointer(error) for error in reference.iter_errors(broken))
        assert sorted(each.pointer for each in WATER.violations(broken)) == expected
        assert bool(expected) is (pointer != ("stac_extensions",))


def _pointer(error: Any) -> str:
    absent = [error.message.split("'")[1]] if error.validator == "required" else []
    return "".join(f"/{str(step).replace('~', '~0').replace('/', '~1')}" for step in [*error.absolute_path, *absent])


def test_all_violations_are_told_by_pointer() -> None:
    broken = item(
        **{
            "eo:cloud_cover": 250,
            "gsd": "10",
            "a/b": "free",
            "dafab:anomaly_type": "plague",
            "dafab:water-analysis": {"difference_water_mask": {"other": 101}},
        }
    )
    broken["assets"]["x/y"] = {"title": 5}
    with pytest.raises(ProfileViolated, match=r"schema water_analysis 1\.0\.0: .*; and \d+ more$") as refused:
        check_document(broken)
    told = {each.pointer: each.message for each in refused.value.violations}
    water = "/properties/dafab:water-analysis"
    assert set(told) == {
        "/properties/eo:cloud_cover",
        "/properties/gsd",
        "/properties/dafab:anomaly_type",
        f"{water}/difference_water_mask/other",
        f"{water}/water_analysis_algorithm_version",
        "/assets/x~1y/href",
        "/assets/x~1y/title",
        *(f"{water}/{each}" for each in ("excess_total_water", "deficit_water")),
        *(f"{water}/{each}_water_observed_area(km2)" for each in ("excess_total", "deficit")),
    }
    assert told["/properties/eo:cloud_cover"] == "250 is greater than the maximum of 100"
    assert told["/assets/x~1y/href"] == "is missing"


def test_a_refusal_is_bounded_whatever_was_sent() -> None:
    broken = item(platform=["long" * 10_000])
    broken["links"] = [{}] * 10_000
    with pytest.raises(ProfileViolated) as refused:
        check_document(broken)
    assert len(refused.value.violations) == MOST_VIOLATIONS
    assert len(str(refused.value)) < 1000
    assert len(str(refused.value).splitlines()) == 1


def test_an_item_that_names_the_schema_has_the_whole_profile() -> None:
    named = item() | {"stac_extensions": [WATER.uri]}
    with pytest.raises(ProfileViolated) as refused:
        check_document(named)
    assert {each.pointer for each in refused.value.violations} == {
        f"/properties/{name}" for name in ("processing:level", "processing:version", "dafab:water-analysis")
    }
    with pytest.raises(DocumentInvalid, match=r"/stac_extensions: there is no schema .*9\.0\.0"):
        check_document(item() | {"stac_extensions": [f"{BASE}/water_analysis/9.0.0/schema.json"]})
    check_document(item() | {"stac_extensions": [f"{BASE}/smart_agriculture/9.0.0/schema.json", "mine"]})


@pytest.mark.parametrize("value", [None, 5, ["water_analysis"], {"a": 1}, "elsewhere", ""])
def test_a_document_of_no_collection_with_a_schema_is_free(value: Any) -> None:
    check_profile({"collection": value, "properties": {"eo:cloud_cover": "n/a"}})


def test_schemas_by_name() -> None:
    assert load().named(WATER.uri) is load().named("water_analysis/1.0.0") is WATER
    for unknown in ("water_analysis/1.0", "water_analysis/../x", "", "floods", "x" * 5000):
        with pytest.raises(SchemaUnknown) as refused:
            load().named(unknown)
        assert len(str(refused.value)) < 500


def schema_file(folder: Path, version: str, **content: Any) -> Path:
    path = folder / "trees" / f"{version}.json"
    path.parent.mkdir(exist_ok=True)
    known = {"$id": f"{BASE}/trees/{version}/schema.json", "$schema": WATER.content["$schema"]}
    path.write_text(json.dumps(known | content))
    return path


def test_the_newest_version_counts_unless_an_item_names_an_older_one(tmp_path: Path) -> None:
    schema_file(tmp_path, "1.0.0", required=["old"])
    schema_file(tmp_path, "1.9.0", required=["newer"])
    schema_file(tmp_path, "1.10.0", required=["newest"])
    schemas = read(tmp_path)
    assert [each.version for each in schemas] == ["1.0.0", "1.9.0", "1.10.0"]
    newest = schemas.governing({"collection": "trees"})
    assert newest is not None
    assert [str(each) for each in newest.violations({})] == ["/newest is missing"]
    older = schemas.governing({"collection": "trees", "stac_extensions": [f"{BASE}/trees/1.0.0/schema.json"]})
    assert older is not None
    assert older.version == "1.0.0"


@pytest.mark.parametrize(
    ("version", "content"),
    [
        ("1.0.0", {"$id": "https://example.org"}),
        ("1.0", {}),
        ("1.0.0", {"type": "cake"}),
        ("1.0.0", {"$ref": "https://example.org/elsewhere.json"}),
        ("1.0.0", {"$ref": "#/$defs/absent"}),
    ],
)
def test_a_file_that_is_no_schema_is_named(tmp_path: Path, version: str, content: dict[str, Any]) -> None:
    path = schema_file(tmp_path, version, **content)
    with pytest.raises(SchemaError, match=path.name) as refused:
        read(tmp_path)
    assert len(str(refused.value).splitlines()) == 1


@pytest.mark.parametrize(
    ("collection", "allowed"), [("workflow_runs", True), ("sentinel_2_l2a", False), ("none", False)]
)
def test_only_a_collection_whose_schema_says_so_has_items_without_a_place(collection: str, allowed: bool) -> None:
    assert may_lack_place({"collection": collection}) is allowed


@pytest.mark.parametrize(
    ("told", "wrong"),
    [
        ({"source": "scene"}, set()),
        ({"source": "none", "reason": "earlier masks of 2 days"}, set()),
        ({"source": "none"}, {"reason"}),
        ({"source": "past_masks", "masks": 7}, {"days", "start", "end"}),
        ({"source": "guessed"}, {"source"}),
        ({}, {"source"}),
    ],
)
def test_where_a_reference_is_from_is_told_in_full(told: dict[str, Any], wrong: set[str]) -> None:
    found = violations(item(**{"dafab:reference_water": told}))
    assert {each.pointer for each in found} == {f"/properties/dafab:reference_water/{name}" for name in wrong}
