"""Many items at once: containers, attachments and documents, a batch a transaction, from a file of documents.

A batch is in the catalogue whole or not at all, and what is there is skipped by its id: a load that broke off is
finished by starting it again.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter

from rucio.common.types import InternalAccount
from rucio.db.sqla import models
from sqlalchemy import select
from sqlalchemy.orm import Session

from rucio_dafab.catalogue import links, planner
from rucio_dafab.catalogue.batch import Written
from rucio_dafab.catalogue.errors import DidUnknown, LoadBroken, database_said
from rucio_dafab.catalogue.lines import Line, is_parquet, read_lines
from rucio_dafab.catalogue.prepared import Reject
from rucio_dafab.catalogue.writers import BATCH_BYTES, DATABASE_FAULTS, LoadOptions, Transactions, WriterFailed, Writers


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

    def count(self, written: Written) -> None:
        """Count what became of a batch."""
        self.created += written.created
        self.updated += written.updated
        self.unchanged += written.unchanged
        self.skipped += written.skipped
        self.rejected += len(written.rejects)


def load(
    path: Path,
    options: LoadOptions,
    writers: Writers,
    transactions: Transactions,
    reject: Callable[[Reject], object],
    progress: Callable[[int], object] | None = None,
) -> LoadReport:
    """Load a file of items.

    Args:
        path: NDJSON, plain or packed by gzip, or GeoParquet; its first bytes tell.
        options: how, the same as the writers have.
        writers: the processes that write, see :func:`rucio_dafab.catalogue.writers.running`.
        transactions: opens a transaction; Rucio's ``db_session`` for one.
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
        batches = _batches(_lines(path, progress), options.batch)
        for written in writers.write(batches, asks=not options.update):
            report.count(written)
            for found in written.rejects:
                reject(found)
        with transactions() as session:
            links.settle(options.scope, session=session)
            planner.tell(report.created + report.updated, session=session)
    except (*DATABASE_FAULTS, WriterFailed) as error:
        said = f"the database failed after {report.items} lines ({database_said(error)})"
        raise LoadBroken(f"{said}: load the file again to finish it") from error
    report.seconds = perf_counter() - began
    return report


def _lines(path: Path, progress: Callable[[int], object] | None) -> Iterator[Line]:
    if is_parquet(path):
        from rucio_dafab.catalogue import geoparquet  # noqa: PLC0415 - takes a second to import

        return geoparquet.read_lines(path, progress)
    return read_lines(path, progress)


def _check_account(account: InternalAccount, session: Session) -> None:
    if session.scalar(select(models.Account.account).where(models.Account.account == account)) is None:
        raise DidUnknown(f"there is no account {account.external}")


def _batches(lines: Iterator[Line], most: int) -> Iterator[list[Line]]:
    """Yield lines together, as many as a batch may have."""
    batch: list[Line] = []
    size = 0
    for line in lines:
        batch.append(line)
        size += len(line.text)
        if len(batch) == most or size >= BATCH_BYTES:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch
