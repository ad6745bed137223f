"""Rucio's permission hook: ``etc/permissions.toml`` answers, and Rucio's generic rules where it is silent."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final

from rucio.common.exception import AccessDenied
from rucio.common.types import InternalAccount, InternalScope
from rucio.db.sqla import models
from sqlalchemy import event, select, tuple_
from sqlalchemy.orm import Session

from rucio_dafab import rights
from rucio_dafab.catalogue.ancestry import collections_of
from rucio_dafab.rights import Operation

PUBLISH_ACTION: Final = "dafab_publish"
"""Our own action; its arguments are ``scope`` (InternalScope) and ``collection``, and where these are known the
``names`` of the DIDs that would be registered and the ``parent`` of the item."""

WITHDRAW_ACTION: Final = "dafab_withdraw"
"""Our own action: to say that files are no longer on a volatile RSE; its arguments are ``scope`` and ``names``."""

EXPIRY_KEYS: Final = frozenset({"lifetime", "expired_at", "eol_at", "purge_replicas"})
"""Metadata by which Rucio is told to delete a DID."""

WHOLE_DOCUMENT: Final = ""
"""Key of a DID's whole document, as its JSON pointer; set to ``None`` it stands for removing the document."""

Did = tuple[InternalScope, str]
Collections = Mapping[tuple[str, str], set[str]]
Judge = Callable[[InternalAccount, Mapping[str, Any], Session], bool | None]

_ADOPTING: Final = "dafab_adopting"
"""In a session's ``info``: who makes DIDs in it, and which."""


def has_permission(issuer: InternalAccount, action: str, kwargs: Mapping[str, Any], *, session: Session) -> bool | None:
    """Return whether an account may do something; ``None`` leaves the answer to Rucio's generic rules.

    Args:
        issuer: who asks.
        action: Rucio's name of the call, or :data:`PUBLISH_ACTION`.
        kwargs: the arguments of the call, as Rucio's gateway hands them over.
        session: the caller's transaction.
    """
    judge = _JUDGES.get(action)
    if judge is None or not rights.load().governs(issuer.external):
        return None
    try:
        return judge(issuer, kwargs, session)
    except (AttributeError, TypeError):
        # Rucio takes a TypeError for a missing action and asks its generic rules: malformed arguments must not pass so.
        return False


def _publish(issuer: InternalAccount, kwargs: Mapping[str, Any], session: Session) -> bool | None:
    scope, table = kwargs["scope"], rights.load()
    if not _ours([scope]):
        return None
    if table.everywhere(issuer.external, Operation.PUBLISH):
        return True
    dids = [(scope, name) for name in kwargs.get("names", ())]
    parents = [(scope, kwargs["parent"])] if kwargs.get("parent") else []
    found = collections_of([*dids, *parents], session=session)
    return (
        table.all_of(issuer.external, Operation.PUBLISH, [kwargs["collection"]])
        and all(_may_link(issuer, parent, found) for parent in parents)
        and _may_register_over(issuer, dids, found, session)
    )


def _withdraw(issuer: InternalAccount, kwargs: Mapping[str, Any], session: Session) -> bool | None:
    if not _ours([kwargs["scope"]]):
        return None
    dids = [(kwargs["scope"], name) for name in kwargs["names"]]
    found = collections_of(dids, session=session)
    return all(_may(issuer, Operation.DELETE, did, found, session) for did in dids)


def _may_register_over(issuer: InternalAccount, dids: Sequence[Did], found: Collections, session: Session) -> bool:
    """Judge by what is there under the names already: one's own, or in collections where one may publish."""
    table = rights.load()
    placed = [each for each in (found[scope.internal, name] for scope, name in dids) if each]
    bare = [(scope, name) for scope, name in dids if not found[scope.internal, name]]
    return all(table.all_of(issuer.external, Operation.PUBLISH, each) for each in placed) and all(
        owner == issuer for owner in _owners(bare, session)
    )


def _owners(dids: Sequence[Did], session: Session) -> Sequence[InternalAccount]:
    """Return who made those of the DIDs that there are."""
    model = models.DataIdentifier
    statement = select(model.account).where(tuple_(model.scope, model.name).in_(dids))
    return session.scalars(statement).all() if dids else ()


def _register(issuer: InternalAccount, kwargs: Mapping[str, Any], session: Session) -> bool | None:
    """Judge a call that makes DIDs: a new one belongs to no collection, but its metadata may name one."""
    made = kwargs.get("dids", [kwargs])
    session.info[_ADOPTING] = issuer, [(did["scope"], did["name"]) for did in made]
    if not _ours(did["scope"] for did in made):
        return None
    named = {str(did["meta"]["collection"]) for did in made if (did.get("meta") or {}).get("collection")}
    allowed = rights.load().some(issuer.external, Operation.REGISTER)
    return allowed and (not named or rights.load().all_of(issuer.external, Operation.DESCRIBE, named))


def _sample(issuer: InternalAccount, kwargs: Mapping[str, Any], _session: Session) -> bool | None:
    """Judge a call that makes a dataset of some files of another one: those stay what they are."""
    return rights.load().some(issuer.external, Operation.REGISTER) if _ours([kwargs["scope"]]) else None


