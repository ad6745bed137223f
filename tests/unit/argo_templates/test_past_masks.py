"""Which earlier masks a reference is counted from: same grid, days before, each acquisition once, none lost."""

from datetime import date
from typing import Any

import pytest

from argo_templates.past_masks import MASK, day_of, fitting
from argo_templates.work import WorkError
from rucio_dafab.client import Asset, Found, Replica
from rucio_dafab.eo.past_water import MOST_MASKS

GRID = {"proj:code": "EPSG:32631", "proj:shape": [256, 256], "proj:transform": [10.0, 0, 7e5, 0, -10.0, 5e6]}
DAY = date(2024, 6, 10)


def product(name: str, when: str, *, lost: bool = False, **properties: Any) -> Found:
    replicas = () if lost else (Replica("CLOUD", "file:///mask.tif"),)
    mask = Asset("dafab", f"{name}.observed_water.tif", 100, "00000001", None, replicas)
    document = {"id": name, "properties": {"datetime": when, **GRID, **properties}}
    return Found("dafab", name, "CONTAINER", document, {MASK: mask})


def scene(**properties: Any) -> dict[str, Any]:
    return {"id": "scene", "properties": {"datetime": "2024-06-10T10:30:00Z", **properties}}


def names(*found: Found, item: dict[str, Any] | None = None) -> list[str]:
    return [each.name for each in fitting(found, item or scene(), GRID, DAY)]


def test_only_days_before_that_of_the_scene_count() -> None:
    found = [
        product("a_water_analysis_20", "2024-06-09T23:59:59Z"),
        # Another product of the same acquisition, of which the catalogue says another second.
        product("b_water_analysis_20", "2024-06-10T10:29:12Z"),
        product("c_water_analysis_20", "2024-06-10T01:00:00+02:00"),
        product("d_water_analysis_20", "2024-06-11T00:00:00Z"),
        product("scene_water_analysis_20", "2024-06-01T10:30:00Z"),
    ]
    assert names(*found) == ["a_water_analysis_20", "c_water_analysis_20"]


def test_what_lasted_until_the_scene_is_not_before_it() -> None:
    interval = {"datetime": None, "start_datetime": "2024-06-01T00:00:00Z", "end_datetime": "2024-06-10T00:00:00Z"}
    found = product("a_water_analysis_20", "", **interval)
    assert names(found) == []
    assert day_of(found.document or {}) == DAY
    with pytest.raises(WorkError, match="x: its time is not RFC 3339"):
        day_of({"id": "x", "properties": {}})


def test_each_acquisition_counts_once_one_of_two_dates_only_for_want_of_another() -> None:
    plain, both = "a_water_analysis_20", "a_with_20240501T103000_water_analysis_20"
    when = "2024-06-01T10:30:00Z"
    assert names(product(both, when), product(plain, when)) == [plain]
    assert names(product(both, when)) == [both]


def test_another_grid_and_what_is_lost_are_passed_over() -> None:
    when = "2024-06-01T10:30:00Z"
    found = [
        product("a_water_analysis_20", when, **{"proj:shape": [10980, 10980]}),
        product("b_water_analysis_20", when, **{"proj:code": "EPSG:32632"}),
        product("c_water_analysis_20", when, lost=True),
        Found("dafab", "d_water_analysis_20", "CONTAINER", product("d", when).document, {}),
        Found("dafab", "e_water_analysis_20", "CONTAINER", None, {}),
    ]
    assert names(*found) == []


def test_simulated_scenes_and_real_ones_keep_apart() -> None:
    when, made_up = "2024-06-01T10:30:00Z", {"dafab:simulated": True}
    found = [product("a_water_analysis_20", when), product("b_water_analysis_20", when, **made_up)]
    assert names(*found) == ["a_water_analysis_20"]
    assert names(*found, item=scene(**made_up)) == ["b_water_analysis_20"]


def test_the_latest_are_taken() -> None:
    # Names run against time.
    found = [
        product(f"s{900 - number}_water_analysis_20", f"20{10 + number // 12}-{number % 12 + 1:02}-01T10:30:00Z")
        for number in range(MOST_MASKS + 20)
    ]
    chosen = names(*found)
    assert len(chosen) == MOST_MASKS
    assert chosen == sorted(each.name for each in found[20:])
