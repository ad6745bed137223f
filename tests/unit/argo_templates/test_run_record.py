"""The record of a run: the same in, the same out; estimates say how they were made; nothing secret is kept."""

import json
from dataclasses import replace
from typing import Any

import pytest

from argo_templates import run_record
from argo_templates.measures import Measure
from argo_templates.placement.values import Queue, Site
from argo_templates.resource_requests import of
from rucio_dafab.stac.schemas import check_profile
from rucio_dafab.stac.validate import check_document

GIVEN = {
    "name": "dafab-process-a1",
    "template": "dafab-process",
    "namespace": "dafab",
    "status": "Failed",
    "created": "2026-11-23T05:00:00Z",
    "seconds": "90.5",
    "parameters": json.dumps([{"name": "scene", "value": "https://a.example/x.json?sig=secret"}]),
    "failures": json.dumps(
        [{"displayName": "infer", "message": "no https://a.example/b?token=secret", "phase": "Failed"}]
    ),
}
MEASURES = (
    Measure("infer water", "/w/scenes/a", 1.0, 10.0, 18.0, 100),
    Measure("infer water", "/w/scenes/b", 2.0, 20.0, 36.0, 300, 1, "refused"),
    Measure("publish", "/w/scenes/a", 3.0, 1.0, 0.5, 50),
)
QUEUE = Queue("cpu", "cpu-2-cores", 8, 16.0, euros_per_core_hour=0.1, watts_per_core=12.0)
SITE = Site("cloud", "kubernetes", "CLOUD", (QUEUE,))
SQUARE = {"type": "Polygon", "coordinates": [[[5, 49], [6, 49], [6, 50], [5, 50], [5, 49]]]}
SCENES = ({"scene": "a", "outcome": "published", "geometry": SQUARE}, {"scene": "b", "outcome": "withdrawn"})


def made(site: Site | None = SITE, scenes: Any = SCENES, **given: str) -> dict[str, Any]:
    return run_record.item(run_record.ending(GIVEN | given), MEASURES, scenes, site, {"python": "3.11"})


def test_a_record_fits_the_schema_of_its_collection_and_is_the_same_again() -> None:
    record = made()
    check_document(json.loads(json.dumps(record)))
    assert made() == record
    assert record["id"] == "run_dafab-process-a1"
    assert record["bbox"] == [5, 49, 6, 50]
    assert record["properties"]["end_datetime"] == "2026-11-23T05:01:30.500Z"


def test_estimates_say_how_they_were_made() -> None:
    run = made()["properties"]["dafab:run"]
    assert run["cpu_seconds"] == 54.5
    assert run["energy"] == {
        "estimated": True,
        "joules": 654.0,
        "method": "processor seconds x 12 W, stated for cloud/cpu",
    }
    assert run["cost"]["euros"] == pytest.approx(54.5 / 36000, abs=1e-6)


@pytest.mark.parametrize(
    "site", [None, replace(SITE, queues=()), replace(SITE, queues=(replace(QUEUE, watts_per_core=None),))]
)
def test_where_nothing_is_stated_there_is_no_figure(site: Site | None) -> None:
    energy = made(site)["properties"]["dafab:run"]["energy"]
    assert "joules" not in energy
    assert energy["method"].startswith("none: ")


def test_steps_are_summed_and_outcomes_counted() -> None:
    run = made()["properties"]["dafab:run"]
    first = run["steps"][0]
    assert (first["step"], first["pods"], first["refused"], first["seconds"], first["peak_bytes"]) == (
        "infer water",
        2,
        1,
        30.0,
        300,
    )
    assert run["scene_outcomes"] == {"published": 1, "withdrawn": 1}
    assert run["executor"] == "Argo, dafab"


def test_no_signature_of_an_address_is_kept() -> None:
    assert "secret" not in json.dumps(made())


def test_a_run_without_a_place_has_no_geometry() -> None:
    record = made(scenes=(), failures="null")
    check_profile(record)
    check_document(record)
    assert record["geometry"] is None and "bbox" not in record


@pytest.mark.parametrize(
    ("template", "display", "asked"),
    [
        ("infer-hpk", "infer-hpk(1)", f"{of('infer').at(1):,} MiB "),
        ("place-scene", "place", f"{of('place_scene').at(0):,} MiB "),
        ("apply-kubernetes", "apply-kubernetes(0)", f"{of('apply').at(0):,} MiB "),
        ("of-a-user", "of-a-user(1)", ""),
    ],
)
def test_a_pod_that_argo_killed_for_memory_is_told_with_what_it_asked_for(
    template: str, display: str, asked: str
) -> None:
    told = {"displayName": display, "templateName": template, "message": "OOMKilled (exit code 137)"}
    run = made(failures=json.dumps([told]))["properties"]["dafab:run"]
    assert run["failures"] == [f"{display}: killed for memory: it asked for {asked}and used all of it"]
