"""Processes that check, prepare and write the batches of a bulk load, each over a connection of its own.

Half of a load is Python's work, which one process does on one core only. What a batch is made into never leaves its
process: lines go in, what became of them comes out.

A batch is told of in three messages: its lines to the process, the ids that it is going to write from the process, and
leave to do so to the process. Leave waits for the earlier batches that have one of these ids, so that lines with one id
count in the order in which they stand in the file.
"""

import gc
import mmap
import multiprocessing
import os
import signal
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, field
from itertools import count
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Any, Final, cast

import psycopg
from rucio.common.exception import DatabaseException
from rucio.common.types import InternalAccount, InternalScope
from sqlalchemy import select
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from rucio_dafab.catalogue.batch import Target, Written, write
from rucio_dafab.catalogue.errors import LoadBroken, database_said
from rucio_dafab.catalogue.lines import LONGEST_LINE, Line
from rucio_dafab.catalogue.prepared import ParsedItem, PreparedItem, Reject, parse, prepare
from rucio_dafab.catalogue.tables import document as table
from rucio_dafab.processes import end_with_parent

BATCH: Final = 1000
"""Items of one transaction: about 10 MB of documents."""

BATCH_BYTES: Final = 32 * 2**20
"""Bytes of lines after which a batch ends, however few they are."""

DATABASE_FAULTS: Final = (psycopg.Error, SQLAlchemyError, DatabaseException)
"""How the database fails a load."""

TIDY: Final = 32
"""Batches after which a process looks for cyclic garbage: what the database's library leaves."""

_MOST: Final = 8


def default_count() -> int:
    """Return how many processes keep the cores busy: while the database works for one, another goes on."""
    return min(_MOST, len(os.sched_getaffinity(0)) + 1)


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


Transactions = Callable[[], AbstractContextManager[Session]]
"""Gives the session of a transaction that is committed when the block ends."""


class WriterFailed(Exception):
    """The database failed one of the processes, and said this; or the process was ended."""


class _Shared:
    """The lines of a batch in memory that two processes have: a pipe would copy and allocate them several times."""

    def __init__(self) -> None:
        self._memory = mmap.mmap(-1, BATCH_BYTES + LONGEST_LINE)

    def put(self, batch: Iterable[Line]) -> list[tuple[int, int, bool]]:
        """Put lines in place of those of before; return what to tell the other process of each."""
        self._memory.seek(0)
        return [(line.number, self._memory.write(line.text), line.whole) for line in batch]

    def lines(self, told: Iterable[tuple[int, int, bool]]) -> Iterator[Line]:
        """Yield the lines of which the other process has told."""
        self._memory.seek(0)
        for number, size, whole in told:
            yield Line(number, self._memory.read(size), whole)


@dataclass(slots=True)
class _UnderWay:
    """A batch that a process has."""

    names: frozenset[str] | None = None
    may_write: bool = False
    written: Written | None = None


class Writers:
    """The processes, seen from the one that reads the file. Made by :func:`running`.

    Args:
        connections: one to each process, and the memory that it shares.
    """

    def __init__(self, connections: Mapping[Connection, _Shared]) -> None:
        self._shared = connections
        self._idle = deque(connections)
        self._busy: dict[Connection, _UnderWay] = {}
        self._order: deque[_UnderWay] = deque()

    def write(self, batches: Iterable[Sequence[Line]], *, asks: bool) -> Iterator[Written]:
        """Write batches; yields what became of each, in their order.

        Args:
            batches: lines of a file.
            asks: whether it may be quicker to ask which items are there than to prepare them: so at the start, and
                for as long as some turn out to be.

        Raises:
            WriterFailed: if the database fails; of the batches under way some may have been written.
        """
        may_ask = asks
        remaining = iter(batches)
        while True:
            while self._idle and (batch := next(remaining, None)) is not None:
                self._give(batch, asks=asks)
            if not self._busy:
                return
            for written in self._hear():
                asks = may_ask and written.skipped > 0
                yield written

    def _give(self, batch: Sequence[Line], *, asks: bool) -> None:
        connection, under_way = self._idle.popleft(), _UnderWay()
        self._busy[connection] = under_way
        self._order.append(under_way)
        _send(connection, (self._shared[connection].put(batch), asks))

    def _hear(self) -> Iterator[Written]:
        """Wait for the next messages; yield batches that were written, once all earlier ones are."""
        for connection in cast("list[Connection]", wait(list(self._busy))):
            told = _receive(connection)
            if isinstance(told, frozenset):
                self._busy[connection].names = told
            elif isinstance(told, Written):
                self._busy.pop(connection).written = told
                self._idle.append(connection)
            else:
                raise told
        self._let_go()
        while self._order and (written := self._order[0].written) is not None:
            self._order.popleft()
            yield written

    def _let_go(self) -> None:
        """Give leave to the batches that share no id with an earlier one."""
        connections = {id(under_way): connection for connection, under_way in self._busy.items()}
        before: set[str] = set()
        for under_way in (each for each in self._order if each.written is None):
            if under_way.names is None:
                return
            if not under_way.may_write and before.isdisjoint(under_way.names):
                under_way.may_write = True
                _send(connections[id(under_way)], None)
            before |= under_way.names


