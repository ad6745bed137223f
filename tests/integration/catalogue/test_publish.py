"""Publishing through ``POST /dafab/publish``: whole, repeatable, refused, interrupted, at the same time."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import requests

from rucio_dafab.client import Conflict, NotFound, NotPermitted, PublishRequest, Refused

pytestmark = pytest.mark.integration


def traces(database: Any, name: str) -> dict[str, int]:
    """Return how many rows of Rucio's and our tables an item has left."""
    pattern = f"{name}%"
    tables = ("rucio.dids", "rucio.contents", "rucio.replicas", "rucio.rules", "rucio.locks", "dafab.document")
    counted = {
        table: database.execute(f"SELECT count(*) FROM {table} WHERE name LIKE %s", (pattern,)).fetchone()[0]
        for table in tables
    }
    return {table: number for table, number in counted.items() if number}


def test_an_item_is_registered_whole(rucio_as: Any, site: Any, publish: Any, make_item: Any, document: Any) -> None:
    report = publish(
        make_item("PU_whole", assets=("B02", "B03")), {"B02": b"two", "B03": b"three"}, account="dafab_dasi"
    )
    assert report.outcome == "created"
    assert report.files == ("PU_whole.B02.tif", "PU_whole.B03.tif")
    client = rucio_as("user_dafab")
    assert "PU_whole" in {child["name"] for child in client.list_content("dafab", "sentinel_2_l2a")}
    assert [child["name"] for child in client.list_content("dafab", "PU_whole")] == ["PU_whole_assets"]
    replicas = list(client.list_replicas([{"scope": "dafab", "name": "PU_whole"}]))
    assert {(each["name"], *each["states"].values()) for each in replicas} == {
        (name, "AVAILABLE") for name in report.files
    }
    assert {each["bytes"] for each in replicas} == {3, 5}
    rules = list(client.list_did_rules("dafab", "PU_whole_assets"))
    assert [(rule["state"], rule["rse_expression"], rule["locks_ok_cnt"]) for rule in rules] == [("OK", "CLOUD", 2)]
    asset = document("PU_whole")["assets"]["B02"]
    assert asset["href"] == f"{site.url}/assets/dafab/items/PU_whole/B02"
    assert asset["file:size"] == 3
    assert asset["file:local_path"] == "PU_whole.B02.tif"
    links = {link["rel"]: link["href"] for link in document("PU_whole")["links"]}
    assert links["self"] == f"{site.url}/collections/sentinel_2_l2a/items/PU_whole"
    assert links["root"] == site.url


def test_a_derived_item_hangs_below_its_source(
    rucio_as: Any, site: Any, publish: Any, make_item: Any, document: Any
) -> None:
    publish(make_item("PU_source"), account="dafab_dasi")
    publish(
        make_item("PU_derived", "water_analysis", assets=("mask",)),
        {"mask": b"m"},
        account="dafab_skim",
        parent="PU_source",
    )
    parents = {parent["name"] for parent in rucio_as("user_dafab").list_parent_dids("dafab", "PU_derived")}
    assert parents == {"water_analysis", "PU_source"}
    links = {link["rel"]: link["href"] for link in document("PU_derived")["links"]}
    assert links["derived_from"] == f"{site.url}/collections/sentinel_2_l2a/items/PU_source"


def test_again_is_harmless_and_different_is_refused(publish: Any, make_item: Any, document: Any, database: Any) -> None:
    item = make_item("PU_again", assets=("B02",), **{"eo:cloud_cover": 1.0})
    publish(item, {"B02": b"two"}, account="dafab_dasi")
    before = traces(database, "PU_again")
    assert publish(item, {"B02": b"two"}, account="dafab_dasi").outcome == "unchanged"
    assert traces(database, "PU_again") == before
    other = make_item("PU_again", assets=("B02",), **{"eo:cloud_cover": 2.0})
    with pytest.raises(Conflict, match="PU_again"):
        publish(other, {"B02": b"two"}, account="dafab_dasi")
    assert document("PU_again")["properties"]["eo:cloud_cover"] == 1.0
    assert publish(other, {"B02": b"two"}, account="dafab_dasi", update=True).outcome == "updated"
    assert document("PU_again")["properties"]["eo:cloud_cover"] == 2.0
    with pytest.raises(Conflict, match=r"not registered|missing"):
        publish(other, {}, account="dafab_dasi", update=True)


