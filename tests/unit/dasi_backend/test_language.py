"""Requests in the MARS language."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from dasi_backend import language, scan
from dasi_backend.errors import RequestError
from dasi_backend.keys import STORE_KEYS
from dasi_backend.language import Request, from_arguments, parse
from rucio_dafab.errors import DafabError
from rucio_dafab.resources import resources
from rucio_dafab.vocabulary import queryables


def one(text: str) -> Request:
    (request,) = parse(text)
    return request


def test_a_request_with_everything() -> None:
    request = one(
        'retrieve, collection=water_analysis, date=2026-06-01/to/2026-06-03, cloud_cover="<20",\n'
        '  geometry="POLYGON((1 2,3 4,5 7,1 2))", # where\n theme=isA:Flood, target="out/[id].tif", expect=2'
    )
    assert request == Request(
        verb="retrieve",
        keys={
            "date": ("20260601", "20260602", "20260603"),
            "collection": ("water_analysis",),
            "geometry": ("POLYGON((1 2,3 4,5 7,1 2))",),
            "theme": ("isA:Flood",),
            "cloud_cover": ("<20",),
        },
        target="out/[id].tif",
        expect=2,
    )


@pytest.mark.parametrize(
    ("text", "key", "values"),
    [
        ("list, tile=33UWP/32TQM", "tile", ("33uwp", "32tqm")),
        ("list, orbit=1/to/7/by/3", "orbit", ("1", "4", "7")),
        ("list, orbit=1/to/3/7", "orbit", ("1", "2", "3", "7")),
        ("list, orbit=7/10/to/8", "orbit", ("7", "10", "9", "8")),
        ("list, orbit=10/to/1/by/-3", "orbit", ("10", "7", "4", "1")),
        ('list, orbit="8"', "orbit", ("8",)),
        ("list, date=20260601/to/20260605/by/2", "date", ("20260601", "20260603", "20260605")),
        ("list, date=20260602/to/20260601/20260607", "date", ("20260602", "20260601", "20260607")),
        ('list, date="20260601"', "date", ("20260601",)),
        ("list, cloud_cover=0/to/20", "cloud_cover", ("0", "to", "20")),
        ("list, geometry=5/49/7/51", "geometry", ("5", "49", "7", "51")),
        ("list, geometry=-5.5/49.25/7/51", "geometry", ("-5.5", "49.25", "7", "51")),
        ("list, geometry=@luxembourg", "geometry", ("@luxembourg",)),
        ("LIST, COLLECTION=Water_Analysis", "collection", ("Water_Analysis",)),
        ('list, eo:cloud_cover=">=5"', "eo:cloud_cover", (">=5",)),
        ("list, where='a < 1/2 and \"b\" in (1, 2)'", "where", ('a < 1/2 and "b" in (1, 2)',)),
        ("""list, where="a = 'x'"/"b = 2\"""", "where", ("a = 'x'", "b = 2")),
    ],
)
def test_values_are_expanded(text: str, key: str, values: tuple[str, ...]) -> None:
    assert one(text).keys == {key: values}


def test_days_before_today_are_real_days() -> None:
    today = datetime.now(UTC).date()
    assert one("list, date=-1").keys["date"][0] in {
        f"{day:%Y%m%d}" for day in (today - timedelta(days=1), today, today - timedelta(days=2))
    }


def test_a_second_request_inherits_from_the_first_of_its_verb() -> None:
    first, second, third = parse('retrieve, date=20260601, target="a"\nretrieve, tile=33UWP\nlist, orbit=1')
    assert second.keys == {"tile": ("33uwp",), "date": first.keys["date"]}
    assert second.target == "a"
    assert (third.verb, third.keys, third.target) == ("list", {"orbit": ("1",)}, None)


