"""A tile is delineated once a season; every further acquisition is counted from its parcels, under its own clouds."""

import json
import shutil
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from argo_templates import season_parcels
from argo_templates.local.state import Run
from argo_templates.steps.mark import MarkInput, mark
from argo_templates.work import WorkError
from rucio_dafab.client import DafabClient, Found
from rucio_dafab.eo.items import projection
from rucio_dafab.eo.scene import open_scene
from rucio_dafab.eo.simulate import Options, simulate, write_safe
from rucio_dafab.eo.simulate.product import TILE
from rucio_dafab.site.home import DERIVED_ACCOUNT, Home
from tests.integration.workflows.campaigns import Products, Submit, leases, season, steps

pytestmark = [pytest.mark.integration, pytest.mark.timeout(900)]

SEED = 2311
# A year that no other test has scenes of: the parcels of its season are counted for nobody else.
DAY = "2021-07-05"
SCENES = {"2021-06-30": 0.01, "2021-06-10": 0.12, "2021-04-20": 0.3}
"""Days and clouds of three acquisitions of one place; the clearest is delineated, the last is of before the opening."""
COVERAGE = "dafab:cloud_free_agricultural_coverage"


@pytest.fixture(scope="module")
def safes(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Return three acquisitions of one place."""
    folder = tmp_path_factory.mktemp("acquisitions")
    return [
        write_safe(simulate(SEED, Options(size=256, clouds=clouds, date=date.fromisoformat(day))), folder)
        for day, clouds in SCENES.items()
    ]


def add(archive: Products, safe: Path, day: str) -> str:
    """Add a product of the tile to the archive."""
    name = archive.add(safe, day)
    archive.of_tile(name, TILE, 100 * SCENES[day])
    return name


def of_season(site: Any, name: str) -> dict[str, Any]:
    """Return what a scene says of its fields."""
    (found,) = site.client().read_documents([name])
    said: dict[str, Any] = found.document["properties"]["dafab:processing"]["fields"]
    return said


def products(site: Any, scenes: list[str]) -> dict[str, Found]:
    """Return every version of every field product of scenes."""
    found = site.client().search(collections=["smart_agriculture"], did_type="container", versions="all")
    return {each.name: each for each in found if each.name.startswith(tuple(scenes))}


def ran(run: Run) -> tuple[int, int]:
    """Return in how many pods a net ran, and in how many parcels were counted."""
    return len(steps(run, "infer-kubernetes")), len(steps(run, "recount"))


def test_a_season_is_delineated_once_and_counted_for_every_acquisition(
    site: Any, at_site: Home, submit: Submit, archive: Products, safes: list[Path], tmp_path: Path
) -> None:
    clear = add(archive, safes[0], "2021-06-30")
    made = season(at_site, tmp_path / "seasons", "barley", DAY)
    assert ran(made) == (1, 0)
    parcels = of_season(site, clear)["item"]

    others = [add(archive, safe, day) for safe, day in zip(safes[1:], list(SCENES)[1:], strict=True)]
    made = season(at_site, tmp_path / "seasons", "barley", DAY)
    assert ran(made) == (0, 2)
    assert [node.parameters["recounts"] for node in steps(made, "season")] == ["2"]
    assert leases(at_site) == []
    said = [of_season(site, name) for name in others]
    assert [(each["outcome"], each["parcels"]) for each in said] == [("recounted", parcels)] * 2
    every = products(site, [clear, *others])
    assert set(every) == {parcels, *(each["item"] for each in said)}
    check_recounts(every[parcels], [every[each["item"]] for each in said], others)
    check_found(site, parcels, [each["item"] for each in said], others)

    check_again(site, at_site, submit, [clear, *others], tmp_path)
    assert set(products(site, [clear, *others])) == set(every)
    with pytest.raises(WorkError, match=f"{others[0]} has no fields of its own: they were counted from {parcels}"):
        mark(MarkInput(scene=others[0], season="{}"))
    # Who asks for fields of its own gets them, beside the recount.
    run, status = submit("dafab-fields", scene=others[0], parcels="own")
    assert (status.phase, status.message, ran(run)) == ("Succeeded", "", (1, 0))
    assert of_season(site, others[0])["outcome"] == "ran"
    assert len(products(site, [clear, *others])) == len(every) + 1

    check_commands(site, safes, every[parcels], every[said[1]["item"]], tmp_path)
    check_other_parcels(site, submit, clear, others)


def check_again(site: Any, at_site: Home, submit: Submit, scenes: list[str], tmp_path: Path) -> None:
    """Check that nothing is left to be done, and that doing it again changes nothing."""
    clear, *others = scenes
    made = season(at_site, tmp_path / "seasons", "barley", DAY)
    assert (ran(made), [node.parameters["recounts"] for node in steps(made, "season")]) == ((0, 0), ["0"])
    shutil.rmtree(at_site.root / "memo")
    run, status = submit("dafab-fields", scene=others[0])
    assert (status.phase, status.message, ran(run)) == ("Succeeded", "", (0, 1))
    assert [node.parameters["outcome"] for node in steps(run, "publish")] == ["unchanged"]
    # The scene of the delineation keeps its own fields.
    run, status = submit("dafab-fields", scene=clear)
    assert (status.phase, ran(run)) == ("Succeeded", (1, 0))
    assert [node.parameters["outcome"] for node in steps(run, "publish")] == ["unchanged"]


def check_recounts(parcels: Found, recounts: list[Found], scenes: list[str]) -> None:
    """Check what the items say: the same parcels, other clouds."""
    stated = parcels.document["properties"]  # type: ignore[index]
    number = stated["dafab:smart-agriculture"]["number_of_fields"]
    for found, scene in zip(recounts, scenes, strict=True):
        document = found.document
        assert document is not None
        properties = document["properties"]
        told = properties["dafab:recount"]
        assert (told["parcels"], told["season"], told["stored_number_of_fields"]) == (
            parcels.name, "barley-2021", number
        )  # fmt: skip
        assert properties["dafab:smart-agriculture"]["number_of_fields"] == number
        assert properties["dafab:agricultural_coverage"] == stated["dafab:agricultural_coverage"]
        assert properties["dafab:cloud_free_number_of_fields"] < number
        assert properties[COVERAGE] < properties["dafab:agricultural_coverage"]
        assert (found.assets, "dafab:season" in properties) == ({}, False)
        sources = [link["href"].rpartition("/")[2] for link in document["links"] if link["rel"] == "derived_from"]
        assert sorted(sources) == sorted([scene, parcels.name])
    figures = [each.document["properties"][COVERAGE] for each in recounts if each.document]
    assert figures[0] > figures[1], "30 % of clouds hide more than 12 %"


def check_commands(site: Any, safes: list[Path], parcels: Found, recount: Found, folder: Path) -> None:
    """Check that the commands count the same, and that what draws scenes passes over what draws nothing."""
    counted = site.run_dafab("recount", str(safes[2]), "--parcels", parcels.name, "--json")
    assert counted.returncode == 0, counted.stderr
    numbers = json.loads(counted.stdout)["numbers"]
    stated = recount.document["properties"]  # type: ignore[index]
    assert round(numbers["cloud_free_coverage_percent"], 4) == stated[COVERAGE]
    refused = site.run_dafab("recount", str(safes[2]), "--parcels", "no_such_item")
    assert (refused.returncode, refused.stdout) == (1, "")
    assert refused.stderr.splitlines()[-1].endswith("knows no item dafab:no_such_item")
    fourth = write_safe(simulate(SEED, Options(size=256, clouds=0.05, date=date(2021, 5, 5))), folder)
    opened, client = open_scene(fourth), site.client()
    grid = projection(opened)
    for shape, expected in ((grid["proj:shape"], parcels.name), ([300, 300], None)):
        chosen = season_parcels.of_scene(client, opened.item, grid | {"proj:shape": shape})
        assert (chosen and chosen.name) == expected, "another part of the tile is delineated"
    for outcome in ("created", "unchanged"):
        again = site.run_dafab("run", str(fourth), "--model", "fields", "--json")
        assert again.returncode == 0, again.stderr
        told = json.loads(again.stdout)
        assert [each[0] for each in told["steps"]][2:] == ["parcels", "recount", "publish"]
        assert (told["outcome"], told["record"]["fields"]["parcels"]) == (outcome, parcels.name)
    wrong = site.run_dafab("run", str(fourth), "--parcels", "none")
    assert wrong.stderr.splitlines()[-1] == "error: --parcels none: it is none of season, own"
    drawn = site.run_dafab("show", fourth.stem, "-o", str(folder / "scene.png"))
    assert drawn.returncode == 0, drawn.stderr
    assert drawn.stdout.strip().endswith(f"{fourth.stem} with 0 products")


def check_other_parcels(site: Any, submit: Submit, clear: str, others: list[str]) -> None:
    """Check that a recount from other parcels succeeds the one before, and no delineation."""
    season_of = [{"op": "upsert", "path": "/properties/dafab:season", "value": {}}]
    first, second = of_season(site, clear)["item"], of_season(site, others[0])["item"]
    before = of_season(site, others[1])["item"]
    (stated,) = site.client().read_documents([first])
    client = DafabClient.of_account(DERIVED_ACCOUNT)
    assert not client.patch_documents([first], season_of).failures
    mark(MarkInput(scene=others[0], season=json.dumps(stated.document["properties"]["dafab:season"])))
    run, status = submit("dafab-fields", scene=others[1])
    assert (status.phase, status.message, ran(run)) == ("Succeeded", "", (0, 1))
    after = of_season(site, others[1])
    assert (after["parcels"], after["item"] != before) == (second, True)
    latest = {each.name for each in site.client().search(collections=["smart_agriculture"], did_type="container")}
    assert {first, second, after["item"]} <= latest
    assert before not in latest
    run, status = submit("dafab-fields", scene=others[1])
    assert status.phase == "Succeeded"


def check_found(site: Any, parcels: str, recounts: list[str], scenes: list[str]) -> None:
    """Check that recounts are found as delineations are, by what they say, and hide nothing."""
    client = site.client()

    def names(asked: str) -> set[str]:
        return {each.name for each in client.search(filter=asked, filter_lang="cql2-text", did_type="container")}

    figures = {
        each.name: each.document["properties"][COVERAGE]
        for each in client.search(filter=f"id IN ('{recounts[0]}', '{recounts[1]}')", filter_lang="cql2-text")
    }
    between = json.dumps(sum(figures.values()) / 2)
    season_of = (
        f"datetime >= '2021-03-01' AND datetime <= '2021-07-10' AND cloud_free_agricultural_coverage > {between}"
    )
    assert names(season_of) == {parcels, recounts[0]}
    (scene,) = {
        each.name
        for each in client.search(
            filter={f"{COVERAGE}.linked_by:derived_from.lt": float(between), "datetime.gte": "2021-03-01",
                    "datetime.lt": "2021-07-10", "collection": "sentinel_2_l2a"},
            filter_lang="rucio",
        )
    }  # fmt: skip
    assert scene == scenes[1]
    assert parcels in names("collection = 'smart_agriculture' AND latest = true")
