"""The record of a workflow's run as a STAC item of the collection ``workflow_runs``: pure, the same in, the same out.

Energy and money are estimates, and say how: processor seconds times what the site's file states.
"""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from argo_templates import resource_requests
from argo_templates.measures import Measure, totals
from argo_templates.placement.values import Queue, Site

COLLECTION: Final = "workflow_runs"
MEMBER: Final = "dafab:run"
SCHEMA: Final = f"https://w3id.org/dafab/schemas/{COLLECTION}/1.0.0/schema.json"
LOCAL_NAMESPACE: Final = "local"
"""What the local executor calls its namespace."""

_OUT_OF_MEMORY: Final = "OOMKilled"
"""What Argo says of a pod that took more memory than its limit."""

_TRY: Final = re.compile(r"\((\d+)\)$")
_SECRETS: Final = re.compile(r"\?[^\s\"',]*")
"""The question of an address: archives sign there."""

_MOST_SCENES: Final = 1000
"""Scenes that a record names one by one: of more it counts the outcomes."""


@dataclass(frozen=True, slots=True)
class Ending:
    """How a workflow ended, as its exit hook is told.

    Attributes:
        name: of the run.
        template: the WorkflowTemplate.
        namespace: where it ran.
        status: Argo's phase: Succeeded, Failed, Error.
        began: when it was created.
        seconds: from then to the exit hook.
        parameters: every parameter of the workflow.
        failures: a line a step that failed.
    """

    name: str
    template: str
    namespace: str
    status: str
    began: datetime
    seconds: float
    parameters: Mapping[str, str]
    failures: tuple[str, ...]


def ending(given: Mapping[str, str]) -> Ending:
    """Return an ending from the texts that Argo puts in for ``{{workflow.…}}``."""
    return Ending(
        name=given["name"],
        template=given["template"],
        namespace=given["namespace"],
        status=given["status"],
        began=datetime.fromisoformat(given["created"]).astimezone(UTC),
        seconds=float(given["seconds"]),
        parameters={each["name"]: str(each.get("value", "")) for each in json.loads(given["parameters"] or "[]")},
        failures=tuple(_failure(each) for each in json.loads(given["failures"] or "[]") or []),
    )


def _failure(told: Mapping[str, Any]) -> str:
    name, message = str(told.get("displayName") or told.get("podName", "")), str(told.get("message", ""))
    if _OUT_OF_MEMORY in message:
        message = f"killed for memory: it asked for {_asked(name, str(told.get('templateName', '')))}and used all of it"
    return f"{name}: {message}"


def _asked(name: str, template: str) -> str:
    """Return the memory that a try asked for, by the number that Argo puts behind its name; nothing if none of ours."""
    request = resource_requests.of_template(template)
    retries = _TRY.search(name)
    return "" if request is None else f"{request.at(int(retries[1]) if retries else 0):,} MiB "


def item(
    end: Ending, measures: Sequence[Measure], scenes: Sequence[Mapping[str, Any]], site: Site | None, versions: Any
) -> dict[str, Any]:
    """Return the item.

    Args:
        end: how the workflow ended.
        measures: what its steps took.
        scenes: what came of each scene (:mod:`argo_templates.scenes`).
        site: where it ran, as the site's file states it; ``None`` where no file does.
        versions: of the software, by name.
    """
    box = _box(scenes)
    run = _run(end, measures, scenes, site) | {"versions": versions}
    # Without a place it has no geometry: a box around the Earth would be found by every question for a place.
    place = {"geometry": _polygon(box), "bbox": list(box)} if box else {"geometry": None}
    return {
        "type": "Feature",
        "stac_version": "1.1.0",
        "stac_extensions": [SCHEMA],
        "id": f"run_{end.name}",
        "collection": COLLECTION,
        **place,
        "properties": {
            "datetime": None,
            "start_datetime": _stamp(end.began),
            "end_datetime": _stamp(end.began + timedelta(seconds=end.seconds)),
            "title": f"{end.template} {end.name}: {end.status}",
            MEMBER: run,
        },
        "links": [],
        "assets": {},
    }


