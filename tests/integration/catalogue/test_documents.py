"""Documents in bulk over HTTP: read whole or in part, changed by pointer, by many at once; misfits and giants."""

import json
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import requests
from rucio.common import exception

from rucio_dafab.client import Conflict, DafabClient, NotFound, NotPermitted, PublishRequest, Refused
from rucio_dafab.stac.validate import MAX_BYTES

pytestmark = pytest.mark.integration

Put = Callable[..., str]


@pytest.fixture(scope="module")
def client(site: Any) -> DafabClient:
    found: DafabClient = site.client("dafab_admin")
    return found


@pytest.fixture
def put(client: DafabClient, make_item: Any) -> Put:
    """Return a function that publishes an item without files, anew where it was changed, and gives its name."""

    def call(name: str, collection: str = "water_analysis", **properties: Any) -> str:
        client.publish(PublishRequest("dafab", make_item(name, collection, **properties), {}))
        return name

    return call


@pytest.fixture(scope="module")
def bare(rucio_as: Any) -> Callable[[str], str]:
    """Return a function that makes a container without a document."""

    def make(name: str) -> str:
        rucio_as("dafab_admin").add_container("dafab", name)
        return name

    return make


def change(op: str, path: str, *value: Any) -> dict[str, Any]:
    return {"op": op, "path": path} | ({"value": value[0]} if value else {})


def read(client: DafabClient, name: str) -> dict[str, Any]:
    return next(client.read_documents([name])).document


def send(site: Any, client: DafabClient, method: str, path: str, body: Any) -> requests.Response:
    """Send any body to a route; text and bytes as they are."""
    headers = {"X-Rucio-Auth-Token": client.auth_token, "Content-Type": "application/json"}
    data = body if isinstance(body, str | bytes | Iterator) else json.dumps(body)
    return requests.request(method, f"{site.url}{path}", data=data, headers=headers, timeout=60)


def one_line(answer: requests.Response) -> str:
    told = answer.json()
    assert len(told["ExceptionMessage"].splitlines()) == 1
    return f"{told['ExceptionClass']}: {told['ExceptionMessage']}"


def test_operations_are_applied_in_order_and_the_columns_follow(client: DafabClient, put: Put, names: Any) -> None:
    name = put("DO_order", **{"eo:cloud_cover": 40.0})
    report = client.patch_documents(
        [name],
        [
            change("update", "/properties/eo:cloud_cover", 3),
            change("insert", "/properties/platform", "documents-test"),
            change("upsert", "/properties/list", [1]),
            change("insert", "/properties/list/-", 2),
            change("insert", "/properties/list/2", 3),
            change("delete", "/properties/list/0"),
            change("update", "/geometry", {"type": "Point", "coordinates": [170, -40]}),
            change("delete", "/bbox"),
        ],
    )
    assert (report.updated, report.failures) == ((name,), ())
    document = read(client, name)
    assert document["properties"]["list"] == [2, 3]
    assert names({"platform": "documents-test", "eo:cloud_cover.lt": 5, "geometry.within": "169_-41_171_-39"}) == {name}
    assert names({"name": name, "eo:cloud_cover.gt": 5}) == set()


def test_atomic_is_all_or_nothing_over_several_documents(client: DafabClient, put: Put) -> None:
    found = [put("DO_all_a", mark=1), put("DO_all_b"), put("DO_all_c", mark=1)]
    before = [read(client, name) for name in found]
    with pytest.raises(Conflict, match="dafab:DO_all_a, operation 1: insert /properties/mark"):
        client.patch_documents(
            found, [change("upsert", "/properties/other", 1), change("insert", "/properties/mark", 2)]
        )
    with pytest.raises(NotFound, match="DO_all_b, operation 0: update /properties/mark"):
        client.patch_documents(found, [change("update", "/properties/mark", 2)])
    with pytest.raises(NotFound, match="no DID dafab:DO_nowhere"):
        client.patch_documents([*found, "DO_nowhere"], [change("upsert", "/properties/mark", 2)])
    assert [read(client, name) for name in found] == before


