"""Water masks that a grid has from earlier days: what the reference water of a scene is counted from."""

from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime, time
from typing import Any, Final

from argo_templates.season_parcels import lies_on, seen
from rucio_dafab.client import DafabClient, Found
from rucio_dafab.eo.items import SIMULATED, scene_of
from rucio_dafab.eo.past_water import MOST_MASKS
from rucio_dafab.site.home import SCOPE

COLLECTION: Final = "water_analysis"
MASK: Final = "dafab-AI-observed-water"
REFERENCE: Final = "dafab-GFM-reference-water-mask"
"""The assets of a water product that hold its mask and its reference (``rucio_dafab.eo.products``, which takes seconds
to load)."""


def of_scene(client: DafabClient, item: Mapping[str, Any], grid: Mapping[str, Any]) -> list[Found]:
    """Return the water products whose masks a scene's reference is counted from, by name.

    Those on its very grid that were seen on days before that of the scene, in UTC: neither its own mask nor one of
    another product of the same acquisition is among them, nor any later one. Of each acquisition the latest version,
    one of two dates only where there is no other; of all the latest :data:`MOST_MASKS`. Simulated scenes have
    simulated masks, and real ones real masks. One without a replica is passed over: it is lost.

    Args:
        client: of an account that may read the catalogue.
        item: the scene's.
        grid: the scene's (:func:`rucio_dafab.eo.items.projection`).

    Raises:
        WorkError: if the time of the scene is none.
        ClientError: if the catalogue does not answer.
    """
    day = seen(item).date()
    midnight = datetime.combine(day, time(), UTC).isoformat().replace("+00:00", "Z")
    earlier = {"op": "t_before", "args": [{"property": "datetime"}, {"timestamp": midnight}]}
    here = {"op": "s_intersects", "args": [{"property": "geometry"}, item["geometry"]]}
    asked = {"op": "and", "args": [earlier, here]}
    found = client.search(SCOPE, asked, collections=[COLLECTION], did_type="container")
    return fitting(found, item, grid, day)


def fitting(found: Iterable[Found], item: Mapping[str, Any], grid: Mapping[str, Any], day: date) -> list[Found]:
    """Return those of some water products that a reference is counted from, as :func:`of_scene` has it."""
    simulated = bool(item["properties"].get(SIMULATED))
    of_acquisition: dict[str, Found] = {}
    for each in sorted(found, key=lambda one: one.name):
        document, mask = each.document, each.assets.get(MASK)
        if document is None or mask is None or not mask.replicas or not lies_on(document, grid):
            continue
        scene = scene_of(each.name, COLLECTION) or each.name
        if scene != item["id"] and day_of(document) < day and bool(document["properties"].get(SIMULATED)) == simulated:
            of_acquisition.setdefault(scene, each)
    latest = sorted(of_acquisition.values(), key=lambda one: (seen(one.document or {}), one.name))[-MOST_MASKS:]
    return sorted(latest, key=lambda one: one.name)


def day_of(document: Mapping[str, Any]) -> date:
    """Return the day on which an item was seen, in UTC, or on which the time ended in which it was.

    Raises:
        WorkError: if it does not say.
    """
    properties = document["properties"]
    said = properties.get("datetime") or properties.get("end_datetime") or properties.get("start_datetime")
    return seen({"id": document.get("id"), "properties": {"datetime": said}}).date()


def published(client: DafabClient, scene: str, version: int) -> Found | None:
    """Return the water product of a scene by a version of the model (310 is 3.1.0), if one is published.

    Raises:
        ClientError: if the catalogue does not answer.
    """
    of_scene = {"op": "related", "args": ["link", "derived_from", {"op": "=", "args": [{"property": "id"}, scene]}]}
    derived = client.search(SCOPE, of_scene, collections=[COLLECTION], did_type="container", versions="all")
    named = {each.name: each for each in derived if each.name.endswith(f"_{COLLECTION}_{version}") and each.document}
    return named[min(named)] if named else None
