"""Documents of many DIDs read at once, whole or in part, by our routes and by Rucio's own."""

import json
from typing import Any

import pytest
import requests
from rucio.common import exception

from rucio_dafab.client import DafabClient, NotFound, Refused
from tests.integration.catalogue.document_support import Put, change, one_line, send

pytestmark = pytest.mark.integration


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
        body: dict[str, Any] = {"dids": [{"scope": "dafab", "name": "stac"}]}
        if method == "PATCH":
            body |= {"operations": [change("upsert", "/a", 1)]}
        answer = requests.request(method, f"{site.url}/dids/bulkmetadoc", json=body, timeout=30)
        assert answer.status_code == 401
        assert answer.json()["ExceptionClass"] == "CannotAuthenticate"