def test_best_effort_changes_each_document_whole_or_not_at_all(client: DafabClient, put: Put) -> None:
    found = [put("DO_best_c"), put("DO_best_a", mark=1), put("DO_best_b")]
    report = client.patch_documents(
        [*found, "DO_nowhere"],
        [change("insert", "/properties/first", 1), change("insert", "/properties/mark", 2)],
        mode="best_effort",
    )
    assert report.updated == ("DO_best_c", "DO_best_b")
    assert [(each.name, each.operation, each.kind) for each in report.failures] == [
        ("DO_best_a", 1, "MetadataPathAlreadyExists"),
        ("DO_nowhere", None, "DataIdentifierNotFound"),
    ]
    assert [read(client, name)["properties"].get("first") for name in found] == [1, None, 1]


def test_each_operation_may_stand_for_itself(client: DafabClient, put: Put) -> None:
    found = [put("DO_each_a"), put("DO_each_b", mark=1)]
    operations = [
        change("insert", "/properties/mark", 2),
        change("update", "/properties/eo:cloud_cover", 5),
        change("upsert", "/properties/eo:cloud_cover", 500),
        change("delete", "/geometry"),
        change("upsert", "/properties/kept", True),
    ]
    report = client.patch_documents(found, operations, mode="each_operation")
    assert report.updated == tuple(found)
    assert [(each.name, each.operation) for each in report.failures] == [
        ("DO_each_a", 1), ("DO_each_a", 2), ("DO_each_a", 3),
        ("DO_each_b", 0), ("DO_each_b", 1), ("DO_each_b", 2), ("DO_each_b", 3),
    ]  # fmt: skip
    assert report.failures[1].violations == (("/properties/eo:cloud_cover", "500 is greater than the maximum of 100"),)
    for name, mark in zip(found, (2, 1), strict=True):
        properties = read(client, name)["properties"]
        assert (properties["mark"], properties["kept"], "eo:cloud_cover" in properties) == (mark, True, False)
    nothing = client.patch_documents(found, [change("insert", "/properties/mark", 2)], mode="each_operation")
    assert nothing.updated == ()


@pytest.mark.timeout(200)
def test_concurrent_patches_of_one_document_lose_nothing(site: Any, client: DafabClient, put: Put) -> None:
    """Eight clients at once: each appends to one list, counts in one member, and sets keys by Rucio's own call."""
    name, others, rounds = put("DO_busy", log=[]), [put(f"DO_busy_{n}", log=[]) for n in range(2)], 15
    clients = [site.client("dafab_admin") for _ in range(8)]

    def work(number: int) -> None:
        for turn in range(rounds):
            mark = f"{number}.{turn}"
            append = [change("insert", "/properties/log/-", mark), change("insert", f"/properties/key_{mark}", turn)]
            # In both orders: two requests for the same documents never wait for each other.
            dids = [name, *others] if number % 2 else [*others[::-1], name]
            clients[number].patch_documents(dids, append, mode="atomic" if turn % 3 else "best_effort")
            if turn % 5 == 0:
                clients[number].set_metadata("dafab", name, f"set_{number}_{turn}", turn)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(work, range(8)))
    expected = {f"{number}.{turn}" for number in range(8) for turn in range(rounds)}
    for each in (name, *others):
        properties = read(client, each)["properties"]
        assert sorted(properties["log"]) == sorted(expected)
        assert {key.removeprefix("key_") for key in properties if key.startswith("key_")} == expected
    assert sum(key.startswith("set_") for key in read(client, name)["properties"]) == 8 * 3


