"""Filters of what Rucio keeps in columns of its own: understood or refused, never an error of the server."""

import base64
import json
from collections.abc import Callable
from typing import Any

import pytest
import requests
from rucio.common import exception

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def dids(rucio_as: Any) -> Callable[..., set[str]]:
    """Return a function that lists the DIDs of these tests through Rucio's own client."""
    client = rucio_as("dafab_admin")
    client.add_dids([{"scope": "dafab", "name": name, "type": "CONTAINER"} for name in ("RC_one", "RC_two", "RC_2")])
    client.set_metadata("dafab", "RC_one", "eo:cloud_cover", 3)
    client.attach_dids("dafab", "RC_two", [{"scope": "dafab", "name": "RC_one"}])

    def call(filters: Any, **options: Any) -> set[str]:
        return {name for name in client.list_dids("dafab", filters, **options) if name.startswith("RC_")}

    return call


@pytest.mark.parametrize(
    ("filters", "found"),
    [
        ({"name.like": "RC_?ne"}, {"RC_one"}),
        ({"name.like": "RC_%"}, {"RC_one", "RC_two", "RC_2"}),
        ({"name.like": "RC_*", "eo:cloud_cover.lt": "5"}, {"RC_one"}),
        ({"name.gte": "RC_o", "name.lt": "RC_p"}, {"RC_one"}),
        ({"name.not.like": "RC_o*", "name": "RC_*"}, {"RC_two", "RC_2"}),
        ({"name": "RC_*", "created_after": "2020-01-01"}, {"RC_one", "RC_two", "RC_2"}),
        ({"name": "RC_t%", "created_after": "2020-01-01T10:00:00Z"}, {"RC_two"}),
        ({"name": "RC_*", "created_before": "2020-01-01"}, set()),
        ({"name": "RC_*", "created_at.gt": "2020-01-01", "length.gte": "0"}, set()),
        ({"name": "RC_*", "created_after": "2020-01-01", "hidden": "false"}, {"RC_one", "RC_two", "RC_2"}),
        ({"name": "RC_*", "expired_at.lt": "2020-01-01"}, set()),
        ([{"name": "RC_2"}, {"name": "RC_two", "created_after": "2020-01-01"}], {"RC_two", "RC_2"}),
        ({"name": "RC_2"}, {"RC_2"}),
    ],
)
def test_what_is_understood(dids: Any, filters: Any, found: set[str]) -> None:
    assert dids(filters if isinstance(filters, list) else [filters]) == found


@pytest.mark.parametrize(
    ("filters", "said"),
    [
        ({"created_before": "yesterday"}, "'yesterday' is not a time"),
        ({"created_at.gt": "2020-13-01"}, "2020-13-01"),
        ({"length.gt": "x"}, "takes an integer, not 'x'"),
        ({"events": "many"}, "events takes an integer, not 'many'"),
        ({"events.near": "5"}, "unknown operator"),
        ({"expired_at.lt": "soon", "project": "x"}, "'soon' is not a time"),
        ({"name.nearly": "RC"}, "unknown operator '.nearly'"),
        ({"name.like": "a\x00b"}, "NUL"),
    ],
)
def test_what_is_not_understood_is_refused(dids: Any, filters: dict[str, Any], said: str) -> None:
    with pytest.raises(exception.DIDFilterSyntaxError) as refused:
        dids([filters])
    assert said in str(refused.value)


def test_no_filter_at_all(dids: Any) -> None:
    assert dids([]) >= {"RC_one", "RC_two", "RC_2"}
    assert dids([], recursive=True) >= {"RC_one", "RC_two", "RC_2"}
    assert dids([{}], recursive=True) >= {"RC_one", "RC_two", "RC_2"}


@pytest.mark.parametrize("filters", [[{"name": "RC_*"}], [{"name": "RC_*", "created_after": "2020-01-01"}]])
def test_what_lies_below_is_listed_once(dids: Any, rucio_as: Any, filters: Any) -> None:
    listed = list(rucio_as("dafab_admin").list_dids("dafab", filters, recursive=True))
    assert sorted(listed) == ["RC_2", "RC_one", "RC_two"]


