"""The files behind the assets of documents, and where their replicas are."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from rucio.common.exception import RucioException
from rucio.common.types import InternalScope
from rucio.core.rse import get_rse_name
from rucio.db.sqla import models
from rucio.db.sqla.constants import ReplicaState
from rucio.rse import rsemanager
from sqlalchemy import select, tuple_
from sqlalchemy.orm import Session

from rucio_dafab.catalogue import documents
from rucio_dafab.catalogue.errors import DidUnknown
from rucio_dafab.stac.asset_names import asset_names
from rucio_dafab.stac.errors import KeyUnknown

_DIDS, _REPLICAS = models.DataIdentifier.__table__, models.RSEFileAssociation.__table__


@dataclass(frozen=True, slots=True)
class Replica:
    """A copy of a file that can be read: the name of the RSE and the physical file name there."""

    rse: str
    pfn: str


@dataclass(frozen=True, slots=True)
class AssetFile:
    """A FILE DID behind an asset: size in bytes, checksums in hexadecimal, and its available replicas."""

    scope: InternalScope
    name: str
    bytes: int | None
    adler32: str | None
    md5: str | None
    replicas: tuple[Replica, ...]


def find_asset(scope: InternalScope, item: str, asset: str, *, session: Session) -> AssetFile:
    """Return the file of one asset of an item.

    Raises:
        DidUnknown: if the item has no document, or its file is not registered.
        KeyUnknown: if the document has no such asset with a file.
    """
    stored = documents.get(scope, item, session=session)
    if stored is None:
        raise DidUnknown(f"there is no item {scope.external}:{item}")
    name = asset_names(stored.document).get(asset)
    if name is None:
        raise KeyUnknown(f"{scope.external}:{item} has no asset {asset!r} with a file")
    found = files_of([(scope, name)], session=session).get((scope.internal, name))
    if found is None:
        raise DidUnknown(f"the file {scope.external}:{name} of {item} is not registered")
    return found


def files_of(names: Iterable[tuple[InternalScope, str]], *, session: Session) -> dict[tuple[str, str], AssetFile]:
    """Return the files of those names that are registered, by (scope, name), with their replicas, by one statement."""
    wanted = list(names)
    if not wanted:
        return {}
    c, r = _DIDS.c, _REPLICAS.c
    available = (r.scope == c.scope) & (r.name == c.name) & (r.state == ReplicaState.AVAILABLE)
    statement = (
        select(c.scope, c.name, c.bytes, c.adler32, c.md5, r.rse_id, r.path)
        .select_from(_DIDS.outerjoin(_REPLICAS, available))
        .where(tuple_(c.scope, c.name).in_(wanted))
        .order_by(c.scope, c.name, r.rse_id)
    )
    return {(file.scope.internal, file.name): file for file in _grouped(session.execute(statement), _Places(session))}


def _grouped(rows: Iterable[Any], places: "_Places") -> Iterator[AssetFile]:
    """Join the rows of one file, which follow each other."""
    current: AssetFile | None = None
    for scope, name, size, adler32, md5, rse_id, path in rows:
        replicas = () if rse_id is None else places.replica(rse_id, scope, name, path)
        if current is not None and (current.scope, current.name) == (scope, name):
            replicas = current.replicas + replicas
        elif current is not None:
            yield current
        current = AssetFile(scope, name, size, adler32, md5, replicas)
    if current is not None:
        yield current


class _Places:
    """Physical file names, with each RSE's protocol made once."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._protocols: dict[str, tuple[str, Any] | None] = {}

    def replica(self, rse_id: str, scope: InternalScope, name: str, path: str | None) -> tuple[Replica, ...]:
        """Return the replica, or nothing where the RSE has no protocol to read with."""
        if rse_id not in self._protocols:
            self._protocols[rse_id] = self._protocol(rse_id)
        known = self._protocols[rse_id]
        if known is None:
            return ()
        rse, protocol = known
        lfn = {"scope": scope.external, "name": name} | ({"path": path} if path else {})
        return (Replica(rse, str(next(iter(protocol.lfns2pfns([lfn]).values())))),)

    def _protocol(self, rse_id: str) -> tuple[str, Any] | None:
        settings = rsemanager.get_rse_info(rse_id=rse_id, session=self._session)
        try:
            protocol = rsemanager.create_protocol(settings, "read", domain="wan")
        except RucioException:
            return None
        return get_rse_name(rse_id, session=self._session), protocol
