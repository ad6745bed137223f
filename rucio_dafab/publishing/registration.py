"""The DIDs of an item: container, dataset, files with their replicas and rules, through Rucio's core."""

import logging
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final
from urllib.parse import unquote, urlsplit

from rucio.common import exception
from rucio.common.checksum import adler32
from rucio.common.types import InternalAccount, InternalScope
from rucio.core import did as dids
from rucio.core import replica as replicas
from rucio.core import rule as rules
from rucio.db.sqla import models
from rucio.db.sqla.constants import DIDType
from rucio.rse import rsemanager
from sqlalchemy import select
from sqlalchemy.orm import Session

from rucio_dafab.publishing import volatile
from rucio_dafab.publishing.errors import PublishConflict
from rucio_dafab.publishing.published import PublishedFile
from rucio_dafab.stac.errors import DocumentInvalid

_LOG: Final = logging.getLogger(__name__).log
_DIDS: Final = models.DataIdentifier
_CONTENTS: Final = models.DataIdentifierAssociation


def register(
    scope: InternalScope,
    item: str,
    dataset: str,
    parents: Sequence[str],
    files: Sequence[PublishedFile],
    *,
    account: InternalAccount,
    session: Session,
) -> None:
    """Make what is missing of an item's container, dataset, files, replicas, rules and attachments.

    Args:
        scope: scope of all of them.
        item: name of the container.
        dataset: name of the dataset.
        parents: names of the containers that hold the item.
        files: the files, each on its RSE already.
        account: the owner to be.
        session: the transaction.

    Raises:
        DocumentInvalid: if a file is not where its RSE keeps it, or has other bytes.
        PublishConflict: if something else has one of the names, or a container is closed.
        DidUnknown: if there is no such RSE.
    """
    by_rse, told = volatile.split(_by_rse(files), scope.vo, session)
    rse_ids = {rse: volatile.rse_id_of(rse, scope.vo, session) for rse in by_rse}
    for rse, there in by_rse.items():
        _check_bytes(rse_ids[rse], rse, scope, there, session)
    try:
        _add_collections(scope, {item: DIDType.CONTAINER, dataset: DIDType.DATASET}, account, session)
        _check_files(scope, files, session)
        for rse, there in by_rse.items():
            replicas.add_replicas(rse_ids[rse], [_line(scope, file) for file in there], account, session=session)
        for rse, there in told.items():
            volatile.declare(scope, rse, there, account=account, session=session)
        _attach(scope, {parent: [item] for parent in parents} | {item: [dataset]}, account, session)
        _attach(scope, {dataset: sorted({file.name for file in files})} if files else {}, account, session)
        _fill(scope, dataset, by_rse, len({file.name for file in files}), account, session)
    except (exception.UnsupportedOperation, exception.DuplicateContent, exception.FileConsistencyMismatch) as error:
        reason = " ".join(str(error).split())
        raise PublishConflict(f"{scope.external}:{item} cannot be registered: {reason}") from error


def _fill(
    scope: InternalScope,
    dataset: str,
    by_rse: Mapping[str, Sequence[PublishedFile]],
    every: int,
    account: InternalAccount,
    session: Session,
) -> None:
    """Keep files by rules: the dataset when all of its `every` files are on one RSE, else each."""
    for rse, there in by_rse.items():
        names = sorted({file.name for file in there})
        _keep(scope, [dataset] if len(names) == every else names, rse, account, session)


def declare_again(
    scope: InternalScope, files: Sequence[PublishedFile], *, account: InternalAccount, session: Session
) -> int:
    """Say of registered files where they are on volatile RSEs; return how many were not known to be there."""
    _, told = volatile.split(_by_rse(files), scope.vo, session)
    return sum(volatile.declare(scope, rse, there, account=account, session=session) for rse, there in told.items())


def has_files(scope: InternalScope, dataset: str, *, session: Session) -> bool:
    """Return whether any file is registered in a dataset."""
    statement = select(_CONTENTS.child_name).where(_CONTENTS.scope == scope, _CONTENTS.name == dataset).limit(1)
    return session.scalar(statement) is not None


def check_registered(scope: InternalScope, dataset: str, files: Iterable[PublishedFile], *, session: Session) -> None:
    """Check that exactly these files are registered in a dataset.

    Raises:
        PublishConflict: naming the first file that is new, gone or different.
    """
    statement = select(_DIDS.name, _DIDS.bytes, _DIDS.adler32, _DIDS.md5).join(
        _CONTENTS, (_CONTENTS.child_scope == _DIDS.scope) & (_CONTENTS.child_name == _DIDS.name)
    )
    rows = session.execute(statement.where(_CONTENTS.scope == scope, _CONTENTS.name == dataset))
    registered = {name: (size, adler32, md5) for name, size, adler32, md5 in rows}
    sent = {file.name: (file.bytes, file.adler32, file.md5) for file in files}
    for name in sorted(registered.keys() | sent.keys()):
        if registered.get(name) != sent.get(name):
            how = "is not registered" if name not in registered else "is missing" if name not in sent else "differs"
            raise PublishConflict(
                f"{scope.external}:{dataset} is published, and the file {name} {how}: files are never replaced"
            )