def test_of_many_who_insert_at_one_place_one_wins(site: Any, client: DafabClient, put: Put) -> None:
    name = put("DO_race", log=[])
    clients = [site.client("dafab_admin") for _ in range(8)]

    def claim(number: int) -> bool:
        try:
            clients[number].patch_documents([name], [change("insert", "/properties/log/0", number)])
        except Conflict:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        won = [number for number, mine in enumerate(pool.map(claim, range(8))) if mine]
    assert len(won) == 1
    assert read(client, name)["properties"]["log"] == won


@pytest.mark.parametrize(
    ("operation", "error", "said"),
    [
        (change("delete", "/geometry"), Refused, "/geometry is missing"),
        (change("delete", "/properties/datetime"), Refused, "/properties/datetime is missing"),
        (change("update", "/properties/datetime", "yesterday"), Refused, "no RFC 3339 time"),
        (change("upsert", "/properties/platform", 5), Refused, "/properties/platform"),
        (change("upsert", "/properties/sat:relative_orbit", 5.5), Refused, "sat:relative_orbit"),
        (change("upsert", "/bbox", [0, 5, 1, -5]), Refused, "/bbox"),
        (change("update", "/type", "Collection"), Refused, "/type"),
        (change("update", "/id", "other"), Refused, "/id cannot become"),
        (change("insert", "/assets/x", {"title": "no href"}), Refused, "/assets/x/href is missing"),
        (change("update", "", {"type": "Feature"}), Refused, "/id"),
        (change("update", "/geometry/coordinates", [200, 0]), Refused, "/geometry"),
    ],
)
def test_a_published_document_stays_one(
    client: DafabClient, put: Put, operation: dict[str, Any], error: type[Exception], said: str
) -> None:
    name = put("DO_stays")
    before = read(client, name)
    with pytest.raises(error, match=said):
        client.patch_documents([name], [operation])
    assert read(client, name) == before


def test_rucios_own_calls_keep_a_published_document_too(rucio_as: Any, client: DafabClient, put: Put) -> None:
    name, stock = put("DO_stock", **{"eo:cloud_cover": 5}), rucio_as("dafab_admin")
    before = read(client, name)
    with pytest.raises(exception.InvalidMetadata, match="greater than the maximum of 100"):
        stock.set_metadata("dafab", name, "cloud_cover", "250")
    with pytest.raises(exception.InvalidMetadata, match="/properties/datetime is missing"):
        stock.delete_metadata("dafab", name, "datetime")
    with pytest.raises(exception.KeyNotFound):
        stock.delete_metadata("dafab", name, "absent")
    assert read(client, name) == before


def test_a_document_grows_by_patches_until_it_is_whole(
    client: DafabClient, bare: Any, make_item: Any, names: Any, database: Any
) -> None:
    name = bare("DO_grown")
    assert read(client, name) == {}
    whole = make_item(name, **{"eo:cloud_cover": 7})
    client.patch_documents([name], [change("insert", "/properties/eo:cloud_cover", 7)])
    partial = "SELECT partial FROM dafab.document WHERE name = %s"
    assert database.execute(partial, (name,)).fetchone() == (True,)
    with pytest.raises(Refused, match="platform must be of type string"):
        client.patch_documents([name], [change("insert", "/properties/platform", 5)])
    client.patch_documents([name], [change("upsert", f"/{key}", value) for key, value in whole.items()])
    assert database.execute(partial, (name,)).fetchone() == (False,)
    assert read(client, name) == whole
    client.patch_documents([name], [change("delete", "")])
    assert read(client, name) == {}
    assert database.execute(partial, (name,)).fetchone() is None
    client.patch_documents([name], [change("insert", "", whole)])
    assert names({"name": name, "eo:cloud_cover": 7}) == {name}


def test_a_schema_may_be_asked_for(client: DafabClient, put: Put) -> None:
    name = put("DO_schema")
    mark = [change("upsert", "/properties/mark", 1)]
    client.patch_documents([name], mark, schema="water_analysis/1.0.0")
    with pytest.raises(Refused, match=r"schema smart_agriculture 1\.0\.0: /collection"):
        client.patch_documents([name], mark, schema="smart_agriculture")
    with pytest.raises(NotFound, match="no schema 'trees'"):
        client.patch_documents([name], mark, schema="trees")


