"""Many items at once: containers, attachments and documents, a batch a transaction, from a file of documents.

A batch is in the catalogue whole or not at all, and what is there is skipped by its id: a load that broke off is
finished by starting it again.
"""

import gc
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from time import perf_counter
from typing import Final

import psycopg
from rucio.common.exception import DatabaseException
from rucio.common.types import InternalAccount, InternalScope
from rucio.db.sqla import models
from sqlalchemy import select
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from rucio_dafab.catalogue import links, planner
from rucio_dafab.catalogue.batch import Target, Written, write
from rucio_dafab.catalogue.errors import DidUnknown, LoadBroken, database_said
from rucio_dafab.catalogue.lines import Line, is_parquet, read_lines
from rucio_dafab.catalogue.prepared import ParsedItem, PreparedItem, Reject, parse, prepare
from rucio_dafab.catalogue.tables import document as table

BATCH: Final = 1000
"""Items of one transaction: about 10 MB of documents."""

WRITERS: Final = 2
"""Batches that are written at the same time, each over a connection of its own, while the next one is prepared."""

BATCH_BYTES: Final = 32 * 2**20
"""Bytes of lines after which a batch ends, however few they are."""

GARBAGE: Final = 100_000
"""Objects made and kept after which Python looks for cyclic garbage while a file is loaded."""


@dataclass(frozen=True, slots=True)
class LoadOptions:
    """How a file is loaded.

    Attributes:
        scope: scope of the items and of the containers of their collections.
        account: the owner of what is made.
        collections: names of collections here, by those that the file uses.
        update: whether a document that differs replaces the one that is there.
        batch: items of one transaction.
        writers: transactions at the same time.
    """

    scope: InternalScope
    account: InternalAccount
    collections: Mapping[str, str] = field(default_factory=dict)
    update: bool = False
    batch: int = BATCH
    writers: int = WRITERS


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
"""Gives the session of a transaction that is committed when the block ends; called by several threads."""


def load(
    path: Path,
    options: LoadOptions,
    transactions: Transactions,
    reject: Callable[[Reject], object],
    progress: Callable[[int], object] | None = None,
) -> LoadReport:
    """Load a file of items.

    Args:
        path: NDJSON, plain or packed by gzip, or GeoParquet; its first bytes tell.
        options: how.
        transactions: opens a transaction a batch; Rucio's ``db_session`` for one.
        reject: told of each line that is not loaded.
        progress: told how many bytes of the file have been read.

    Raises:
        FileUnreadable: if the file cannot be read; the batches before stay.
        LoadBroken: if the database fails; the batches before stay.
        DidUnknown: if there is no such account.
    """
    began, report = perf_counter(), LoadReport()
    try:
        with transactions() as session:
            _check_account(options.account, session)
        with _rare_collections(), ThreadPoolExecutor(options.writers) as pool:
            loading = _Load(options, transactions, reject, pool, report)
            try:
                loading.read(_lines(path, progress))
            finally:
                loading.finish()
        with transactions() as session:
            links.settle(options.scope, session=session)
            planner.tell(report.created + report.updated, session=session)
    except (psycopg.Error, SQLAlchemyError, DatabaseException) as error:
        raise LoadBroken(
            f"the database failed after {report.items} lines ({database_said(error)}): load the file again to finish it"
        ) from error
    report.seconds = perf_counter() - began
    return report


def _lines(path: Path, progress: Callable[[int], object] | None) -> Iterator[Line]:
    if is_parquet(path):
        from rucio_dafab.catalogue import geoparquet  # noqa: PLC0415 - takes a second to import

        return geoparquet.read_lines(path, progress)
    return read_lines(path, progress)


@contextmanager
def _rare_collections() -> Iterator[None]:
    """Look for cyclic garbage rarely: documents have none, and make Python look for it every few lines."""
    before = gc.get_threshold()
    gc.set_threshold(GARBAGE, *before[1:])
    try:
        yield
    finally:
        gc.set_threshold(*before)


def _check_account(account: InternalAccount, session: Session) -> None:
    if session.scalar(select(models.Account.account).where(models.Account.account == account)) is None:
        raise DidUnknown(f"there is no account {account.external}")


