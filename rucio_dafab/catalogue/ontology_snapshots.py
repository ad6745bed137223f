"""The current ontologies as every process sees them: snapshots that never change, found by the number of a publication.

A question asks for the highest number, which takes one look at an index; only after a publication is anything read. A
snapshot is made of publications, whose rows never change, so it is of one moment, however long reading takes.
"""

import os
from collections.abc import Callable, Iterable
from threading import Lock
from typing import Any, Final, TypeVar

from sqlalchemy import Connection, Engine, create_engine, func, select
from sqlalchemy.exc import OperationalError, ProgrammingError

from rucio_dafab.catalogue.ontology_tables import ontology as publications
from rucio_dafab.catalogue.ontology_tables import ontology_alignment as alignments
from rucio_dafab.catalogue.ontology_tables import ontology_class as classes
from rucio_dafab.catalogue.tables import lacks_table
from rucio_dafab.vocabulary import ontology as vocabulary
from rucio_dafab.vocabulary.ontology import Ontology
from rucio_dafab.vocabulary.ontology_alignments import CLOSE
from rucio_dafab.vocabulary.ontology_classes import index
from rucio_dafab.vocabulary.ontology_compiled import (
    class_from_json,
    places_from_json,
    relations_from_json,
    rules_from_json,
)

Answer = TypeVar("Answer")
_CLASS_COLUMNS: Final = tuple(column for column in classes.c if column.name != "ontology")


def install(engine: Callable[[], Engine]) -> None:
    """Make published ontologies known to every language in this process, and to who writes documents.

    Args:
        engine: gives the engine of Rucio's database, whose address is used.
    """
    vocabulary.provide(Snapshots(engine))


class Snapshots:
    """What was published, read once a version.

    Its connections are its own: a question has no session yet when it is read.
    """

    def __init__(self, engine: Callable[[], Engine]) -> None:
        self._engine = engine
        self._own: tuple[int, Engine] | None = None
        self._lock = Lock()
        self._current: tuple[int, Ontology | None] = (0, None)
        self._read: dict[tuple[int, str], Ontology] = {}

    def current(self) -> Ontology | None:
        """Return the current ontology with the others beside it, ``None`` where nothing was ever published."""
        try:
            newest = self._ask(_newest)
        except ProgrammingError as error:
            if lacks_table(error):
                return None
            raise
        number, found = self._current
        if newest == number:
            return found
        with self._lock:
            if newest != self._current[0]:
                self._current = self._ask(self._snapshot)
            return self._current[1]

    def _snapshot(self, connection: Connection) -> tuple[int, Ontology | None]:
        rows = connection.execute(current_publications()).all()
        shown = [row for row in rows if not row.withdrawn]
        self._read = {(row.number, row.checksum): self._kept(row, connection) for row in shown}
        return max((row.number for row in rows), default=0), compose(self._read.values())

    def _kept(self, row: Any, connection: Connection) -> Ontology:
        return self._read.get((row.number, row.checksum)) or read_ontology(row, connection)

    def _ask(self, question: Callable[[Connection], Answer]) -> Answer:
        """Ask the database; once more where a connection that was kept is not alive any more."""
        try:
            with self._connect() as connection:
                return question(connection)
        except OperationalError as error:
            if not error.connection_invalidated:
                raise
        with self._connect() as connection:
            return question(connection)

    def _connect(self) -> Connection:
        # A connection must not be shared with a process that was forked off.
        if self._own is None or self._own[0] != os.getpid():
            pool: dict[str, Any] = {"pool_size": 2, "max_overflow": 30, "pool_reset_on_return": None}
            self._own = os.getpid(), create_engine(self._engine().url, isolation_level="AUTOCOMMIT", **pool)
        return self._own[1].connect()


def current_publications() -> Any:
    """Return the statement that finds the current publication of each IRI, withdrawn ones too, the oldest IRI first."""
    first = func.min(publications.c.number).over(partition_by=publications.c.iri).label("first")
    every = select(publications, first).subquery()
    newest = select(every).distinct(every.c.iri).order_by(every.c.iri, every.c.number.desc()).subquery()
    return select(newest).order_by(newest.c.first)


def read_ontology(row: Any, connection: Connection) -> Ontology:
    """Return the ontology of a publication, without others beside it."""
    found = connection.execute(select(*_CLASS_COLUMNS).where(classes.c.ontology == row.number).order_by(classes.c.id))
    known = {each.id: class_from_json(each._asdict()) for each in found}
    said = alignments.c
    near = select(said.subject, said.object).where(said.ontology == row.number, said.predicate == CLOSE)
    return Ontology(
        row.iri,
        row.version,
        known,
        row.prefixes,
        rules_from_json(row.rules),
        close=index(connection.execute(near.order_by(said.subject, said.object)).tuples()),
        relations=relations_from_json(row.relations),
        places=places_from_json(row.places),
    )


def compose(published: Iterable[Ontology]) -> Ontology | None:
    """Return the ontology of this installation, in its published version if any, with the others beside it."""
    found = list(published)
    installed = vocabulary.shipped()
    main = next((each for each in found if each.iri == installed.iri), installed)
    others = [each for each in found if each.iri != installed.iri]
    return main.beside(others) if found else None


_NEWEST: Final = select(func.max(publications.c.number))


def _newest(connection: Connection) -> int:
    return connection.scalar(_NEWEST) or 0