def test_the_schema_that_a_document_names_is_told(client: DafabClient, put: Put) -> None:
    name, uri = put("DO_named"), "https://w3id.org/dafab/schemas/water_analysis/1.0.0/schema.json"
    with pytest.raises(Refused, match="/properties/processing:level is missing"):
        client.patch_documents([name], [change("upsert", "/stac_extensions", [uri])])
    client.patch_documents(
        [name],
        [
            change("upsert", "/stac_extensions", [uri]),
            change("insert", "/properties/processing:level", "L4"),
            change("insert", "/properties/processing:version", "1.0.0"),
            change("insert", "/properties/dafab:water-analysis", {"water_analysis_algorithm_version": 100}),
        ],
    )
    assert [each.schema for each in client.read_documents([name, "water_analysis"])] == [uri, None]


def test_violations_are_all_told_at_once(site: Any, client: DafabClient, make_item: Any) -> None:
    broken = make_item("DO_broken", "water_analysis", gsd=-1, instruments="msi", **{"eo:cloud_cover": 101})
    answer = send(site, client, "POST", "/dafab/publish", {"scope": "dafab", "item": broken, "files": []})
    assert answer.status_code == 400
    assert one_line(answer).startswith("InvalidMetadata: the document does not fit the schema water_analysis 1.0.0")
    assert {each["pointer"] for each in answer.json()["violations"]} == {
        "/properties/gsd",
        "/properties/instruments",
        "/properties/eo:cloud_cover",
    }


def test_reading_many_keeps_the_order_and_repeats(client: DafabClient, put: Put, bare: Any) -> None:
    found = [put(f"DO_many_{n}", mark=n) for n in range(3)]
    empty = bare("DO_many_empty")
    asked = [found[2], empty, found[0], found[2], found[1]]
    read_back = list(client.read_documents(asked))
    assert [each.name for each in read_back] == asked
    assert [each.document.get("properties", {}).get("mark") for each in read_back] == [2, None, 0, 2, 1]
    pointers = ["/properties/mark", "/geometry/coordinates/0/0/1", "/assets", "/links/99", ""]
    values = [each.values for each in client.read_values(asked, pointers)]
    assert [each.get("/properties/mark") for each in values] == [2, None, 0, 2, 1]
    assert values[0]["/geometry/coordinates/0/0/1"] == 49.0
    assert values[1] == {"": {}}
    assert "/links/99" not in values[0]
    assert list(client.read_documents([])) == []


def test_documents_are_given_as_they_were_written(site: Any, client: DafabClient, bare: Any) -> None:
    name = bare("DO_written")
    client.patch_documents(
        [name], [change("insert", "/properties", {"z": 1.0, "a": 1.5e-7, "é": "\u2028", "n": 2**53 + 1})]
    )
    answer = send(site, client, "POST", "/dids/bulkmetadoc", {"dids": [{"scope": "dafab", "name": name, "type": "C"}]})
    assert answer.headers["content-type"] == "application/x-json-stream"
    assert '"document":{"properties":{"z":1.0,"a":1.5e-7,"é":"\u2028","n":9007199254740993}}' in answer.content.decode()


def test_a_did_that_is_not_there_is_told_before_the_answer_begins(client: DafabClient, put: Put) -> None:
    name = put("DO_there")
    with pytest.raises(NotFound, match="no DID dafab:DO_not_there"):
        list(client.read_documents([name, "DO_not_there", name]))