def test_a_derived_product_is_never_replaced(publish: Any, make_item: Any) -> None:
    publish(make_item("PU_origin"))
    publish(make_item("PU_product", "water_analysis"), parent="PU_origin")
    changed = make_item("PU_product", "water_analysis", **{"eo:cloud_cover": 9.0})
    for options in ({"parent": "PU_origin"}, {}):
        with pytest.raises(Conflict):
            publish(changed, update=True, **options)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda item: item.update(type="Thing"), "/type"),
        (lambda item: item.pop("id"), "/id"),
        (lambda item: item.update(id="has space"), "/id"),
        (lambda item: item.update(id="x" * 300), "/id"),
        (lambda item: item.update(geometry=None), "/geometry"),
        (
            lambda item: item["geometry"].update(coordinates=[[[0, 0], [1, 1], [1, 0], [0, 1], [0, 0]]]),
            "Self-intersection",
        ),
        (lambda item: item["geometry"].update(coordinates=[[[0, 0], [500, 1], [1, 0], [0, 0]]]), "geometry"),
        (lambda item: item["properties"].pop("datetime"), "/properties/datetime"),
        (lambda item: item["properties"].update(datetime="2026-13-01T00:00:00Z"), "/properties/datetime"),
        (lambda item: item["properties"].update(datetime="2026-06-01T00:00:00"), "time zone"),
        (lambda item: item["properties"].update(note="a\x00b"), "/properties/note"),
        (lambda item: item["properties"].update(number=2**70), "/properties/number"),
        (lambda item: item.update(bbox=[1, 5, 2, 4]), "/bbox"),
        (lambda item: item.update(collection=""), "/collection"),
        (lambda item: item.update(assets=[]), "/assets"),
    ],
)
def test_an_invalid_document_is_refused_in_one_line(
    publish: Any, make_item: Any, database: Any, change: Callable[[dict[str, Any]], None], said: str
) -> None:
    item = make_item("PU_invalid")
    item["links"], name = [], "PU_invalid"
    change(item)
    with pytest.raises(Refused, match=said) as refused:
        publish(item)
    assert len(str(refused.value).splitlines()) == 1
    assert traces(database, name) == {}


def test_start_and_end_stand_in_for_a_datetime(publish: Any, make_item: Any, names: Any) -> None:
    times = {"datetime": None, "start_datetime": "2020-01-01T00:00:00Z", "end_datetime": "2020-01-31T00:00:00Z"}
    publish(make_item("PU_range", **times))
    assert names({"datetime.during": "2019-12-31/2020-02-01", "name": "PU_range"}) == {"PU_range"}


def test_what_is_not_there_is_named(publish: Any, make_item: Any, database: Any) -> None:
    with pytest.raises(NotFound, match="no_such_collection"):
        publish(make_item("PU_lost", "no_such_collection"))
    with pytest.raises(NotFound, match="no_such_parent"):
        publish(make_item("PU_lost", "water_analysis"), parent="no_such_parent")
    with pytest.raises(Conflict, match="water_analysis is no item"):
        publish(make_item("PU_lost", "water_analysis"), parent="water_analysis")
    assert traces(database, "PU_lost") == {}