def test_the_command_line_lists_by_name_and_by_age(site: Any, dids: Any) -> None:
    listed = site.rucio("user_dafab", "did", "list", "dafab:*", "--filter", "created_after=2020-01-01")
    assert "RC_two" in listed
    listed = site.rucio("user_dafab", "did", "list", "dafab:RC_*", "--filter", "cloud_cover<5")
    assert "RC_one" in listed
    assert "RC_two" not in listed


def test_the_key_name_renames_nothing(rucio_as: Any, dids: Any) -> None:
    client = rucio_as("dafab_admin")
    for call in (
        lambda: client.set_metadata("dafab", "RC_2", "name", "RC_renamed"),
        lambda: client.set_metadata_bulk("dafab", "RC_2", {"note": "x", "name": "RC_renamed"}),
    ):
        with pytest.raises((exception.InvalidMetadata, exception.AccessDenied)):
            call()
    assert dids([{"name": "RC_*"}]) == {"RC_one", "RC_two", "RC_2"}
    assert client.get_metadata("dafab", "RC_2", plugin="DAFAB") == {}


def test_columns_are_still_rucios(rucio_as: Any, dids: Any) -> None:
    client = rucio_as("dafab_admin")
    client.set_metadata("dafab", "RC_2", "project", "columns")
    assert client.get_metadata("dafab", "RC_2")["project"] == "columns"
    assert dids([{"project": "columns"}]) == {"RC_2"}
    with pytest.raises(exception.InvalidMetadata):
        dids([{"project": "columns", "eo:cloud_cover.lt": "5"}])


@pytest.mark.parametrize(
    "body",
    [
        {"collections": ["\x00"]},
        {"collections": ["a", "\ud800"]},
        {"cursor": base64.urlsafe_b64encode(json.dumps([None, "a\x00b"]).encode()).decode()},
        {"cursor": base64.urlsafe_b64encode(json.dumps(["2026-06-01", "x"]).encode()).decode()},
        {"filter": "bbox = 'x'", "filter-lang": "cql2-text"},
        {"filter": "bbox=x", "filter-lang": "rucio"},
        {"filter": {"op": "isNull"}, "filter-lang": "cql2-text"},
        {"filter": "gsd < 5"},
        {"filter": "gsd<5", "filter-lang": "sql"},
        {"filter": [{"gsd": 5}], "filter-lang": "dafab-json"},
        {"filter": "cloud_covr<5", "filter-lang": "rucio"},
        {"versions": "none"},
    ],
)
def test_a_question_that_makes_no_sense_is_refused(site: Any, body: dict[str, Any]) -> None:
    answer = requests.post(
        f"{site.url}/dafab/search",
        data=json.dumps({"scope": "dafab"} | body),
        headers=site.client("user_dafab").headers | {"Content-Type": "application/json"},
        timeout=30,
    )
    assert answer.status_code == 400, answer.text
    assert len(answer.json()["ExceptionMessage"].splitlines()) == 1


@pytest.mark.parametrize(
    ("question", "language"),
    [
        ("platform=RC_languages", "rucio"),
        ({"platform": "RC_languages"}, "rucio"),
        ([{"platform": "nowhere"}, {"platform": "RC_languages"}], "rucio"),
        ("platform = 'RC_languages'", "cql2-text"),
        ({"op": "=", "args": [{"property": "platform"}, "RC_languages"]}, "cql2-json"),
        (
            {"type": "comparison", "path": ["properties", "platform"], "comparator": "equals", "value": "RC_languages"},
            "dafab-json",
        ),
    ],
)
def test_a_search_takes_every_language(site: Any, publish: Any, make_item: Any, question: Any, language: Any) -> None:
    publish(make_item("RC_item", platform="RC_languages"))
    found = site.client("user_dafab").search("dafab", question, filter_lang=language)
    assert [each.name for each in found] == ["RC_item"]
