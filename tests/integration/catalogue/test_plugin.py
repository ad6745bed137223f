"""The metadata plugin behind a real server: the stock CLI and client set, read, delete and filter."""

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from rucio.common import exception

from rucio_dafab.client import PublishRequest

pytestmark = pytest.mark.integration

Names = Callable[..., set[str]]


@pytest.fixture(scope="module")
def did(
    rucio_as: Any,
) -> Callable[[str], str]:
    """Return a function that makes a container in the catalogue's scope, once a name."""
    client, made = rucio_as("dafab_admin"), set()

    def make(name: str) -> str:
        if name not in made:
            client.add_container("dafab", name)
            made.add(name)
        return name

    return make


@pytest.fixture(scope="module")
def scenes(site: Any, make_item: Callable[..., Any]) -> None:
    """Publish three items that differ in place, clouds and meaning."""
    client = site.client("dafab_admin")
    for item in (
        make_item("PL_west", box=(6, 49, 7, 50), platform="sentinel-2a", **{"eo:cloud_cover": 5.0}),
        make_item("PL_east", box=(20, 49, 21, 50), platform="sentinel-2b", **{"eo:cloud_cover": 50.0}),
        make_item("PL_flood", "water_analysis", box=(6.2, 49.2, 6.4, 49.4), theme="flood", **{"eo:cloud_cover": 15.0}),
    ):
        client.publish(PublishRequest("dafab", item, {}))


def test_the_stock_cli_sets_lists_and_unsets(site: Any, did: Callable[[str], str]) -> None:
    name = did("PL_cli")
    for key, value in (("eo:cloud_cover", "12.5"), ("note", "a first look"), ("instruments", '["msi"]')):
        site.rucio("dafab_admin", "did", "metadata", "set", f"dafab:{name}", "--key", key, "--value", value)
    listed = site.rucio("user_dafab", "did", "metadata", "list", f"dafab:{name}", "--plugin", "ALL")
    assert "12.5" in listed
    assert "a first look" in listed
    site.rucio("dafab_admin", "did", "metadata", "unset", f"dafab:{name}", "--key", "note")
    assert "a first look" not in site.rucio(
        "user_dafab", "did", "metadata", "list", f"dafab:{name}", "--plugin", "DAFAB"
    )


def test_strings_become_what_the_queryable_declares(rucio_as: Any, did: Callable[[str], str], names: Names) -> None:
    name = did("PL_types")
    client = rucio_as("dafab_admin")
    client.set_metadata("dafab", name, "cloud_cover", "33")  # an alias
    client.set_metadata("dafab", name, "geometry", "POLYGON((100 1,101 1,101 2,100 2,100 1))")
    client.set_metadata("dafab", name, "datetime", "2026-06-02")
    found = client.get_metadata("dafab", name, plugin="DAFAB")
    assert found["eo:cloud_cover"] == 33
    assert found["geometry"]["type"] == "Polygon"
    assert found["datetime"] == "2026-06-02T00:00:00Z"
    assert names({"eo:cloud_cover.gt": 32, "eo:cloud_cover.lt": 34, "geometry.within": "99_0_102_3"}) == {name}


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("eo:cloud_cover", "n/a", "eo:cloud_cover"),
        ("sat:relative_orbit", 1.5, "sat:relative_orbit"),
        ("geometry", "POLYGON((0 0,1 1,1 0,0 1,0 0))", "Self-intersection"),
        ("datetime", "yesterday", "datetime"),
        ("note", "a\x00b", "NUL"),
        ("note", [10**30], "64 bits"),
    ],
)
def test_a_value_that_does_not_fit_is_refused_in_one_line(
    rucio_as: Any, did: Callable[[str], str], key: str, value: Any, said: str
) -> None:
    name = did("PL_refused")
    client = rucio_as("dafab_admin")
    with pytest.raises(exception.InvalidMetadata, match=said):
        client.set_metadata("dafab", name, key, value)
    assert client.get_metadata("dafab", name, plugin="DAFAB") == {}