@contextmanager
def running(
    options: LoadOptions, count: int, transactions: Transactions, renew: Callable[[], object]
) -> Iterator[Writers]:
    """Run processes for a load; they end with the block, after what they were writing.

    They are copies of this process, which should have no thread but this one.

    Args:
        options: how the file is loaded.
        count: of processes.
        transactions: opens a transaction, in each of them.
        renew: forgets, in each of them, the connections to the database that this process has.

    Raises:
        LoadBroken: if the system gives no more processes, or no memory for them.
    """
    gc.freeze()  # what is there is nobody's garbage, and looking at it would make copies of it
    with ExitStack() as ending:
        ending.callback(gc.unfreeze)
        try:
            shared = _started(count, (options, transactions, renew), ending)
        except OSError as error:
            raise LoadBroken(f"{count} processes cannot be started ({error.strerror or error}): give fewer") from error
        yield Writers(shared)


def _started(count: int, arguments: tuple[Any, ...], ending: ExitStack) -> dict[Connection, _Shared]:
    """Start processes, and return a connection to each with the memory that it shares.

    Args:
        count: of processes.
        arguments: the last ones of :func:`_serve`.
        ending: is left what ends those that were started, even if others could not be.
    """
    context = multiprocessing.get_context("fork")
    processes: list[BaseProcess] = []
    # What is left first is done last: a process ends once its connection is closed.
    ending.callback(_join, processes)
    pairs = []
    for _ in range(count):
        pairs.append(context.Pipe())
        for end in pairs[-1]:
            ending.callback(end.close)
    shared = {ours: _Shared() for ours, _ in pairs}
    for ours, theirs in pairs:
        others = [end for pair in pairs for end in pair if end is not theirs]
        process = context.Process(target=_serve, args=(theirs, shared[ours], others, *arguments), daemon=True)
        process.start()
        processes.append(process)
    for _, theirs in pairs:
        theirs.close()
    return shared


def _join(processes: Iterable[BaseProcess]) -> None:
    for process in processes:
        process.join()


def _send(connection: Connection, message: Any) -> None:
    try:
        connection.send(message)
    except (BrokenPipeError, ConnectionResetError) as error:
        raise _ended() from error


def _receive(connection: Connection) -> Any:
    try:
        return connection.recv()
    except (EOFError, ConnectionResetError) as error:
        raise _ended() from error


def _ended() -> WriterFailed:
    return WriterFailed("a process that wrote to it was ended")


def _serve(
    connection: Connection,
    shared: _Shared,
    others: Iterable[Connection],
    options: LoadOptions,
    transactions: Transactions,
    renew: Callable[[], object],
) -> None:
    """Be one of the processes, until the other end of the connection closes."""
    end_with_parent()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a terminal's ^C is for the one that reads
    for each in others:
        each.close()
    # Documents have no cycles, and make Python look for some a fifth of the time: it looks now and then, between two.
    gc.disable()
    renew()
    try:
        for number in count(1):
            told, asks = connection.recv()
            lines = shared.lines(told)
            connection.send(_Batch(options, transactions).written(lines, connection, asks=asks))
            if number % TIDY == 0:
                gc.collect()
    except (EOFError, BrokenPipeError, ConnectionResetError):
        return


class _Batch:
    """A batch in the process that writes it."""

    def __init__(self, options: LoadOptions, transactions: Transactions) -> None:
        self._options, self._transactions = options, transactions
        self._written = Written()

    def written(self, lines: Iterable[Line], connection: Connection, *, asks: bool) -> Written | WriterFailed:
        """Prepare and write, once the other end gives leave, and return what became of the lines."""
        # One after the other: a parsed document is four times its text, and a thousand of them fit into no cache.
        parsed = (parse(line, self._options.collections) for line in lines)
        try:
            transactions = list(self._transactions_of(self._unknown(list(parsed)) if asks else parsed))
            connection.send(frozenset(item.name for items in transactions for item in items))
            connection.recv()
            for items in transactions:
                self._write(items)
        except DATABASE_FAULTS as error:
            return WriterFailed(database_said(error))
        self._written.rejects.sort(key=lambda each: each.line)
        return self._written

    def _unknown(self, parsed: Sequence[ParsedItem | Reject]) -> Iterator[ParsedItem | Reject]:
        """Yield all but the items that have a whole document."""
        names = {item.id for item in parsed if isinstance(item, ParsedItem)}
        c = table.c
        statement = select(c.name).where(c.scope == self._options.scope, c.name.in_(names), c.partial.is_(False))
        with self._transactions() as session:
            known = set(session.scalars(statement))
        for item in parsed:
            if isinstance(item, ParsedItem) and item.id in known:
                self._written.skipped += 1
            else:
                yield item

    def _transactions_of(self, parsed: Iterable[ParsedItem | Reject]) -> Iterator[list[PreparedItem]]:
        """Yield the items that can be written, together as long as no id stands twice."""
        items: dict[str, PreparedItem] = {}
        for each in parsed:
            found = each if isinstance(each, Reject) else prepare(each)
            if isinstance(found, Reject):
                self._written.rejects.append(found)
                continue
            if found.name in items:
                yield list(items.values())
                items = {}
            items[found.name] = found
        if items:
            yield list(items.values())

    def _write(self, items: list[PreparedItem]) -> None:
        options = self._options
        with self._transactions() as session:
            made = write(items, Target(options.scope, options.account, options.update), session=session)
        self._written.created += made.created
        self._written.updated += made.updated
        self._written.unchanged += made.unchanged
        self._written.skipped += made.skipped
        self._written.rejects += made.rejects