def test_bytes_must_be_where_they_are_said_to_be(
    site: Any, publish: Any, make_item: Any, tmp_path: Path, database: Any
) -> None:
    client = site.client("dafab_dasi")
    path = tmp_path / "B02.tif"
    path.write_bytes(b"bytes")
    item = make_item("PU_bytes", assets=("B02",))
    uploaded = client.upload(path, "CLOUD", "PU_bytes.B02.tif")
    for wrong, said in (
        (replace(uploaded, name="PU_bytes.gone.tif"), "not on RSE CLOUD"),
        (replace(uploaded, bytes=4), "5 bytes"),
        (replace(uploaded, adler32="00000001"), "Adler-32"),
        (replace(uploaded, rse="MELUXINA"), "not on RSE MELUXINA"),
        (replace(uploaded, name="PU_bytes.../../x"), "must be called"),
        (replace(uploaded, name="/etc/passwd"), "must be called"),
        (replace(uploaded, md5="x"), "checksums"),
    ):
        with pytest.raises(Refused, match=said):
            client.publish(PublishRequest("dafab", item, {"B02": wrong}))
    with pytest.raises(Refused, match="no asset"):
        client.publish(PublishRequest("dafab", item, {"B99": uploaded}))
    with pytest.raises(NotFound, match="NOWHERE"):
        client.publish(PublishRequest("dafab", item, {"B02": replace(uploaded, rse="NOWHERE")}))
    assert traces(database, "PU_bytes") == {}


def test_files_on_two_rses_get_a_rule_each(rucio_as: Any, site: Any, make_item: Any, tmp_path: Path) -> None:
    client = site.client("dafab_dasi")
    files = {}
    for asset, rse in (("B02", "CLOUD"), ("B03", "MELUXINA")):
        path = tmp_path / f"{asset}.tif"
        path.write_bytes(asset.encode())
        files[asset] = client.upload(path, rse, f"PU_two.{asset}.tif")
    client.publish(PublishRequest("dafab", make_item("PU_two", assets=("B02", "B03")), files))
    reader = rucio_as("user_dafab")
    for asset, rse in (("B02", "CLOUD"), ("B03", "MELUXINA")):
        (rule,) = reader.list_did_rules("dafab", f"PU_two.{asset}.tif")
        assert (rule["state"], rule["rse_expression"]) == ("OK", rse)


PUBLISH_THEN = """
import json, sys, time
from rucio.db.sqla.constants import DatabaseOperationType
from rucio.db.sqla.session import db_session
from rucio_dafab.publishing import publish as room
from rucio_dafab.publishing.published import PublishedFile
request = json.loads(sys.argv[1])
files = tuple(PublishedFile(**file) for file in request["files"])
wanted = room.PublishRequest("dafab", request["item"], files)
what = sys.argv[2]
if what == "raise":
    def put(*arguments, **options):
        raise RuntimeError("the power went")
    room.documents.put = put
with db_session(DatabaseOperationType.WRITE) as session:
    room.publish(wanted, issuer="dafab_admin", vo="def", root="http://site", session=session)
    print("published", flush=True)
    time.sleep(60)
"""


@pytest.fixture
def half_way(site: Any, make_item: Any, tmp_path: Path) -> str:
    """Return the arguments of a publication whose bytes are uploaded, as JSON."""
    path = tmp_path / "B02.tif"
    path.write_bytes(b"half")
    file = site.client().upload(path, "CLOUD", "PU_half.B02.tif")
    line = {
        "asset": "B02",
        "name": file.name,
        "rse": file.rse,
        "bytes": file.bytes,
        "adler32": file.adler32,
        "md5": file.md5,
    }
    return json.dumps({"item": make_item("PU_half", assets=("B02",)), "files": [line]})


def test_a_fault_half_way_leaves_nothing(in_server: Any, half_way: str, database: Any) -> None:
    ran = in_server(PUBLISH_THEN, half_way, "raise")
    assert "the power went" in ran.stderr
    assert traces(database, "PU_half") == {}


def test_a_kill_before_the_commit_leaves_nothing(server_config: Path, half_way: str, database: Any) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", PUBLISH_THEN, half_way, "sleep"],
        env=os.environ | {"RUCIO_CONFIG": str(server_config)},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    with process:
        assert process.stdout is not None
        assert process.stdout.readline() == "published\n"
        process.send_signal(signal.SIGKILL)
    assert traces(database, "PU_half") == {}


