"""season: the tiles whose fields are to be delineated now, each by its clearest scene of the season's last weeks."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated

from hera.workflows import Input, Output, Parameter

from argo_templates import archives, seasons
from argo_templates.archives import Product, Region
from argo_templates.seasons import MEMBER, Season
from argo_templates.work import WorkError
from rucio_dafab.client import DafabClient
from rucio_dafab.site.home import DERIVED_ACCOUNT, SCOPE


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
            {"key": best.id, "scene": best.reference, "season": json.dumps({**each.told(), "tile": tile})}
            for tile, best in sorted(_clearest(found).items())
            if tile not in done
        ]
    return SeasonOutput(scenes=json.dumps(chosen[: given.most]), count=len(chosen[: given.most]))


def _done(client: DafabClient, season: Season) -> set[str]:
    """Return the tiles that have fields of a season."""
    by_season = {"op": "=", "args": [{"property": f"/properties/{MEMBER}/id"}, season.id]}
    found = client.search(SCOPE, by_season, collections=["smart_agriculture"], did_type="container")
    return {str(each.document["properties"][MEMBER]["tile"]) for each in found if each.document is not None}


def _clearest(products: Iterable[Product]) -> dict[str, Product]:
    """Return the product with the fewest clouds of each tile, of equal ones the newest."""
    best: dict[str, Product] = {}
    for each in sorted(products, key=lambda product: (-product.cloud_cover, product.id)):
        best[each.tile] = each
    best.pop("", None)
    return best
