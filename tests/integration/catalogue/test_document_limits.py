"""Documents that misfit or are too large, and bodies that are: refused in one line, wherever they come in."""

import json
from typing import Any

import pytest
from rucio.common import exception

from rucio_dafab.client import DafabClient, PublishRequest, Refused
from rucio_dafab.stac.validate import MAX_BYTES
from tests.integration.catalogue.document_support import Put, change, one_line, send

pytestmark = pytest.mark.integration


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
