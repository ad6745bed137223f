"""One statement a rule: which links should be there and are not, and which are there and should not be.

Each item looks for its partners over an index (LATERAL): the footprint's, the one of a queryable's column, or those of
links. Since it takes the nearest few alone, there are never more links than items times these few.
"""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from rucio.common.types import InternalScope
from sqlalchemy import (
    CTE,
    ColumnElement,
    FromClause,
    Select,
    Text,
    and_,
    cast,
    exists,
    false,
    func,
    literal,
    not_,
    or_,
    select,
    true,
    tuple_,
    union,
    union_all,
)
from sqlalchemy.dialects.postgresql import ARRAY

from rucio_dafab.catalogue.interlinking_rules import Order, Rule
from rucio_dafab.catalogue.links import link
from rucio_dafab.catalogue.tables import document, extent_range
from rucio_dafab.query.sql_time import closed_range
from rucio_dafab.stac.links import DERIVED

Condition = ColumnElement[bool]

_SOURCE: Final = "source"
_TARGET: Final = "target"
_MEMBERS: Final = ("name", "rel", "target_scope", "target_name", "rule")


@dataclass(frozen=True, slots=True)
class Task:
    """A rule, and on what it is used.

    Attributes:
        rule: the rule.
        scope: of all items.
        source_classes: ids of which an item of the one collection must say one; ``None`` where it need not.
        target_classes: the same for the other collection.
        since: only links are looked at that may differ by documents changed since; ``None`` for all.
    """

    rule: Rule
    scope: InternalScope
    source_classes: Sequence[str] | None = None
    target_classes: Sequence[str] | None = None
    since: datetime | None = None


def differences(task: Task) -> Select[Any]:
    """Return the statement whose rows are links by the rule, members as in ``dafab.link``, and whether they must go.

    In the order of the names of the items that have or get them. Superseded, hidden and partial documents neither get
    nor are named by any.
    """
    affected = _affected(task) if task.since is not None else None
    wanted, held = _wanted(task, affected).cte("wanted"), _held(task, affected).cte("held")
    made = select(wanted).except_(select(held)).subquery()
    gone = select(held).except_(select(wanted)).subquery()
    both = union_all(select(made, false().label("gone")), select(gone, true().label("gone"))).subquery()
    return select(both).order_by(both.c.name, both.c.target_name)


def of_no_rule(scope: InternalScope, names: Collection[str]) -> Select[Any]:
    """Return the statement for the links by rules of other names than these, as rows of :func:`differences`."""
    known = func.split_part(link.c.rule, "/", 1).in_(list(names))
    chosen = select(*_columns(link), true().label("gone"))
    return chosen.where(link.c.scope == scope, link.c.rule.is_not(None), not_(known)).order_by(link.c.name)


def _wanted(task: Task, affected: CTE | None) -> Select[Any]:
    """Return the links that should be there."""
    rule, near, far = task.rule, document.alias("near"), document.alias("far")
    away = func.abs(func.extract("epoch", near.c.extent_start - far.c.extent_start))
    best = (
        select(far.c.scope, far.c.name)
        .where(*_fits(task, far, _TARGET), *_matches(rule, near, far, _TARGET))
        .order_by(away.nulls_last(), far.c.name)
        .limit(rule.nearest)
        .lateral("best")
    )
    members = (
        near.c.name,
        literal(rule.relation, Text).label("rel"),
        best.c.scope.label("target_scope"),
        best.c.name.label("target_name"),
        literal(rule.tag, Text).label("rule"),
    )
    some = () if affected is None else (near.c.name.in_(select(affected.c.name)),)
    return select(*members).select_from(near.join(best, true())).where(*_fits(task, near, _SOURCE), *some)


def _held(task: Task, affected: CTE | None) -> Select[Any]:
    """Return the links that the rule made, in whatever version."""
    some = () if affected is None else (link.c.name.in_(select(affected.c.name)),)
    return select(*_columns(link)).where(_by_rule(task), *some)


def _by_rule(task: Task) -> Condition:
    return and_(link.c.scope == task.scope, link.c.rule.is_not(None), link.c.rule.like(f"{task.rule.name}/%"))


def _columns(links: FromClause) -> list[ColumnElement[Any]]:
    return [links.c[name] for name in _MEMBERS]