def test_reading_and_bulk_metadata_are_one_statement_each(in_server: Any, put: Put) -> None:
    found = [put(f"DO_counted_{n}", mark=n) for n in range(12)]
    ran = in_server(
        "import json, sys\n"
        "from rucio.core import did\n"
        "from rucio.common.types import InternalScope\n"
        "from rucio.db.sqla.session import get_engine, get_maker\n"
        "from sqlalchemy import event\n"
        "from rucio_dafab.catalogue import metadata, reads\n"
        "from rucio_dafab.plugin import DafabMetadata\n"
        "said = []\n"
        "event.listen(get_engine(), 'before_cursor_execute', lambda *arguments: said.append(arguments[2]))\n"
        "dids = [(InternalScope('dafab'), name) for name in sys.argv[1:]]\n"
        "as_dictionaries = [{'scope': scope, 'name': name} for scope, name in dids]\n"
        "def count(call):\n"
        "    with get_maker()() as session:\n"
        "        session.connection()\n"
        "        said.clear()\n"
        "        return [len(list(call(session))), len(said)]\n"
        "print(json.dumps([\n"
        "    count(lambda session: reads.read_many(dids, session=session)),\n"
        "    count(lambda session: reads.read_known(dids * 50, session=session)),\n"
        "    count(lambda session: DafabMetadata().get_metadata_bulk(as_dictionaries, session=session)),\n"
        "]))\n",
        *found,
    )
    assert ran.returncode == 0, ran.stderr
    assert json.loads(ran.stdout) == [[12, 1], [600, 1], [12, 1]]


def test_rucios_own_bulk_call_answers_for_our_plugin_and_the_others(rucio_as: Any, put: Put) -> None:
    found, stock = [put(f"DO_meta_{n}", mark=n) for n in range(3)], rucio_as("user_dafab")
    dids = [{"scope": "dafab", "name": name} for name in [*found, "DO_nowhere"]]
    ours = list(stock.get_metadata_bulk(dids, plugin="DAFAB"))
    assert ours == [
        {"scope": "dafab", "name": name} | stock.get_metadata("dafab", name, plugin="DAFAB") for name in found
    ]
    columns = {each["name"]: each for each in stock.get_metadata_bulk(dids)}
    assert columns.keys() == set(found)
    assert columns[found[0]]["did_type"] == "CONTAINER"
    both = {each["name"]: each for each in stock.get_metadata_bulk(dids, plugin="ALL")}
    assert [both[name]["mark"] for name in found] == [0, 1, 2]
    inherited = {each["name"]: each for each in stock.get_metadata_bulk(dids[:3], inherit=True, plugin="DAFAB")}
    assert [inherited[name]["mark"] for name in found] == [0, 1, 2]
    with pytest.raises(exception.InvalidObject):
        list(stock.get_metadata_bulk([{"scope": "dafab"}], plugin="DAFAB"))


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({"operations": [change("delete", "/a")]}, "dids"),
        ({"dids": [], "operations": [change("delete", "/a")]}, "dids"),
        ({"dids": [{"scope": "dafab", "name": "DO_x"}], "operations": []}, "operations"),
        ({"dids": [{"scope": "dafab", "name": "DO_x"}], "operations": [5]}, "operations.0"),
        (
            {"dids": [{"scope": "dafab", "name": "DO_x"}], "operations": [{"op": "zap", "path": "/a"}]},
            "/operations/0/op",
        ),
        (
            {"dids": [{"scope": "dafab", "name": "DO_x"}], "operations": [change("insert", "a", 1)]},
            "/operations/0/path",
        ),
        ({"dids": [{"scope": "dafab", "name": "DO_x"}], "operations": [change("delete", "/a")], "mode": "x"}, "mode"),
        ({"dids": [{"scope": "dafab", "name": "DO_x"}] * 2, "operations": [change("delete", "/a")]}, "named twice"),
        ({"dids": [{"scope": "dafab", "name": "x" * 251}], "operations": [change("delete", "/a")]}, "dids.0.name"),
        ({"dids": [{"scope": "d'; --", "name": "x"}], "operations": [change("delete", "/a")]}, "dids.0.scope"),
        ({"dids": [{"scope": "dafab", "name": "a\x00"}], "operations": [change("delete", "/a")]}, "dids.0.name"),
        ({"dids": [{"scope": "dafab", "name": "\ud800"}], "operations": [change("delete", "/a")]}, "dids.0.name"),
        (
            {
                "dids": [{"scope": "dafab", "name": f"n{n}"} for n in range(200)],
                "operations": [change("delete", "/a")] * 100,
            },
            "10000",
        ),
        ('{"dids": [{"scope": "dafab", "name": "DO_x"}], "operations": [' + "[" * 100_000, ""),
        ('{"dids": NaN}', "dids"),
        ("", ""),
    ],
    ids=range(16),
)
def test_a_patch_that_is_none_is_refused_in_one_line(site: Any, client: DafabClient, body: Any, said: str) -> None:
    answer = send(site, client, "PATCH", "/dids/bulkmetadoc", body)
    assert answer.status_code == 400
    assert said in one_line(answer)
    assert len(answer.json()["ExceptionMessage"]) < 500


