"""Fill Rucio's and our tables with 100,000 slim items and write the plans of questions as JSON.

Runs with the ``RUCIO_CONFIG`` of an empty database with PostGIS, of which it makes the tables that a search needs.
"""

import gc
import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, timedelta
from typing import Any

import orjson
from rucio.common.types import InternalScope
from rucio.db.sqla import models
from rucio.db.sqla.session import BASE, get_engine
from sqlalchemy import Select, select, text
from sqlalchemy.orm import Session

from benchmarks.catalogue.fill import Row, analyse, connect, copy_rows, make_row
from benchmarks.catalogue.questions import EUROPE, FIRST_DAY, spatial_cases, stock_cases
from rucio_dafab import vocabulary
from rucio_dafab.catalogue import facets, migrations, pages
from rucio_dafab.catalogue.explain import explain
from rucio_dafab.catalogue.lines import Line
from rucio_dafab.catalogue.rows import FEW, KeyPages
from rucio_dafab.catalogue.search import Search, own_statement, statement
from rucio_dafab.catalogue.tables import document
from rucio_dafab.query import rucio_filter
from rucio_dafab.query.fingerprints import fingerprints
from rucio_dafab.site.home import SCOPE

TILES, REVISITS, SEED = 26, 148, 11
CLASSES = ("RiverineFlood", "Drought", "WaterBody")
TABLES = (models.Account, models.Scope, models.DataIdentifier, models.DataIdentifierAssociation)
OWNER = """
INSERT INTO rucio.accounts (account, account_type, status, created_at, updated_at)
VALUES ('dafab_admin', 'USER', 'ACTIVE', now(), now());
INSERT INTO rucio.scopes (scope, account, status, is_default, created_at, updated_at)
VALUES ('dafab', 'dafab_admin', 'O', false, now(), now());
INSERT INTO rucio.dids (scope, name, account, did_type, availability, created_at, updated_at)
VALUES ('dafab', 'sentinel_2_l2a', 'dafab_admin', 'C', 'A', now(), now());
"""


def make_tables() -> None:
    """Make the tables of Rucio's that documents hang on, and ours."""
    engine = get_engine()
    with engine.begin() as connection:
        connection.execute(text("CREATE SCHEMA rucio"))
        BASE.metadata.create_all(connection, [model.__table__ for model in TABLES])
        connection.execute(text(OWNER))
    migrations.upgrade(engine)


def slim_rows() -> Iterator[Row]:
    """Yield scenes over all of Europe, every five days; each tenth is a product of the scene before it."""
    tiles = [_tile(column, row) for row in range(TILES) for column in range(TILES)]
    classes = [vocabulary.load().ontology.resolve(name) for name in CLASSES]
    scene = ""
    for number in range(TILES * TILES * REVISITS):
        template = tiles[number % len(tiles)]
        name = f"S2_{number % len(tiles):03d}_{number // len(tiles):03d}"
        is_product = number % 10 == 9
        own = _own(number, name, is_product, classes)
        yield Row(
            name,
            scene if is_product else "sentinel_2_l2a",
            {**template, **own},
            links=(("derived_from", scene),) if is_product else (),
        )
        scene = scene if is_product else name


def _tile(column: int, row: int) -> Mapping[str, Any]:
    """Return the columns that all items of a tile share, as they come from a valid item."""
    west, south = EUROPE[0] + 1.6 * column, EUROPE[1] + 1.08 * row
    ring = [[west, south], [west + 1.7, south], [west + 1.7, south + 1.1], [west, south + 1.1], [west, south]]
    properties = {
        "datetime": "2023-01-01T00:00:00Z",
        "grid:code": f"MGRS-{column:02d}X{row:02d}",
        "proj:code": f"EPSG:{32601 + column}",
        "platform": "sentinel-2a",
        "constellation": "sentinel-2",
        "instruments": ["msi"],
        "sat:relative_orbit": 1,
        "eo:cloud_cover": 0.0,
    }
    document = {
        "type": "Feature",
        "stac_version": "1.1.0",
        "id": "template",
        "collection": "sentinel_2_l2a",
        "geometry": {"type": "Polygon", "coordinates": [ring]},
        "bbox": [west, south, west + 1.7, south + 1.1],
        "properties": properties,
        "assets": {},
        "links": [],
    }
    return make_row(Line(1, orjson.dumps(document))).columns