@event.listens_for(Session, "before_commit")
def _judge_children(session: Session) -> None:
    """Judge what new DIDs were made with: Rucio attaches their children without asking, nor says which they are.

    Raises:
        AccessDenied: if a child is not the account's to attach; the transaction is then rolled back.
    """
    issuer, parents = session.info.pop(_ADOPTING, (None, ()))
    if not parents:
        return
    contents = models.DataIdentifierAssociation
    statement = select(contents.child_scope, contents.child_name)
    rows = session.execute(statement.where(tuple_(contents.scope, contents.name).in_(parents)).distinct()).tuples()
    children = [(scope, name) for scope, name in rows if _ours([scope])]
    found = collections_of(children, session=session)
    for scope, name in children:
        if not _may(issuer, Operation.ATTACH, (scope, name), found, session):
            raise AccessDenied(f"account {issuer.external} may not attach {scope.external}:{name}")


def _add_replicas(issuer: InternalAccount, _kwargs: Mapping[str, Any], _session: Session) -> bool | None:
    """Judge a call of which Rucio tells only the RSE."""
    return rights.load().some(issuer.external, Operation.REGISTER)


def _delete_replicas(issuer: InternalAccount, _kwargs: Mapping[str, Any], _session: Session) -> bool | None:
    """Judge a call of which Rucio tells only the RSE: it could be anybody's replicas."""
    return rights.load().everywhere(issuer.external, Operation.DELETE)


def _add_rule(issuer: InternalAccount, kwargs: Mapping[str, Any], _session: Session) -> bool | None:
    """Deny rules on our DIDs to an account that may not write; Rucio judges those of the others."""
    if _ours(did["scope"] for did in kwargs["dids"]) and not rights.load().some(issuer.external, Operation.REGISTER):
        return False
    return None


def _attach(issuer: InternalAccount, kwargs: Mapping[str, Any], session: Session) -> bool | None:
    pairs = [
        ((attachment["scope"], attachment["name"]), (_scope(child["scope"], attachment["scope"]), child["name"]))
        for attachment in _attachments(kwargs)
        for child in attachment["dids"]
    ]
    if not _ours(scope for pair in pairs for scope, _ in pair):
        return None
    found = collections_of({did for pair in pairs for did in pair}, session=session)
    return all(
        _may_link(issuer, parent, found) and _may(issuer, Operation.ATTACH, child, found, session, parent=parent)
        for parent, child in pairs
    )


def _may_link(issuer: InternalAccount, parent: Did, found: Collections) -> bool:
    """Judge by the collections of what is attached to: one's own data must not stand among those of others."""
    table, collections = rights.load(), found[parent[0].internal, parent[1]]
    return not collections or table.all_of(issuer.external, Operation.LINK, collections)


def _attachments(kwargs: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Return parent and children of the three calls that attach or detach."""
    if "attachments" in kwargs:
        return list(kwargs["attachments"])
    return [{"scope": kwargs["scope"], "name": kwargs["name"], "dids": kwargs.get("attachment", kwargs)["dids"]}]


def _describe(issuer: InternalAccount, kwargs: Mapping[str, Any], session: Session) -> bool | None:
    if not _ours([kwargs["scope"]]):
        return None
    values = kwargs["meta"] if "meta" in kwargs else {kwargs.get("key"): kwargs.get("value")}
    operations = {Operation.DELETE if _removes(key, value) else Operation.DESCRIBE for key, value in values.items()}
    if all(rights.load().everywhere(issuer.external, operation) for operation in operations):
        return True
    did = (kwargs["scope"], kwargs["name"])
    found = collections_of([did], session=session)
    named = {str(values[key]) for key in ("collection", "/collection") if values.get(key)}
    return all(
        _may(issuer, operation, did, found, session)
        and (not named or rights.load().all_of(issuer.external, operation, named))
        for operation in operations
    )


def _removes(key: str | None, value: Any) -> bool:
    return key in EXPIRY_KEYS or (key == WHOLE_DOCUMENT and value is None)


def _may(
    issuer: InternalAccount,
    operation: Operation,
    did: Did,
    found: Collections,
    session: Session,
    *,
    parent: Did | None = None,
) -> bool:
    """Judge by the collections of a DID, else by those of its parent to be, else by who made them."""
    table, account = rights.load(), issuer.external
    collections = found[did[0].internal, did[1]] or (found[parent[0].internal, parent[1]] if parent else set())
    if table.everywhere(account, operation) or table.all_of(account, operation, collections):
        return True
    made = [each for each in (did, parent) if each is not None]
    return not collections and table.some(account, operation) and all(_made_by(issuer, each, session) for each in made)


def _made_by(issuer: InternalAccount, did: Did, session: Session) -> bool:
    model = models.DataIdentifier
    owner = session.execute(select(model.account).where(model.scope == did[0], model.name == did[1])).scalar()
    return bool(owner == issuer)


def _scope(scope: InternalScope | str, like: InternalScope) -> InternalScope:
    """Return a scope that the gateway may have left as the client wrote it."""
    return scope if isinstance(scope, InternalScope) else InternalScope(scope, vo=like.vo)


def _ours(scopes: Iterable[InternalScope]) -> bool:
    return any(scope.external in rights.load().scopes for scope in scopes)


_JUDGES: Final[dict[str, Judge]] = {
    PUBLISH_ACTION: _publish,
    WITHDRAW_ACTION: _withdraw,
    "add_did": _register,
    "add_dids": _register,
    "create_did_sample": _sample,
    "add_replicas": _add_replicas,
    "delete_replicas": _delete_replicas,
    "add_rule": _add_rule,
    "attach_dids": _attach,
    "attach_dids_to_dids": _attach,
    "detach_dids": _attach,
    "set_metadata": _describe,
    "set_metadata_bulk": _describe,
    "set_status": _describe,
}