def test_two_at_once_publish_one_item(site: Any, make_item: Any, tmp_path: Path) -> None:
    clients = [site.client("dafab_dasi") for _ in range(4)]
    path = tmp_path / "B02.tif"
    path.write_bytes(b"twice")
    uploaded = clients[0].upload(path, "CLOUD", "PU_twice.B02.tif")
    request = PublishRequest("dafab", make_item("PU_twice", assets=("B02",)), {"B02": uploaded})
    with ThreadPoolExecutor(4) as pool:
        outcomes = sorted(pool.map(lambda client: client.publish(request).outcome, clients))
    assert outcomes == ["created", "unchanged", "unchanged", "unchanged"]


def test_search_gives_documents_assets_and_replicas(site: Any, publish: Any, make_item: Any) -> None:
    for number in range(5):
        item = make_item(
            f"SE_{number}", assets=("B02",), platform="search-test", datetime=f"2026-06-0{number + 1}T00:00:00Z"
        )
        publish(item, {"B02": b"bytes %d" % number})
    client = site.client("user_dafab")
    asked = {"op": "=", "args": [{"property": "platform"}, "search-test"]}
    found = list(client.search(filter=asked))
    assert [each.name for each in found] == ["SE_4", "SE_3", "SE_2", "SE_1", "SE_0"]
    assert found[0].document is not None
    assert found[0].document["properties"]["platform"] == "search-test"
    asset = found[0].assets["B02"]
    assert asset.bytes == 7
    (replica,) = asset.replicas
    assert replica.rse == "CLOUD"
    assert Path(replica.pfn.removeprefix("file://localhost").split("?")[0]).name == "SE_4.B02.tif"
    assert [each.name for each in client.search(filter=asked, limit=2)] == ["SE_4", "SE_3"]
    assert list(client.search(filter=asked, collections=["water_analysis"])) == []
    assert {each.name for each in client.search(filter=asked, did_type="file")} == {f"SE_{n}.B02.tif" for n in range(5)}


def test_search_goes_on_by_its_cursor(site: Any, publish: Any, make_item: Any) -> None:
    for number in range(7):
        publish(make_item(f"CU_{number}", platform="cursor-test"))
    client = site.client("user_dafab")
    asked = {"op": "=", "args": [{"property": "platform"}, "cursor-test"]}
    body: dict[str, Any] = {"scope": "dafab", "filter": asked, "limit": 3}
    seen: list[str] = []
    for _ in range(5):
        answer = requests.post(f"{site.url}/dafab/search", json=body, headers=client.headers, timeout=30)
        lines = [json.loads(line) for line in answer.text.splitlines()]
        seen += [line["name"] for line in lines if "name" in line]
        if "next" not in lines[-1]:
            break
        body["cursor"] = lines[-1]["next"]
    assert seen == [f"CU_{number}" for number in reversed(range(7))]
    body["cursor"] = "nonsense"
    assert requests.post(f"{site.url}/dafab/search", json=body, headers=client.headers, timeout=30).status_code == 400


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({}, 400),
        ({"scope": "dafab", "filter": {"op": "nonsense", "args": []}}, 400),
        ({"scope": "dafab", "limit": 0}, 400),
        ({"scope": "dafab", "did_type": "planet"}, 400),
        ({"scope": "da fab"}, 400),
        ({"scope": "dafab", "surprise": 1}, 400),
    ],
)
def test_a_wrong_search_is_refused(site: Any, body: dict[str, Any], status: int) -> None:
    answer = requests.post(f"{site.url}/dafab/search", json=body, headers=site.client().headers, timeout=30)
    assert answer.status_code == status
    assert len(answer.json()["ExceptionMessage"].splitlines()) == 1


def test_without_a_token_nothing_is_published(site: Any, make_item: Any) -> None:
    body = {"scope": "dafab", "item": make_item("PU_anonymous"), "files": []}
    assert requests.post(f"{site.url}/dafab/publish", json=body, timeout=30).status_code == 401


def test_the_reader_may_not_publish(publish: Any, make_item: Any) -> None:
    with pytest.raises(NotPermitted, match="user_dafab"):
        publish(make_item("PU_reader"), account="user_dafab")
