"""Keys, types and values: the queryables file, and the properties of the real items."""

import gzip
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rucio_dafab.vocabulary.coercion import coerce
from rucio_dafab.vocabulary.errors import VocabularyError
from rucio_dafab.vocabulary.queryables import (
    LONGEST_POINTER,
    ValueType,
    escape_segment,
    load,
    read,
    split_pointer,
    typing_errors,
)

QUERYABLES = load()
# Rucio gives these keys to its own plugin, so they cannot name anything of ours.
RESERVED = """
    version project provenance campaign datatype type length bytes events guid adler32 md5
    run_number stream_name prod_step task_id panda_id lumiblocknr phys_group transient hidden is_new
    is_archive constituent expired_at deleted_at eol_at accessed_at closed_at access_cnt
    purge_replicas lifetime created_before created_after created_at scope account name
""".split()  # noqa: SIM905 - a list of forty strings reads worse


def test_no_key_is_one_that_rucio_keeps() -> None:
    keys = {key for entry in QUERYABLES for key in (entry.name, *entry.aliases)}
    assert not keys.intersection(RESERVED)
    assert not any("." in key for key in keys), "Rucio cuts keys at the first dot"


@pytest.mark.parametrize(
    ("key", "pointer"),
    [
        ("cloud_cover", "/properties/eo:cloud_cover"),
        ("theme", "/properties/themes"),
        ("geom", "/geometry"),
        ("id", "/id"),
        ("anything", "/properties/anything"),
        ("a/b~c", "/properties/a~1b~0c"),
        ("/assets/B02/href", "/assets/B02/href"),
        ("agricultural_coverage", "/properties/dafab:smart-agriculture/field_percentage"),
    ],
)
def test_resolve(key: str, pointer: str) -> None:
    assert QUERYABLES.resolve(key).pointer == pointer


@pytest.mark.parametrize("key", ["", "a\x00", "/a~2b", "/~"])
def test_malformed_keys_are_refused(key: str) -> None:
    with pytest.raises(VocabularyError):
        QUERYABLES.resolve(key)


@given(st.lists(st.text(st.characters(exclude_characters="\x00", exclude_categories=["Cs"])), min_size=1, max_size=4))
def test_the_key_of_a_pointer_resolves_to_it(path: list[str]) -> None:
    pointer = "".join(f"/{escape_segment(segment)}" for segment in path)
    assert split_pointer(pointer) == tuple(path)
    assert QUERYABLES.resolve(QUERYABLES.key_of(pointer)).pointer == pointer


@pytest.mark.shared
def test_every_property_of_the_real_items_is_a_key(shared: Path) -> None:
    with gzip.open(shared / "dafab_items.ndjson.gz") as lines:
        items = [orjson.loads(line) for line in lines]
    pointers = {pointer for item in items for pointer in _pointers(item["properties"], "/properties")}
    for pointer in pointers:
        entry = QUERYABLES.resolve(pointer)
        assert entry.pointer == pointer
        if entry.is_declared and entry.type is not ValueType.DATETIME:
            assert all(_fits(entry, _member(item, entry.path)) for item in items)
    declared = {entry.pointer for entry in QUERYABLES}
    assert {
        f"/properties/dafab:water-analysis/{name}" for name in ("observed_water", "deficit_water_observed")
    } <= declared
    assert len(pointers & declared) >= 9


def _pointers(node: dict[str, Any], above: str) -> set[str]:
    here = {f"{above}/{escape_segment(name)}": value for name, value in node.items()}
    below = [_pointers(value, pointer) for pointer, value in here.items() if isinstance(value, dict)]
    return set(here).union(*below)


def _member(item: Any, path: tuple[str, ...]) -> Any:
    for segment in path:
        item = item.get(segment, {})
    return item


