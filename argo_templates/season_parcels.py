"""Field parcels that a tile has of the crop season in which a scene was taken: what its fields are counted from."""

from collections.abc import Mapping
from datetime import UTC, date, datetime
from typing import Any, Final

from argo_templates import archives
from argo_templates.seasons import MEMBER
from argo_templates.work import WorkError
from rucio_dafab.client import DafabClient, Found
from rucio_dafab.site.home import SCOPE

COLLECTION: Final = "smart_agriculture"
PARQUET: Final = "dafab-field-boundaries-parquet"
"""The asset of a field product that holds its parcels (``rucio_dafab.eo.products``, which takes seconds to load)."""

_GRID: Final = "MGRS-"
_RAN: Final = "ran"


def of_scene(client: DafabClient, item: Mapping[str, Any], grid: Mapping[str, Any]) -> Found | None:
    """Return the field product whose parcels a scene is counted from; ``None`` where its fields are delineated.

    That is the one of its tile whose season (``dafab:season``) holds the day of the scene; of several, which seasons of
    several crops have, the one that was seen last. Older versions count: a season keeps its parcels. A scene that has
    fields of its own keeps them, and one that is another part of its tile than the product is delineated.

    Args:
        client: of an account that may read the catalogue.
        item: the scene's.
        grid: the scene's (:func:`rucio_dafab.eo.items.projection`).

    Raises:
        WorkError: if the time of the scene is none.
        ClientError: if the catalogue does not answer.
    """
    where = tile_of(item)
    if not where or archives.records(client, [item["id"]]).get(item["id"], {}).get("fields", {}).get("outcome") == _RAN:
        return None
    day = seen(item).date()
    of_tile = {"op": "=", "args": [{"property": f"/properties/{MEMBER}/tile"}, where]}
    found = client.search(SCOPE, of_tile, collections=[COLLECTION], did_type="container", versions="all")
    fitting = [
        each
        for each in found
        if each.document and PARQUET in each.assets and holds(each.document, day) and lies_on(each.document, grid)
    ]
    return max(fitting, key=lambda each: (seen(each.document or {}), each.name), default=None)


def tile_of(item: Mapping[str, Any]) -> str:
    """Return the MGRS tile of a scene without the T; empty where neither its grid nor its id say one."""
    grid = str(item["properties"].get("grid:code") or "")
    return grid.removeprefix(_GRID) if grid.startswith(_GRID) else archives.tile_named(item["id"])


def seen(item: Mapping[str, Any]) -> datetime:
    """Return when an item was seen, or the begin of the time in which it was.

    Raises:
        WorkError: if it does not say.
    """
    said = item["properties"].get("datetime") or item["properties"].get("start_datetime")
    try:
        moment = datetime.fromisoformat(str(said))
    except ValueError as error:
        raise WorkError(f"{item.get('id')}: its time is not RFC 3339: {said}") from error
    return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)


def holds(document: Mapping[str, Any], day: date) -> bool:
    """Tell whether a day is in the season of a product; a season that says no days holds none."""
    season = document["properties"].get(MEMBER, {})
    try:
        return date.fromisoformat(str(season.get("start"))) <= day <= date.fromisoformat(str(season.get("harvest")))
    except ValueError:
        return False


def lies_on(document: Mapping[str, Any], grid: Mapping[str, Any]) -> bool:
    """Tell whether a product was made on a grid."""
    return all(document["properties"].get(member) == value for member, value in grid.items())