def _by_rse(files: Iterable[PublishedFile]) -> dict[str, list[PublishedFile]]:
    found: dict[str, list[PublishedFile]] = defaultdict(list)
    for file in files:
        found[file.rse].append(file)
    return dict(found)


def _check_bytes(rse_id: str, rse: str, scope: InternalScope, files: Sequence[PublishedFile], session: Session) -> None:
    """Check that an RSE made of files holds these bytes (size, Adler-32); others keep their own books."""
    settings = rsemanager.get_rse_info(rse_id=rse_id, session=session)
    if not settings["deterministic"]:
        raise DocumentInvalid(f"RSE {rse} is not deterministic: nothing can be published there by name")
    protocol = next((each for each in settings["protocols"] if each["scheme"] == "file"), None)
    if protocol is None:
        return
    places = rsemanager.create_protocol(settings, "read", scheme="file", logger=_LOG)
    for file in files:
        lfn = {"scope": scope.external, "name": file.name}
        pfn = str(next(iter(places.lfns2pfns([lfn]).values())))
        _check_file(Path(unquote(urlsplit(pfn).path)), Path(protocol["prefix"]), rse, file)


def _check_file(path: Path, prefix: Path, rse: str, file: PublishedFile) -> None:
    inside = path.resolve()
    if not inside.is_relative_to(prefix.resolve()):
        raise DocumentInvalid(f"the file {file.name} lies outside of RSE {rse}")
    if not inside.is_file():
        raise DocumentInvalid(f"the file {file.name} is not on RSE {rse}: upload it first")
    size = inside.stat().st_size
    if size != file.bytes:
        raise DocumentInvalid(f"the file {file.name} has {size} bytes on RSE {rse}, not {file.bytes}")
    found = adler32(inside)
    if found != file.adler32:
        raise DocumentInvalid(f"the file {file.name} has Adler-32 {found} on RSE {rse}, not {file.adler32}")


def _add_collections(
    scope: InternalScope, wanted: Mapping[str, DIDType], account: InternalAccount, session: Session
) -> None:
    """Add the containers and datasets that are missing."""
    known = _types(scope, wanted, session)
    for name, kind in wanted.items():
        if name in known and known[name] is not kind:
            raise PublishConflict(f"{scope.external}:{name} is a {known[name].name} already, not a {kind.name}")
        if name not in known:
            dids.add_did(scope, name, kind, account, session=session)


def _types(scope: InternalScope, names: Iterable[str], session: Session) -> dict[str, DIDType]:
    rows = session.execute(select(_DIDS.name, _DIDS.did_type).where(_DIDS.scope == scope, _DIDS.name.in_(list(names))))
    return dict(rows.tuples().all())


def _check_files(scope: InternalScope, files: Sequence[PublishedFile], session: Session) -> None:
    """Refuse a name that is registered for other bytes: Rucio itself would keep the old checksums without a word."""
    columns = (_DIDS.name, _DIDS.did_type, _DIDS.bytes, _DIDS.adler32, _DIDS.md5)
    names = [file.name for file in files]
    rows = session.execute(select(*columns).where(_DIDS.scope == scope, _DIDS.name.in_(names)))
    known = {name: tuple(rest) for name, *rest in rows}
    for file in files:
        if known.get(file.name, expected := (DIDType.FILE, file.bytes, file.adler32, file.md5)) != expected:
            raise PublishConflict(f"{scope.external}:{file.name} is registered with another size or checksum")


def _line(scope: InternalScope, file: PublishedFile) -> dict[str, Any]:
    """Return a file as Rucio's core wants it; the state of the replica is AVAILABLE by default."""
    return {"scope": scope, "name": file.name, "bytes": file.bytes, "adler32": file.adler32, "md5": file.md5}


def _attach(
    scope: InternalScope, children: Mapping[str, Sequence[str]], account: InternalAccount, session: Session
) -> None:
    """Attach what is not attached yet."""
    rows = session.execute(
        select(_CONTENTS.name, _CONTENTS.child_name)
        .where(_CONTENTS.scope == scope, _CONTENTS.name.in_(list(children)), _CONTENTS.child_scope == scope)
        .where(_CONTENTS.child_name.in_([name for names in children.values() for name in names]))
    )
    known = {(parent, child) for parent, child in rows}
    attachments = [
        {
            "scope": scope,
            "name": parent,
            "dids": [{"scope": scope, "name": name} for name in names if (parent, name) not in known],
        }
        for parent, names in children.items()
    ]
    missing = [attachment for attachment in attachments if attachment["dids"]]
    if missing:
        dids.attach_dids_to_dids(missing, account, session=session)


def _keep(scope: InternalScope, names: Sequence[str], rse: str, account: InternalAccount, session: Session) -> None:
    """Add the rules that keep replicas, and by whose end they go (see ADR 0005).

    One on the dataset where an RSE holds all of its files; else one a file, as a rule on the dataset would ask for
    copies that nobody made.
    """
    rules.add_rule(
        dids=[{"scope": scope, "name": name} for name in names],
        account=account,
        copies=1,
        rse_expression=rse,
        grouping="DATASET",
        weight=None,
        lifetime=None,
        locked=False,
        subscription_id=None,
        ignore_account_limit=True,
        session=session,
    )
