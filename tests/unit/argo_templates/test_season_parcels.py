"""Whose parcels a scene's fields are counted from: its tile, its day, and what the catalogue has."""

from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from argo_templates import season_parcels
from argo_templates.local.errors import ParameterError
from argo_templates.steps.parcels import ParcelsInput, parcels
from argo_templates.work import WorkError

NAME = "S2B_MSIL2A_20210630T104831_N0511_R008_T31UGR_20210630T140932"


def scene(identifier: str = NAME, **properties: Any) -> Mapping[str, Any]:
    return {"id": identifier, "properties": properties}


@pytest.mark.parametrize(
    ("item", "tile"),
    [
        (scene(**{"grid:code": "MGRS-32UNV"}), "32UNV"),
        (scene(), "31UGR"),
        (scene(**{"grid:code": None}), "31UGR"),
        (scene("terramesh_282D_485L_3_3"), ""),
        (scene("scene", **{"grid:code": "WRS2-197025"}), ""),
    ],
)
def test_the_tile_is_said_by_the_grid_or_the_name(item: Mapping[str, Any], tile: str) -> None:
    assert season_parcels.tile_of(item) == tile


def test_the_time_is_in_utc_and_that_of_an_interval_its_begin() -> None:
    assert season_parcels.seen(scene(datetime="2021-07-01T01:00:00+02:00")).isoformat() == "2021-06-30T23:00:00+00:00"
    interval = scene(datetime=None, start_datetime="2021-06-30T10:00:00Z", end_datetime="2021-07-02T10:00:00Z")
    assert season_parcels.seen(interval).day == 30
    assert season_parcels.seen(scene(datetime="2021-06-30T10:00:00")).utcoffset() is not None
    with pytest.raises(WorkError, match="its time is not RFC 3339: soon"):
        season_parcels.seen(scene(datetime="soon"))


@given(st.dates(), st.dates(), st.dates())
def test_a_season_holds_its_first_and_its_last_day(start: Any, harvest: Any, day: Any) -> None:
    document = scene(**{"dafab:season": {"start": start.isoformat(), "harvest": harvest.isoformat()}})
    assert season_parcels.holds(document, day) == (start <= day <= harvest)


@pytest.mark.parametrize("season", [{}, {"start": "2021-03-01"}, {"start": "soon", "harvest": "2021-07-10"}])
def test_a_season_without_days_holds_none(season: dict[str, str]) -> None:
    day = season_parcels.seen(scene(datetime="2021-06-30T10:00:00Z")).date()
    assert not season_parcels.holds(scene(**{"dafab:season": season}), day)


def test_parcels_of_another_part_of_the_tile_are_none_of_the_scene() -> None:
    grid = {"proj:code": "EPSG:32631", "proj:shape": [10980, 10980], "proj:transform": [10.0, 0, 7e5, 0, -10.0, 5e6]}
    assert season_parcels.lies_on(scene(**grid, gsd=10), grid)
    for member, other in (("proj:code", "EPSG:32632"), ("proj:shape", [256, 256]), ("proj:transform", [10.0] * 6)):
        assert not season_parcels.lies_on(scene(**grid | {member: other}), grid)
    assert not season_parcels.lies_on(scene(), grid)


@pytest.mark.parametrize("more", [{"models": "water"}, {"parcels": "own"}, {"second": "other"}])
def test_nothing_is_asked_where_fields_are_delineated_anyway(more: dict[str, Any]) -> None:
    given_ = ParcelsInput(**{"work": "/nowhere", "models": "water,fields", "memo": "key"} | more)
    found = parcels(given_)
    assert (found.item, found.memo) == ("", "key")


@pytest.mark.parametrize("partition", ["a --uid=0", "", "-x", "a\nb"])
def test_a_partition_that_hpk_would_split_is_refused_before_a_pod_asks_for_it(partition: str) -> None:
    with pytest.raises(ParameterError, match="is no partition of Slurm's"):
        parcels(ParcelsInput(work="/nowhere", models="water", partition=partition))
    assert parcels(ParcelsInput(work="/nowhere", models="water", partition="gpu,gpu_long")).item == ""