def test_bulk_sets_all_or_nothing(rucio_as: Any, did: Callable[[str], str]) -> None:
    name = did("PL_bulk")
    client = rucio_as("dafab_admin")
    with pytest.raises(exception.InvalidMetadata):
        client.set_metadata_bulk("dafab", name, {"note": "kept?", "eo:cloud_cover": "many"})
    assert client.get_metadata("dafab", name, plugin="DAFAB") == {}
    client.set_metadata_bulk("dafab", name, {"note": "kept", "eo:cloud_cover": 3, "nested": {"deep": [1, {"x": None}]}})
    found = client.get_metadata("dafab", name, plugin="DAFAB")
    assert found["note"] == "kept"
    assert found["nested"] == {"deep": [1, {"x": None}]}


def test_metadata_of_several_dids_and_at_their_making(rucio_as: Any, names: Names) -> None:
    client = rucio_as("dafab_admin")
    client.add_did("dafab", "PL_made", "CONTAINER", meta={"made_with": "metadata"})
    client.set_dids_metadata_bulk([{"scope": "dafab", "name": "PL_made", "meta": {"second": 2}}])
    assert names({"made_with": "metadata", "second": 2}) == {"PL_made"}


def test_keys_that_rucio_keeps_are_given_under_their_pointer(rucio_as: Any, did: Callable[[str], str]) -> None:
    name = did("PL_reserved")
    client = rucio_as("dafab_admin")
    keys = ["/properties/scope", "/properties/account", "/properties/rse_id", "/properties/version", "keys", "update"]
    client.set_metadata_bulk("dafab", name, dict.fromkeys(keys, "mine"))
    found = client.get_metadata("dafab", name, plugin="ALL")
    assert found["scope"] == "dafab"
    assert all(found[key] == "mine" for key in keys)


def test_a_did_without_document_has_no_metadata(
    rucio_as: Any,
) -> None:
    assert rucio_as("user_dafab").get_metadata("dafab", "stac", plugin="DAFAB") == {}


def test_unknown_dids_and_keys_are_404(rucio_as: Any, did: Callable[[str], str]) -> None:
    client = rucio_as("dafab_admin")
    with pytest.raises(exception.DataIdentifierNotFound):
        client.set_metadata("dafab", "PL_nowhere", "note", "x")
    with pytest.raises(exception.KeyNotFound):
        client.delete_metadata("dafab", did("PL_keys"), "never_set")


def test_who_may_not_set_may_not_delete(rucio_as: Any, scenes: None) -> None:
    reader = rucio_as("user_dafab")
    with pytest.raises(exception.AccessDenied):
        reader.delete_metadata("dafab", "PL_west", "platform")
    with pytest.raises(exception.AccessDenied):
        reader.set_metadata("dafab", "PL_west", "platform", "mine")
    assert rucio_as("user_dafab").get_metadata("dafab", "PL_west", plugin="DAFAB")["platform"] == "sentinel-2a"


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        ({"eo:cloud_cover.lt": 20, "name": "PL_*"}, {"PL_west", "PL_flood"}),
        ({"geometry.intersects": "6_49_7_50", "name": "PL_*"}, {"PL_west", "PL_flood"}),
        (
            {
                "geometry.within": {
                    "type": "Polygon",
                    "coordinates": [[[19, 48], [22, 48], [22, 51], [19, 51], [19, 48]]],
                }
            },
            {"PL_east"},
        ),
        ({"theme.isa": "water anomaly", "name": "PL_*"}, {"PL_flood"}),
        ({"theme.isa": "flood", "eo:cloud_cover.lt": 20, "geometry.within": "6_49_7_50", "name": "PL_*"}, {"PL_flood"}),
        (
            {"datetime.gte": "2026-06-01", "datetime.lt": "2026-06-02", "name": "PL_*", "platform": "sentinel-2b"},
            {"PL_east"},
        ),
        (
            [{"platform": "sentinel-2a", "name": "PL_*"}, {"platform": "sentinel-2b", "name": "PL_*"}],
            {"PL_west", "PL_east"},
        ),
        ({"platform.ne": "sentinel-2a", "name": "PL_*"}, {"PL_east"}),
        ({"eo:cloud_cover.gt": 90, "name": "PL_*"}, set()),
    ],
)
def test_filters(scenes: None, names: Names, filters: Any, expected: set[str]) -> None:
    assert names(filters) & {"PL_west", "PL_east", "PL_flood"} == expected


