"""What stands in a relation of the ontology to some documents: step by step along links and attachments, as SQL."""

from collections.abc import Iterable
from typing import Any, Final

from rucio.db.sqla import models
from sqlalchemy import CTE, ColumnElement, FromClause, Select, and_, select, true, union_all

from rucio_dafab.catalogue.links import link
from rucio_dafab.catalogue.tables import document
from rucio_dafab.vocabulary.ontology_relations import Way

_CONTENTS: Final = models.DataIdentifierAssociation.__table__


def reaching(found: Select[Any], way: Way) -> CTE:
    """Return the DIDs from which some step of a way leads to one of `found`, or several steps where it is transitive.

    Cycles end it: each DID is reached once.

    Args:
        found: scope and name of documents.
        way: the steps.
    """
    ends = found.cte()
    first = union_all(*(_step(each, ends) for each in way.steps)).subquery()
    start = select(first.c.scope, first.c.name)
    if not way.transitive:
        return start.cte()
    walk = start.cte(recursive=True)
    # Each step from what was reached is one look at an index: what is reached is little beside all links.
    onwards = union_all(*(_step(each, walk, lateral=True) for each in way.steps)).lateral()
    return walk.union(select(onwards.c.scope, onwards.c.name).select_from(walk.join(onwards, true())))


def _step(step: str, ends: FromClause, *, lateral: bool = False) -> Select[Any]:
    """Return from where a step leads to `ends`."""
    kind, _, rel = step.partition(":")
    if rel:
        near, far, tables, condition = _by_link(kind, rel)
    else:
        near, far, tables, condition = _by_attachment(kind)
    where = and_(condition, far[0] == ends.c.scope, far[1] == ends.c.name)
    chosen = select(near[0].label("scope"), near[1].label("name")).where(where)
    return chosen.select_from(*tables).correlate(ends) if lateral else chosen.select_from(*tables, ends)


_Pair = tuple[ColumnElement[Any], ColumnElement[Any]]


def _by_link(kind: str, rel: str) -> tuple[_Pair, _Pair, Iterable[FromClause], ColumnElement[bool]]:
    each = link.alias()
    source, target = (each.c.scope, each.c.name), (each.c.target_scope, each.c.target_name)
    near, far = (source, target) if kind == "link" else (target, source)
    return near, far, (each,), each.c.rel == rel


def _by_attachment(kind: str) -> tuple[_Pair, _Pair, Iterable[FromClause], ColumnElement[bool]]:
    """Return the attachments of one item to another; collections and the files of an item are no items."""
    each, below, above = _CONTENTS.alias(), document.alias(), document.alias()
    parent, child = (each.c.scope, each.c.name), (each.c.child_scope, each.c.child_name)
    near, far = (child, parent) if kind == "ancestor" else (parent, child)
    both = and_(
        below.c.scope == child[0],
        below.c.name == child[1],
        below.c.collection.is_not(None),
        above.c.scope == parent[0],
        above.c.name == parent[1],
        above.c.collection.is_not(None),
    )
    return near, far, (each, below, above), both