def test_a_body_need_not_say_that_it_is_json(site: Any, client: DafabClient, put: Put) -> None:
    """The live catalogue's client does not, as Rucio's."""
    headers = {"X-Rucio-Auth-Token": client.auth_token}
    dids = [{"scope": "dafab", "name": put("DO_untyped")}]
    for method, body in (
        ("PATCH", {"dids": dids, "operations": [change("upsert", "/a", 1)]}),
        ("POST", {"dids": dids}),
    ):
        answer = requests.request(
            method, f"{site.url}/dids/bulkmetadoc", data=json.dumps(body), headers=headers, timeout=30
        )
        assert answer.status_code == 200, answer.text


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"dids": [{"scope": "dafab", "name": "stac"}], "paths": ["no pointer"]}, 400),
        ({"dids": [{"scope": "dafab", "name": "stac"}], "paths": ["/a~"]}, 400),
        ({"dids": [{"scope": "dafab", "name": "stac"}], "paths": ["/x"] * 101}, 400),
        ({"dids": [{"scope": "dafab", "name": "stac"}] * 10_001}, 400),
        ({"dids": [{"scope": "dafab", "name": "stac"}], "archived": True}, 409),
        ({"dids": "stac"}, 400),
        ([], 400),
    ],
)
def test_a_reading_that_is_none_is_refused_in_one_line(site: Any, client: DafabClient, body: Any, status: int) -> None:
    answer = send(site, client, "POST", "/dids/bulkmetadoc", body)
    assert answer.status_code == status
    one_line(answer)


def test_who_has_no_token_reads_and_changes_nothing(site: Any) -> None:
    for method in ("POST", "PATCH"):
        body = {"dids": [{"scope": "dafab", "name": "stac"}]}
        if method == "PATCH":
            body |= {"operations": [change("upsert", "/a", 1)]}  # type: ignore[dict-item]
        answer = requests.request(method, f"{site.url}/dids/bulkmetadoc", json=body, timeout=30)
        assert answer.status_code == 401
        assert answer.json()["ExceptionClass"] == "CannotAuthenticate"


def test_a_token_that_expired_is_renewed_for_a_patch(site: Any, put: Put) -> None:
    name, own = put("DO_token"), site.client("dafab_admin")
    own.auth_token = "expired"
    assert own.patch_documents([name], [change("upsert", "/properties/mark", 1)]).updated == (name,)


