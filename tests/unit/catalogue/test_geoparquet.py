"""STAC items in and out of GeoParquet: nothing lost but what the format cannot say."""

import gzip
import json
import tempfile
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import geopandas
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rucio_dafab.catalogue import geoparquet
from rucio_dafab.catalogue.lines import LONGEST_LINE, FileUnreadable, is_parquet

SQUARE = {"type": "Polygon", "coordinates": [[[6.0, 49.0], [7.0, 49.0], [7.0, 50.0], [6.0, 49.0]]]}


def item(name: str, geometry: Mapping[str, Any] | None = SQUARE, **properties: Any) -> dict[str, Any]:
    return {
        "type": "Feature",
        "stac_version": "1.1.0",
        "id": name,
        "geometry": geometry,
        "bbox": [6.0, 49.0, 7.0, 50.0],
        "properties": {"datetime": "2026-06-01T10:30:31.000000Z"} | properties,
        "assets": {},
        "links": [],
        "collection": "water_analysis",
    }


def there_and_back(path: Path, *items: Mapping[str, Any]) -> list[dict[str, Any]]:
    assert geoparquet.write_items(path, map(json.dumps, items)) == len(items)
    assert is_parquet(path)
    assert [each.name for each in path.parent.iterdir()] == [path.name]
    return [json.loads(line.text) for line in geoparquet.read_lines(path)]


def test_items_come_back(tmp_path: Path) -> None:
    items = [
        item("one", nested={"a": [1.5, 2.0], "b": {"c": "ü"}}),
        item("two", other=True, **{"eo:cloud_cover": 3.25}),
        item("three") | {"assets": {"mask": {"href": "https://host.example/m.tif", "roles": ["data"]}}},
    ]
    assert there_and_back(tmp_path / "items.parquet", *items) == items


def test_a_row_that_would_be_too_long_a_line_is_told_as_one(tmp_path: Path) -> None:
    path, long = tmp_path / "items.parquet", "x" * LONGEST_LINE
    geoparquet.write_items(path, map(json.dumps, [item("one", text="x"), item("two", text=long), item("three")]))
    lines = list(geoparquet.read_lines(path))
    assert [(line.number, line.whole, bool(line.text)) for line in lines] == [
        (1, True, True),
        (2, False, False),
        (3, True, True),
    ]


def test_footprints_of_every_kind_come_back(tmp_path: Path) -> None:
    point = {"type": "Point", "coordinates": [6.0, 49.0]}
    collection = {"type": "GeometryCollection", "geometries": [point, SQUARE]}
    several = {"type": "MultiPolygon", "coordinates": [SQUARE["coordinates"]]}
    items = [item(str(number), each) for number, each in enumerate((SQUARE, None, point, several, collection))]
    items[0]["properties"]["proj:geometry"] = SQUARE
    assert there_and_back(tmp_path / "items.parquet", *items) == items


def test_items_without_a_place_come_back_without_one(tmp_path: Path) -> None:
    nowhere = [{key: value for key, value in item(name, None).items() if key != "bbox"} for name in ("one", "two")]
    assert there_and_back(tmp_path / "nowhere.parquet", *nowhere) == nowhere
    (tmp_path / "nowhere.parquet").unlink()
    mixed = [item("zero"), *nowhere]
    assert there_and_back(tmp_path / "mixed.parquet", *mixed) == mixed


def test_what_the_format_cannot_say(tmp_path: Path) -> None:
    items = [
        item("one", datetime=None, start_datetime="2026-06-01T00:00:00Z", empty=None, number=5),
        item("two", number=5.5),
    ]
    first, second = there_and_back(tmp_path / "items.parquet", *items)
    assert first["properties"] == {"datetime": None, "start_datetime": "2026-06-01T00:00:00.000000Z", "number": 5.0}
    assert second == items[1]


def test_other_tools_read_it(tmp_path: Path) -> None:
    path = tmp_path / "items.parquet"
    there_and_back(path, item("one"), item("two"))
    table = geopandas.read_parquet(path)
    assert list(table["id"]) == ["one", "two"]
    assert table.crs.to_epsg() == 4326
    assert table.total_bounds.tolist() == [6.0, 49.0, 7.0, 50.0]
    assert table["datetime"][0].to_pydatetime() == datetime(2026, 6, 1, 10, 30, 31, tzinfo=UTC)


keys = st.sampled_from(["a", "b:c", "ü", "/", "'; --"])


@settings(max_examples=40, deadline=None)
@given(st.lists(st.dictionaries(keys, st.text(max_size=8), max_size=4), min_size=1, max_size=5), st.text(max_size=5))
def test_any_members_come_back(found: list[dict[str, str]], name: str) -> None:
    items = [item(f"{number}{name}", **each) for number, each in enumerate(found)]
    with tempfile.TemporaryDirectory() as folder:
        assert there_and_back(Path(folder) / "items.parquet", *items) == items


def test_rows_are_counted_over_batches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(geoparquet, "ROWS", 2)
    path, told = tmp_path / "items.parquet", []
    geoparquet.write_items(path, (json.dumps(item(str(number), late=number > 3)) for number in range(5)))
    lines = list(geoparquet.read_lines(path, told.append))
    assert [line.number for line in lines] == [1, 2, 3, 4, 5]
    assert [json.loads(line.text)["properties"]["late"] for line in lines] == [False] * 4 + [True]
    assert told == sorted(told)
    assert told[-1] == path.stat().st_size


def test_nothing_makes_no_file(tmp_path: Path) -> None:
    assert geoparquet.write_items(tmp_path / "items.parquet", []) == 0
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "others",
    [
        {"mixed": "text"},
        {"mixed": {"a": 1}},
        {"bbox": "hides that of the item"},
    ],
)
def test_what_fits_into_no_table_is_refused(tmp_path: Path, others: dict[str, Any]) -> None:
    path = tmp_path / "items.parquet"
    path.write_bytes(b"what was there")
    items = [json.dumps(item("one", mixed=1)), json.dumps(item("two", **others))]
    with pytest.raises(FileUnreadable, match="do not fit into one table"):
        geoparquet.write_items(path, items)
    assert path.read_bytes() == b"what was there"
    assert [each.name for each in tmp_path.iterdir()] == ["items.parquet"]


def test_what_cannot_be_written_is_told(tmp_path: Path) -> None:
    with pytest.raises(FileUnreadable, match="cannot be written"):
        geoparquet.write_items(tmp_path / "none" / "items.parquet", [json.dumps(item("one"))])


def test_files_that_hold_no_items_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "items.parquet"
    pq.write_table(pa.table({"id": ["one"], "value": [1]}), path)
    with pytest.raises(FileUnreadable, match="holds no STAC items after row 0"):
        list(geoparquet.read_lines(path))
    there_and_back(path, item("one"))
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(FileUnreadable, match="cannot be read"):
        list(geoparquet.read_lines(path))


def test_a_packed_file_is_none(tmp_path: Path) -> None:
    path = tmp_path / "items.ndjson.gz"
    path.write_bytes(gzip.compress(b"{}"))
    assert not is_parquet(path)
    assert not is_parquet(tmp_path / "none")
