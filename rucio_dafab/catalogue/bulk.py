"""Many items at once: containers, attachments and documents, a batch a transaction, from a file of documents.

A batch is in the catalogue whole or not at all, and what is there is skipped by its id: a load that broke off is
finished by starting it again.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from time import perf_counter
from typing import Any, Final

import orjson
from rucio.common.types import InternalAccount, InternalScope
from rucio.core.did import list_all_parent_dids
from rucio.db.sqla import models
from rucio.db.sqla.constants import DIDType
from sqlalchemy import select
from sqlalchemy.orm import Session

from rucio_dafab.catalogue import staging
from rucio_dafab.catalogue.errors import DidUnknown
from rucio_dafab.catalogue.lines import read_lines
from rucio_dafab.catalogue.prepared import ParsedItem, PreparedItem, Reject, parse, prepare
from rucio_dafab.catalogue.tables import document as table
from rucio_dafab.stac.asset_names import asset_names

BATCH: Final = 1000
"""Items of one transaction: about 10 MB of documents."""

_DID: Final = models.DataIdentifier


@dataclass(frozen=True, slots=True)
class LoadOptions:
    """How a file is loaded.

    Attributes:
        scope: scope of the items and of the containers of their collections.
        account: the owner of what is made.
        collections: names of collections here, by those that the file uses.
        update: whether a document that differs replaces the one that is there.
        batch: items of one transaction.
    """

    scope: InternalScope
    account: InternalAccount
    collections: Mapping[str, str] = field(default_factory=dict)
    update: bool = False
    batch: int = BATCH


@dataclass(slots=True)
class LoadReport:
    """What became of the items of a file; ``skipped`` were there before. Wall time in seconds."""

    created: int = 0
    updated: int = 0
    unchanged: int = 0
    skipped: int = 0
    rejected: int = 0
    seconds: float = 0.0

    @property
    def items(self) -> int:
        """How many lines there were."""
        return self.created + self.updated + self.unchanged + self.skipped + self.rejected

    @property
    def items_per_second(self) -> float:
        """How many lines were dealt with in a second of wall time."""
        return self.items / self.seconds if self.seconds else 0.0


Transactions = Callable[[], AbstractContextManager[Session]]
"""Gives the session of a transaction that is committed when the block ends."""


def load(
    path: Path,
    options: LoadOptions,
    transactions: Transactions,
    reject: Callable[[Reject], object],
    progress: Callable[[int], object] | None = None,
) -> LoadReport:
    """Load a file of items.

    While PostgreSQL writes one batch, the next one is validated in a thread.

    Args:
        path: NDJSON, plain or packed by gzip.
        options: how.
        transactions: opens a transaction a batch; Rucio's ``db_session`` for one.
        reject: told of each line that is not loaded.
        progress: told how many bytes of the file have been read.

    Raises:
        FileUnreadable: if the file cannot be read; the batches before stay.
        DidUnknown: if there is no such account.
    """
    began, report = perf_counter(), LoadReport()

    def count_reject(found: Reject) -> None:
        report.rejected += 1
        reject(found)

    with transactions() as session:
        _check_account(options.account, session)
    with ThreadPoolExecutor(1) as preparing:
        waiting: Any = None
        for batch in _batches(path, options, count_reject, progress):
            left = list(batch) if options.update else _unknown(batch, options.scope, transactions, report)
            following = preparing.submit(_prepare_all, left)
            _write_result(waiting, options, transactions, count_reject, report)
            waiting = following
        _write_result(waiting, options, transactions, count_reject, report)
    report.seconds = perf_counter() - began
    return report


def _check_account(account: InternalAccount, session: Session) -> None:
    if session.scalar(select(models.Account.account).where(models.Account.account == account)) is None:
        raise DidUnknown(f"there is no account {account.external}")


def _batches(
    path: Path,
    options: LoadOptions,
    reject: Callable[[Reject], object],
    progress: Callable[[int], object] | None,
) -> Iterator[list[ParsedItem]]:
    """Yield batches in which no id stands twice."""
    batch: dict[str, ParsedItem] = {}
    for line in read_lines(path, progress):
        found = parse(line, options.collections)
        if isinstance(found, Reject):
            reject(found)
            continue
        if found.id in batch or len(batch) == options.batch:
            yield list(batch.values())
            batch = {}
        batch[found.id] = found
    if batch:
        yield list(batch.values())


def _unknown(
    batch: list[ParsedItem], scope: InternalScope, transactions: Transactions, report: LoadReport
) -> list[ParsedItem]:
    """Return the items without a whole document: to ask is quicker than to validate."""
    names = [item.id for item in batch]
    statement = select(table.c.name).where(table.c.scope == scope, table.c.name.in_(names), table.c.partial.is_(False))
    with transactions() as session:
        known = set(session.scalars(statement))
    report.skipped += len(known)
    return [item for item in batch if item.id not in known]


def _prepare_all(items: Iterable[ParsedItem]) -> list[PreparedItem | Reject]:
    return [prepare(item) for item in items]


def _write_result(
    waiting: Any,
    options: LoadOptions,
    transactions: Transactions,
    reject: Callable[[Reject], object],
    report: LoadReport,
) -> None:
    """Write a batch that is being prepared; what is counted is what was committed."""
    if waiting is None:
        return
    prepared = waiting.result()
    rejects = [found for found in prepared if isinstance(found, Reject)]
    items = [found for found in prepared if isinstance(found, PreparedItem)]
    with transactions() as session:
        written = _Batch(options, session).write(items)
    report.created += written.created
    report.updated += written.updated
    report.unchanged += written.unchanged
    report.skipped += written.skipped
    for found in sorted([*rejects, *written.rejects], key=lambda each: each.line):
        reject(found)


@dataclass(slots=True)
class _Written:
    created: int = 0
    updated: int = 0
    unchanged: int = 0
    skipped: int = 0
    rejects: list[Reject] = field(default_factory=list)


class _Batch:
    """One batch within its transaction."""

    def __init__(self, options: LoadOptions, session: Session) -> None:
        self._options, self._session, self._written = options, session, _Written()

    def write(self, items: list[PreparedItem]) -> _Written:
        """Write what is new, or differs and may be replaced; return what became of each."""
        options, session = self._options, self._session
        items = self._with_collection(items)
        if not items:
            return self._written
        staging.stage(options.scope, items, session=session)
        added = staging.add_containers(options.account, session=session)
        others = staging.hold_others(added, session=session)
        lines = {item.name: item for item in items}
        unwanted = {name for name, row in others.items() if not self._wanted(lines[name], row)}
        staging.leave_out(unwanted, session=session)
        attached = staging.attach(session=session)
        staging.write_documents(all_new=len(added) == len(items), session=session)
        written = [item for item in items if item.name not in unwanted]
        staging.write_links(options.scope, written, others.keys() - unwanted, session=session)
        staging.tell_rucio(options.scope, options.account, added, attached, session=session)
        self._written.created += len(added)
        return self._written

    def _with_collection(self, items: list[PreparedItem]) -> list[PreparedItem]:
        """Return the items whose collection can take them."""
        faults = {
            collection: self._fault_of_collection(collection) for collection in {item.collection for item in items}
        }
        for item in items:
            if fault := faults[item.collection]:
                self._reject(item, fault)
        return [item for item in items if faults[item.collection] is None]

    def _fault_of_collection(self, collection: str) -> str | None:
        scope = self._options.scope
        statement = select(_DID.did_type, _DID.is_open).where(_DID.scope == scope, _DID.name == collection)
        found = self._session.execute(statement.with_for_update(read=True, key_share=True)).first()
        if found is None:
            return f"there is no collection {scope.external}:{collection}"
        if found.did_type is not DIDType.CONTAINER:
            return f"{scope.external}:{collection} is a {found.did_type.name} and cannot be the collection"
        return None if found.is_open else f"the collection {scope.external}:{collection} is closed"

    def _wanted(self, item: PreparedItem, row: Any) -> bool:
        """Return whether an item that has a DID is written; count or reject it where it is not."""
        if row.partial is False and not self._options.update:
            self._written.skipped += 1
            return False
        if fault := self._fault_of_did(item, row):
            self._reject(item, fault)
            return False
        if row.same and not row.partial:
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
        scope = self._options.scope
        above = list_all_parent_dids(scope, item.collection, session=self._session)
        return (scope, item.name) in {(scope, item.collection)} | {(each["scope"], each["name"]) for each in above}

    def _reject(self, item: PreparedItem, reason: str) -> None:
        self._written.rejects.append(Reject(item.line, item.name, reason))
