"""Workflows that walk an archive on loopback: windows, budgets, and computing that never waits on a download."""

import json
import shutil
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from argo_templates.local.state import Run
from argo_templates.steps.season import SeasonInput
from argo_templates.steps.season import season as choose
from dasi_backend.store import Store
from rucio_dafab.client import PublishRequest
from rucio_dafab.eo.bands import of_second
from rucio_dafab.eo.models import load_model
from rucio_dafab.eo.simulate import Options, simulate, write_safe
from rucio_dafab.site.home import Home
from tests.integration.workflows.campaigns import Products, Submit, leases, season, seasons_of, steps

pytestmark = [pytest.mark.integration, pytest.mark.timeout(900)]

DAYS = ("2026-05-02", "2026-05-14", "2026-05-15")
AREA = {"source": "safe", "area": "6_49_7_50"}
# Not that of simulated scenes, which other tests of the site have: theirs would be counted from these parcels.
OTHER_TILE = "32ULV"
THIRD_TILE = "32ULA"
FOURTH_TILE = "32ULB"
ONCE = {"recount_cloud_cover": "-1"}
PERIOD = AREA | {"start": "2026-05-01", "end": "2026-05-31", "models": "fields"}


@pytest.fixture(scope="module")
def safes(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Return three products."""
    folder = tmp_path_factory.mktemp("safes")
    return [
        write_safe(simulate(seed, Options(size=256, clouds=0.02)), folder / str(seed)) for seed in (2301, 2302, 2303)
    ]


def test_no_slot_that_computes_waits_on_a_download(
    at_site: Home, submit: Submit, archive: Products, safes: list[Path]
) -> None:
    one, two = archive.add(safes[0], DAYS[0]), archive.add(safes[1], DAYS[1])
    store = Store(at_site.store)
    # The period is not over: what is there is fetched, and nothing computes.
    future = PERIOD | {"end": "2027-01-01"}
    run, status = submit("dafab-window", most="1", **future)
    assert (status.phase, status.message) == ("Succeeded", "")
    assert [store.contains(name) for name in (one, two)] == [True, False]
    assert [node.parameters["state"] for node in steps(run, "ready")] == ["waiting"]
    assert steps(run, "infer-kubernetes") == []
    asked = len(archive.server.asked)

    # The period is over, downloads are slow: what computes begins when the last of them has ended.
    archive.server.seconds = 0.5
    run, status = submit("dafab-window", **PERIOD)
    assert (status.phase, status.message) == ("Succeeded", "")
    (ready,) = steps(run, "ready")
    assert (ready.parameters["state"], ready.parameters["count"]) == ("complete", "2")
    downloaded, computed = steps(run, "download"), steps(run, "infer-kubernetes")
    assert (len(downloaded), len(computed)) == (1, 2)
    assert max(node.ended for node in downloaded) <= min(node.began for node in computed)
    # Nothing was asked of the archive after the question whether all is there.
    assert len(archive.server.asked) > asked
    last = max(datetime.fromtimestamp(node.ended, UTC) for node in steps(run, "ready"))
    assert all(datetime.fromtimestamp(node.began, UTC) >= last for node in computed)
    assert leases(at_site) == []

    # It is all done: nothing is fetched, nothing computes.
    run, status = submit("dafab-window", **PERIOD)
    assert (status.phase, steps(run, "infer-kubernetes"), steps(run, "download")) == ("Succeeded", [], [])


def test_windows_are_walked_one_after_the_other_within_the_budgets(
    site: Any, at_site: Home, submit: Submit, archive: Products, safes: list[Path]
) -> None:
    names = [archive.add(safe, day) for safe, day in zip(safes, DAYS, strict=True)]
    done = {name for name in names if Store(at_site.store).contains(name)}
    held = Store(at_site.store).size() / 1e9
    _, status = submit("dafab-backfill", cache_gigabytes=f"{held + 0.001:.6f}", **PERIOD)
    assert status.phase == "Succeeded"
    assert {name for name in names if Store(at_site.store).contains(name)} == done
    run, status = submit("dafab-backfill", joules="0.001", **PERIOD)
    assert (status.phase, status.message) == ("Succeeded", "")
    (record,) = site.client().read_documents([f"run_{run.name}"])
    walked = [json.loads(node.parameters["scenes"]) for node in steps(run, "discover")]
    # The first window is taken while nothing is spent yet; the next one is not.
    assert [len(each) for each in walked] == [1, 0]
    assert steps(run, "discover")[-1].parameters["reason"] == "the energy budget of 0.001 J is spent"
    run, status = submit("dafab-backfill", most="1", **PERIOD)
    assert (status.phase, status.message) == ("Succeeded", "")
    for name in names:
        (document,) = site.client().read_documents([name])
        assert document.document["properties"]["dafab:processing"]["fields"]["outcome"] == "ran"
    assert record.document["properties"]["dafab:run"]["outcome"] == "Succeeded"
    assert leases(at_site) == []
    run, status = submit("dafab-update", **AREA, start="2026-05-01", models="fields")
    assert (status.phase, [node.parameters["count"] for node in steps(run, "discover")]) == ("Succeeded", ["0"])


def test_what_fails_for_good_stops_no_walk_and_comes_last_the_next_time(
    at_site: Home, submit: Submit, archive: Products, tmp_path: Path
) -> None:
    safes = [write_safe(simulate(seed, Options(size=256, clouds=0.02)), tmp_path / str(seed)) for seed in (2311, 2312)]
    broken, sound = sorted(archive.add(safe, DAYS[0]) for safe in safes)
    for path in [path for path in archive.server.files if broken in path]:
        del archive.server.files[path]
    run, status = submit("dafab-backfill", most="1", **PERIOD)
    walked = [[each["key"] for each in json.loads(node.parameters["scenes"])] for node in steps(run, "discover")[:-1]]
    assert walked == [[broken], [sound]]
    assert status.phase == "Failed"
    assert f"1 scenes were not made: {broken}; of the rest: all of it is done" in status.message
    assert Store(at_site.store).contains(sound)
    assert not Store(at_site.store).contains(broken)
    # Of both, the one that failed at the last run waits for the other.
    run, status = submit("dafab-update", **AREA | {"start": "2026-05-01", "models": "water", "most": "1"})
    assert (status.phase, status.message) == ("Succeeded", "")
    (found,) = steps(run, "discover")
    assert [each["key"] for each in json.loads(found.parameters["scenes"])] == [sound]


def test_from_the_deadline_on_what_is_there_waits_for_nothing_that_is_missing(
    at_site: Home, submit: Submit, archive: Products, tmp_path: Path
) -> None:
    safes = [write_safe(simulate(seed, Options(size=256, clouds=0.02)), tmp_path / str(seed)) for seed in (2321, 2322)]
    broken, sound = (archive.add(safe, DAYS[0]) for safe in safes)
    for path in [path for path in archive.server.files if broken in path]:
        del archive.server.files[path]
    run, _ = submit("dafab-window", **PERIOD, deadline="")
    (ready,) = steps(run, "ready")
    assert [ready.parameters[name] for name in ("state", "count", "missing")] == ["waiting", "0", "1"]
    # By default five days after the end, which have passed.
    run, status = submit("dafab-window", **PERIOD)
    (ready,) = steps(run, "ready")
    assert [ready.parameters[name] for name in ("state", "missing")] == ["deadline", "1"]
    assert [each["key"] for each in json.loads(ready.parameters["scenes"])] == [sound]
    assert [node.phase for node in steps(run, "infer-kubernetes")] == ["Succeeded"]
    assert (status.phase, status.message) == ("Succeeded", "")
    run, status = submit("dafab-window", **PERIOD, deadline="2026-05-30")
    assert status.message.endswith("the deadline 2026-05-30 is before the end 2026-05-31 of the period")


def of_tile(archive: Products, safes: list[Path], tile: str) -> list[str]:
    """Return three products of one tile: a cloudy one, the clearest, and one of two weeks before."""
    names = []
    for safe, day, percent in zip(safes, ("2026-07-01", "2026-07-02", "2026-06-18"), (15.0, 2.0, 9.0), strict=True):
        names.append(archive.add(safe, day))
        archive.of_tile(names[-1], tile, percent)
    return names


def phases(run: Run) -> dict[str, str]:
    """Return how the tasks of the one tile ended."""
    found = {node.path.rpartition(".")[2]: node.phase for node in run.nodes() if node.path.count(".") == 2}
    return {name: found[name] for name in ("second", "two-dates", "one-date", "mark")}


def test_fields_are_delineated_once_a_tile_and_season(
    site: Any, at_site: Home, submit: Submit, archive: Products, safes: list[Path], tmp_path: Path
) -> None:
    cloudy, clear, other = of_tile(archive, safes, OTHER_TILE)
    for expected in ("1", "0"):
        made = season(at_site, tmp_path / "seasons", "oats", **ONCE)
        (chosen,) = steps(made, "season")
        assert chosen.parameters["count"] == expected
        if expected == "1":
            (scenes,) = json.loads(chosen.parameters["scenes"])
            assert (scenes["key"], scenes["second"]) == (clear, other)
            assert phases(made) == {
                "second": "Succeeded", "two-dates": "Succeeded", "one-date": "Omitted", "mark": "Succeeded"
            }  # fmt: skip
    assert Store(at_site.store).contains(other)
    assert leases(at_site) == []
    (source,) = site.client().read_documents([clear])
    said = source.document["properties"]["dafab:processing"]["fields"]
    # A net that takes bands of two acquisitions was given both.
    two = any(of_second(band) for band in load_model("fields").bands)
    assert said.get("second") == (other if two else None)
    (fields,) = site.client().read_documents([said["item"]])
    told = fields.document["properties"]["dafab:season"]
    assert told == {
        "id": "oats-2026",
        "crop": "oats",
        "start": "2026-03-01",
        "harvest": "2026-07-10",
        "tile": OTHER_TILE,
    }
    # No season takes a scene that another one has, be it of the catalogue or of this run.
    several = seasons_of(tmp_path / "several", "oats", "peas", "beans")
    chosen_now = choose(SeasonInput(seasons=str(several), source="safe", day="2026-07-05", recount_cloud_cover=-1))
    taken = [(each["key"], each["second"]) for each in json.loads(chosen_now.scenes)]
    assert taken == [(other, clear), (cloudy, other)]
    # What is written later is no part of the product: making it again changes nothing.
    shutil.rmtree(at_site.root / "memo")
    run, status = submit("dafab-fields", scene=clear, second=other)
    assert (status.phase, status.message) == ("Succeeded", "")
    assert [node.parameters["outcome"] for node in steps(run, "publish")] == ["unchanged"]


def test_a_tile_stays_done_when_a_newer_net_makes_its_fields_again(
    site: Any, at_site: Home, archive: Products, safes: list[Path], tmp_path: Path
) -> None:
    _, clear, _ = of_tile(archive, safes, FOURTH_TILE)
    item = {"type": "Feature", "stac_version": "1.1.0", "collection": "smart_agriculture", "assets": {}, "links": []}
    item |= {"geometry": {"type": "Point", "coordinates": [6.2, 49.6]}, "bbox": [6.2, 49.6, 6.2, 49.6]}
    names = [f"{clear}_made_elsewhere_{version}" for version in (1, 2)]
    marked = {"dafab:season": {"id": "flax-2026", "tile": FOURTH_TILE}}
    for name, predecessor, more in zip(names, (None, names[0]), (marked, {}), strict=True):
        document = item | {"id": name, "properties": {"datetime": "2019-07-02T10:00:00Z"} | more}
        site.client("dafab_admin").publish(PublishRequest("dafab", document, {}, predecessor=predecessor))
    latest = site.client().search(collections=["smart_agriculture"], did_type="container")
    assert names[0] not in {each.name for each in latest}
    flax = seasons_of(tmp_path / "seasons", "flax")
    chosen = choose(SeasonInput(seasons=str(flax), source="safe", day="2026-07-05", recount_cloud_cover=-1))
    assert (chosen.count, chosen.recounts) == (0, 0)


def test_a_second_acquisition_that_cannot_be_fetched_keeps_no_tile_from_its_fields(
    site: Any, at_site: Home, archive: Products, safes: list[Path], tmp_path: Path
) -> None:
    _, clear, other = of_tile(archive, safes, THIRD_TILE)
    for path in [path for path in archive.server.files if other in path]:
        del archive.server.files[path]
    made = season(at_site, tmp_path / "seasons", "rye", **ONCE)
    assert phases(made) == {"second": "Failed", "two-dates": "Omitted", "one-date": "Succeeded", "mark": "Succeeded"}
    (source,) = site.client().read_documents([clear])
    said = source.document["properties"]["dafab:processing"]["fields"]
    assert "second" not in said
    (fields,) = site.client().read_documents([said["item"]])
    assert fields.document["properties"]["dafab:season"]["id"] == "rye-2026"
    assert leases(at_site) == []


def test_a_second_acquisition_that_is_not_in_the_store_is_one_line(
    at_site: Home, submit: Submit, archive: Products, safes: list[Path]
) -> None:
    name = archive.add(safes[0], DAYS[0])
    _, status = submit("dafab-fields", scene=f"safe:{name}", source="archive", second="absent")
    assert status.phase == "Failed"
    assert status.message.endswith("has no product absent")
    assert leases(at_site) == []
