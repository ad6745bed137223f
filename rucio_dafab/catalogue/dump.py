"""All items of the catalogue as a file: documents as they were written, one a line, or GeoParquet."""

from collections.abc import Iterable
from pathlib import Path
from typing import BinaryIO, Final

from rucio.common.types import InternalScope
from sqlalchemy import select
from sqlalchemy.orm import Session

from rucio_dafab.catalogue.lines import written_whole
from rucio_dafab.catalogue.tables import document as table
from rucio_dafab.catalogue.tables import is_of_type

STREAM_ROWS: Final = 500
"""Documents that a server-side cursor hands over at once, about 5 MB."""


def dump(path: Path, scope: InternalScope, collections: Iterable[str] | None = None, *, session: Session) -> int:
    """Write the documents of the valid items of a scope in the order of their names, streamed; return how many.

    The file appears under its name when it is whole; it is packed by gzip where the name ends with ``.gz``, and it is
    :mod:`GeoParquet <rucio_dafab.catalogue.geoparquet>` where that ends with ``.parquet``.

    Raises:
        FileUnreadable: if the file cannot be written, or if the items do not fit into one table.
    """
    wanted = [table.c.scope == scope, table.c.partial.is_(False), is_of_type("Feature")]
    if collections is not None:
        wanted.append(table.c.collection.in_(list(collections)))
    rows = session.scalars(
        select(table.c.document).where(*wanted).order_by(table.c.name), execution_options={"yield_per": STREAM_ROWS}
    )
    if path.suffix == ".parquet":
        from rucio_dafab.catalogue import geoparquet  # noqa: PLC0415 - takes a second to import

        return geoparquet.write_items(path, rows)
    with written_whole(path) as stream:
        return _write(stream, rows)


def _write(stream: BinaryIO, documents: Iterable[str]) -> int:
    written = 0
    for document in documents:
        stream.write(document.encode() + b"\n")
        written += 1
    return written
