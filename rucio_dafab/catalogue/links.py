"""Links between documents: which item a STAC link names, and the table ``dafab.link`` that holds them both ways.

A link's ``href`` names an item by an address that ends with ``/collections/<collection>/items/<id>`` (a STAC API's,
whatever its host, since documents move between sites) or ``/dids/<scope>/<name>`` (Rucio's), by a DID
``<scope>:<name>``, or by a name alone, as files of items do. Where no scope is given it is the document's own.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import unquote, urlsplit

from rucio.common.types import InternalScope
from rucio.db.sqla import models
from sqlalchemy import (
    Column,
    ColumnElement,
    ForeignKeyConstraint,
    Index,
    Table,
    Text,
    delete,
    exists,
    insert,
    select,
    tuple_,
)
from sqlalchemy.orm import Session

from rucio_dafab.catalogue.tables import document as documents
from rucio_dafab.catalogue.tables import metadata

PREDECESSOR: Final = "predecessor-version"
SUCCESSOR: Final = "successor-version"
LATEST: Final = "latest-version"
"""Link relations of RFC 5829, as STAC's version extension uses them."""

NOT_KEPT: Final = frozenset(
    {"self", "root", "parent", "child", "item", "items", "collection", "canonical", "alternate"}
)
"""Relations that tell where a document itself stands: attachments know what is above and below it."""

_LONGEST_REL: Final = 100
_LONGEST_HREF: Final = 2000
_SCOPE: Final = r"[A-Za-z0-9_.\-]{1,25}"
_NAME: Final = r"[A-Za-z0-9][A-Za-z0-9.\-_]{0,249}"
_ITEM: Final = re.compile(rf"(?:^|.*/)collections/[^/]+/items/({_NAME})/?")
_RUCIO: Final = re.compile(rf"(?:^|.*/)dids/({_SCOPE})/({_NAME})/?")
_DID: Final = re.compile(rf"(?:({_SCOPE}):)?({_NAME})")
_SCOPE_TYPE: Final = models.DataIdentifier.__table__.c.scope.type
_NAME_TYPE: Final = models.DataIdentifier.__table__.c.name.type

link: Final = Table(
    "link",
    metadata,
    Column("scope", _SCOPE_TYPE, nullable=False),
    Column("name", _NAME_TYPE, nullable=False),
    Column("rel", Text, nullable=False),
    Column("target_scope", _SCOPE_TYPE, nullable=False),
    Column("target_name", _NAME_TYPE, nullable=False),
    ForeignKeyConstraint(
        ["scope", "name"], [documents.c.scope, documents.c.name], ondelete="CASCADE", name="link_document"
    ),
)
"""``dafab.link``: a link of a document to another DID, once each; that DID need not be there.

Triggers of the database keep ``dafab.document.latest`` right: it is false where some link ``predecessor-version`` names
the document.
"""

Index("link_source", link.c.scope, link.c.name, link.c.rel)
Index("link_target", link.c.target_scope, link.c.target_name, link.c.rel)

Row = tuple[InternalScope, str, str, InternalScope, str]
"""A row of the table: the DID of the document, the relation, the DID that it names."""


@dataclass(frozen=True, slots=True)
class Link:
    """Where a link leads: its relation, and the DID that it names; no scope stands for the document's own."""

    rel: str
    scope: str | None
    name: str


def links_of(document: Mapping[str, Any], name: str) -> tuple[Link, ...]:
    """Return the links of a document that name other DIDs, each once, in their order.

    Args:
        document: any JSON object; what is no link in it is passed over.
        name: name of its DID.
    """
    written = document.get("links")
    found: dict[Link, None] = {}
    for each in written if isinstance(written, list) else ():
        rel, href = (each.get("rel"), each.get("href")) if isinstance(each, dict) else (None, None)
        if not isinstance(rel, str) or rel in NOT_KEPT or not 1 <= len(rel) <= _LONGEST_REL:
            continue
        named = named_by(href)
        if named is not None and named != (None, name):
            found[Link(rel, *named)] = None
    return tuple(found)


def named_by(href: object) -> tuple[str | None, str] | None:
    """Return scope (``None`` for the document's own) and name of the DID that a link's ``href`` names, or ``None``.

    Args:
        href: an address, a DID, or a name.
    """
    if not isinstance(href, str) or len(href) > _LONGEST_HREF:
        return None
    if "/" not in href:
        found = _DID.fullmatch(href)
        return None if found is None else (found[1], found[2])
    try:
        path = unquote(urlsplit(href).path)
    except ValueError:
        return None
    if found := _ITEM.fullmatch(path):
        return None, found[1]
    if found := _RUCIO.fullmatch(path):
        return found[1], found[2]
    return None


def write(
    scope: InternalScope, name: str, document: Mapping[str, Any], *, is_new: bool = False, session: Session
) -> None:
    """Write the links of a document that is stored, in place of any that it had.

    Whoever calls this holds the DID, so that no other writes them at the same time.

    Args:
        scope: scope of the DID.
        name: name of the DID.
        document: its document.
        is_new: whether it is known to have had none.
        session: the caller's transaction.
    """
    own = (link.c.scope == scope, link.c.name == name)
    target = (link.c.rel, link.c.target_scope, link.c.target_name)
    known = set() if is_new else set(session.execute(select(*target).where(*own)).tuples())
    wanted = {row[2:] for row in rows(scope, name, links_of(document, name))}
    if gone := known - wanted:
        session.execute(delete(link).where(*own, tuple_(*target).in_(gone)))
    if made := wanted - known:
        columns = [column.name for column in link.columns]
        session.execute(
            insert(link), [dict(zip(columns, (scope, name, *to), strict=True)) for to in sorted(made, key=str)]
        )


def rows(scope: InternalScope, name: str, links: Iterable[Link]) -> Iterator[Row]:
    """Yield the links of a document as rows of the table, without any to itself."""
    for each in links:
        to = scope if each.scope is None else InternalScope(each.scope, vo=scope.vo)
        if (to, each.name) != (scope, name):
            yield scope, name, each.rel, to, each.name


def without_successor(scope: Any, name: Any) -> ColumnElement[bool]:
    """Return the test that no document names a DID as its predecessor: what ``latest`` is for a new document.

    Args:
        scope: SQL for the scope of the DID.
        name: SQL for its name.
    """
    return ~exists().where(link.c.target_scope == scope, link.c.target_name == name, link.c.rel == PREDECESSOR)
