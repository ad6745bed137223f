"""Items as the formula takes them: files and replicas from Rucio, by one question for all of them."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from argo_templates import resource_requests
from argo_templates.placement.errors import PlacementError, UnknownItem
from argo_templates.placement.values import File, Task
from rucio_dafab.client import DafabClient, Found
from rucio_dafab.names import is_name
from rucio_dafab.site.home import SCOPE, STORE_RSE
from rucio_dafab.stac.asset_names import every_asset

TILE: Final = (10_980, 10_980)
"""Rows and columns at 10 m of a Sentinel-2 tile: the shape of an item that does not say its own (``proj:shape``)."""


def tasks_of(
    client: DafabClient, items: Sequence[str], models: Sequence[str], *, needs_gpu: bool = False, scope: str = SCOPE
) -> list[Task]:
    """Return what is to be placed, in the order of the items, asked for by one search.

    Raises:
        UnknownItem: if the catalogue lacks one of them.
        ClientError: if the site does not answer, or refuses.
    """
    return [task_of(found, models, needs_gpu=needs_gpu) for found in find_items(client, items, scope=scope)]


def find_items(client: DafabClient, items: Sequence[str], *, scope: str = SCOPE) -> list[Found]:
    """Return what the catalogue has of items, in their order, each once, asked for by one search.

    Raises:
        PlacementError: if one of them is no name.
        UnknownItem: if the catalogue lacks one of them.
        ClientError: if the site does not answer, or refuses.
    """
    wanted = list(dict.fromkeys(items))
    for name in wanted:
        if not is_name(name):
            raise PlacementError(f"{name[:100]!r} is no name of an item")
    by_id = {"op": "in", "args": [{"property": "id"}, wanted]}
    known = {found.name: found for found in client.search(scope, by_id)}
    for name in wanted:
        if name not in known:
            raise UnknownItem(f"{client.host} knows no item {scope}:{name}")
    return [known[name] for name in wanted]


def task_of(found: Found, models: Sequence[str], *, needs_gpu: bool = False, step: str = "infer") -> Task:
    """Return what is to be placed of an item that was found, with what the pod of the step asks for."""
    assets = sorted(found.assets.values(), key=lambda asset: asset.name)
    places = {asset.name: frozenset(each.rse for each in asset.replicas) for asset in assets}
    # What is in a rolling store alone is no file to bring: a run takes its scene from where it is.
    files = [File(each.name, each.bytes or 0, places[each.name]) for each in assets if places[each.name] != {STORE_RSE}]
    asked = resource_requests.of(step)
    return Task(
        item=found.name,
        files=tuple(files),
        chips=chips_of(found.document or {}),
        models=tuple(models),
        cores=asked.cores,
        memory_gib=asked.gibibytes,
        needs_gpu=needs_gpu,
    )


def chips_of(document: Mapping[str, Any]) -> int:
    """Return how many chips cover an item: by the finest ``proj:shape`` that it states, else by a whole tile's."""
    # NumPy comes with it, which commands that place nothing do without.
    from rucio_dafab.eo.tiling import chip_starts  # noqa: PLC0415

    rows, columns = max(_shapes(document), key=lambda shape: shape[0] * shape[1], default=TILE)
    return len(chip_starts(rows)) * len(chip_starts(columns))


def _shapes(document: Mapping[str, Any]) -> Iterator[tuple[int, int]]:
    stated = [document.get("properties", {}), *every_asset(document).values()]
    for shape in (each.get("proj:shape") for each in stated):
        if isinstance(shape, list) and len(shape) == 2 and all(type(size) is int and size > 0 for size in shape):
            yield shape[0], shape[1]