@pytest.mark.parametrize("key", sorted(language.keys()))
def test_every_key_is_inherited_and_can_be_dropped(key: str) -> None:
    value, other = {"date": "20260601", "kind": "band"}.get(key, "1"), "tile" if key == "mission" else "mission"
    first, second, third = parse(f"list, {key}={value}\nlist, {other}=2\nlist, {key}=off")
    assert second.keys == {**first.keys, other: ("2",)}
    assert third.keys == {other: ("2",)}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("retrieve, foo=1", "unknown key 'foo'"),
        ("retrieve, orbt=1", "did you mean orbit"),
        ("retrieve, dat=20260601", "unknown key 'dat'"),
        ("retrieve, orbit=1/to/100000000", "100,000,000 values"),
        ("retrieve, orbit=1/to/99999999999999999999999999", "values, at most"),
        ("retrieve, orbit = 1 / to / 100000000", "100,000,000 values"),
        ("retrieve, ORBIT=1/TO/100000000", "100,000,000 values"),
        ("retrieve, date=19000101/to/20991231", "73,049 values"),
        ("retrieve, date=-99999/to/0", "100,000 values"),
        ("retrieve, orbit=1/to/5/by/0", "a step of 0"),
        ("retrieve, orbit=abc", "orbit"),
        ("retrieve, date=2026-06", "date=2026-06: write"),
        ('retrieve, date="2026-06"', "date=2026-06: write 20260601"),
        ("retrieve, date=2", "date=2: write 20260601, 2026-06-01, or days before today"),
        ("retrieve, date=5/to/7", "date=5: write"),
        ("wipe, date=-3/to/99999", "date=99999: write"),
        ("retrieve, date=2026-6-1", "date=2026-6-1: write"),
        ("retrieve, date=20260601/off", "date=20260601/off: 'off' drops a key, and stands alone"),
        ("retrieve, mission=s2a/off", "mission=s2a/off: 'off' drops"),
        ("wipe, orbit=8/to/x", "orbit=x: not a whole number"),
        ('wipe, orbit=8/to/"x"', "orbit=x: not a whole number"),
        ("wipe, orbit=x/to/8", "orbit=x: not a whole number"),
        ("wipe, orbit=1/to/x/by/2", "orbit=x: not a whole number"),
        ("wipe, orbit=1/to", "orbit=1/to: an end is missing after to"),
        ("wipe, orbit=to/5", "orbit=to: not a whole number"),
        ("wipe, orbit=1/by/2", "orbit=by: not a whole number"),
        ("wipe, orbit=1/to/5/by", "a whole number is missing after by"),
        ("wipe, orbit=1/to/5/by/x", "a whole number is missing after by"),
        ("wipe, date=20260601/to", "date=20260601/to: an end is missing after to"),
        ("wipe, date=20260601/to/x", "date=x: write"),
        ("retrieve, orbit=8.5", "orbit=8.5: not a whole number"),
        ("retrieve, orbit=8 9", "orbit=8 9: not a whole number"),
        ('retrieve, orbit="1/to/3"', "orbit=1/to/3: not a whole number"),
        ("retrieve, kind=foo", "kind=foo: write band or part"),
        ("retrieve, tile=a/to/b", "tile=a/to/b: tile has no ranges"),
        ("list, mission=s2a, mission=s2b", "mission is named twice"),
        ("list, tile=x\nlist, mission=s2a,\n Mission=s2b", "mission is named twice"),
        ("list, area=1/2/3/4", "area: a key of disseminate alone"),
        ("list, source=a", "source: a key of archive alone"),
        ("retrieve, grid=20", "grid: a key of disseminate alone"),
        ("RET, grid=20", "grid: a key of disseminate alone"),
        ('wipe, target="x"', "target: a key of retrieve, disseminate alone"),
        ('list, target="x"', "target: a key of retrieve, disseminate alone"),
        ("list, tile=x\nwipe, expect=1", "expect: a key of retrieve, list, disseminate alone"),
        ("disseminate, param=2t", "param: a key of retrieve, list alone"),
        ("list, _aliases=2t", "unknown key '_aliases'"),
        ("retrieve, date=20260231", "date=20260231: not a real day"),
        ("retrieve, date=2026-02-30", "date=2026-02-30: not a real day"),
        ("retrieve, tile=\udcff", "no UTF-8"),
        ("retrieve, date=20260231/to/20260301", "date=20260231: not a real day"),
        ("retrieve, date=yesterday", "date=yesterday"),
        ("retrieve, cloud_cover=<20", "in quotes"),
        ("retrieve, target=out/x.tif", "in quotes"),
        ('retrieve, target="out', "opened and not closed"),
        ('retrieve, id="a#b"', "begins a comment"),
        ("delete, tile=x", "delete"),
        ("tile=x", "begins with a verb"),
        ("retrieve tile=x", "begins with a verb"),
        ("", "empty"),
        ("# nothing", "empty"),
        ("retrieve, tile=", "tile=: a value is missing"),
        ("retrieve, tile=a/", "a value is missing"),
        ("retrieve, tile=a//b", "a value is missing"),
        ("retrieve,", "cut short"),
        ("retrieve, expect=-1", "expect=-1"),
        ("retrieve, expect=two", "expect=two"),
        ("retrieve, theme=überflutung", "in quotes"),
        ("retrieve, tile=a\0b", "NUL"),
        ('retrieve, id="a\\"b"', "backslash"),
        ("retrieve, kind=chip", "kind"),
    ],
)
def test_what_is_not_understood_is_refused_in_one_line(text: str, said: str) -> None:
    with pytest.raises(RequestError, match=said) as refusal:
        parse(text)
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ({"orbit": ("8", "to", "x")}, "orbit=x: not a whole number"),
        ({"orbit": ("1,tile=x",)}, "orbit=1,tile=x: not a whole number"),
        ({"date": ("2",)}, "date=2: write"),
        ({"date": ("off",)}, "date=off: leave the key out"),
        ({"mission": ("OFF",)}, "mission=off: leave the key out"),
        ({"tile": ("a", "to", "b")}, "tile has no ranges"),
        ({"kind": ("foo",)}, "kind=foo: write band or part"),
        ({"orbit": ("a\nb",)}, "orbit=a b: not a whole number"),
    ],
)
def test_values_that_are_no_text_are_held_to_the_same(query: dict[str, tuple[str, ...]], said: str) -> None:
    with pytest.raises(RequestError, match=said) as refusal:
        language.expanded(query)
    assert "\n" not in str(refusal.value)


