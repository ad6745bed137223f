"""What all workflows have: parameters that explain themselves, labels, locks, an end."""

from typing import Any

import pytest
import yaml

from argo_templates import render

REQUIRED = {
    "dafab-apply": ["filter", "container", "command"],
    "dafab-backfill": ["area", "start", "end"],
    "dafab-fetch": ["scene"],
    "dafab-fields": ["scene"],
    "dafab-process": ["scene"],
    "dafab-publish": ["folder"],
    "dafab-update": ["area"],
    "dafab-water": ["scene"],
    "dafab-window": ["area"],
}
"""What nobody can know but the user; every other parameter has a default."""

CHOICES = {"apply", "depth", "device", "dry_run", "filter_lang", "models", "parcels", "policy", "rse", "runtime"}
"""Parameters of which few values make sense; `source` is one where it says what kind of place a scene is in."""


@pytest.fixture(scope="module")
def documents() -> dict[str, dict[str, Any]]:
    """Return the committed templates by name, without those that a clock submits."""
    every = (yaml.safe_load(path.read_text("utf-8")) for path in render.FOLDER.rglob("*.yaml"))
    return {each["metadata"]["name"]: each for each in every if each["kind"] != "CronWorkflow"}


@pytest.fixture
def templates(documents: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Return the templates within the documents, by name."""
    every = (each for document in documents.values() for each in document["spec"]["templates"])
    return {each["name"]: each for each in every}


def test_every_parameter_says_what_it_is_and_has_a_default_and_a_list_of_choices(
    documents: dict[str, dict[str, Any]],
) -> None:
    for name, document in documents.items():
        parameters = document["spec"]["arguments"]["parameters"]
        assert len({each["name"] for each in parameters}) == len(parameters)
        for each in parameters:
            assert len(each["description"]) > 10, (name, each)
            assert each.get("value") not in ("null", "None"), (name, each)
            of_scene = each["name"] == "source" and "scene" in {other["name"] for other in parameters}
            of_file = each.get("value", "").endswith(".toml")
            assert ("enum" in each) == ((each["name"] in CHOICES or of_scene) and not of_file), (name, each)
            assert "enum" not in each or each["value"] in each["enum"], (name, each)
        assert [each["name"] for each in parameters if "value" not in each] == REQUIRED.get(name, [])


def test_pods_and_workflows_go_when_they_are_done_and_none_runs_for_ever(documents: dict[str, dict[str, Any]]) -> None:
    for name, document in documents.items():
        if document["kind"] == "WorkflowTemplate":
            spec = document["spec"]
            assert spec["podGC"] == {"strategy": "OnPodSuccess"}, name
            kept = spec["ttlStrategy"]
            assert 0 < kept["secondsAfterSuccess"] < kept["secondsAfterFailure"], name
            assert spec["activeDeadlineSeconds"] > 0, name


def test_every_pod_has_labels_a_users_container_too(templates: dict[str, dict[str, Any]]) -> None:
    wanted = {f"dafab.eu/{each}" for each in ("site", "runtime", "device", "reaches")}
    pods = [each for each in templates.values() if "dag" not in each]
    assert len(pods) >= 26
    assert all(set(each["metadata"]["labels"]) == wanted for each in pods)


def test_downloads_are_limited_and_products_made_one_at_a_time_and_once(
    templates: dict[str, dict[str, Any]],
) -> None:
    for name, key in (("download", "downloads"), ("gather", "transfers")):
        reference = {"configMapKeyRef": {"name": "dafab-limits", "key": key}}
        assert templates[name]["synchronization"] == {"semaphores": [reference]}
    products = templates["products"]
    mutexes = [{"name": "dafab-product-{{inputs.parameters.product}}"}]
    assert products["synchronization"] == {"mutexes": mutexes}
    memo = {"key": "{{inputs.parameters.memo}}", "cache": {"configMap": {"name": "dafab-memos"}}, "maxAge": "24h"}
    assert products["memoize"] == memo


def test_where_no_slot_is_free_the_user_says_what_to_do(
    documents: dict[str, dict[str, Any]], templates: dict[str, dict[str, Any]]
) -> None:
    computing = {name: each["spec"]["arguments"]["parameters"] for name, each in documents.items()}
    computing = {name: each for name, each in computing.items() if {"runtime", "at"} & {one["name"] for one in each}}
    assert len(computing) == 9
    for name, parameters in computing.items():
        (policy,) = [each for each in parameters if each["name"] == "policy"]
        assert (policy["value"], policy["enum"]) == ("queue", ["queue", "refuse"])
        calls = [
            given["value"]
            for template in documents[name]["spec"]["templates"]
            for task in template.get("dag", {}).get("tasks", [])
            if task.get("templateRef", {}).get("template") in ("scene", "choose")
            for given in task["arguments"]["parameters"]
            if given["name"] == "policy"
        ]
        assert set(calls) == {"{{workflow.parameters.policy}}"}, name
    (place,) = [each for each in templates["scene"]["dag"]["tasks"] if each["name"] == "place"]
    assert {"name": "policy", "value": "{{inputs.parameters.policy}}"} in place["arguments"]["parameters"]
