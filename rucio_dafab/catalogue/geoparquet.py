"""Files of STAC items as GeoParquet (stac-geoparquet 1.0), which cloud tools read by column, neither held in memory.

A column has one type in all rows, and a member that an item lacks is null in its row. So what is read again is the
same but for members that were null, which are absent then (``datetime`` stays), whole numbers beside fractions
(``5`` is ``5.0``), and the spelling of times (``…:31Z`` is ``…:31.000000Z``).
"""

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, Final

import orjson
import pyarrow as pa
import pyarrow.parquet as pq
import shapely
from stac_geoparquet.arrow import parse_stac_ndjson_to_parquet, stac_table_to_items

from rucio_dafab.catalogue.lines import LONGEST_LINE, FileUnreadable, Line, discard

ROWS: Final = 1000
"""Items that are held at once, about 10 MB of documents."""

# What the library takes for a footprint that is not there: it knows none, nor a collection of geometries.
_NOWHERE: Final = {"type": "Polygon", "coordinates": []}
_NOWHERE_WKB: Final = shapely.to_wkb(shapely.Polygon(), flavor="iso")
_GEOMETRIES: Final = ("geometry", "proj:geometry")
_NO_BOX: Final = [180.0, 90.0, -180.0, -90.0]
"""The box of an item without one, which the library has no place for: west above east, so that nothing lies in it."""


def write_items(path: Path, documents: Iterable[str]) -> int:
    """Write items to a file and return how many; without any, the file is not made.

    They lie beside it as lines meanwhile, since the columns are known only when all have been seen.

    Args:
        path: of the file, which appears under its name at once.
        documents: STAC items as JSON.

    Raises:
        FileUnreadable: if it cannot be written, or if a member has values that no one type holds.
    """
    lines, part = path.with_name(f"{path.name}.lines.part"), path.with_name(f"{path.name}.part")
    try:
        written = _write_lines(lines, documents)
        if written:
            parse_stac_ndjson_to_parquet(
                lines, part, chunk_size=ROWS, drop_invalid_properties=False, compression="zstd"
            )
            part.replace(path)
    except (pa.ArrowException, ValueError) as error:
        reason = " ".join(str(error).split())[:300]
        raise FileUnreadable(
            f"the items do not fit into one table ({reason}): write them as NDJSON, or a collection at a time"
        ) from error
    except OSError as error:
        raise FileUnreadable(f"{path} cannot be written: {error}") from error
    finally:
        for each in (lines, part):
            discard(each)
    return written


def _write_lines(path: Path, documents: Iterable[str]) -> int:
    written = 0
    with path.open("wb") as stream:
        for document in documents:
            item = orjson.loads(document)
            item["geometry"] = item.get("geometry") or _NOWHERE
            item["bbox"] = item.get("bbox") or _NO_BOX
            item.setdefault("assets", {})
            item["properties"] = {"datetime": None} | item.get("properties", {})
            stream.write(orjson.dumps(item) + b"\n")
            written += 1
    return written


def read_lines(path: Path, progress: Callable[[int], object] | None = None) -> Iterator[Line]:
    """Yield the items of a file as lines of JSON; the number of a line is that of its row, from one.

    One that would be too long a line is none here either (:class:`rucio_dafab.catalogue.lines.Line`).

    Args:
        path: the file.
        progress: told how many bytes of the file have been read, by the share of its rows.

    Raises:
        FileUnreadable: if it cannot be read, or has not the columns of STAC items.
    """
    number, size = 0, path.stat().st_size
    try:
        with pq.ParquetFile(path) as file:
            for batch in file.iter_batches(ROWS):
                for item in _items(batch):
                    number += 1
                    text = orjson.dumps(item)
                    yield Line(number, text) if len(text) <= LONGEST_LINE else Line(number, b"", whole=False)
                if progress is not None:
                    progress(size * number // file.metadata.num_rows)
    except (OSError, pa.ArrowException, shapely.errors.ShapelyError) as error:
        raise FileUnreadable(f"{path} cannot be read: {' '.join(str(error).split())[:300]}") from error
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        # What the library meets where columns are missing or of other types than those of items.
        raise FileUnreadable(f"{path} holds no STAC items after row {number}: {error!r}"[:400]) from error


def _items(batch: pa.RecordBatch) -> Iterator[dict[str, Any]]:
    """Yield the items of a batch; geometries go past the library, which takes only polygons and their like."""
    batch.schema.field("geometry")
    found = {name: shapely.from_wkb(batch[name]) for name in _GEOMETRIES if name in batch.schema.names}
    for name in found:
        nowhere = pa.array([_NOWHERE_WKB] * len(batch), pa.binary())
        batch = batch.set_column(batch.schema.get_field_index(name), name, nowhere)
    rows = stac_table_to_items(pa.Table.from_batches([batch]))
    for row, item in enumerate(rows):
        for name, geometries in found.items():
            members = item if name == "geometry" else item["properties"]
            members[name] = _geojson(geometries[row])
        if item.get("bbox") == _NO_BOX:
            del item["bbox"]
        yield _without_nulls(item) | {
            "geometry": item["geometry"],
            "properties": {"datetime": item["properties"].get("datetime")} | _without_nulls(item["properties"]),
        }


def _geojson(geometry: Any) -> dict[str, Any] | None:
    if geometry is None or geometry.is_empty:
        return None
    found: dict[str, Any] = orjson.loads(shapely.to_geojson(geometry))
    return found


def _without_nulls(value: Any) -> Any:
    """Return a value without the members that are null: what an item never had is a null in its row."""
    if isinstance(value, dict):
        return {key: _without_nulls(member) for key, member in value.items() if member is not None}
    if isinstance(value, list):
        return [_without_nulls(each) for each in value]
    return value
