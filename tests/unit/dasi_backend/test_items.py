"""Keys, queries and items."""

from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from dasi_backend.errors import KeyRefused, StoreError
from dasi_backend.items import Item, Key, Query


def test_a_key_is_written_and_read_alike() -> None:
    key = Key("mission=s2a, level=l2a")
    assert dict(key) == {"mission": "s2a", "level": "l2a"}
    assert Key(str(key)) == key == {"level": "l2a", "mission": "s2a"}
    assert len({key, Key({"level": "l2a", "mission": "s2a"})}) == 1


def test_a_query_takes_lists() -> None:
    assert dict(Query("a=1/2,b=3")) == {"a": ("1", "2"), "b": ("3",)} == dict(Query({"a": [1, 2], "b": 3}))
    assert str(Query("a=1/2,b=3")) == "a=1/2,b=3"


def test_a_text_in_cql2_is_one_value_whatever_is_in_it() -> None:
    assert dict(Query({"where": "gsd < 10/2", "tile": "a/b"})) == {"where": ("gsd < 10/2",), "tile": ("a", "b")}


@pytest.mark.parametrize("text", ["a", "a=", "=b", "a=b,c"])
def test_what_is_no_pair_is_refused(text: str) -> None:
    with pytest.raises(KeyRefused, match="key=value"):
        Key(text)


@pytest.mark.parametrize(
    "query", [{"tile": None}, {"orbit": 8.0}, {"band": ["b02", None]}, {"band": b"b02"}, {7: "b02"}, 5, ["band=b02"]]
)
def test_what_is_no_value_of_a_key_is_refused(query: Any) -> None:
    with pytest.raises(KeyRefused, match=r"a value is a text or a whole number|a key or query is a mapping"):
        Query(query)


def test_several_values_may_be_any_sequence() -> None:
    assert dict(Query({"orbit": range(3), "band": ("b02", "b03")})) == {
        "orbit": ("0", "1", "2"),
        "band": ("b02", "b03"),
    }


def test_data_is_the_part_of_the_file(tmp_path: Path) -> None:
    path = tmp_path / "data"
    path.write_bytes(b"0123456789")
    item = Item(Key(), "x", f"file://localhost{path}", 3, 4)
    assert item.data == b"456"
    assert Item(Key(), "x", str(path), 3, 4).data == b"456"


def test_data_elsewhere_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="not on this machine"):
        _ = Item(Key(), "x", "davs://host/x", 3).data
    with pytest.raises(StoreError, match="cannot be read"):
        _ = Item(Key(), "x", str(tmp_path / "nothing"), 3).data


def test_an_address_is_decoded_and_a_path_is_not(tmp_path: Path) -> None:
    path = tmp_path / "a b#c%20.tif"
    path.write_bytes(b"0123456789")
    assert Item(Key(), "x", str(path), 3, 2).data == b"234"
    assert Item(Key(), "x", f"file://localhost{quote(str(path))}", 3, 2).data == b"234"