def test_a_document_that_is_too_large_is_refused_everywhere(
    site: Any, rucio_as: Any, client: DafabClient, put: Put, make_item: Any, tmp_path: Any
) -> None:
    name, large = put("DO_large"), "x" * (MAX_BYTES + 1)
    said = f"more than the {MAX_BYTES}"
    with pytest.raises(Refused, match=said):
        client.publish(PublishRequest("dafab", make_item("DO_larger", note=large), {}))
    with pytest.raises(exception.InvalidMetadata, match=said):
        rucio_as("dafab_admin").set_metadata("dafab", name, "note", large)
    with pytest.raises(Refused, match=said):
        client.patch_documents([name], [change("insert", "/properties/note", large)])
    half = large[: MAX_BYTES // 2]
    client.patch_documents([name], [change("insert", "/properties/one", half)])
    with pytest.raises(Refused, match=said):
        client.patch_documents([name], [change("insert", "/properties/other", half)])
    client.patch_documents([name], [change("delete", "/properties/one")])
    file, rejects = tmp_path / "items.ndjson", tmp_path / "rejects.ndjson"
    lines = [make_item("DO_line_small"), make_item("DO_line_large", note=large), make_item("DO_line_last")]
    file.write_text("\n".join([*map(json.dumps, lines), "x" * (5 * MAX_BYTES)]))
    ran = site.run_dafab("catalogue", "load", str(file), "--rejects", str(rejects), "--json")
    assert ran.returncode == 1
    assert json.loads(ran.stdout)["created"] == 2
    told = [json.loads(line) for line in rejects.read_text().splitlines()]
    assert [(each["line"], each["id"]) for each in sorted(told, key=lambda each: each["line"])] == [
        (2, "DO_line_large"),
        (4, None),
    ]
    assert all("more than" in each["reason"] for each in told)


def test_a_load_tells_what_violates_the_schema(site: Any, make_item: Any, tmp_path: Any) -> None:
    file, rejects = tmp_path / "items.ndjson", tmp_path / "rejects.ndjson"
    lines = [make_item("DO_fits"), make_item("DO_misfit", gsd=-1, **{"eo:cloud_cover": "n/a"})]
    file.write_text("\n".join(map(json.dumps, lines)))
    assert site.run_dafab("catalogue", "load", str(file), "--rejects", str(rejects)).returncode == 1
    told = json.loads(rejects.read_text())
    assert (told["line"], told["id"]) == (2, "DO_misfit")
    assert "/properties/eo:cloud_cover" in told["reason"]
    assert "/properties/gsd -1" in told["reason"]


@pytest.mark.parametrize(
    "path", ["/dafab/publish", "/dafab/search", "/dids/bulkmetadoc", "/dids/dafab/stac/meta", "/dids"]
)
def test_a_body_that_is_too_large_is_refused_unread(site: Any, client: DafabClient, path: str) -> None:
    answer = send(site, client, "POST", path, b'{"a": "' + b"x" * (30 << 20) + b'"}')
    assert answer.status_code == 413
    assert one_line(answer).startswith("InputValidationError: the body of the request has more than")
    assert send(site, client, "GET", "/ping", b"").status_code == 200


@pytest.mark.parametrize("path", ["/dafab/publish", "/dids/bulkmetadoc", "/dids/bulkmeta"])
def test_a_body_that_does_not_say_its_size_is_cut_off(site: Any, client: DafabClient, path: str) -> None:
    chunks = (b" " * (1 << 20) for _ in range(30))
    assert send(site, client, "POST", path, chunks).status_code == 413


def test_a_patch_without_the_right_changes_nothing(site: Any, client: DafabClient, put: Put) -> None:
    water, scene = put("DO_right_water"), put("DO_right_scene", "sentinel_2_l2a")
    mark = [change("upsert", "/properties/mark", "theirs")]
    for account, own, foreign in (("dafab_skim", water, scene), ("dafab_dasi", scene, water)):
        other = site.client(account)
        with pytest.raises(NotPermitted, match=foreign):
            other.patch_documents([own, foreign], mark)
        assert "mark" not in read(client, own)["properties"]
        report = other.patch_documents([own, foreign], mark, mode="best_effort")
        assert report.updated == (own,)
        assert [(each.name, each.kind) for each in report.failures] == [(foreign, "AccessDenied")]
        client.patch_documents([own], [change("delete", "/properties/mark")])
