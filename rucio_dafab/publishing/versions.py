"""A new version of an item: whom it succeeds, and which older ones leave.

The older ones stay unless the publisher says how many shall. Those that leave expire: Rucio's undertaker, judge and
reaper delete them, with their files, as any other DID (see ADR 0012).
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from rucio.common.types import InternalAccount, InternalScope
from rucio.core import did as dids
from rucio.core import permission
from rucio.core import rule as rules
from rucio.db.sqla import models
from sqlalchemy import func, or_, select
from sqlalchemy.orm import Session

from rucio_dafab.catalogue import documents, successors
from rucio_dafab.catalogue.errors import DidUnknown
from rucio_dafab.publishing.errors import PublishConflict, PublishDenied
from rucio_dafab.publishing.published import dataset_of
from rucio_dafab.stac.errors import DocumentInvalid
from rucio_dafab.stac.links import PREDECESSOR, VERSIONS, address, named_by

_DID: Final = models.DataIdentifier
_CONTENTS: Final = models.DataIdentifierAssociation
_RULE: Final = models.ReplicationRule


def version_links(
    item: Mapping[str, Any],
    before: Mapping[str, Any] | None,
    predecessor: str | None,
    *,
    scope: InternalScope,
    session: Session,
) -> list[tuple[str, str]]:
    """Return the links, as relation and address, by which an item tells of its other versions.

    The predecessor is held from now on, and what came before it: nobody else becomes its successor.

    Args:
        item: the item to publish.
        before: the document that is published under its id, where there is one: its links to other versions stay.
        predecessor: name of the item that it succeeds; else the one that its own link names, if that is here.
        scope: scope of both.
        session: the caller's transaction.

    Raises:
        DidUnknown: if there is no such predecessor.
        DocumentInvalid: if it is the item itself.
        PublishConflict: if it is in another collection, a later version, or has another successor.
    """
    kept = [(each["rel"], each["href"]) for each in _links(before or {}) if each["rel"] in VERSIONS]
    name = predecessor or _named_predecessor(item, scope, session)
    if name is None:
        return kept
    stored = _checked_predecessor(name, item, scope, session)
    later = [(rel, href) for rel, href in kept if rel != PREDECESSOR]
    return [(PREDECESSOR, address(stored)), *later]


def leave(scope: InternalScope, name: str, keep: int, *, issuer: InternalAccount, session: Session) -> tuple[str, ...]:
    """Let the versions before an item expire, but for the nearest ones; return the names of those that leave.

    Args:
        scope: its scope.
        name: its name.
        keep: how many older ones stay.
        issuer: the account that asks; it needs the right to delete them.
        session: the caller's transaction.

    Raises:
        PublishDenied: if it has not.
    """
    leaving = successors.older(scope, name, session=session)[keep:]
    for each in leaving:
        _check_may_delete(scope, each, issuer, session)
        _expire(scope, [each, dataset_of(each)], session)
        _expire_rules_of_files(scope, dataset_of(each), session)
    return tuple(leaving)


def _links(document: Mapping[str, Any]) -> list[dict[str, str]]:
    links = document.get("links", [])
    return [each for each in links if isinstance(each.get("rel"), str) and isinstance(each.get("href"), str)]


def _named_predecessor(item: Mapping[str, Any], scope: InternalScope, session: Session) -> str | None:
    for each in _links(item):
        named = named_by(each["href"]) if each["rel"] == PREDECESSOR else None
        if named is not None and named[0] in {None, scope.external}:
            stored = documents.get(scope, named[1], session=session)
            if stored is not None and not stored.partial:
                return named[1]
    return None


def _checked_predecessor(
    name: str, item: Mapping[str, Any], scope: InternalScope, session: Session
) -> Mapping[str, Any]:
    """Return the document of a predecessor that is held, after checking that the item can succeed it."""
    did = f"{scope.external}:{name}"
    if name == item["id"]:
        raise DocumentInvalid(f"{did} cannot be its own predecessor")
    successors.hold(scope, [name, *successors.older(scope, name, session=session)], session=session)
    stored = documents.get(scope, name, session=session)
    if stored is None or stored.partial or stored.document["type"] != "Feature":
        raise DidUnknown(f"there is no item {did} that could be the predecessor")
    if stored.document.get("collection") != item["collection"]:
        raise PublishConflict(f"{did} is in {stored.document.get('collection')}, not in {item['collection']}")
    if item["id"] in successors.older(scope, name, session=session):
        raise PublishConflict(f"{did} is a later version of {item['id']} and cannot be its predecessor")
    others = [each for each in successors.successors(scope, name, session=session) if each != item["id"]]
    if others:
        raise PublishConflict(f"{did} has a successor already, {others[0]}: name the latest version as the predecessor")
    return stored.document


def _check_may_delete(scope: InternalScope, name: str, issuer: InternalAccount, session: Session) -> None:
    arguments = {"scope": scope, "name": name, "key": "lifetime", "value": 0, "issuer": issuer.external}
    if not permission.has_permission(issuer=issuer, action="set_metadata", kwargs=arguments, session=session):
        raise PublishDenied(f"account {issuer.external} may not delete {scope.external}:{name}")


def _expire(scope: InternalScope, names: Sequence[str], session: Session) -> None:
    """Let DIDs expire now, unless they have already."""
    alive = or_(_DID.expired_at.is_(None), _DID.expired_at > func.timezone("UTC", func.now()))
    wanted = select(_DID.name).where(_DID.scope == scope, _DID.name.in_(names), alive)
    for name in session.scalars(wanted).all():
        dids.set_metadata(scope, name, "lifetime", 0, session=session)


def _expire_rules_of_files(scope: InternalScope, dataset: str, session: Session) -> None:
    """Let the rules expire that keep single files of a dataset for their owner; others' stay."""
    statement = (
        select(_RULE.id)
        .join(_CONTENTS, (_CONTENTS.child_scope == _RULE.scope) & (_CONTENTS.child_name == _RULE.name))
        .join(_DID, (_DID.scope == _RULE.scope) & (_DID.name == _RULE.name) & (_DID.account == _RULE.account))
        .where(_CONTENTS.scope == scope, _CONTENTS.name == dataset)
    )
    for rule_id in session.scalars(statement).all():
        rules.update_rule(rule_id, {"lifetime": 0}, session=session)
