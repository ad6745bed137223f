"""What ``dasi`` prints. Answers go to standard output, everything else to standard error."""

import json
import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

from rich.console import Console
from rich.filesize import decimal
from rich.table import Table
from rich.text import Text

from dasi_backend.items import Item, Retrieved
from dasi_backend.schema import KeyDescription
from dasi_backend.store import Product

_WIDE: Final = 10_000
"""Columns where nobody looks on: a file or a pipe gets whole identifiers, and a table is as wide as what is in it."""


def console() -> Console:
    """Return the console for answers."""
    return _verbatim(file=sys.stdout, width=None if sys.stdout.isatty() else _WIDE)


def progress_console() -> Console:
    """Return the console for everything that is no answer."""
    return _verbatim(stderr=True)


def print_json(value: Any) -> None:
    """Print a value as JSON."""
    sys.stdout.write(json.dumps(value, indent=1, ensure_ascii=False) + "\n")


def product_record(product: Product) -> dict[str, Any]:
    """Return a product as JSON says it."""
    return {
        "id": product.key.id,
        "key": product.key.index,
        "dated_by": product.key.dated_by,
        "bands": list(product.bands),
        "files": len(product.manifest.files),
        "bytes": product.manifest.size,
        "archived": datetime.fromtimestamp(product.manifest.archived, UTC).isoformat(),
        "content": f"blake3:{product.manifest.content}",
    }


def product_table(products: Sequence[Product]) -> Table:
    """Return the rolling store as a table; a date that is not the item's ``datetime`` says so."""
    total = decimal(sum(product.manifest.size for product in products))
    table = Table(title=f"{len(products)} products, {total}", title_justify="left")
    for column in ("id", "date", "mission", "level", "tile", "bands"):
        table.add_column(column, overflow="fold")
    table.add_column("size", justify="right")
    table.add_column("archived (UTC)")
    for product in products:
        key = product.key
        day = f"{key.date[:4]}-{key.date[4:6]}-{key.date[6:]}"
        table.add_row(
            key.id,
            f"{day} (its start)" if key.dated_by == "start_datetime" else day,
            key.mission,
            key.level,
            key.tile,
            " ".join(product.bands),
            decimal(product.manifest.size),
            f"{datetime.fromtimestamp(product.manifest.archived, UTC):%Y-%m-%d %H:%M}",
        )
    return table


def item_table(items: Sequence[Item], columns: Mapping[str, str]) -> Table:
    """Return items as a table.

    Args:
        items: What was found.
        columns: Heading by key.
    """
    table = Table(title=f"{len(items)} files, {decimal(sum(item.length for item in items))}", title_justify="left")
    for heading in (*columns.values(), "name", "size"):
        table.add_column(heading, overflow="fold", justify="right" if heading == "size" else "left")
    for item in items:
        table.add_row(*(item.key.get(key, "") for key in columns), item.name, decimal(item.length))
    return table


def extent_table(items: Sequence[Item]) -> Table:
    """Return where the bytes of items are."""
    table = Table(title=f"{len(items)} objects", title_justify="left")
    table.add_column("name", overflow="fold")
    table.add_column("offset", justify="right")
    table.add_column("length", justify="right")
    table.add_column("file", overflow="fold")
    for item in items:
        table.add_row(item.name, str(item.offset), str(item.length), item.uri)
    return table


def schema_table(keys: Sequence[KeyDescription]) -> Table:
    """Return the keys of requests as a table."""
    table = Table(title=f"{len(keys)} keys", title_justify="left")
    for column in ("key", "type", "unit", "store", "documents", "answered by", "description"):
        table.add_column(column, overflow="fold")
    for key in keys:
        described = f"= {key.alias_of}" if key.alias_of else key.description
        origin = " ".join(key.documents)
        # As texts: a description may hold brackets, which are no markup.
        cells = (key.key, key.type, key.unit or "", key.store or "", origin, ", ".join(key.answered_by), described)
        table.add_row(*map(Text, cells))
    return table


def retrieved_line(retrieved: Retrieved) -> Text:
    """Return a line for a file that was written."""
    kept = ", was there" if retrieved.kept else ""
    return Text(f"{retrieved.path}  {retrieved.name}  {decimal(retrieved.bytes)}{kept}")


def _verbatim(**options: Any) -> Console:
    """Return a console on which brackets and colons mean themselves: what is printed is what others wrote."""
    return Console(markup=False, emoji=False, highlight=False, **options)
