"""Fill a cluster with generated items: our tables, those of both stock metadata plugins, and one plain table.

Runs as a process of :func:`benchmarks.catalogue.cluster.environment`. Every row is the one that loading the item, or
setting its metadata, would have written; COPY, and making the indexes afterwards, is quicker.

    python -m benchmarks.catalogue.fill COUNT
"""

import gc
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice
from time import perf_counter
from typing import Any, Final

import orjson
import psycopg
from psycopg import sql
from rucio.core.did_meta_plugins.postgres_meta import ExternalPostgresJSONDidMeta  # noqa: TID251
from sqlalchemy import make_url

from benchmarks.catalogue.cluster import generated
from rucio_dafab.catalogue.document_rows import COLUMNS, copy_in
from rucio_dafab.catalogue.lines import Line, read_lines
from rucio_dafab.catalogue.prepared import PreparedItem, Reject, parse, prepare
from rucio_dafab.catalogue.sessions import engine
from rucio_dafab.catalogue.tables import document
from rucio_dafab.site.home import SCOPE

COLLECTIONS: Final = {"sentinel-2-l2a": "sentinel_2_l2a", "water-analysis": "water_analysis"}
BATCH: Final = 5000
"""Items of one transaction."""

LEAVES: Final = {
    "normal": "NormalWaterCondition",
    "river_flood": "RiverineFlood",
    "coastal_flood": "CoastalFlood",
    "urban_flood": "UrbanFlood",
    "drought": "HydrologicalDrought",
    "reservoir_low": "WaterDeficit",
}
"""Classes of our ontology by what the generator calls them (``dafab:class``)."""

STOCK_SCHEMA: Final = "stock"
"""Where the stock Postgres plugin has its table ``dids``."""

STOCK_KEYS: Final = {
    "datetime": "datetime",
    "platform": "platform",
    "constellation": "constellation",
    "eo:cloud_cover": "cloud_cover",
    "eo:snow_cover": "snow_cover",
    "grid:code": "tile",
    "proj:code": "crs",
    "sat:relative_orbit": "relative_orbit",
    "sat:orbit_state": "orbit_state",
    "view:sun_elevation": "sun_elevation",
    "processing:level": "level",
    "s2:water_percentage": "water_percentage",
}
"""The twelve attributes that the stock plugins know of a DID (ours has the whole document), under the aliases that our
queryables have too: the stock Postgres plugin takes no key with a colon."""

PLAIN: Final = """
CREATE SCHEMA plain;
CREATE TABLE plain.item AS
    SELECT name AS id, collection, geometry AS geom, extent_start AS datetime, eo_cloud_cover AS cloud
    FROM dafab.document WHERE NOT partial AND collection IS NOT NULL;
ALTER TABLE plain.item ADD PRIMARY KEY (collection, id);
CREATE INDEX ON plain.item USING gist (geom, datetime);
CREATE INDEX ON plain.item (collection, datetime DESC, id DESC);
CREATE INDEX ON plain.item (collection, cloud);
"""
"""The floor of ``bench/catalogue/baseline.py``, without the documents: what PostGIS alone needs for the same names."""

_OURS: Final = ("rucio.dids", "rucio.contents", "dafab.document", "dafab.link")
_PEERS: Final = ("rucio.did_meta", "stock.dids", "plain.item")


@dataclass(frozen=True, slots=True)
class Row:
    """An item as it is copied.

    Attributes:
        name: of its DID, a container.
        parent: the container that it is attached to.
        columns: of ``dafab.document``.
        links: relation and name of each item that it names.
        stock: its metadata for the stock plugins (JSON); ``None`` leaves their tables alone.
    """

    name: str
    parent: str
    columns: Mapping[str, Any]
    links: tuple[tuple[str, str], ...] = ()
    stock: str | None = None


def connect() -> psycopg.Connection[Any]:
    """Return a connection of its own to Rucio's database."""
    return psycopg.connect(engine().url.set(drivername="postgresql").render_as_string(hide_password=False))


def stock_postgres() -> ExternalPostgresJSONDidMeta:
    """Return the stock Postgres plugin on a table of its own; makes the table where it is missing."""
    url = make_url(engine().url)
    with connect() as connection:
        connection.execute(f"CREATE SCHEMA IF NOT EXISTS {STOCK_SCHEMA}")
    return ExternalPostgresJSONDidMeta(
        url.host, url.port, url.database, url.username, url.password, STOCK_SCHEMA, "dids", table_is_managed=True
    )


def read_rows(count: int) -> Iterator[Row]:
    """Yield the generated items of a catalogue of `count` scenes, scenes first."""
    for name in ("items.ndjson", "derived.ndjson"):
        for line in read_lines(generated(count) / name):
            yield make_row(line)