def _run(
    end: Ending, measures: Sequence[Measure], scenes: Sequence[Mapping[str, Any]], site: Site | None
) -> dict[str, Any]:
    """Return what ran and what came of it."""
    cpu_seconds = round(sum(each.cpu_seconds for each in measures), 3)
    run = {
        "workflow": end.template,
        "executor": "rucio-dafab local executor" if end.namespace == LOCAL_NAMESPACE else f"Argo, {end.namespace}",
        "outcome": end.status,
        "parameters": {name: _plain(value) for name, value in sorted(end.parameters.items())},
        "seconds": end.seconds,
        "cpu_seconds": cpu_seconds,
        **_estimates(cpu_seconds, site, end.parameters.get("partition")),
        "steps": totals(measures),
        "scene_outcomes": _counted(scenes),
        "scenes": [_scene(each) for each in scenes[:_MOST_SCENES]],
    }
    if end.failures:
        run["failures"] = [_plain(each)[:500] for each in end.failures]
    return run


def _estimates(cpu_seconds: float, site: Site | None, partition: str | None) -> dict[str, Any]:
    """Return energy and money, or why there is no figure."""
    queue = None if site is None else _queue(site, partition)
    where = "" if site is None else site.name
    if queue is None:
        nothing = {"estimated": True, "method": "none: no file states what the site takes and costs"}
        return {"energy": nothing, "cost": nothing}
    energy: dict[str, Any] = {"estimated": True, "method": f"none: the site {where} states no watts_per_core"}
    if queue.watts_per_core is not None:
        method = f"processor seconds x {queue.watts_per_core:g} W, stated for {where}/{queue.name}"
        energy = {"estimated": True, "joules": round(cpu_seconds * queue.watts_per_core, 1), "method": method}
    method = f"processor hours x {queue.euros_per_core_hour:g} euros, stated for {where}/{queue.name}"
    euros = round(cpu_seconds / 3600 * queue.euros_per_core_hour, 6)
    return {"energy": energy, "cost": {"estimated": True, "euros": euros, "method": method}}


def _queue(site: Site, partition: str | None) -> Queue | None:
    named = next((queue for queue in site.queues if queue.name == partition), None)
    return named or next(iter(site.queues), None)


def _counted(scenes: Sequence[Mapping[str, Any]]) -> dict[str, int]:
    outcomes = [str(each["outcome"]) for each in scenes]
    return {outcome: outcomes.count(outcome) for outcome in sorted(set(outcomes))}


def _scene(scene: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in scene.items() if key != "geometry"}


def _plain(text: str) -> str:
    """Return a text without what stands behind the question mark of an address."""
    return _SECRETS.sub("?…", text) if "://" in text else text


def _box(scenes: Sequence[Mapping[str, Any]]) -> tuple[float, float, float, float] | None:
    """Return west, south, east and north of all scenes; ``None`` where none has a place."""
    points = [point for each in scenes if "geometry" in each for point in _points(each["geometry"]["coordinates"])]
    if not points:
        return None
    longitudes, latitudes = [point[0] for point in points], [point[1] for point in points]
    return min(longitudes), min(latitudes), max(longitudes), max(latitudes)


def _points(coordinates: Any) -> list[Any]:
    if coordinates and isinstance(coordinates[0], (int, float)):
        return [coordinates]
    return [point for each in coordinates for point in _points(each)]


def _polygon(box: tuple[float, float, float, float]) -> dict[str, Any]:
    west, south, east, north = box
    ring = [[west, south], [east, south], [east, north], [west, north], [west, south]]
    return {"type": "Polygon", "coordinates": [ring]}


def _stamp(time: datetime) -> str:
    return time.isoformat(timespec="milliseconds").replace("+00:00", "Z")