def test_the_stock_cli_filters(site: Any, scenes: None) -> None:
    def listed(pattern: str) -> str:
        return str(site.rucio("user_dafab", "did", "list", "dafab:PL_*", "--short", "--filter", pattern))

    both = listed("eo:cloud_cover<20,datetime.gte=2026-06-01")
    assert "PL_west" in both
    assert "PL_flood" in both
    assert "PL_east" not in both
    combined = listed("theme.isa=flood,eo:cloud_cover.lt=20,geometry.intersects=POLYGON((6 49|7 49|7 50|6 50|6 49))")
    assert "PL_flood" in combined
    assert "PL_west" not in combined
    either = listed("platform=sentinel-2a;platform=sentinel-2b")
    assert "PL_west" in either
    assert "PL_east" in either


@pytest.mark.parametrize(
    ("filters", "said"),
    [
        ({"eo:cloud_cover.below": 20}, "below"),
        ({"eo:cloud_cover.lt": "many"}, "eo:cloud_cover"),
        ({"geometry.within": "@nowhere"}, "nowhere"),
        ({"geometry.within": "POLYGON((0 0,1 1,1 0,0 1,0 0))"}, "Self-intersection"),
        ({"geometry.within": "POLYGON((0 0,1 1"}, "geometry"),
        ({"theme.isa": "no such class"}, "no such class"),
        ({"datetime.gte": "soon"}, "datetime"),
        ({"did_type": "PLANET"}, "PLANET"),
        ({"eo:cloud_cover.lt": 10**400}, "eo:cloud_cover"),
        ({"note": "a\x00b"}, "NUL"),
        ({"'; DROP TABLE dafab.document; --.lt": "x"}, "unknown operator"),
    ],
)
def test_a_wrong_filter_is_a_refusal_of_one_line(names: Names, filters: Any, said: str) -> None:
    with pytest.raises(exception.DIDFilterSyntaxError, match=said) as refused:
        names(filters)
    assert len(refused.value.args[0].splitlines()) == 1


def test_a_wrong_type_of_did_is_refused(names: Names) -> None:
    with pytest.raises(exception.UnsupportedOperation, match="planet"):
        names({"eo:cloud_cover.lt": 20}, did_type="planet")


def test_a_poisoned_document_hides_no_other(
    site: Any, rucio_as: Any, publish: Any, make_item: Any, names: Names, tmp_path: Any
) -> None:
    poisons = {
        "eo:cloud_cover": "n/a",
        "gsd": {"a": 1},
        "platform": 5,
        "sat:relative_orbit": 1e300,
        "instruments": "msi",
    }
    # Publishing refuses such types, and so do the schemas; a collection without one takes them by bulk.
    rucio_as("dafab_admin").add_container("dafab", "PO_collection")
    (tmp_path / "items.ndjson").write_text(json.dumps(make_item("PO_poisoned", "PO_collection", **poisons)) + "\n")
    site.dafab("catalogue", "load", str(tmp_path / "items.ndjson"))
    publish(make_item("PO_healthy", platform="sentinel-2a", instruments=["msi"], gsd=10, **{"eo:cloud_cover": 1.0}))
    long = "x" * 20_000
    publish(make_item("PO_long", platform=long, instruments=[long], **{"eo:cloud_cover": 2.0}))
    assert names({"name": "PO_*", "eo:cloud_cover.lt": 20}) == {"PO_healthy", "PO_long"}
    assert names({"name": "PO_*", "gsd.gte": 1}) == {"PO_healthy"}
    assert names({"name": "PO_*", "instruments": "msi"}) == {"PO_healthy"}
    assert names({"name": "PO_*", "platform": "sentinel-2a"}) == {"PO_healthy"}
    assert rucio_as("user_dafab").get_metadata("dafab", "PO_poisoned", plugin="DAFAB")["eo:cloud_cover"] == "n/a"


