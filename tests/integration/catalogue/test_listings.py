"""What listings say of a DID is kept beside its document: it must be what Rucio says, whenever that changes."""

import json
from collections.abc import Callable
from typing import Any

import psycopg
import pytest

from rucio_dafab.query.fingerprints import fingerprints

pytestmark = pytest.mark.integration

MANY = 1203
"""More than are asked for at once, fewer than a cursor hands over."""


@pytest.fixture
def listed(rucio_as: Any) -> Callable[..., dict[str, dict[str, Any]]]:
    """Return a function that lists DIDs at length, by name."""
    client = rucio_as("user_dafab")

    def call(**filters: Any) -> dict[str, dict[str, Any]]:
        return {each["name"]: each for each in client.list_dids("dafab", [filters], did_type="all", long=True)}

    return call


def of_rucio(database: psycopg.Connection[Any], name: str) -> tuple[Any, ...]:
    row = database.execute("SELECT did_type, bytes, length FROM rucio.dids WHERE name = %s", (name,)).fetchone()
    assert row is not None
    return tuple(row)


def test_a_document_knows_what_its_did_was_before(rucio_as: Any, publish: Any, make_item: Any, listed: Any) -> None:
    publish(make_item("LI_item", assets=("B02",)), {"B02": b"12345"})
    client = rucio_as("dafab_admin")
    client.set_status("dafab", "LI_item_assets", open=False)
    for name in ("LI_item_assets", "LI_item.B02.tif"):
        client.set_metadata("dafab", name, "note", "LI")
    found = listed(note="LI")
    assert {name: each["did_type"] for name, each in found.items()} == {
        "LI_item_assets": "DATASET",
        "LI_item.B02.tif": "FILE",
    }
    assert {each["bytes"] for each in found.values()} == {5}
    assert found["LI_item_assets"]["length"] == 1


def test_changes_of_a_did_are_noted(
    rucio_as: Any, publish: Any, make_item: Any, listed: Any, names: Any, database: psycopg.Connection[Any]
) -> None:
    publish(make_item("LC_item", platform="LC", assets=("B02",)), {"B02": b"1234567"})
    assert listed(platform="LC")["LC_item"]["bytes"] is None
    rucio_as("dafab_admin").set_status("dafab", "LC_item", open=False)
    found = listed(platform="LC")["LC_item"]
    assert ("C", found["bytes"], found["length"]) == of_rucio(database, "LC_item")
    assert found["bytes"] == 7
    database.execute("UPDATE rucio.dids SET suppressed = true WHERE name = 'LC_item'")
    assert names({"platform": "LC"}) == set()
    database.execute("UPDATE rucio.dids SET suppressed = false WHERE name = 'LC_item'")
    assert names({"platform": "LC"}) == {"LC_item"}


def test_a_document_waits_for_a_change_of_its_did(rucio_as: Any, database_address: str, listed: Any) -> None:
    """A size that is being written while the first document is, is not missed."""
    name = "LW_container"
    rucio_as("dafab_admin").add_container("dafab", name)
    with psycopg.connect(database_address) as writer, psycopg.connect(database_address) as changer:
        changer.execute("UPDATE rucio.dids SET bytes = 11 WHERE name = %s", (name,))
        writer.execute("SET lock_timeout = '300ms'")
        insert = (
            "INSERT INTO dafab.document (scope, name, partial, searchable, fingerprints, document)"
            " VALUES ('dafab', %s, true, %s, %s, '{}')"
        )
        members = {"properties": {"note": "LW"}}
        values = (name, json.dumps(members), fingerprints(members))
        with pytest.raises(psycopg.errors.LockNotAvailable):
            writer.execute(insert, values)
        writer.rollback()
        changer.commit()
        writer.execute(insert, values)
    assert listed(note="LW")[name]["bytes"] == 11


def test_fields_of_the_did_are_tested_as_rucio_has_them(publish: Any, make_item: Any, names: Any) -> None:
    publish(make_item("LF_item", platform="LF"))
    assert names({"platform": "LF", "did_account": "dafab_admin"}) == {"LF_item"}
    assert names({"platform": "LF", "did_account": "root"}) == set()
    assert names({"platform": "LF", "did_created_at.gt": "2020-01-01"}) == {"LF_item"}
    assert names({"platform": "LF", "did_type": "CONTAINER"}) == {"LF_item"}
    assert names({"platform": "LF", "did_length.isnull": "true"}) == {"LF_item"}


def test_many_are_listed_each_once(site: Any, make_item: Any, rucio_as: Any, tmp_path: Any) -> None:
    lines = (json.dumps(make_item(f"LM_{number:04d}", platform="LM")) for number in range(MANY))
    (tmp_path / "items.ndjson").write_text("\n".join(lines))
    site.dafab("catalogue", "load", str(tmp_path / "items.ndjson"))
    client = rucio_as("user_dafab")
    asked = [{"platform": "LM"}]
    found = list(client.list_dids("dafab", asked))
    assert sorted(found) == [f"LM_{number:04d}" for number in range(MANY)]
    assert sorted(each["name"] for each in client.list_dids("dafab", asked, long=True)) == sorted(found)