@dataclass(slots=True)
class _Batch:
    """Items that are written together, in the order of their lines, and the lines among them that cannot be."""

    items: dict[str, PreparedItem] = field(default_factory=dict)
    rejects: list[Reject] = field(default_factory=list)


class _Load:
    """A load under way: one thread reads and prepares, others wait for the database."""

    def __init__(
        self,
        options: LoadOptions,
        transactions: Transactions,
        reject: Callable[[Reject], object],
        pool: ThreadPoolExecutor,
        report: LoadReport,
    ) -> None:
        self._options, self._transactions, self._reject = options, transactions, reject
        self._pool, self._report = pool, report
        self._waiting: deque[tuple[_Batch, Future[Written]]] = deque()
        # At the start, and for as long as items turn out to be there, it is quicker to ask than to prepare.
        self._asks = not options.update

    def read(self, lines: Iterator[Line]) -> None:
        """Load lines; some may be waiting still when this returns."""
        for chunk in _chunks(lines, self._options.batch):
            for batch in self._batches(self._unknown(chunk) if self._asks else chunk):
                self._submit(batch)

    def finish(self) -> None:
        """Wait for what is being written; where that fails, nothing more is begun."""
        try:
            while self._waiting:
                self._collect()
        finally:
            self._pool.shutdown(cancel_futures=True)

    def _batches(self, lines: Iterable[Line]) -> Iterator[_Batch]:
        """Yield lines as batches in which no id stands twice."""
        batch = _Batch()
        for line in lines:
            found = self._prepared(line)
            if isinstance(found, Reject):
                batch.rejects.append(found)
                continue
            if found.name in batch.items:
                yield batch
                batch = _Batch()
            batch.items[found.name] = found
        yield batch

    def _prepared(self, line: Line) -> PreparedItem | Reject:
        found = parse(line, self._options.collections)
        return found if isinstance(found, Reject) else prepare(found)

    def _unknown(self, lines: list[Line]) -> list[Line]:
        """Return the lines but for those whose items have a whole document."""
        found = [(line, parse(line, self._options.collections)) for line in lines]
        names = {item.id for _, item in found if isinstance(item, ParsedItem)}
        scope = self._options.scope
        statement = select(table.c.name).where(
            table.c.scope == scope, table.c.name.in_(names), table.c.partial.is_(False)
        )
        with self._transactions() as session:
            known = set(session.scalars(statement))
        left = [line for line, item in found if isinstance(item, Reject) or item.id not in known]
        self._report.skipped += len(lines) - len(left)
        self._asks = bool(known)
        return left

    def _submit(self, batch: _Batch) -> None:
        """Have a batch written as soon as there is a writer, after every other one that has one of its ids."""
        while len(self._waiting) > self._options.writers or self._is_under_way(batch.items):
            self._collect()
        self._waiting.append((batch, self._pool.submit(self._write, list(batch.items.values()))))

    def _is_under_way(self, names: Mapping[str, PreparedItem]) -> bool:
        return any(not names.keys().isdisjoint(batch.items) for batch, _ in self._waiting)

    def _write(self, items: list[PreparedItem]) -> Written:
        if not items:
            return Written()
        options = self._options
        with self._transactions() as session:
            return write(items, Target(options.scope, options.account, options.update), session=session)

    def _collect(self) -> None:
        """Wait for the oldest batch and count it: what is counted is what was committed."""
        batch, writing = self._waiting.popleft()
        written = writing.result()
        self._report.created += written.created
        self._report.updated += written.updated
        self._report.unchanged += written.unchanged
        self._report.skipped += written.skipped
        self._asks = self._asks or written.skipped > 0
        for found in sorted((*batch.rejects, *written.rejects), key=lambda each: each.line):
            self._report.rejected += 1
            self._reject(found)


def _chunks(lines: Iterator[Line], most: int) -> Iterator[list[Line]]:
    """Yield lines together, as many as a batch may have."""
    chunk: list[Line] = []
    size = 0
    for line in lines:
        chunk.append(line)
        size += len(line.text)
        if len(chunk) == most or size >= BATCH_BYTES:
            yield chunk
            chunk, size = [], 0
    if chunk:
        yield chunk
