"""Lines of a file made ready for loading: what is refused, what stays, and files that are no files of lines."""

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from rucio_dafab.catalogue import lines
from rucio_dafab.catalogue.lines import FileUnreadable, Line, read_lines
from rucio_dafab.catalogue.prepared import ParsedItem, PreparedItem, Reject, parse, prepare
from rucio_dafab.stac.errors import DocumentInvalid
from rucio_dafab.stac.validate import MAX_DEPTH, check_json


def item(**properties: Any) -> dict[str, Any]:
    ring = [[6, 49], [7, 49], [7, 50], [6, 50], [6, 49]]
    return {
        "type": "Feature",
        "stac_version": "1.1.0",
        "id": "one",
        "collection": "theirs",
        "geometry": {"type": "Polygon", "coordinates": [ring]},
        "properties": {"datetime": "2026-06-01T10:00:00Z"} | properties,
        "assets": {},
        "links": [],
    }


def parsed(document: Any, **collections: str) -> ParsedItem | Reject:
    text = document if isinstance(document, bytes) else json.dumps(document).encode()
    return parse(Line(7, text), collections)


def test_a_valid_item_keeps_its_document_and_gets_its_collection() -> None:
    found = parsed(item(), theirs="ours")
    assert isinstance(found, ParsedItem)
    made = prepare(found)
    assert isinstance(made, PreparedItem)
    assert (made.line, made.name, made.collection) == (7, "one", "ours")
    assert json.loads(made.columns["document"]) == item() | {"collection": "ours"}
    assert made.columns["geometry"][:9].hex() == "0103000020e6100000"
    assert json.loads(made.columns["searchable"]).keys() == item().keys() - {"geometry", "assets", "links"}


@pytest.mark.parametrize("text", [b"{", b"[]", b"3", b'{"id": 3}', b'{"id": "a/b"}', b'{"id": "NaN", "x": NaN}'])
def test_what_is_no_item_is_rejected_with_its_line(text: bytes) -> None:
    found = parsed(text)
    assert isinstance(found, Reject)
    assert found.line == 7


@pytest.mark.parametrize(
    "value",
    ["a\0b", {"a\0": 1}, 2**63, 2**64 - 1, -(2**63), [2**53, 2**62], 1e300, 0.1, "19 digits 1234567890123456789"],
)
def test_the_quick_check_and_the_thorough_one_agree(value: Any) -> None:
    document = item(value=value)
    try:
        check_json(document)
        storable = True
    except DocumentInvalid:
        storable = False
    found = parsed(document)
    assert isinstance(found, ParsedItem)
    assert isinstance(prepare(found), PreparedItem if storable else Reject)


@pytest.mark.parametrize("extra", [-3, -2, -1, 0, 1, 2, 200])
def test_nesting_ends_where_the_thorough_check_says(extra: int) -> None:
    value: Any = 1
    for _ in range(MAX_DEPTH + extra):
        value = [value]
    document = item(value=value)
    found = parsed(document)
    assert isinstance(found, ParsedItem)
    made = prepare(found)
    try:
        check_json(document)
        assert isinstance(made, PreparedItem)
    except DocumentInvalid as fault:
        assert isinstance(made, Reject)
        assert made.reason == str(fault)


def test_lines_are_numbered_and_blank_ones_left_out(tmp_path: Path) -> None:
    plain, packed = tmp_path / "plain", tmp_path / "packed"
    plain.write_bytes(b"one\n\n  \nfour")
    packed.write_bytes(gzip.compress(plain.read_bytes()))
    for path in (plain, packed):
        assert [(line.number, line.text.strip()) for line in read_lines(path)] == [(1, b"one"), (4, b"four")]


def test_progress_ends_with_the_size_of_the_file(tmp_path: Path) -> None:
    path = tmp_path / "lines"
    path.write_bytes(b"one\ntwo\n")
    told: list[int] = []
    assert len(list(read_lines(path, told.append))) == 2
    assert told[-1] == 8


def test_a_line_that_is_too_long_is_told_and_read_past(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "lines"
    monkeypatch.setattr(lines, "LONGEST_LINE", 50)
    path.write_bytes(b"x" * 49 + b"\n" + b"x" * 120 + b"\nthree\n" + b"x" * 500)
    found = [(line.number, len(line.text), line.whole) for line in read_lines(path)]
    assert found == [(1, 50, True), (2, 0, False), (3, 6, True), (4, 0, False)]


def test_files_that_are_no_files_of_lines(tmp_path: Path) -> None:
    broken = tmp_path / "broken"
    broken.write_bytes(gzip.compress(b"one\n" * 1000)[:-12])
    for path in (tmp_path / "absent", tmp_path, broken):
        with pytest.raises(FileUnreadable, match=path.name):
            list(read_lines(path))