def _fits(entry: Any, value: Any) -> bool:
    return value == {} or coerce(entry, value) == value


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[[queryable]]\nname='a'\npointer='/a'\ntype='colour'", "the queryable 'a' is wrong: 'colour' is not a valid"),
        ("[[queryable]]\nname='a'\npointer='a'\ntype='string'", "is not a JSON pointer"),
        ("[[queryable]]\nname='a'\ntype='string'", "the queryable 'a' is wrong"),
        (
            "[[queryable]]\nname='a'\npointer='/a'\ntype='string'\n[[queryable]]\nname='b'\naliases=['a']\npointer='/b'\ntype='string'",
            "'a' and 'b' both claim 'a'",
        ),
        ("][", "cannot be read"),
        (
            "[[queryable]]\nname='a'\npointer='/a'\ntype='string'\ncolumn='a'\ntogether=['b']",
            "'a' is asked together with 'b', which has no column",
        ),
        (
            "[[queryable]]\nname='a'\npointer='/a'\ntype='strings'\ncolumn='a'\ntogether=['a']",
            "'a' cannot be asked together with others",
        ),
    ],
)
def test_a_wrong_file_is_refused(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "queryables.toml"
    path.write_text(text)
    with pytest.raises(VocabularyError, match=message):
        read(path)


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("eo:cloud_cover", "20", 20.0),
        ("eo:cloud_cover", 20, 20),
        ("eo:cloud_cover", "-1e1", -10.0),
        ("platform", "1e5", "1e5"),
        ("platform", "true", "true"),
        ("sat:relative_orbit", "51", 51),
        ("sat:relative_orbit", 51.0, 51),
    ],
)
def test_coerce(name: str, value: object, expected: object) -> None:
    assert coerce(QUERYABLES[name], value) == expected


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("eo:cloud_cover", "1_000"),
        ("eo:cloud_cover", "٣"),
        ("eo:cloud_cover", True),
        ("eo:cloud_cover", None),
        ("eo:cloud_cover", float("nan")),
        ("eo:cloud_cover", "inf"),
        ("eo:cloud_cover", 2**53 + 1),
        ("eo:cloud_cover", [1]),
        ("platform", 5),
        ("platform", "\ud800"),
        ("sat:relative_orbit", 0.5),
        ("datetime", 5),
        ("datetime", "2026-13-01"),
    ],
)
def test_coerce_refuses_what_does_not_fit(name: str, value: object) -> None:
    with pytest.raises(VocabularyError, match=f"{name} takes ") as refusal:
        coerce(QUERYABLES[name], value)
    str(refusal.value).encode("utf-8", "backslashreplace")


@pytest.mark.parametrize(
    ("key", "meant"),
    [
        ("cloud_covr", "cloud_cover"),
        ("eo:cloudcover", "eo:cloud_cover"),
        ("Platform", "platform"),
        ("platfrom", "platform"),
        ("colection", "collection"),
        ("date_time", "datetime"),
    ],
)
def test_a_misspelt_key_of_a_question_is_refused_with_what_was_meant(key: str, meant: str) -> None:
    with pytest.raises(VocabularyError, match=f"did you mean {meant}") as refusal:
        QUERYABLES.asked(key)
    assert f"/properties/{key}" in str(refusal.value)
    pointer = f"/properties/{key}"
    assert QUERYABLES.asked(pointer).pointer == pointer
    assert QUERYABLES.key_of(pointer) == pointer
    assert QUERYABLES.resolve(key).pointer == pointer


# The common metadata of STAC 1.1 and properties of its extensions; none is mistaken for a declared one.
STAC_NAMES = """
    title description keywords roles created updated license providers mission bands data_type nodata unit statistics
    proj:epsg proj:bbox proj:shape proj:transform proj:geometry proj:centroid view:off_nadir view:azimuth
    view:sun_azimuth view:sun_elevation sat:absolute_orbit sat:anx_datetime sat:platform_international_designator
    eo:snow_cover eo:bands sar:polarizations sar:instrument_mode processing:software processing:lineage
    processing:facility product:timeliness sci:doi sci:citation mgrs:utm_zone mgrs:grid_square version deprecated
    experimental published expires s2:tile_id s2:mgrs_tile note foo
"""


@pytest.mark.parametrize("key", STAC_NAMES.split())
def test_other_properties_can_be_asked_for_by_name(key: str) -> None:
    assert QUERYABLES.asked(key).pointer == f"/properties/{key}"


@given(st.text("abc", max_size=6), st.text("abc", max_size=6))
def test_typing_errors_are_a_distance(one: str, other: str) -> None:
    number = typing_errors(one, other)
    assert number == typing_errors(other, one)
    assert (number == 0) == (one == other)
    assert abs(len(one) - len(other)) <= number <= max(len(one), len(other))


def test_two_letters_that_change_places_are_one_error() -> None:
    assert typing_errors("platfrom", "platform") == 1
    assert typing_errors("abcd", "badc") == 2
    assert typing_errors("", "abc") == 3


def test_a_pointer_is_no_longer_than_documents_are_deep() -> None:
    assert len(split_pointer("/a" * LONGEST_POINTER)) == LONGEST_POINTER
    with pytest.raises(VocabularyError, match="64 segments at most"):
        split_pointer("/a" * 5000)
