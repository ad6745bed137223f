"""Assets and their other formats by key."""

from typing import Any

import pytest

from rucio_dafab.stac.asset_names import FILE_NAME, asset_names, every_asset


def test_another_format_has_a_key_of_its_own() -> None:
    parquet = {"href": "b", FILE_NAME: "item.b.parquet"}
    document = {"assets": {"fields": {"href": "a", FILE_NAME: "item.a", "alternate": {"parquet": parquet}}, "x": {}}}
    found = every_asset(document)
    assert list(found) == ["fields", "fields-parquet", "x"]
    assert found["fields-parquet"] is parquet
    assert asset_names(document) == {"fields": "item.a", "fields-parquet": "item.b.parquet"}


def test_an_asset_of_the_same_key_goes_first() -> None:
    assets = {"a": {"alternate": {"b": {"href": "other"}}}, "a-b": {"href": "own"}}
    assert every_asset({"assets": assets})["a-b"] == {"href": "own"}
    assert every_asset({"assets": dict(reversed(assets.items()))})["a-b"] == {"href": "own"}


@pytest.mark.parametrize(
    "assets", [None, [], "x", {"a": None}, {"a": {"alternate": None}}, {"a": {"alternate": {"b": 1}}}]
)
def test_what_is_no_asset_is_left_out(assets: Any) -> None:
    assert set(every_asset({"assets": assets})) <= {"a"}
    assert asset_names({"assets": assets}) == {}
