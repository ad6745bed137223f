"""The parts of one store on disk: FDB's databases, the locks, the records, the leases."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from dasi_backend import folders, leases, records
from dasi_backend.fdb import Database
from dasi_backend.leases import Leases
from dasi_backend.locks import SHARED, Locks
from dasi_backend.records import Note, Records


@dataclass(frozen=True, slots=True)
class Parts:
    """What a store consists of. Holds nothing open.

    Attributes:
        database: FDB.
        locks: Who keeps out of whose way; always in the order product, database, list.
        records: What is known beside FDB.
        leases: Who uses what.
    """

    database: Database
    locks: Locks
    records: Records
    leases: Leases

    @classmethod
    def at(cls, schema: Path, roots: Sequence[Path], wait_seconds: float) -> Self:
        """Return the parts of a store; everything beside the databases lies in the first root."""
        beside = roots[0] / records.FOLDER
        return cls(
            Database(schema, tuple(roots)),
            Locks(roots[0] / ".locks", wait_seconds),
            Records(beside),
            Leases(beside / leases.FOLDER),
        )

    @contextmanager
    def listed(self) -> Iterator[frozenset[str]]:
        """Lock the list of databases for reading, and yield what is hidden in it: products that are being removed.

        Where there is no store yet there is nothing to lock.
        """
        if not self.database.roots[0].is_dir():
            yield frozenset()
            return
        with self.locks.listing(SHARED):
            hidden = self.records.names(Note.REMOVING)
            for product in hidden:  # while the list is being read nobody wipes: FDB's locks are a dead one's
                if (key := self.records.removing(product)) is not None:
                    folders.unlock(self.database.roots, key.database_name)
            yield hidden

    def withdrawing(self) -> frozenset[str]:
        """Return the products that are gone and of which the catalogue is still to be told."""
        return self.records.names(Note.WITHDRAW)

    def stated(self) -> dict[str, Any]:
        """Return them as JSON says it, for another process."""
        return {
            "schema": str(self.database.schema),
            "roots": [str(root) for root in self.database.roots],
            "wait_seconds": self.locks.wait_seconds,
        }

    @classmethod
    def restated(cls, said: dict[str, Any]) -> Self:
        """Return what :meth:`stated` said."""
        return cls.at(Path(said["schema"]), [Path(root) for root in said["roots"]], said["wait_seconds"])