def _own(number: int, name: str, is_product: bool, classes: Sequence[str]) -> dict[str, Any]:
    """Return the columns of one item."""
    start = (FIRST_DAY + timedelta(days=5 * (number // TILES**2), minutes=number % TILES**2)).replace(tzinfo=UTC)
    shuffled = number * 7919 % 100_003
    return {
        "id": name,
        "collection": "water_analysis" if is_product else "sentinel_2_l2a",
        "extent_start": start,
        "extent_end": start,
        "eo_cloud_cover": shuffled / 1000,
        "platform": f"sentinel-2{'ab'[shuffled % 2]}",
        "sat_relative_orbit": shuffled % 143,
        "dafab_observed_water": shuffled / 1000 if is_product else None,
        "classes": [classes[shuffled % len(classes)]] if is_product else None,
        "searchable": orjson.dumps({"id": name, "properties": {"foo": shuffled % 1000}}),
        "fingerprints": fingerprints({"properties": {"foo": shuffled % 1000}}),
        "document": orjson.dumps({"id": name}),
    }


def questions() -> Iterator[tuple[str, Select[Any]]]:
    """Yield the questions of the benchmark as they are sent, and others of every kind that has an index, by name."""
    with connect() as connection:
        cases = [*stock_cases(connection, 1, SEED), *spatial_cases(1, SEED)]
    for case in cases:
        yield case.name, statement(_asked(case.questions[0].filters)).limit(FEW)
    yield "names of many", own_statement(_asked("cloud_cover.gte=20,cloud_cover.lt=25"), names_only=True)
    place = "geometry.intersects=5_45_8_47,datetime=2023-05-01/2023-05-31"
    yield "interval", statement(_asked(f"{place},cloud_cover.lt=20")).limit(FEW)
    yield "distance", statement(_asked("geometry.dwithin=POINT(6.1 49.6)|5km")).limit(FEW)
    yield "class", statement(_asked("theme.isa=RiverineFlood,geometry.intersects=5_45_12_50")).limit(FEW)
    yield "undeclared", statement(_asked("foo=77")).limit(FEW)
    yield "fraction", statement(_asked("foo=05.11")).limit(FEW)
    yield "long number", statement(_asked("foo=20230101110825123")).limit(FEW)
    yield "descendant", statement(_asked("cloud_cover.lt=5,tile=MGRS-10X10,observed_water.descendant.gt=40")).limit(FEW)
    yield "link", statement(_asked("collection=water_analysis,tile.link:derived_from=MGRS-10X10")).limit(FEW)
    yield "along", statement(_asked("collection=water_analysis,tile.along:derivedFrom=MGRS-10X10")).limit(FEW)
    yield "files", statement(_asked("did_type=FILE,tile=MGRS-10X10,cloud_cover.lt=20"))
    yield "newest page", next(pages.stretches(_asked("collection=sentinel_2_l2a"))).limit(100)
    yield "page in a box", next(pages.stretches(_asked(f"{place},cloud_cover.lt=20"))).limit(100)
    every = KeyPages(
        select(document.c.name, document.c.document).with_for_update(), document.c.scope, document.c.name, 500
    )
    yield "page of all", every.statement(InternalScope(SCOPE), "S2_1")
    yield "count by month", facets.statement(_asked("tile=MGRS-10X10"), facets.By("month"))


def _asked(filters: Any) -> Search:
    return Search(InternalScope(SCOPE), rucio_filter.parse(filters, vocabulary.load()))


def main() -> None:
    """Fill the tables, and write the plans as one JSON object."""
    gc.disable()
    make_tables()
    with connect() as connection:
        copy_rows(slim_rows(), connection)
        analyse(connection)
    with Session(get_engine()) as session:
        plans = {name: explain(question, session=session) for name, question in questions()}
        by, asked = facets.By("platform"), _asked("cloud_cover.gte=0")
        spread = [spread(asked, by, session=session) for spread in (facets.facets, facets.estimate_facets)]
    json.dump({"plans": plans, "facets": [[asdict(each) for each in found] for found in spread]}, sys.stdout)


if __name__ == "__main__":
    main()
