"""What is read from the documents above a DID, along real attachments: metadata, documents in bulk, filters."""

import json
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import pytest
import requests

pytestmark = pytest.mark.integration

THROUGH_CORE = """
import json, sys
from rucio.common.types import InternalScope
from rucio.core import did
from rucio.db.sqla.constants import DatabaseOperationType
from rucio.db.sqla.session import db_session
with db_session(DatabaseOperationType.READ) as session:
    dids = [{"scope": InternalScope("dafab"), "name": name} for name in sys.argv[2:]]
    for found in did.get_metadata_bulk(dids, inherit=True, plugin=sys.argv[1], session=session):
        print(json.dumps({key: str(value) for key, value in found.items()}))
"""


@pytest.fixture(scope="module")
def family(site: Any, make_item: Any, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Publish a scene, and a product below it with a file."""
    from rucio_dafab.client import PublishRequest

    client = site.client()
    scene = make_item("IN_scene", platform="in-orbit", gsd=10.0, **{"eo:cloud_cover": 3.0})
    client.publish(PublishRequest("dafab", scene, {}))
    path = tmp_path_factory.mktemp("family") / "mask.tif"
    path.write_bytes(b"mask")
    product = make_item("IN_product", "water_analysis", assets=("mask",), gsd=20.0, note="its own")
    file = client.upload(path, "CLOUD", "IN_product.mask.tif")
    client.publish(PublishRequest("dafab", product, {"mask": file}, parent="IN_scene"))


@pytest.fixture
def circle(database: Any, rucio_as: Any) -> Iterator[tuple[str, str]]:
    """Attach two containers to each other, which Rucio itself refuses, behind its back."""
    client = rucio_as("dafab_admin")
    for name in ("IN_round", "IN_about"):
        client.add_container("dafab", name)
    client.set_metadata("dafab", "IN_round", "note", "round")
    client.attach_dids("dafab", "IN_round", [{"scope": "dafab", "name": "IN_about"}])
    database.execute(
        "INSERT INTO rucio.contents"
        " (scope, name, child_scope, child_name, did_type, child_type, created_at, updated_at)"
        " VALUES ('dafab', 'IN_about', 'dafab', 'IN_round', 'C', 'C', now(), now())"
    )
    yield "IN_round", "IN_about"
    database.execute("DELETE FROM rucio.contents WHERE name IN ('IN_round', 'IN_about')")


def read(rucio_as: Any, *names: str, inherit: bool = True) -> list[dict[str, Any]]:
    """Return the metadata that Rucio's own client gets."""
    dids = [{"scope": "dafab", "name": name} for name in names]
    found = rucio_as("user_dafab").get_metadata_bulk(dids, inherit=inherit, plugin="DAFAB")
    return [dict(each) for each in found]


@pytest.mark.usefixtures("family")
def test_a_file_answers_by_its_item(site: Any, rucio_as: Any) -> None:
    listed = site.rucio("user_dafab", "did", "metadata", "list", "dafab:IN_product.mask.tif", "--plugin", "ALL")
    assert "its own" in listed
    client = rucio_as("user_dafab")
    for name in ("IN_product.mask.tif", "IN_product_assets"):
        found = client.get_metadata("dafab", name, plugin="DAFAB")
        assert (found["gsd"], found["note"]) == (20.0, "its own")
        assert "platform" not in found, "the item does not say it, and nothing above it was asked"
    assert "platform" not in client.get_metadata("dafab", "IN_product", plugin="DAFAB")


@pytest.mark.usefixtures("family")
def test_what_a_document_lacks_is_read_from_the_nearest_one_above(rucio_as: Any) -> None:
    product, file, scene = read(rucio_as, "IN_product", "IN_product.mask.tif", "IN_scene")
    for found in (product, file):
        assert (found["gsd"], found["note"]) == (20.0, "its own")
        assert (found["platform"], found["eo:cloud_cover"]) == ("in-orbit", 3.0)
    assert (product["id"], scene["id"]) == ("IN_product", "IN_scene")
    assert "note" not in scene
    assert [each["name"] for each in read(rucio_as, "IN_scene", "IN_nobody")] == ["IN_scene"]
    (plain,) = read(rucio_as, "IN_product", inherit=False)
    assert "platform" not in plain


@pytest.mark.usefixtures("family")
@pytest.mark.parametrize("plugin", ["DAFAB", "ALL"])
def test_rucios_core_reads_through_the_plugin_too(in_server: Any, plugin: str) -> None:
    ran = in_server(THROUGH_CORE, plugin, "IN_product.mask.tif")
    assert ran.returncode == 0, ran.stderr
    found = json.loads(ran.stdout)
    assert (found["name"], found["note"], found["gsd"]) == ("IN_product.mask.tif", "its own", "20.0")


@pytest.mark.usefixtures("family")
def test_documents_come_with_those_above_by_depth(site: Any) -> None:
    body = {"dids": [{"scope": "dafab", "name": "IN_product.mask.tif"}], "inherit": True}
    client = site.client("user_dafab")

    def ask(**more: Any) -> dict[str, Any]:
        answer = requests.post(f"{site.url}/dids/bulkmetadoc", json=body | more, headers=client.headers, timeout=30)
        assert answer.status_code == 200, answer.text
        (line,) = answer.text.splitlines()
        found: dict[str, Any] = json.loads(line)
        return found

    line = ask()
    assert line["document"] == {}
    above = [(each["depth"], each["name"]) for each in line["ancestors"]]
    assert above[:2] == [(1, "IN_product_assets"), (2, "IN_product")]
    assert set(above[2:]) == {(3, "IN_scene"), (3, "water_analysis"), (4, "sentinel_2_l2a"), (4, "stac")}
    assert above == sorted(above)
    assert line["ancestors"][1]["document"]["properties"]["note"] == "its own"
    values = ask(paths=["/properties/platform"])["ancestors"]
    told = {each["name"]: each["values"]["/properties/platform"] for each in values}
    assert told["IN_scene"] == {"found": True, "value": "in-orbit"}
    assert told["IN_product"] == {"found": False}


@pytest.mark.usefixtures("family")
def test_filters_ask_what_is_above(names: Any) -> None:
    assert names({"note": "its own", "platform.inherited": "in-orbit"}) == {"IN_product"}
    assert names({"note": "its own", "platform.not.inherited": "in-orbit"}) == set()
    assert names({"platform.inherited": "in-orbit", "did_type": "FILE"}) == {"IN_product.mask.tif"}
    one_document = {"note": "its own", "platform.inherited": "in-orbit", "eo:cloud_cover.inherited.gt": "5"}
    assert names(one_document) == set()


def test_twenty_levels_are_climbed(rucio_as: Any) -> None:
    client = rucio_as("dafab_admin")
    levels = [f"IN_level_{number:02}" for number in range(22)]
    client.add_dids([{"scope": "dafab", "name": name, "type": "CONTAINER"} for name in levels])
    pairs = pairwise(levels)
    client.attach_dids_to_dids(
        [{"scope": "dafab", "name": parent, "dids": [{"scope": "dafab", "name": child}]} for parent, child in pairs]
    )
    client.set_metadata("dafab", levels[0], "mark", "top")
    in_reach, too_far = read(rucio_as, levels[20], levels[21])
    assert in_reach["mark"] == "top"
    assert "mark" not in too_far


def test_a_circle_is_walked_once(rucio_as: Any, names: Any, circle: tuple[str, str]) -> None:
    one, other = circle
    of_one, of_other = read(rucio_as, one, other)
    assert of_one["note"] == of_other["note"] == "round"
    assert names({"note.inherited": "round"}) == {one}