def test_a_key_may_be_named_again_in_the_next_request() -> None:
    first, second = parse("list, mission=s2a, id=a b\nlist, mission=s2b")
    assert (first.keys["mission"], second.keys["mission"]) == (("s2a",), ("s2b",))


def test_a_text_without_end_is_refused_before_it_is_read() -> None:
    with pytest.raises(RequestError, match="longer than 4 MiB"):
        parse("retrieve, id=" + "a" * (scan.MAX_TEXT + 1))


@given(st.text(max_size=60))
@settings(max_examples=150, deadline=None)
def test_any_text_is_parsed_or_refused_in_one_line(text: str) -> None:
    try:
        parse(f"list, {text}")
    except DafabError as refusal:
        assert "\n" not in str(refusal)


@given(
    st.dictionaries(
        st.sampled_from(["id", "collection", "theme", "cloud_cover", "asset"]),
        st.text(st.characters(codec="ascii", exclude_characters="\"'#\\\n\r", exclude_categories=["Cc"]), min_size=1)
        .map(str.strip)
        .filter(lambda value: value and value.lower() != "off" and "/" not in value),
        min_size=1,
    )
)
@settings(max_examples=150, deadline=None)
def test_arguments_of_a_command_line_arrive_as_they_were_written(pairs: dict[str, str]) -> None:
    text = from_arguments("list", [f"{key}={value}" for key, value in pairs.items()])
    assert {key: values[0] for key, values in one(text).keys.items()} == pairs


@given(st.dates(date(1950, 1, 1), date(2090, 1, 1)), st.integers(0, 400), st.integers(1, 30))
@settings(max_examples=60, deadline=None)
def test_ranges_of_days_are_those_of_the_calendar(first: date, days: int, step: int) -> None:
    last = first + timedelta(days=days)
    expected = tuple(f"{first + timedelta(days=day):%Y%m%d}" for day in range(0, days + 1, step))
    assert one(f"list, date={first:%Y-%m-%d}/to/{last:%Y%m%d}/by/{step}").keys["date"] == expected


def _numbers(words: list[str]) -> tuple[str, ...]:
    """Return the numbers that a list of numbers and ranges means; a ValueError or IndexError where it means none."""
    found, rest = list[int](), list(words)
    while rest:
        first = last = int(rest.pop(0))
        step = 1
        if rest[:1] == ["to"]:
            last, rest = int(rest[1]), rest[2:]
            if rest[:1] == ["by"]:
                step, rest = abs(int(rest[1])), rest[2:]
        found += range(first, last + 1, step) if first <= last else range(first, last - 1, -step)
    return tuple(map(str, found))


@given(
    st.lists(st.sampled_from(["1", "5", "12", "-3", "0", "x", "to", "to", "by", "2", "off"]), min_size=2, max_size=6)
)
@settings(max_examples=300, deadline=None)
def test_a_list_of_numbers_and_ranges_is_exactly_that_or_refused(words: list[str]) -> None:
    try:
        found = one(f"list, orbit={'/'.join(words)}").keys["orbit"]
    except RequestError as refusal:
        assert "orbit" in str(refusal)
        return
    assert found == _numbers(words)


@pytest.mark.parametrize("argument", ["tile", "=x", "no such file"])
def test_an_argument_that_is_no_pair_is_refused(argument: str) -> None:
    with pytest.raises(RequestError, match="key=value"):
        from_arguments("list", [argument])


@pytest.mark.parametrize(
    ("argument", "values"),
    [
        ("where=cloud_cover < 20 and platform = 'a'", ("cloud_cover < 20 and platform = 'a'",)),
        ('where="eo:cloud_cover" < 20', ('"eo:cloud_cover" < 20',)),
        ("""where="a < 1"/'b < 2'""", ("a < 1", "b < 2")),
    ],
)
def test_quotes_within_an_argument_are_not_those_around_it(argument: str, values: tuple[str, ...]) -> None:
    assert one(from_arguments("list", [argument])).keys == {"where": values}


def test_both_kinds_of_quotes_in_an_argument_are_refused() -> None:
    with pytest.raises(RequestError, match="both kinds"):
        from_arguments("list", ["""id=a'b"c"""])


def _language() -> dict[str, Any]:
    path = resources() / "etc" / "fdb" / "metkit" / "share" / "metkit" / "language.yaml"
    found: dict[str, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))
    return found


def test_every_queryable_and_alias_can_be_asked_for() -> None:
    known = set(_language()["retrieve"])
    names = {name for entry in queryables.load() for name in (entry.name, *entry.aliases)}
    assert names <= known, f"language.yaml lacks {sorted(names - known)}"


def test_every_key_of_the_store_is_in_the_language_of_every_verb() -> None:
    for verb in language.VERBS:
        assert set(STORE_KEYS) <= set(_language()[verb])