def test_files_and_datasets_answer_through_their_item(publish: Any, make_item: Any, names: Names) -> None:
    # A number that no item of another test has.
    item = make_item("FI_item", assets=("B02", "B03"), **{"eo:cloud_cover": 7.03125})
    publish(item, {"B02": b"two", "B03": b"three"})
    asked = {"eo:cloud_cover.lt": 7.032, "eo:cloud_cover.gt": 7.031}
    files = {"FI_item.B02.tif", "FI_item.B03.tif"}
    assert names(asked) == {"FI_item"}
    assert names(asked, did_type="file") == files
    assert names(asked, did_type="dataset") == {"FI_item_assets"}
    assert names(asked | {"did_type": "FILE"}) == files
    assert names(asked | {"did_type": "ALL"}) == files | {"FI_item_assets", "FI_item"}
    assert names(asked | {"did_type": "FILE", "name": "*B02*"}) == {"FI_item.B02.tif"}
    assert names({"name": "FI_*"} | asked, did_type="all", recursive=True) == files | {"FI_item_assets", "FI_item"}
    assert names({"did_type": "DATASET", "name": "FI_*"}) == {"FI_item_assets"}


def test_a_child_with_a_document_of_its_own_answers_for_itself(publish: Any, make_item: Any, names: Names) -> None:
    publish(make_item("CH_parent", platform="child-test"))
    publish(make_item("CH_child", "water_analysis", assets=("mask",)), {"mask": b"mask"}, parent="CH_parent")
    assert names({"platform": "child-test", "did_type": "FILE"}) == set()
    assert names({"platform.inherited": "child-test"}) == {"CH_child"}


def test_long_listings_and_limits(rucio_as: Any, scenes: None) -> None:
    client = rucio_as("user_dafab")
    found = list(client.list_dids("dafab", [{"name": "PL_west", "eo:cloud_cover.lt": 20}], long=True))
    assert [(each["scope"], each["name"], each["did_type"]) for each in found] == [("dafab", "PL_west", "CONTAINER")]
    assert set(found[0]) == {"scope", "name", "did_type", "bytes", "length"}


def test_rucio_download_filters(site: Any, publish: Any, make_item: Any, tmp_path: Any) -> None:
    publish(make_item("DL_item", assets=("B02",), platform="download-test"), {"B02": b"bytes"})
    site.rucio(
        "user_dafab", "download", "--scope", "dafab", "--filter", "platform=download-test", "--dir", str(tmp_path)
    )
    assert {path.read_bytes() for path in tmp_path.rglob("*.tif")} == {b"bytes"}


def test_concurrent_changes_of_one_document_lose_nothing(rucio_as: Any, did: Callable[[str], str]) -> None:
    name = did("PL_concurrent")
    clients = [rucio_as("dafab_admin") for _ in range(4)]

    def change(number: int) -> None:
        clients[number % 4].set_metadata("dafab", name, f"key_{number}", number)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(change, range(24)))
    assert clients[0].get_metadata("dafab", name, plugin="DAFAB") == {f"key_{n}": n for n in range(24)}


def test_the_undertaker_takes_the_document_along(
    rucio_as: Any, did: Callable[[str], str], in_server: Any, document: Any
) -> None:
    name = did("PL_mortal")
    client = rucio_as("dafab_admin")
    client.set_metadata("dafab", name, "note", "soon gone")
    assert document(name) is not None
    client.set_metadata("dafab", name, "lifetime", -10)
    code = "from rucio.daemons.undertaker.undertaker import run; run(once=True)"
    ran = in_server(code)
    assert ran.returncode == 0, ran.stderr
    assert document(name) is None
