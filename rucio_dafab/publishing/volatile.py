"""Replicas on a volatile RSE: storage whose keeper lets files come and go, as the rolling store does.

Rucio keeps no rules there and deletes nothing: the keeper tells what is there, where, and what is no longer.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from rucio.common.exception import RSENotFound
from rucio.common.types import InternalAccount, InternalScope
from rucio.core import permission, volatile_replica
from rucio.core import rse as rses
from rucio.db.sqla import models
from rucio.db.sqla.constants import DIDType
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from rucio_dafab.catalogue.errors import DidUnknown
from rucio_dafab.permission import WITHDRAW_ACTION
from rucio_dafab.publishing.errors import PublishDenied
from rucio_dafab.publishing.published import PublishedFile
from rucio_dafab.stac.errors import DocumentInvalid

_REPLICA: Final = models.RSEFileAssociation
_DID: Final = models.DataIdentifier


def rse_id_of(rse: str, vo: str, session: Session) -> str:
    """Return Rucio's own name of an RSE.

    Raises:
        DidUnknown: if there is none.
    """
    try:
        return str(rses.get_rse_id(rse, vo=vo, session=session))
    except RSENotFound as error:
        raise DidUnknown(f"there is no RSE {rse}") from error


def is_volatile(rse_id: str, session: Session) -> bool:
    """Return whether the files of an RSE come and go without Rucio."""
    return bool(rses.get_rse(rse_id, session=session)["volatile"])


def split(
    by_rse: Mapping[str, Sequence[PublishedFile]], vo: str, session: Session
) -> tuple[dict[str, Sequence[PublishedFile]], dict[str, Sequence[PublishedFile]]]:
    """Return which files are on RSEs that Rucio keeps, and which on volatile ones.

    Raises:
        DidUnknown: if there is no such RSE.
        DocumentInvalid: if a file on a volatile RSE does not say where it is, or one on another RSE does.
    """
    kept: dict[str, Sequence[PublishedFile]] = {}
    told: dict[str, Sequence[PublishedFile]] = {}
    for rse, files in by_rse.items():
        volatile = is_volatile(rse_id_of(rse, vo, session), session)
        (told if volatile else kept)[rse] = files
        for file in files:
            if volatile and not file.path:
                raise DocumentInvalid(f"the file {file.name} does not say its path on the volatile RSE {rse}")
            if file.path and not volatile:
                raise DocumentInvalid(f"the file {file.name} has a path, and RSE {rse} names its files itself")
    return kept, told


def declare(
    scope: InternalScope, rse: str, files: Sequence[PublishedFile], *, account: InternalAccount, session: Session
) -> int:
    """Say where files are on a volatile RSE, registering those that are new; return how many replicas are.

    Args:
        scope: scope of the files.
        rse: name of the RSE.
        files: the files with their paths; what is registered of them already has these sizes and checksums.
        account: the owner of new ones.
        session: the transaction.
    """
    rse_id = rse_id_of(rse, scope.vo, session)
    names = [file.name for file in files]
    _add_dids(scope, files, account, session)
    statement = select(_REPLICA.name, _REPLICA.path).where(_REPLICA.scope == scope, _REPLICA.rse_id == rse_id)
    known = dict(session.execute(statement.where(_REPLICA.name.in_(names))).tuples().all())
    new = [file for file in files if file.name not in known]
    if new:
        lines: list[dict[str, Any]] = [{"scope": scope, "name": file.name} for file in new]
        volatile_replica.add_volatile_replicas(rse_id, lines, session=session)
    for file in files:
        if known.get(file.name) != file.path:
            place = (_REPLICA.scope == scope, _REPLICA.name == file.name, _REPLICA.rse_id == rse_id)
            session.execute(
                update(_REPLICA).where(*place).values(path=file.path), execution_options={"synchronize_session": False}
            )
    return len(new)


def withdraw(scope: InternalScope, rse: str, names: Sequence[str], *, issuer: str, session: Session) -> tuple[str, ...]:
    """Say that files are no longer on a volatile RSE; return those that Rucio thought there. Their DIDs stay.

    Args:
        scope: scope of the files.
        rse: name of the RSE.
        names: the files.
        issuer: the account that asks; it needs the right to delete in the collections of the files.
        session: the caller's transaction.

    Raises:
        DidUnknown: if there is no such RSE.
        DocumentInvalid: if it is not volatile: Rucio deletes there itself.
        PublishDenied: if the account may not delete one of them.
    """
    rse_id = rse_id_of(rse, scope.vo, session)
    if not is_volatile(rse_id, session):
        raise DocumentInvalid(f"RSE {rse} is not volatile: what it holds is Rucio's to delete, by rules and lifetimes")
    statement = select(_REPLICA.name).where(
        _REPLICA.scope == scope, _REPLICA.rse_id == rse_id, _REPLICA.name.in_(list(names))
    )
    found = tuple(sorted(session.scalars(statement).all()))
    arguments = {"scope": scope, "names": found}
    account = InternalAccount(issuer, vo=scope.vo)
    if found and not permission.has_permission(
        issuer=account, action=WITHDRAW_ACTION, kwargs=arguments, session=session
    ):
        raise PublishDenied(f"account {issuer} may not withdraw {scope.external}:{found[0]} and others from {rse}")
    lines: list[dict[str, Any]] = [{"scope": scope, "name": name} for name in found]
    if lines:
        volatile_replica.delete_volatile_replicas(rse_id, lines, session=session)
    return found


def _add_dids(scope: InternalScope, files: Sequence[PublishedFile], account: InternalAccount, session: Session) -> None:
    """Add the FILE DIDs that are missing: Rucio makes them with replicas, but for volatile ones, which need them."""
    statement = select(_DID.name).where(_DID.scope == scope, _DID.name.in_([file.name for file in files]))
    known = set(session.scalars(statement).all())
    for file in files:
        if file.name not in known:
            values = {"bytes": file.bytes, "adler32": file.adler32, "md5": file.md5}
            made = _DID(scope=scope, name=file.name, account=account, did_type=DIDType.FILE, is_new=None, **values)
            made.save(session=session, flush=False)
    session.flush()
