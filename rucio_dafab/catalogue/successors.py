"""Versions of an item: which came before, which is the latest, and the links by which documents tell so.

An item says by its link ``predecessor-version`` what it succeeds. The older documents get ``successor-version`` (of the
next one) and ``latest-version`` (of the last one), as STAC's version extension has them (v1.2.0, RFC 5829).
"""

from collections.abc import Iterable
from typing import Any, Final

from rucio.common.types import InternalScope
from rucio.db.sqla import models
from sqlalchemy import select
from sqlalchemy.orm import Session

from rucio_dafab.catalogue import documents
from rucio_dafab.catalogue.links import link
from rucio_dafab.catalogue.tables import document as table
from rucio_dafab.stac.links import LATEST, PREDECESSOR, SUCCESSOR, address, with_links

_DID: Final = models.DataIdentifier


def older(scope: InternalScope, name: str, *, session: Session) -> list[str]:
    """Return the versions before an item that are in the catalogue, the nearest first.

    A circle of links, which only foreign documents can make, is walked once.
    """
    found, step = {name: None}, [name]
    while step:
        statement = select(link.c.target_name).where(
            *_predecessor_links(scope),
            link.c.name.in_(step),
            link.c.target_name == table.c.name,
            table.c.scope == scope,
        )
        step = [each for each in session.scalars(statement.order_by(link.c.target_name)) if each not in found]
        found |= dict.fromkeys(step)
    return list(found)[1:]


def successors(scope: InternalScope, name: str, *, session: Session) -> list[str]:
    """Return the items that name this one as their predecessor, by name."""
    return _successors_of(scope, [name], session)[name]


def hold(scope: InternalScope, names: Iterable[str], *, session: Session) -> None:
    """Keep others from deleting these items, from changing them, and from becoming their successors, until the end.

    In the order of names, as everybody locks several.
    """
    wanted = list(names)
    dids = select(_DID.name).where(_DID.scope == scope, _DID.name.in_(wanted)).order_by(_DID.name)
    session.execute(dids.with_for_update(key_share=True)).all()
    rows = select(table.c.name).where(table.c.scope == scope, table.c.name.in_(wanted)).order_by(table.c.name)
    session.execute(rows.with_for_update()).all()


def tell_predecessors(scope: InternalScope, name: str, *, session: Session) -> None:
    """Set the links of the versions before an item, which are held (see :func:`hold`), as they follow from it."""
    after = _newest(scope, name, session)
    before = older(scope, after, session=session)
    if not before:
        return
    following = _successors_of(scope, before, session)
    named = {after, *before, *(each for some in following.values() for each in some)}
    dids = [(scope, each) for each in sorted(named)]
    stored = {each.name: each for each in documents.get_bulk(dids, session=session)}
    addresses = {each: address(stored[each].document) if each in stored else each for each in named}
    for each in before:
        next_ones = [(SUCCESSOR, addresses[one]) for one in following[each] if one != each]
        if each not in stored or not next_ones:
            continue
        links = [*next_ones, (LATEST, addresses[after])]
        told = with_links(stored[each].document, links, replaced={SUCCESSOR, LATEST})
        if told != stored[each].document:
            documents.write_held(stored[each], told, session=session)


def _successors_of(scope: InternalScope, names: Iterable[str], session: Session) -> dict[str, list[str]]:
    """Return the items that name each of some as their predecessor, by name."""
    found: dict[str, list[str]] = {name: [] for name in names}
    statement = select(link.c.target_name, link.c.name).where(
        *_predecessor_links(scope), link.c.target_name.in_(list(found))
    )
    for target, name in session.execute(statement.order_by(link.c.name)):
        found[target].append(name)
    return found


def _newest(scope: InternalScope, name: str, session: Session) -> str:
    """Return the last version after an item; where two succeed one, the way of the last name is taken."""
    seen = {name}
    while following := [each for each in successors(scope, name, session=session) if each not in seen]:
        name = following[-1]
        seen.add(name)
    return name


def _predecessor_links(scope: InternalScope) -> tuple[Any, ...]:
    return link.c.scope == scope, link.c.target_scope == scope, link.c.rel == PREDECESSOR
