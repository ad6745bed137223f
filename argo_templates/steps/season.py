"""season: the tiles whose fields are to be delineated now, each by its clearest scenes of the season's last weeks."""

import json
from collections.abc import Iterable
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Final

from hera.workflows import Input, Output, Parameter

from argo_templates import archives, seasons
from argo_templates.archives import Product, Region
from argo_templates.seasons import MEMBER, Season
from argo_templates.work import WorkError
from rucio_dafab.client import DafabClient
from rucio_dafab.site.home import DERIVED_ACCOUNT, SCOPE

APART: Final = timedelta(days=10)
"""How far a second acquisition is from the first at least: what grows looks different then."""


class SeasonInput(Input):
    """Which seasons, from which archive."""

    seasons: Annotated[str, Parameter(description="The file of seasons")]
    source: Annotated[str, Parameter(description="The archive")]
    day: Annotated[str, Parameter(description="The day it is: today, -3d or 2026-06-14")] = "today"
    cloud_cover: Annotated[float, Parameter(description="Per cent of clouds at most")] = 20.0
    most: Annotated[int, Parameter(description="Tiles at most; the next run finds what is left")] = 20


class SeasonOutput(Output):
    """What there is to do."""

    scenes: Annotated[str, Parameter(description="A list of scenes with their seasons (JSON)")]
    count: Annotated[int, Parameter(description="How many scenes")]


def season(given: SeasonInput) -> SeasonOutput:
    """Choose, for each season that is open and each tile that has no fields of it, the scene with the fewest clouds.

    With it goes a second acquisition, the clearest of those far enough away, where there is one.
    Only scenes since the season opened count. A tile is done once an item says its season (the step ``mark``).

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
    for each in seasons.open_seasons(seasons.read(Path(given.seasons)), today):
        found = archives.products(Region(given.source, each.area, given.cloud_cover), each.opens, today)
        done = _done(client, each)
        chosen += [
            {**_scenes(pair), "season": json.dumps({**each.told(), "tile": tile})}
            for tile, pair in sorted(clearest(found).items())
            if tile not in done
        ]
    return SeasonOutput(scenes=json.dumps(chosen[: given.most]), count=len(chosen[: given.most]))


def _done(client: DafabClient, season: Season) -> set[str]:
    """Return the tiles that have fields of a season."""
    by_season = {"op": "=", "args": [{"property": f"/properties/{MEMBER}/id"}, season.id]}
    found = client.search(SCOPE, by_season, collections=["smart_agriculture"], did_type="container")
    return {str(each.document["properties"][MEMBER]["tile"]) for each in found if each.document is not None}


def clearest(products: Iterable[Product]) -> dict[str, tuple[Product, Product | None]]:
    """Return by tile the product with the fewest clouds, of equal ones the newest, and a second one, if any.

    The second one is chosen likewise among those that are :data:`APART` from the first.
    """
    by_tile: dict[str, list[Product]] = {}
    for each in sorted(products, key=lambda product: (product.cloud_cover, -product.day.toordinal(), product.id)):
        by_tile.setdefault(each.tile, []).append(each)
    by_tile.pop("", None)
    return {
        tile: (best, next((other for other in others if abs(other.day - best.day) >= APART), None))
        for tile, (best, *others) in by_tile.items()
    }


def _scenes(pair: tuple[Product, Product | None]) -> dict[str, str]:
    """Return what a workflow is told of the scenes of a tile; what there is no second of is empty."""
    best, second = pair
    told = {"key": best.id, "scene": best.reference}
    return told | {"second": second.id if second else "", "second_scene": second.reference if second else ""}
