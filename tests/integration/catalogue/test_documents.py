"""Documents changed by pointer, many at once and by many at once: what stands, and what is refused."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from rucio.common import exception

from rucio_dafab.client import Conflict, DafabClient, NotFound, NotPermitted, Refused
from tests.integration.catalogue.document_support import Put, change, one_line, read, send

pytestmark = pytest.mark.integration


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


def test_a_token_that_expired_is_renewed_for_a_patch(site: Any, put: Put) -> None:
    name, own = put("DO_token"), site.client("dafab_admin")
    own.auth_token = "expired"
    assert own.patch_documents([name], [change("upsert", "/properties/mark", 1)]).updated == (name,)


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
