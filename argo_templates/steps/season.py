"""season: the tiles whose fields are to be delineated now, and the acquisitions of the others to be counted again.

Each tile is delineated by its clearest scenes of the season's last weeks, once a season.
"""

import json
from collections.abc import Collection, Iterable, Iterator, Sequence
from datetime import date, timedelta
from pathlib import Path
from typing import Annotated, Any, Final

from hera.workflows import Input, Output, Parameter

from argo_templates import archives, failures, seasons
from argo_templates.archives import Product, Region
from argo_templates.season_parcels import COLLECTION
from argo_templates.seasons import MEMBER, Season
from argo_templates.work import FIELDS, WorkError
from rucio_dafab.client import DafabClient
from rucio_dafab.site.home import DERIVED_ACCOUNT, SCOPE

APART: Final = timedelta(days=10)
"""How far a second acquisition is from the first at least: what grows looks different then."""

WINDOW: Final = timedelta(days=30)
"""What an archive is asked for at once where a whole season is looked through."""


class SeasonInput(Input):
    """Which seasons, from which archive."""

    seasons: Annotated[str, Parameter(description="The file of seasons")]
    source: Annotated[str, Parameter(description="The archive")]
    day: Annotated[str, Parameter(description="The day it is: today, -3d or 2026-06-14")] = "today"
    cloud_cover: Annotated[float, Parameter(description="Per cent of clouds at most")] = 20.0
    recount_cloud_cover: Annotated[
        float, Parameter(description="Per cent of clouds at most of what is counted again; negative for nothing")
    ] = 60.0
    most: Annotated[
        int, Parameter(description="Tiles, and acquisitions to count, at most; the next run finds what is left")
    ] = 20


class SeasonOutput(Output):
    """What there is to do."""

    scenes: Annotated[str, Parameter(description="A list of scenes with their seasons (JSON)")]
    count: Annotated[int, Parameter(description="How many scenes")]
    acquisitions: Annotated[str, Parameter(description="A list of acquisitions to count again (JSON)")]
    recounts: Annotated[int, Parameter(description="How many acquisitions")]


def season(given: SeasonInput) -> SeasonOutput:
    """Choose, for each season that is open and each tile that has no fields of it, the scene with the fewest clouds.

    With it goes a second acquisition, the clearest of those far enough away, where there is one.
    Only scenes since the season opened count, and none that another season has: an item of fields says one.
    A tile is done once an item says its season (the step ``mark``), one of a former net, too: of such tiles all other
    acquisitions since the season began are counted again from its parcels, of which nobody has made fields yet.

    Raises:
        SourceBusy: if the archive is busy or away.
        WorkError: if the file of seasons is wrong, or most is none.
        ClientError: if the catalogue does not answer.
    """
    if given.most < 1:
        raise WorkError(f"most {given.most}: at least one tile is taken")
    today = archives.day(given.day, archives.today())
    client = DafabClient.of_account(DERIVED_ACCOUNT)
    chosen: list[dict[str, str]] = []
    again: dict[str, Product] = {}
    for each in seasons.open_seasons(seasons.read(Path(given.seasons)), today):
        found = archives.products(Region(given.source, each.area, given.cloud_cover), each.opens, today)
        done = _done(client, each)
        undone = [other for other in found if other.tile not in done]
        taken = {scene["key"] for scene in chosen} | _marked(client, undone)
        chosen += [
            {**_scenes(pair), "season": json.dumps({**each.told(), "tile": tile})}
            for tile, pair in sorted(clearest(undone, taken).items())
        ]
        region = Region(given.source, each.area, given.recount_cloud_cover)
        again |= {other.id: other for other in _further(client, region, each, today, done)}
    failed = failures.of_late(client) if chosen[given.most :] else {}
    by_key = {scene["key"]: scene for scene in chosen}
    now = [by_key[key] for key in failures.last(by_key, failed)[: given.most]]
    # A scene is worked on once a run: what another season delineates on it comes first.
    left = [other for name, other in again.items() if all(name != scene["key"] for scene in now)]
    count = [_told(other) for other in by_turns(left, today, given.most)]
    return SeasonOutput(scenes=json.dumps(now), count=len(now), acquisitions=json.dumps(count), recounts=len(count))


def by_turns(products: Sequence[Product], today: date, most: int) -> list[Product]:
    """Return so many products at most, on another day others: what fails every time keeps nobody else waiting."""
    begin = today.toordinal() * most % max(len(products), 1)
    return [*products[begin:], *products[:begin]][:most]


def _further(
    client: DafabClient, region: Region, season: Season, today: date, tiles: Collection[str]
) -> Iterator[Product]:
    """Yield the acquisitions since a season began of tiles that have its parcels, of which nobody has made fields.

    The archive is asked window by window.
    """
    if not tiles or region.cloud_cover < 0:
        return
    at = season.start
    while at < today:
        to = min(at + WINDOW, today)
        found = [each for each in archives.products(region, at, to) if each.tile in tiles]
        said = archives.records(client, [each.id for each in found])
        yield from (each for each in found if FIELDS not in said.get(each.id, {}))
        at = to


def _told(product: Product) -> dict[str, str]:
    """Return what a workflow is told of an acquisition that is counted again."""
    return {"key": product.id, "scene": product.reference, "source": "archive", "models": FIELDS}


def _done(client: DafabClient, season: Season) -> set[str]:
    """Return the tiles that have fields of a season."""
    by_season = {"op": "=", "args": [{"property": f"/properties/{MEMBER}/id"}, season.id]}
    return {str(season_of["tile"]) for season_of in _seasons(client, by_season).values()}


def _marked(client: DafabClient, products: Collection[Product]) -> set[str]:
    """Return the ids of products whose fields say a season."""
    tiles = sorted({each.tile for each in products})
    if not tiles:
        return set()
    items = _seasons(client, {"op": "in", "args": [{"property": f"/properties/{MEMBER}/tile"}, tiles]})
    return {each.id for each in products if any(item.startswith(f"{each.id}_") for item in items)}


def _seasons(client: DafabClient, asked: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Return what items of fields say of their season, by their ids; older versions too: a season keeps its parcels."""
    found = client.search(SCOPE, asked, collections=[COLLECTION], did_type="container", versions="all")
    return {each.name: each.document["properties"][MEMBER] for each in found if each.document is not None}


def clearest(products: Iterable[Product], taken: Collection[str] = ()) -> dict[str, tuple[Product, Product | None]]:
    """Return by tile the product with the fewest clouds, of equal ones the newest, and a second one, if any.

    The second one is chosen likewise among those that are :data:`APART` from the first.

    Args:
        products: Of any tiles; those of no known tile are passed over.
        taken: The ids of those that are chosen as a second one alone.
    """
    by_tile: dict[str, list[Product]] = {}
    for each in sorted(products, key=lambda product: (product.cloud_cover, -product.day.toordinal(), product.id)):
        by_tile.setdefault(each.tile, []).append(each)
    by_tile.pop("", None)
    best = {tile: next((each for each in those if each.id not in taken), None) for tile, those in by_tile.items()}
    return {
        tile: (first, next((other for other in by_tile[tile] if abs(other.day - first.day) >= APART), None))
        for tile, first in best.items()
        if first is not None
    }


def _scenes(pair: tuple[Product, Product | None]) -> dict[str, str]:
    """Return what a workflow is told of the scenes of a tile; what there is no second of is empty."""
    best, second = pair
    told = {"key": best.id, "scene": best.reference}
    return told | {"second": second.id if second else "", "second_scene": second.reference if second else ""}
