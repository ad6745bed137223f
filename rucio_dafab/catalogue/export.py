"""Items and collections for other catalogues: JSON-LD of DCAT or PROV-O, streamed, one object a document."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, BinaryIO, Final, Literal

import orjson
from sqlalchemy import Text, any_, literal, select
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Session

from rucio_dafab.catalogue.lines import written_whole
from rucio_dafab.catalogue.search import Search, own_statement
from rucio_dafab.catalogue.tables import document as table
from rucio_dafab.catalogue.tables import is_of_type
from rucio_dafab.stac import export_dcat, export_prov
from rucio_dafab.stac.export_iris import Surroundings
from rucio_dafab.stac.export_terms import DCAT_CONTEXT, PROV_CONTEXT, Context
from rucio_dafab.stac.export_values import Node
from rucio_dafab.stac.links import links_of

BATCH: Final = 200
"""Documents that are in memory at a time."""

LINES: Final = frozenset({".ndjson", ".ndjsonld", ".jsonl"})
"""Endings of files that hold one object a line."""

Vocabulary = Literal["dcat", "prov"]
"""In whose terms an export speaks."""


@dataclass(frozen=True, slots=True)
class Terms:
    """How documents are told in a vocabulary: its context, and what makes a node of an item and of a collection."""

    context: Context
    item: Callable[[Mapping[str, Any], Iterable[str], Surroundings], Node]
    collection: Callable[[Mapping[str, Any], Surroundings], Node]


TERMS: Final[Mapping[Vocabulary, Terms]] = {
    "dcat": Terms(DCAT_CONTEXT, export_dcat.item, export_dcat.collection),
    "prov": Terms(PROV_CONTEXT, export_prov.item, export_prov.collection),
}


@dataclass(frozen=True, slots=True)
class Exported:
    """How many of each were written."""

    items: int
    collections: int


@dataclass(frozen=True, slots=True)
class Export:
    """What to write.

    Attributes:
        terms: in which terms.
        search: which items; the collections that they belong to come along.
        root: address of the site, without a slash at its end: IRIs begin with it.
        collections: those that come along even without items; ``None`` for all.
        lines: whether each object is a document of its own, on a line with the context; else all are one ``@graph``.
    """

    terms: Terms
    search: Search
    root: str
    collections: frozenset[str] | None = None
    lines: bool = False


def is_lines(path: Path) -> bool:
    """Return whether the name of a file asks for one object a line; a packed one ends with ``.gz`` after that."""
    return (path.with_suffix("") if path.suffix == ".gz" else path).suffix.lower() in LINES


def export_file(path: Path, wanted: Export, *, session: Session) -> Exported:
    """Write a file, which appears under its name when it is whole; packed by gzip where that ends with ``.gz``.

    Raises:
        FileUnreadable: if it cannot be written.
    """
    with written_whole(path) as stream:
        return export(stream, wanted, session=session)


def export(stream: BinaryIO, wanted: Export, *, session: Session) -> Exported:
    """Write the items in the order of their names, then their collections."""
    known = _collections(wanted.search, session)
    around = Surroundings(wanted.root, wanted.search.scope.external, known)
    writer = _Writer(stream, wanted.terms.context, lines=wanted.lines)
    met: set[str] = set()
    items = 0
    for batch in _batches(wanted, session):
        documents = [(orjson.loads(text), classes or ()) for text, classes in batch]
        near = replace(around, known=_targets([each for each, _ in documents], wanted.search, session))
        for document, classes in documents:
            writer.write(wanted.terms.item(document, classes, near))
            met.add(str(document.get("collection")))
        items += len(documents)
    if wanted.collections is not None:
        known = {name: document for name, document in known.items() if name in met | wanted.collections}
    for document in known.values():
        writer.write(wanted.terms.collection(document, around))
    writer.end()
    return Exported(items, len(known))


class _Writer:
    """Writes objects one after the other, as lines or as one document."""

    def __init__(self, stream: BinaryIO, context: Context, *, lines: bool) -> None:
        self._stream, self._lines = stream, lines
        self._context = orjson.dumps({"@context": context})[:-1]
        self._written = 0

    def write(self, node: Node) -> None:
        """Write an object."""
        spelled = orjson.dumps(node)
        if self._lines:
            self._stream.write(self._context + b"," + spelled[1:] + b"\n")
        else:
            self._stream.write((b",\n" if self._written else self._begin()) + spelled)
        self._written += 1

    def end(self) -> None:
        """Write what comes after the last object."""
        if not self._lines:
            self._stream.write((b"" if self._written else self._begin()) + b"\n]}\n")

    def _begin(self) -> bytes:
        return self._context + b',\n"@graph":[\n'


def _batches(wanted: Export, session: Session) -> Iterator[Sequence[tuple[str, list[str] | None]]]:
    found = own_statement(wanted.search, table.c.document, table.c.classes)
    valid = found.where(table.c.partial.is_(False), is_of_type("Feature"))
    rows = session.execute(valid.order_by(table.c.name), execution_options={"yield_per": BATCH})
    for batch in rows.partitions(BATCH):
        yield [(row.document, row.classes) for row in batch]


def _collections(search: Search, session: Session) -> dict[str, dict[str, Any]]:
    """Return the documents of the collections of a scope: they are few."""
    valid = table.c.scope == search.scope, table.c.partial.is_(False), is_of_type("Collection")
    rows = session.scalars(select(table.c.document).where(*valid).order_by(table.c.name))
    return {found["id"]: found for found in map(orjson.loads, rows)}


def _targets(documents: Iterable[Mapping[str, Any]], search: Search, session: Session) -> dict[str, str | None]:
    """Return which items, of those that the links lead to, are here, with their collections."""
    scope = search.scope.external
    led = (link for each in documents for link in links_of(each, str(each["id"])))
    names = sorted({link.name for link in led if link.scope in {None, scope}})
    if not names:
        return {}
    here = table.c.name == any_(literal(names, ARRAY(Text)))
    found = select(table.c.name, table.c.collection).where(table.c.scope == search.scope, here, is_of_type("Feature"))
    return dict(session.execute(found).tuples().all())
