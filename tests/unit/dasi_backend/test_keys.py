"""Canonical keys of products."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dasi_backend.errors import KeyRefused
from dasi_backend.keys import MAX_ID, ProductKey, canonical, check_id, from_identifier

SENTINEL_2 = "S2A_MSIL2A_20230625T234621_N0509_R073_T01WCP_20230626T022158"


def item(identifier: object, **properties: object) -> dict[str, object]:
    return {"id": identifier, "properties": {"datetime": "2026-06-01T10:20:30Z", **properties}, "assets": {}}


def test_a_sentinel_2_id_says_everything() -> None:
    key = ProductKey.from_item(item(SENTINEL_2, platform="other", datetime="1999-01-01T00:00:00Z"))
    assert key.index == {
        "mission": "s2a",
        "level": "l2a",
        "date": "20230625",
        "product": SENTINEL_2.lower(),
        "tile": "01wcp",
        "orbit": "73",
        "time": "234621",
        "baseline": "0509",
    }
    assert key.dated_by == "id"
    assert key.database_name == "s2a:l2a:20230625"


def test_a_sentinel_1_id_says_mission_level_and_time() -> None:
    key = ProductKey.from_item(item("S1A_IW_GRDH_1SDV_20260214T171523_20260214T171548_052345_0654AB_1234_rtc"))
    assert (key.mission, key.level, key.date, key.time) == ("s1a", "grd", "20260214", "171523")


def test_an_impossible_date_in_an_id_is_not_believed() -> None:
    assert from_identifier(SENTINEL_2.replace("20230625T", "20230231T")) == {}


def test_any_other_item_says_it_in_its_properties() -> None:
    properties = {"platform": "Sentinel-2B", "product:type": "S2MSI2A", "grid:code": "MGRS-33UWP"}
    key = ProductKey.from_item(item("scene_1", **properties, **{"sat:relative_orbit": 22}))
    assert (key.mission, key.level, key.tile, key.orbit) == ("s2b", "l2a", "33uwp", 22)
    assert (key.date, key.time, key.dated_by) == ("20260601", "102030", "datetime")


def test_without_datetime_the_start_dates_the_product_and_that_is_said() -> None:
    key = ProductKey.from_item(item("scene", datetime=None, start_datetime="2015-06-23T00:00:00Z"))
    assert (key.date, key.dated_by) == ("20150623", "start_datetime")


def test_an_offset_is_turned_into_utc() -> None:
    assert ProductKey.from_item(item("scene", datetime="2026-06-01T01:00:00+02:00")).date == "20260531"


@pytest.mark.parametrize(
    "properties", [{"datetime": None}, {"datetime": "yesterday"}, {"datetime": "9999-12-31T23:59:59-12:00"}]
)
def test_an_item_without_a_date_is_refused_by_name(properties: dict[str, object]) -> None:
    with pytest.raises(KeyRefused, match="'scene'"):
        ProductKey.from_item(item("scene", **properties))


@pytest.mark.parametrize(
    ("identifier", "said"),
    [
        ("a:b", "':'"),
        ("a/b", "'/'"),
        ("a b", "' '"),
        ("a=b", "'='"),
        ("schön", "'ö'"),
        ("a,b", "','"),
        ("a\nb", r"'\\n'"),
        ("a" * (MAX_ID + 1), "151 characters"),
        (".hidden", r"begins with '\.'"),
        ("..", "begins with"),
        ("", "begins with ''"),
        ("ALL", "word of the request language"),
    ],
)
def test_an_id_that_fdb_cannot_keep_is_refused_with_the_character(identifier: str, said: str) -> None:
    with pytest.raises(KeyRefused, match=said) as refusal:
        check_id(identifier)
    assert " ".join(identifier.splitlines()) in str(refusal.value)


def test_an_id_that_is_no_text_is_refused() -> None:
    with pytest.raises(KeyRefused, match="no id"):
        ProductKey.from_item(item(7))


@given(st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._-]{0,149}", fullmatch=True))
def test_every_other_id_is_kept_and_its_key_is_read_back(identifier: str) -> None:
    if identifier.lower() in {"all", "off", "to", "by"}:
        return
    key = ProductKey.from_item(item(identifier))
    assert ProductKey.parse(str(key)) == key
    assert key.product == identifier.lower()


@given(st.dictionaries(st.sampled_from(["platform", "grid:code", "processing:level", "product:type"]), st.text()))
def test_whatever_the_properties_say_the_key_is_canonical(properties: dict[str, str]) -> None:
    key = ProductKey.from_item(item("scene", **properties))
    assert set("".join(key.index.values())) <= set("abcdefghijklmnopqrstuvwxyz0123456789._-")
    assert all(0 < len(value) <= MAX_ID for value in key.index.values())


@pytest.mark.parametrize(
    ("name", "value", "canonical_value"),
    [("date", "2026-06-01", "20260601"), ("orbit", "022", "22"), ("tile", "33UWP", "33uwp"), ("res", "10", "10")],
)
def test_values_of_queries_are_made_canonical(name: str, value: str, canonical_value: str) -> None:
    assert canonical(name, value) == canonical_value


@pytest.mark.parametrize(
    ("name", "value"),
    [("date", "20260231"), ("date", "today"), ("orbit", "1.5"), ("tile", "a:b"), ("tile", ""), ("tile", "all")],
)
def test_values_that_the_store_cannot_hold_are_refused_by_name(name: str, value: str) -> None:
    with pytest.raises(KeyRefused, match=f"{name}={value}"):
        canonical(name, value)


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("all", "tile=all: a word of the request language; for every value leave the key out"),
        ("x" * 151, r"tile=x{32}…: 151 characters, and the store keeps 150"),
        ("a:b", "tile=a:b: the store keeps lower case letters"),
    ],
)
def test_a_refusal_of_a_value_says_why(value: str, said: str) -> None:
    with pytest.raises(KeyRefused, match=said):
        canonical("tile", value)


@pytest.mark.parametrize(
    "text", ["", "id=a", "a=b,c=d", "id=a,mission=b,level=c,date=x,tile=t,orbit=o,time=0,baseline=b"]
)
def test_a_text_that_is_no_key_is_refused(text: str) -> None:
    with pytest.raises(KeyRefused):
        ProductKey.parse(text)
