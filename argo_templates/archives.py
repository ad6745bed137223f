"""What an archive has of an area and a time, and what of it is done: for the workflows that walk an archive."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, Final

from argo_templates.source import OPTICAL, processing
from argo_templates.work import WorkError
from rucio_dafab.client import DafabClient
from rucio_dafab.site.home import SCOPE

MOST_FOUND: Final = 2000
"""Products of one question to an archive."""

_TILE: Final = re.compile(r"_T?(\d{2}[C-HJ-NP-X][A-Z]{2})_")
_AGO: Final = re.compile(r"-(\d{1,4})d")


@dataclass(frozen=True, slots=True)
class Region:
    """Where and what.

    Attributes:
        source: an archive of ``etc/sources.toml``.
        area: ``@name``, ``W_S_E_N``, WKT or GeoJSON.
        cloud_cover: per cent at most.
    """

    source: str
    area: str
    cloud_cover: float


@dataclass(frozen=True, slots=True)
class Product:
    """A product of an archive.

    Attributes:
        id: its id.
        reference: how a step names it.
        bytes: where the archive says so, else 0.
        tile: MGRS tile without the T; empty where neither archive nor id say it.
        cloud_cover: per cent; 100 where the archive does not say it.
        day: of the acquisition, in UTC.
    """

    id: str
    reference: str
    day: date
    bytes: int = 0
    tile: str = ""
    cloud_cover: float = 100.0


def day(text: str, today: date) -> date:
    """Return a day that is written as ``2026-06-14``, ``today``, or so many days ago as ``-14d``.

    Raises:
        WorkError: if it is none.
    """
    ago = _AGO.fullmatch(text)
    if text == "today" or ago:
        return today - timedelta(days=int(ago[1]) if ago else 0)
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise WorkError(f"{text[:40]!r} is no day: 2026-06-14, today or -14d") from error


def moves(text: str) -> bool:
    """Tell whether a day is another one tomorrow: ``today``, ``-14d``."""
    return text == "today" or _AGO.fullmatch(text) is not None


def today() -> date:
    """Return the day in UTC."""
    return datetime.now(UTC).date()


def products(region: Region, start: date, end: date) -> list[Product]:
    """Return what an archive has from the start of one day to the start of another, each product once, by id.

    Raises:
        SourceBusy: if the archive is busy or away (exit status 75).
        SourceError: if it refuses, or there is no such archive.
        WorkError: if it has more than one question may find.
        QueryError: if the area is none.
    """
    # Shapely and the archives' libraries, which what only reads the catalogue does without.
    from shapely.geometry import mapping  # noqa: PLC0415

    from rucio_dafab.eo.sources.providers import load_sources  # noqa: PLC0415
    from rucio_dafab.eo.sources.search import search  # noqa: PLC0415
    from rucio_dafab.eo.sources.values import Question  # noqa: PLC0415
    from rucio_dafab.query.geometry import parse_geometry  # noqa: PLC0415
    from rucio_dafab.vocabulary import areas  # noqa: PLC0415

    question = Question(
        collection=OPTICAL,
        geometry=mapping(parse_geometry(region.area, areas.load(), "area")),
        start=datetime.combine(start, time(), UTC),
        end=datetime.combine(end, time(), UTC) - timedelta(microseconds=1),
        cloud_cover=region.cloud_cover,
        limit=MOST_FOUND + 1,
    )
    found = {each.id: each for each in search(load_sources().provider(region.source), question)}
    if len(found) > MOST_FOUND:
        raise WorkError(f"{region.source} has more than {MOST_FOUND} products of {region.area} in {start} to {end}")
    return [
        Product(
            name,
            f"{region.source}:{name}",
            each.start.date(),
            each.size or 0,
            each.tile or tile_named(name),
            100.0 if each.cloud_cover is None else each.cloud_cover,
        )
        for name, each in sorted(found.items())
    ]


def tile_named(name: str) -> str:
    """Return the tile that the name of a product says (S2 PSD, naming convention of products); empty where none."""
    found = _TILE.search(name)
    return found[1] if found else ""


def identities(models: Iterable[str]) -> dict[str, tuple[str, str]]:
    """Return the version and the checksum of models, by name.

    Raises:
        ModelError: if one of them is not here.
    """
    # onnxruntime comes with it, which what only reads the catalogue does without.
    from rucio_dafab.eo.models import load_model  # noqa: PLC0415

    loaded = {model: load_model(model) for model in models}
    return {model: (found.version, found.sha256) for model, found in loaded.items()}


def records(client: DafabClient, names: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Return what source items say of the models, by their names; those that are not published are absent."""
    if not names:
        return {}
    by_id = {"op": "in", "args": [{"property": "id"}, list(names)]}
    found = client.search(SCOPE, by_id, collections=[OPTICAL], did_type="container")
    return {each.name: processing(each.document) for each in found if each.document is not None}


def left_open(client: DafabClient, names: Sequence[str], models: Iterable[str]) -> dict[str, str]:
    """Return by product the models that are still to be run on it, comma separated; empty where all were.

    Raises:
        ModelError: if one of the models is not here.
        ClientError: if the catalogue does not answer.
    """
    current, said = identities(models), records(client, names)
    return {name: ",".join(open_models(said.get(name, {}), current)) for name in names}


def open_models(record: Mapping[str, Mapping[str, Any]], current: Mapping[str, tuple[str, str]]) -> Iterator[str]:
    """Yield the models of which a source item does not say that this very one was tried on it."""
    for model, identity in current.items():
        said = record.get(model, {})
        if (said.get("version"), said.get("model:sha256")) != identity:
            yield model