def _affected(task: Task) -> CTE:
    """Return the names of the items whose links may differ by documents that were changed since.

    These, those that match one of them, and those with a link to what was changed or no longer fits.
    """
    near, far = document.alias("source_item"), document.alias("target_item")
    changed = select(near.c.name).where(*_fits(task, near, _SOURCE), near.c.updated_at >= task.since)
    reached = (
        select(near.c.name)
        .where(*_fits(task, near, _SOURCE), *_matches(task.rule, far, near, _SOURCE))
        .lateral("reached")
    )
    partners = (
        select(reached.c.name)
        .select_from(far.join(reached, true()))
        .where(*_fits(task, far, _TARGET), far.c.updated_at >= task.since)
    )
    own = and_(near.c.scope == link.c.scope, near.c.name == link.c.name, *_fits(task, near, _SOURCE))
    to = and_(far.c.scope == link.c.target_scope, far.c.name == link.c.target_name, *_fits(task, far, _TARGET))
    right = and_(exists().where(own), exists().where(to, far.c.updated_at < task.since))
    other = or_(link.c.rule != task.rule.tag, link.c.rel != task.rule.relation)
    lost = select(link.c.name).where(_by_rule(task), or_(not_(right), other))
    return union(changed, partners, lost).cte("affected")


def _fits(task: Task, documents: FromClause, side: str) -> Iterator[Condition]:
    """Yield what a document of one side must be, whatever stands on the other."""
    is_source = side == _SOURCE
    yield documents.c.scope == task.scope
    yield documents.c.collection == (task.rule.source if is_source else task.rule.target)
    yield documents.c.latest
    yield documents.c.partial.is_(False)
    yield documents.c.did_suppressed.is_(False)
    classes = task.source_classes if is_source else task.target_classes
    if classes is not None:
        yield documents.c.classes.op("&&", is_comparison=True)(cast(list(classes), ARRAY(Text)))


def _matches(rule: Rule, given: FromClause, sought: FromClause, side: str) -> Iterator[Condition]:
    """Yield what must hold between two documents, so that one is found over an index.

    Args:
        rule: the rule.
        given: the document at hand.
        sought: the one that is looked for.
        side: on which side of the rule that stands.
    """
    source, target = (given, sought) if side == _TARGET else (sought, given)
    if rule.same_source:
        yield tuple_(sought.c.scope, sought.c.name).in_(_siblings(given))
    for column in rule.same:
        yield sought.c[column] == given.c[column]
    if rule.footprint is not None:
        yield func.ST_Intersects(sought.c.geometry, given.c.geometry)
    if rule.footprint:
        common = func.ST_Area(func.ST_Intersection(sought.c.geometry, given.c.geometry))
        smaller = func.least(func.ST_Area(sought.c.geometry), func.ST_Area(given.c.geometry))
        yield common >= literal(rule.footprint) * smaller
    if rule.days is not None:
        yield given.c.extent_start.is_not(None)
        yield sought.c.extent_start.is_not(None)
        window = closed_range(*_window(rule, given, rule.days, side))
        yield extent_range(sought).op("&&", is_comparison=True)(window)
    if rule.order is not None:
        first, last = (target, source) if rule.order is Order.EARLIER else (source, target)
        least = timedelta(days=rule.days_at_least)
        gap = last.c.extent_start - first.c.extent_start
        yield gap >= least if least else gap > least


def _window(rule: Rule, given: FromClause, days: float, side: str) -> tuple[ColumnElement[Any], ColumnElement[Any]]:
    """Return between which times lies some of what is sought; with the order, it says what the days do, and no more."""
    begin, end = given.c.extent_start, given.c.extent_end
    most, least = timedelta(days=days), timedelta(days=rule.days_at_least)
    if rule.order is None:
        return begin - most, end + most
    is_earlier = (rule.order is Order.EARLIER) == (side == _TARGET)
    return (begin - most, begin - least) if is_earlier else (begin + least, end + most)


def _siblings(given: FromClause) -> Select[Any]:
    """Return scope and name of what is derived from an item from which a document is derived."""
    own, other = link.alias("own"), link.alias("other")
    return (
        select(other.c.scope, other.c.name)
        .where(own.c.scope == given.c.scope, own.c.name == given.c.name, own.c.rel == DERIVED)
        .where(other.c.target_scope == own.c.target_scope, other.c.target_name == own.c.target_name)
        .where(other.c.rel == DERIVED)
        .correlate(given)
    )
