"""One batch of a bulk load within its transaction: what is new is copied in, what was there is judged one by one."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import orjson
from rucio.common.types import InternalAccount, InternalScope
from rucio.db.sqla import models
from rucio.db.sqla.constants import DIDType
from sqlalchemy import and_, delete, null, select
from sqlalchemy.orm import Session

from rucio_dafab.catalogue import containers, links
from rucio_dafab.catalogue.ancestry import ancestors_of
from rucio_dafab.catalogue.document_rows import COLUMNS, copy_in, cursor_of, insert_all, replace_all, row_of
from rucio_dafab.catalogue.prepared import PreparedItem, Reject
from rucio_dafab.catalogue.tables import document as table
from rucio_dafab.stac.asset_names import asset_names

_DID: Final = models.DataIdentifier


@dataclass(frozen=True, slots=True)
class Target:
    """Where a batch goes.

    Attributes:
        scope: scope of the items and of the containers of their collections.
        account: the owner of what is made.
        update: whether a document that differs replaces the one that is there.
    """

    scope: InternalScope
    account: InternalAccount
    update: bool = False


@dataclass(slots=True)
class Written:
    """What became of the items of a batch; ``skipped`` were there before."""

    created: int = 0
    updated: int = 0
    unchanged: int = 0
    skipped: int = 0
    rejects: list[Reject] = field(default_factory=list)


def write(items: Sequence[PreparedItem], target: Target, *, session: Session) -> Written:
    """Write what is new, or differs and may be replaced.

    Args:
        items: no name twice.
        target: where to.
        session: a transaction of its own.

    Returns:
        What became of each.
    """
    return _Batch(target, session).write(items)


class _Batch:
    def __init__(self, target: Target, session: Session) -> None:
        self._target, self._session, self._written = target, session, Written()
        self._above: dict[str, set[tuple[InternalScope, str]]] = {}

    def write(self, items: Sequence[PreparedItem]) -> Written:
        scope, account, session = self._target.scope, self._target.account, self._session
        items = self._with_collection(items)
        if not items:
            return self._written
        added = containers.add(scope, [item.name for item in items], account, session=session)
        new = [item for item in items if item.name in added]
        bare, replaced = self._wanted_of(item for item in items if item.name not in added)
        wanted = (*new, *bare, *replaced)
        attached = [*self._attach(new, new=True), *self._attach((*bare, *replaced), new=False)]
        self._copy_documents(new)
        insert_all((row_of(scope, item.name, item.columns) for item in bare), session=session)
        replace_all((row_of(scope, item.name, item.columns) for item in replaced), session=session)
        self._write_links(wanted, replaced)
        containers.tell_rucio(scope, account, added, attached, session=session)
        self._written.created += len(added)
        return self._written

    def _attach(self, items: Iterable[PreparedItem], *, new: bool) -> list[tuple[str, str]]:
        collections = {item.name: item.collection for item in items}
        if not collections:
            return []
        return containers.attach(self._target.scope, collections, new=new, session=self._session)

    def _copy_documents(self, items: Sequence[PreparedItem]) -> None:
        """Copy documents of DIDs that this transaction made: nobody else knows these, nor can have written one."""
        scope = self._target.scope
        superseded = links.superseded(scope, [item.name for item in items], session=self._session)
        did = {"did_type": DIDType.CONTAINER.value}
        made = (
            {**row_of(scope, item.name, item.columns), **did, "latest": item.name not in superseded} for item in items
        )
        with cursor_of(self._session) as cursor:
            copy_in(cursor, table, (*COLUMNS, table.c.did_type, table.c.latest), made)

    def _write_links(self, items: Sequence[PreparedItem], replaced: Sequence[PreparedItem]) -> None:
        """Write the links of items whose documents are written, in place of those of documents that were replaced."""
        scope, link = self._target.scope, links.link
        if names := [item.name for item in replaced]:
            self._session.execute(delete(link).where(link.c.scope == scope, link.c.name.in_(names)))
        names = [column.name for column in link.columns]
        made = [
            dict(zip(names, (scope.internal, name, rel, to.internal, to_name, rule), strict=True))
            for item in items
            for _, name, rel, to, to_name, rule in links.rows(scope, item.name, item.links)
        ]
        if made:
            with cursor_of(self._session) as cursor:
                copy_in(cursor, link, list(link.columns), made)

    def _with_collection(self, items: Sequence[PreparedItem]) -> list[PreparedItem]:
        """Return the items whose collection can take them."""
        faults = {
            collection: self._fault_of_collection(collection)
            for collection in sorted({item.collection for item in items})
        }
        for item in items:
            if fault := faults[item.collection]:
                self._reject(item, fault)
        return [item for item in items if faults[item.collection] is None]

    def _fault_of_collection(self, collection: str) -> str | None:
        scope = self._target.scope
        statement = select(_DID.did_type, _DID.is_open).where(_DID.scope == scope, _DID.name == collection)
        found = self._session.execute(statement.with_for_update(read=True, key_share=True)).first()
        if found is None:
            return f"there is no collection {scope.external}:{collection}"
        if found.did_type is not DIDType.CONTAINER:
            return f"{scope.external}:{collection} is a {found.did_type.name} and cannot be the collection"
        return None if found.is_open else f"the collection {scope.external}:{collection} is closed"

    def _wanted_of(self, items: Iterable[PreparedItem]) -> tuple[list[PreparedItem], list[PreparedItem]]:
        """Return those that are written of items that had a DID before: without a document on it, and with one."""
        by_name = {item.name: item for item in items}
        held = self._hold(by_name) if by_name else {}
        wanted = [item for item in by_name.values() if self._wanted(item, held.get(item.name))]
        bare = [item for item in wanted if held[item.name].partial is None]
        return bare, [item for item in wanted if held[item.name].partial is not None]

    def _hold(self, names: Iterable[str]) -> Mapping[str, Any]:
        """Return type, document and collection of DIDs by name, and keep others from writing them."""
        own = and_(table.c.scope == _DID.scope, table.c.name == _DID.name)
        document = table.c.document if self._target.update else null().label("document")
        statement = (
            select(_DID.name, _DID.did_type, table.c.partial, table.c.collection, document)
            .select_from(_DID)
            .outerjoin(table, own)
            .where(_DID.scope == self._target.scope, _DID.name.in_(list(names)))
            .order_by(_DID.name)
            .with_for_update(key_share=True, of=_DID)
        )
        return {row.name: row for row in self._session.execute(statement)}

    def _wanted(self, item: PreparedItem, row: Any) -> bool:
        """Return whether an item that has a DID is written; count or reject it where it is not."""
        if row is None:
            self._reject(item, "its DID was deleted in the same moment: load it again")
            return False
        if row.partial is False and not self._target.update:
            self._written.skipped += 1
            return False
        if fault := self._fault_of_did(item, row):
            self._reject(item, fault)
            return False
        if row.partial is False and row.document.encode() == item.columns["document"]:
            self._written.unchanged += 1
            return False
        self._written.created += row.partial is not False
        self._written.updated += row.partial is False
        return True

    def _fault_of_did(self, item: PreparedItem, row: Any) -> str | None:
        if row.did_type is not DIDType.CONTAINER:
            return f"the DID is a {row.did_type.name} already, not a CONTAINER"
        if self._is_above(item):
            return f"the collection {item.collection} lies below it: it cannot be an item of it"
        if row.partial is not False:
            return None
        if row.collection != item.collection:
            return f"it is in the collection {row.collection}, not in {item.collection}"
        if asset_names(orjson.loads(row.document)) != asset_names(orjson.loads(item.columns["document"])):
            return "it is published with files, which the new document does not name: publish it instead"
        return None

    def _is_above(self, item: PreparedItem) -> bool:
        scope, collection = self._target.scope, item.collection
        if collection not in self._above:
            above = ancestors_of(scope, collection, session=self._session)
            self._above[collection] = {(scope, collection), *above}
        return (scope, item.name) in self._above[collection]

    def _reject(self, item: PreparedItem, reason: str) -> None:
        self._written.rejects.append(Reject(item.line, item.name, reason))
