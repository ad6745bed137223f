"""``rucio-dafab catalogue validate`` and ``schema``: what is told, where, and with which exit status."""

import gzip
import io
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from rucio_dafab.cli.catalogue import app
from rucio_dafab.terminal import guarded


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str, str]]:
    """Return a function that runs ``rucio-dafab catalogue`` and gives status, standard output and standard error."""

    def call(*arguments: str) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as ended:
            guarded(app, arguments)
        code = ended.value.code
        said = capsys.readouterr()
        return (code if isinstance(code, int) else int(code is not None)), said.out, said.err

    return call


def item(name: str = "one", collection: str = "water_analysis", **properties: Any) -> dict[str, Any]:
    return {
        "type": "Feature",
        "stac_version": "1.1.0",
        "id": name,
        "collection": collection,
        "geometry": {"type": "Point", "coordinates": [6, 49]},
        "properties": {"datetime": "2026-06-01T10:00:00Z"} | properties,
    }


def test_violations_are_told_by_line_id_and_pointer(tmp_path: Path, run: Any) -> None:
    broken = item("two", gsd=-1, platform=5)
    del broken["geometry"]
    path = tmp_path / "items.ndjson.gz"
    lines = [json.dumps(item()), "", json.dumps(broken), "{", json.dumps(item("a/b")), "[1]"]
    path.write_bytes(gzip.compress("\n".join(lines).encode()))
    code, out, err = run("validate", str(path), "--json")
    told = [json.loads(line) for line in out.splitlines()]
    assert code == 1
    assert told[-1] == {"documents": 5, "invalid": 4}
    assert {(each["line"], each["id"], each["pointer"]) for each in told[:-1]} == {
        (3, "two", "/geometry"),
        (3, "two", "/properties/gsd"),
        (3, "two", "/properties/platform"),
        (4, None, ""),
        (5, "a/b", "/id"),
        (6, None, ""),
    }
    assert err == "error: 4 of 5 documents are not valid\n"
    code, out, err = run("validate", str(path))
    assert code == 1
    assert "3\ttwo\t/properties/gsd\t-1 is less than or equal to the minimum of 0\n" in out
    assert len(out.splitlines()) == len(told) - 1


def test_valid_documents_are_counted(
    tmp_path: Path, run: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "one.json"
    path.write_text(json.dumps(item(), indent=2))
    assert run("validate", str(path)) == (0, "1 of 1 documents are valid\n", "")
    path.write_text(json.dumps({"type": "FeatureCollection", "features": [item(), item("two")]}, indent=2))
    assert run("validate", str(path), "--json") == (0, '{"documents": 2, "invalid": 0}\n', "")
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(json.dumps(item()).encode())))
    assert run("validate", "-") == (0, "1 of 1 documents are valid\n", "")


def test_collections_may_have_other_names_in_the_file(tmp_path: Path, run: Any) -> None:
    path = tmp_path / "items.ndjson"
    path.write_text(json.dumps(item(collection="water-analysis", gsd=-1)))
    assert run("validate", str(path))[0] == 0
    assert run("validate", str(path), "--collection", "water-analysis=water_analysis")[0] == 1
    assert run("validate", str(path), "--schema", "smart_agriculture")[0] == 1
    code, _, err = run("validate", str(path), "--collection", "water")
    assert (code, err) == (1, "error: --collection 'water': write THEIRS=OURS\n")


def test_what_is_not_there_is_one_line(tmp_path: Path, run: Any) -> None:
    for arguments in (
        ("validate", str(tmp_path / "absent")),
        ("validate", str(tmp_path / "absent.json")),
        ("validate", "-", "--schema", "trees"),
        ("schema", "show", "trees/1.0.0"),
    ):
        code, out, err = run(*arguments)
        assert (code, out) == (1, "")
        assert err.startswith("error: ")
        assert len(err.splitlines()) == 1


def test_schemas_are_listed_and_shown(run: Any) -> None:
    listed = json.loads(run("schema", "list", "--json")[1])
    assert {each["collection"] for each in listed} >= {"sentinel_2_l2a", "water_analysis"}
    assert "water_analysis" in run("schema", "list")[1]
    for each in listed:
        shown = json.loads(run("schema", "show", f"{each['collection']}/{each['version']}")[1])
        assert shown["$id"] == each["uri"]
