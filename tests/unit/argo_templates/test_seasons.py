"""Crop seasons and the days of campaigns: which are open when, and what is wrong in a file named in one line."""

from datetime import date
from pathlib import Path

import pytest

from argo_templates import archives, seasons
from argo_templates.archives import Product
from argo_templates.steps.season import by_turns, clearest
from argo_templates.work import WorkError
from rucio_dafab.resources import resources

WHEAT = {
    "name": "wheat",
    "area": "@luxembourg",
    "crop": "winter wheat",
    "start": "10-01",
    "harvest": "07-20",
    "lead_weeks": 4,
}


@pytest.mark.parametrize(
    ("day", "found"),
    [
        ("2026-06-21", []),
        ("2026-06-22", ["wheat-2026"]),
        ("2026-07-20", ["wheat-2026"]),
        ("2026-07-21", []),
    ],
)
def test_a_season_is_open_in_the_weeks_before_its_harvest(day: str, found: list[str]) -> None:
    assert [each.id for each in seasons.open_seasons([WHEAT], date.fromisoformat(day))] == found


def test_a_season_that_begins_the_year_before() -> None:
    (season,) = seasons.open_seasons([WHEAT], date(2026, 7, 1))
    assert (season.start, season.harvest, season.opens) == (date(2025, 10, 1), date(2026, 7, 20), date(2026, 6, 22))
    (early,) = seasons.open_seasons([WHEAT | {"harvest": "01-10", "lead_weeks": 3}], date(2026, 12, 25))
    assert (early.id, early.start) == ("wheat-2027", date(2026, 10, 1))


def test_it_opens_no_sooner_than_it_begins_and_knows_leap_years() -> None:
    (season,) = seasons.open_seasons(
        [WHEAT | {"start": "02-29", "harvest": "03-31", "lead_weeks": 20}], date(2026, 3, 1)
    )
    assert season.opens == date(2026, 2, 28)


def test_the_file_that_ships_is_read() -> None:
    assert seasons.read(resources() / "etc" / "seasons.toml")


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"harvest": "13-01"}, "season 1: harvest '13-01' is no MONTH-DAY"),
        ({"start": "soon"}, "season 1: start 'soon' is no MONTH-DAY"),
        ({"lead_weeks": 0}, "season 1: lead_weeks 0 is not from 1 to 52"),
        ({"lead_weeks": "4"}, "season 1: lead_weeks '4' is no number"),
        ({"name": "Wheat!"}, "season 1: the name 'Wheat!' is not of small letters"),
        ({"more": "x"}, "it has name, area, crop, start, harvest, lead_weeks"),
    ],
)
def test_what_is_wrong_in_a_file_is_one_line(tmp_path: Path, changed: dict[str, object], said: str) -> None:
    members = {**WHEAT, **changed}
    lines = [f"{key} = {value}" if isinstance(value, int) else f'{key} = "{value}"' for key, value in members.items()]
    path = tmp_path / "seasons.toml"
    path.write_text("\n".join(["[[season]]", *lines]))
    with pytest.raises(WorkError) as refusal:
        seasons.read(path)
    assert said in str(refusal.value)
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize(
    ("text", "expected"), [("today", "2026-11-23"), ("-14d", "2026-11-09"), ("2026-02-01", "2026-02-01")]
)
def test_days(text: str, expected: str) -> None:
    assert archives.day(text, date(2026, 11, 23)).isoformat() == expected


@pytest.mark.parametrize("text", ["", "yesterday", "2026-02-30", "-d", "14d"])
def test_what_is_no_day(text: str) -> None:
    with pytest.raises(WorkError, match="is no day"):
        archives.day(text, date(2026, 11, 23))


def found(name: str, day: int, clouds: float, tile: str = "31UGR") -> Product:
    return Product(name, f"safe:{name}", date(2026, 6, day), tile=tile, cloud_cover=clouds)


@pytest.mark.parametrize(
    ("products", "best", "second"),
    [
        ([found("a", 20, 5)], "a", None),
        ([found("a", 20, 5), found("b", 11, 6), found("c", 10, 9)], "a", "c"),
        ([found("a", 1, 5), found("b", 11, 6), found("c", 30, 9)], "a", "b"),
        ([found("a", 20, 5), found("b", 29, 1)], "b", None),
        ([found("a", 1, 5), found("b", 15, 5)], "b", "a"),
        ([found("a", 1, 5), found("b", 15, 5, tile="31UGS"), found("c", 15, 5, tile="")], "a", None),
    ],
)
def test_the_second_acquisition_is_the_clearest_of_those_ten_days_away(
    products: list[Product], best: str, second: str | None
) -> None:
    first, other = clearest(products)["31UGR"]
    assert (first.id, other and other.id) == (best, second)


def test_a_scene_of_another_season_is_chosen_as_a_second_one_alone() -> None:
    products = [found("a", 20, 5), found("b", 5, 6), found("c", 21, 3, tile="31UGS")]
    chosen = clearest(products, {"a", "c"})
    assert {tile: (best.id, second and second.id) for tile, (best, second) in chosen.items()} == {"31UGR": ("b", "a")}


@pytest.mark.parametrize(("count", "most"), [(0, 20), (1, 20), (7, 3), (7, 7), (40, 20), (41, 20)])
def test_what_always_fails_keeps_nothing_else_from_its_turn(count: int, most: int) -> None:
    products = [found(str(number), 1, 5) for number in range(count)]
    days = [date(2026, 6, day) for day in range(1, 4)]
    turns = [by_turns(products, day, most) for day in days]
    assert all(len({each.id for each in turn}) == len(turn) == min(count, most) for turn in turns)
    assert {each.id for turn in turns for each in turn} == {each.id for each in products}
