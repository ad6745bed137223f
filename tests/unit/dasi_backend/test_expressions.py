"""Requests as the query model of the catalogue."""

from datetime import UTC, datetime

import pytest

from dasi_backend.errors import RequestError
from dasi_backend.expressions import expression
from dasi_backend.language import Request, parse
from rucio_dafab import vocabulary
from rucio_dafab.errors import DafabError
from rucio_dafab.query import cql2, rucio_filter
from rucio_dafab.query.model import EVERYTHING, And, Expression, Or, Temporal, TemporalOperator, walk
from rucio_dafab.vocabulary.times import Interval

VOCABULARY = vocabulary.load()


def of(keys: str) -> Expression:
    (request,) = parse(f"list, {keys}")
    return expression(request, VOCABULARY)


@pytest.mark.parametrize(
    ("keys", "rucio"),
    [
        ('cloud_cover="<20"', {"eo:cloud_cover.lt": "20"}),
        ('cloud_cover=">=20"', {"eo:cloud_cover.gte": "20"}),
        ('cloud_cover="!=20"', {"eo:cloud_cover.ne": "20"}),
        ("cloud_cover=0/to/20", {"eo:cloud_cover.gte": "0", "eo:cloud_cover.lte": "20"}),
        ("cloud_cover=20", {"eo:cloud_cover": "20"}),
        ("geometry=5/49/7/51", {"geometry.intersects": "5_49_7_51"}),
        ("geometry=@luxembourg", {"geometry.intersects": "@luxembourg"}),
        ('geometry="POLYGON((1 2,3 4,5 7,1 2))"', {"geometry.intersects": "POLYGON((1 2|3 4|5 7|1 2))"}),
        ("theme=isA:Flood", {"theme.isa": "Flood"}),
        ("theme=ISA:Flood", {"theme.isa": "Flood"}),
        ("mission=s2a", {"platform": "sentinel-2a"}),
        ("mission=s2", {"constellation": "sentinel-2"}),
        ("level=l2a", {"processing:level": "L2A"}),
        ("tile=33uwp", {"grid:code": "MGRS-33UWP"}),
        ("orbit=22", {"sat:relative_orbit": "22"}),
        ("id=a", {"id": "a"}),
        # Keys come in the order of the language.
        ('cloud_cover="<20", theme=isA:Flood', {"theme.isa": "Flood", "eo:cloud_cover.lt": "20"}),
    ],
)
def test_a_request_asks_what_the_same_rucio_filter_asks(keys: str, rucio: dict[str, str]) -> None:
    assert of(keys) == rucio_filter.parse([rucio], VOCABULARY)


@pytest.mark.parametrize(
    ("keys", "rucio"),
    [
        ('where="cloud_cover < 20"', {"eo:cloud_cover.lt": "20"}),
        ("""where='"eo:cloud_cover" < 20'""", {"eo:cloud_cover.lt": "20"}),
        ("""where="isA(theme, 'Flood')\"""", {"theme.isa": "Flood"}),
        ("""where="S_INTERSECTS(geometry, '@luxembourg')\"""", {"geometry.intersects": "@luxembourg"}),
        ("""where='"/properties/a/b" > 3'""", {"/properties/a/b.gt": "3"}),
        (
            """where="platform = 'sentinel-2a'", cloud_cover="<20\"""",
            {"platform": "sentinel-2a", "cloud_cover.lt": "20"},
        ),
    ],
)
def test_where_asks_in_cql2_what_the_same_rucio_filter_asks(keys: str, rucio: dict[str, str]) -> None:
    assert set(walked(of(keys))) == set(walked(rucio_filter.parse([rucio], VOCABULARY)))


def walked(asked: Expression) -> list[Expression]:
    return [node for node, _ in walk(asked) if not isinstance(node, And)]