def make_row(line: Line) -> Row:
    """Return an item as loading its line would store it."""
    parsed = parse(line, COLLECTIONS)
    if not isinstance(parsed, Reject) and (leaf := parsed.document["properties"].get("dafab:class")):
        parsed.document["properties"]["themes"] = [{"concepts": [{"id": LEAVES[leaf]}]}]
    prepared = parsed if isinstance(parsed, Reject) else prepare(parsed)
    if not isinstance(prepared, PreparedItem):
        raise SystemExit(f"line {prepared.line} was refused: {prepared.reason}")
    properties = orjson.loads(line.text)["properties"]
    stock = orjson.dumps({key: properties[name] for name, key in STOCK_KEYS.items() if name in properties}).decode()
    links = tuple((link.rel, link.name) for link in prepared.links)
    return Row(prepared.name, prepared.collection, prepared.columns, links, stock)


def copy_rows(rows: Iterable[Row], connection: psycopg.Connection[Any]) -> int:
    """Copy items with their DIDs and attachments, a batch a transaction, without the indexes of ``dafab.document``.

    The indexes are made again at the end, and the tables analysed. Returns how many items there were.
    """
    indexes = _drop_indexes(connection)
    count, left = 0, iter(rows)
    while batch := list(islice(left, BATCH)):
        _copy_batch(batch, connection)
        connection.commit()
        count += len(batch)
    for definition in indexes:
        connection.execute(definition)
    connection.commit()
    return count


def analyse(connection: psycopg.Connection[Any], *, peers: bool = False) -> None:
    """Vacuum and analyse the tables, as the autovacuum of a catalogue at rest has done."""
    connection.autocommit = True
    for name in (*_OURS, *(_PEERS if peers else ())):
        connection.execute(f"VACUUM (ANALYZE) {name}")


def _drop_indexes(connection: psycopg.Connection[Any]) -> list[str]:
    """Drop the indexes of the documents but for the primary key, and return how they are made."""
    rows = connection.execute(
        "SELECT indexname, indexdef FROM pg_indexes WHERE schemaname = 'dafab' AND tablename = 'document'"
        " AND indexname <> 'document_pkey' ORDER BY indexname"
    ).fetchall()
    for name, _ in rows:
        connection.execute(sql.SQL("DROP INDEX dafab.{}").format(sql.Identifier(name)))
    connection.commit()
    return [definition for _, definition in rows]


def _copy_batch(batch: Sequence[Row], connection: psycopg.Connection[Any]) -> None:
    now = datetime.now(UTC).replace(tzinfo=None)
    did = ("scope", "name", "account", "did_type", "is_open", "availability", "created_at", "updated_at")
    content = ("scope", "name", "child_scope", "child_name", "did_type", "child_type", "rule_evaluation")
    content += ("created_at", "updated_at")
    _copy(connection, "rucio.dids", did, ((SCOPE, r.name, "dafab_admin", "C", True, "A", now, now) for r in batch))
    attached = ((SCOPE, r.parent, SCOPE, r.name, "C", "C", True, now, now) for r in batch)
    _copy(connection, "rucio.contents", content, attached)
    documents = ({**r.columns, "scope": SCOPE, "name": r.name, "did_type": "C"} for r in batch)
    copy_in(connection.cursor(), document, (*COLUMNS, document.c.did_type), documents)
    links = ((SCOPE, r.name, rel, SCOPE, target) for r in batch for rel, target in r.links)
    _copy(connection, "dafab.link", ("scope", "name", "rel", "target_scope", "target_name"), links)
    if batch[0].stock is not None:
        meta = ((SCOPE, r.name, r.stock, now, now) for r in batch)
        _copy(connection, "rucio.did_meta", ("scope", "name", "meta", "created_at", "updated_at"), meta)
        data = (("def", SCOPE, r.name, r.stock) for r in batch)
        _copy(connection, f"{STOCK_SCHEMA}.dids", ("vo", "scope", "name", "data"), data)


def _copy(
    connection: psycopg.Connection[Any], table: str, columns: Sequence[str], rows: Iterable[Sequence[Any]]
) -> None:
    into = sql.SQL("COPY {} ({}) FROM STDIN").format(sql.SQL(table), sql.SQL(", ").join(map(sql.Identifier, columns)))
    with connection.cursor().copy(into) as copy:
        for row in rows:
            copy.write_row(row)


def main() -> int:
    """Fill the cluster of this environment and say how long it took."""
    began = perf_counter()
    # Nothing that is made here refers to itself: looking for such garbage doubles the time.
    gc.disable()
    stock_postgres().client.close()
    with connect() as connection:
        count = copy_rows(read_rows(int(sys.argv[1])), connection)
        connection.execute(PLAIN)
        connection.commit()
        analyse(connection, peers=True)
    print(f"filled with {count} items in {perf_counter() - began:.0f} s", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
