"""Inherited reads: what the documents above a DID say, along Rucio's attachments.

At most :data:`rucio_dafab.catalogue.ancestry.MAX_DEPTH` levels are climbed, as Rucio's own inherited metadata does; so
a circle, which Rucio refuses to attach, could not keep anybody here. An ancestor that is reached on several ways counts
at its least depth, and of several at one depth the first by scope and name comes first.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from rucio.common.types import InternalScope
from rucio.db.sqla.constants import DIDType
from sqlalchemy import and_, bindparam, func, literal, select, tuple_
from sqlalchemy.orm import Session

from rucio_dafab.catalogue.ancestry import MAX_DEPTH
from rucio_dafab.catalogue.reads import ReadDocument, asked_dids, parameters_of, read_known
from rucio_dafab.catalogue.tables import document as table
from rucio_dafab.catalogue.targets import CONTENTS, DIDS

Did = tuple[InternalScope, str]


@dataclass(frozen=True, slots=True)
class Ancestor:
    """A DID above another one: how many levels, and its document (of which the text is ``None`` where it has none)."""

    depth: int
    read: ReadDocument


def ancestors(dids: Sequence[Did], *, session: Session) -> dict[Did, list[Ancestor]]:
    """Return what is above each of the DIDs, by depth, scope and name, with the documents; two statements for all."""
    ways = _ways(dids, session)
    above = {did for found in ways.values() for did, _ in found}
    documents = {(read.scope, read.name): read for read in read_known(list(above), session=session)}
    return {
        did: [Ancestor(depth, documents[each]) for each, depth in ways.get(did, ()) if each in documents]
        for did in dids
    }


def nearest(dids: Sequence[Did], *, session: Session) -> dict[Did, ReadDocument]:
    """Return the document that answers for a file or a dataset without one: that of the nearest ancestor which has one.

    Args:
        dids: DIDs without documents; containers among them have no answer.
        session: the caller's transaction.
    """
    kind = select(DIDS.c.scope, DIDS.c.name).where(DIDS.c.did_type != DIDType.CONTAINER)
    some = kind.where(tuple_(DIDS.c.scope, DIDS.c.name).in_(dids))
    ways = _ways([(scope, name) for scope, name in session.execute(some)] if dids else [], session)
    above = list({did for found in ways.values() for did, _ in found})
    key = (table.c.scope, table.c.name)
    described = set(session.execute(select(*key).where(tuple_(*key).in_(above))).tuples()) if above else set()
    chosen = {did: next((each for each, _ in found if each in described), None) for did, found in ways.items()}
    wanted = list({each for each in chosen.values() if each is not None})
    documents = {(read.scope, read.name): read for read in read_known(wanted, session=session)}
    return {did: documents[each] for did, each in chosen.items() if each in documents}


def merged(documents: Iterable[Mapping[str, object]]) -> dict[str, object]:
    """Return the keys of several, of each the value of the first that has it."""
    found: dict[str, object] = {}
    for document in documents:
        found = {**document, **found}
    return found


def _ways(dids: Sequence[Did], session: Session) -> dict[Did, list[tuple[Did, int]]]:
    """Return the ancestors of each DID with their depth, in order."""
    if not dids:
        return {}
    asked = parameters_of(dids) | {"most": MAX_DEPTH}
    found: dict[Did, list[tuple[Did, int]]] = {}
    for of_scope, of_name, scope, name, depth in session.execute(_climb, asked):
        found.setdefault((of_scope, of_name), []).append(((scope, name), depth))
    return found


_asked = asked_dids()
_way = (
    select(
        _asked.c.scope.label("of_scope"),
        _asked.c.name.label("of_name"),
        CONTENTS.c.scope,
        CONTENTS.c.name,
        literal(1).label("depth"),
    )
    .where(CONTENTS.c.child_scope == _asked.c.scope, CONTENTS.c.child_name == _asked.c.name)
    .cte("way", recursive=True)
)
_way = _way.union(
    select(_way.c.of_scope, _way.c.of_name, CONTENTS.c.scope, CONTENTS.c.name, _way.c.depth + 1).where(
        CONTENTS.c.child_scope == _way.c.scope, CONTENTS.c.child_name == _way.c.name, _way.c.depth < bindparam("most")
    )
)
_depth = func.min(_way.c.depth)
_climb = (
    select(_way.c.of_scope, _way.c.of_name, _way.c.scope, _way.c.name, _depth)
    .where(~and_(_way.c.scope == _way.c.of_scope, _way.c.name == _way.c.of_name))
    .group_by(_way.c.of_scope, _way.c.of_name, _way.c.scope, _way.c.name)
    .order_by(_depth, _way.c.scope, _way.c.name)
)