def test_texts_of_where_are_alternatives_as_any_values_of_a_list() -> None:
    alternatives = rucio_filter.parse([{"cloud_cover.lt": "5"}, {"gsd": "10"}], VOCABULARY)
    assert of('where="cloud_cover < 5"/"gsd = 10"') == alternatives


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("cloud_cover <", "where: the CQL2 text ends where"),
        ("cloud_cover < 20 )", "where: .*character 18"),
        ("cloud_cove < 20", "where: .*did you mean cloud_cover"),
        ("isA(theme, 'NoSuchThing')", "where: .*NoSuchThing"),
        ("S_INTERSECTS(geometry, '@nowhere')", "where: .*@nowhere"),
        (" ", "where: a value is missing"),
        ("((((((((((" * 30, "where: "),
    ],
)
def test_bad_cql2_is_one_line_that_names_the_key(text: str, said: str) -> None:
    with pytest.raises(RequestError, match=said) as refusal:
        expression(Request("list", {"where": (text,)}), VOCABULARY)
    assert "\n" not in str(refusal.value)


def test_values_of_a_list_are_alternatives() -> None:
    alternatives = rucio_filter.parse([{"platform": "sentinel-2a"}, {"platform": "sentinel-2b"}], VOCABULARY)
    assert of("platform=sentinel-2a/sentinel-2b") == alternatives


def day(number: int) -> datetime:
    return datetime(2026, 6, number, tzinfo=UTC)


def last(number: int) -> datetime:
    return datetime(2026, 6, number, 23, 59, 59, 999999, tzinfo=UTC)


def test_neighbouring_days_are_one_interval_and_others_are_alternatives() -> None:
    found = of("date=20260603/20260601/20260602/20260610")
    assert isinstance(found, Or)
    intervals = [part.interval for part in found.parts if isinstance(part, Temporal)]
    assert intervals == [Interval(day(1), last(3)), Interval(day(10), last(10))]
    assert all(isinstance(part, Temporal) and part.operator is TemporalOperator.INTERSECTS for part in found.parts)


def test_collection_and_asset_are_answered_elsewhere() -> None:
    assert of("collection=water_analysis, asset=observed_water") == EVERYTHING


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        ("band=b02", "band: a key of the rolling store"),
        ("product=abc", "product: .* ask for id"),
        ('cloud_cover=">5"/"<20"', "one operator alone"),
        ('cloud_cover="<"', "a value is missing after <"),
        ('cloud_cover="<abc"', "cloud_cover"),
        ("cloud_cover=a/to/b", "cloud_cover"),
        ("cloud_cover=60/to/0", "cloud_cover=60/to/0: the interval ends before it begins"),
        ("datetime=2026-06-02/to/2026-06-01", "the interval ends before it begins"),
        ("cloud_cover=5/to", "cloud_cover=5/to: an interval is written"),
        ("cloud_cover=0/to/20/by/5", "cloud_cover=0/to/20/by/5: an interval is written"),
        ('cloud_cover="a\nb"', "cloud_cover"),
        ("class=od", "class: a key of fields"),
        ("geometry=@nowhere", "nowhere"),
        ('geometry="POLYGON((1 2,3 4))"', "geometry"),
        ("theme=isA:NoSuchThing", "NoSuchThing"),
    ],
)
def test_what_the_catalogue_cannot_answer_is_refused_by_name(keys: str, said: str) -> None:
    with pytest.raises(DafabError, match=said) as refusal:
        of(keys)
    assert "\n" not in str(refusal.value)


def test_the_error_of_a_store_key_is_ours() -> None:
    with pytest.raises(RequestError):
        of("part=p0001")


@pytest.mark.parametrize(
    "keys", ['cloud_cover="<20", date=-3/to/-1', "geometry=5/49/7/51, theme=isA:Flood", "tile=a/b"]
)
def test_what_is_asked_survives_the_way_to_the_service(keys: str) -> None:
    asked = of(keys)
    assert cql2.from_json(cql2.to_json(asked), VOCABULARY) == asked
