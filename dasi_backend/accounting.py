"""The account of a store: what is in it, what it takes, when it was last used and who holds it.

It is drawn from names and sizes of files and from the records beside FDB. FDB is asked only about databases that hold
something no record knows: a product of an older store, or of a writer that was killed before it wrote its record.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from shutil import disk_usage

from dasi_backend import folders, products
from dasi_backend.errors import DasiError
from dasi_backend.folders import Occupied
from dasi_backend.keys import LEVEL_1
from dasi_backend.leases import Lease
from dasi_backend.parts import Parts
from dasi_backend.records import Note, ProductRecord
from rucio_dafab.files import NoRoom


@dataclass(frozen=True, slots=True)
class Holding:
    """A product as the store holds it.

    Attributes:
        record: What it is, and when it was last used.
        bytes: What its files take on disk.
        pin: Why it is pinned; ``None`` where it is not.
        leases: The leases in force.
        processed: Whether a workflow has made of it what it makes.
        marked: Since when it is due, seconds since 1970; ``None`` where it is not.
    """

    record: ProductRecord
    bytes: int
    pin: str | None = None
    leases: tuple[Lease, ...] = ()
    processed: bool = False
    marked: float | None = None


@dataclass(frozen=True, slots=True)
class Account:
    """The account of one store.

    Attributes:
        holdings: Every product, the one whose last use is longest ago first.
        unfinished: Database, product and bytes of what writers or removals left half done, or are at work on.
        disk: Bytes of the disk that holds the first root.
        free: Bytes that are free on it.
    """

    holdings: tuple[Holding, ...]
    unfinished: tuple[tuple[str, str, int], ...]
    disk: int
    free: int

    @property
    def bytes(self) -> int:
        """What all products take."""
        return sum(holding.bytes for holding in self.holdings)


def account(parts: Parts) -> Account:
    """Draw the account of a store.

    Raises:
        StoreError: if a pin or a lease cannot be read.
    """
    roots = parts.database.roots
    # The records are read before the files: a record without files is then of a product that was removed meanwhile.
    records = parts.records.all()
    files = folders.occupied(roots)
    records |= _learnt(parts, {database for database, _ in _unknown(files, records)})
    removing = parts.records.names(Note.REMOVING)
    known = {
        place: records[place[1]]
        for place in files
        if place[1] in records and records[place[1]].key.database_name == place[0] and place[1] not in removing
    }
    disk = disk_usage(next(place for place in (roots[0], *roots[0].parents) if place.is_dir()))
    return Account(
        holdings=tuple(sorted(_holdings(parts, files, known), key=_last_use)),
        unfinished=tuple((*place, files[place].bytes) for place in sorted(files.keys() - known.keys())),
        disk=disk.total,
        free=disk.free,
    )


def _last_use(holding: Holding) -> tuple[float, str]:
    return holding.record.accessed, holding.record.key.product


def _unknown(
    files: Mapping[tuple[str, str], Occupied], records: Mapping[str, ProductRecord]
) -> Iterable[tuple[str, str]]:
    for (database, product), occupied in files.items():
        record = records.get(product)
        if occupied.indexed and (record is None or record.key.database_name != database):
            yield database, product


def _learnt(parts: Parts, databases: Iterable[str]) -> dict[str, ProductRecord]:
    """Ask FDB what is in these databases, and keep records of it."""
    learnt = {}
    for name in databases:
        selection = dict(zip(LEVEL_1, name.split(":"), strict=True))
        with parts.listed() as hidden:
            for product in list(products.find(parts.database, selection, hidden)):
                learnt[product.key.product] = parts.records.get(product.key.product) or _keep(parts, product)
    return learnt


def _keep(parts: Parts, product: products.Product) -> ProductRecord:
    try:
        item = products.item_of(parts.database, product.key)
    except DasiError:  # damaged: it is accounted for all the same, and is said to be damaged by whoever retrieves it
        item = {}
    record = ProductRecord.of(product.key, product.manifest.size, product.manifest.archived, item)
    with suppress(NoRoom):  # the next account asks again
        parts.records.keep(record)
        parts.records.touch(record.key.product, record.accessed)
    return record


def _holdings(
    parts: Parts, files: Mapping[tuple[str, str], Occupied], known: Mapping[tuple[str, str], ProductRecord]
) -> Iterable[Holding]:
    pins, marks = parts.records.noted(Note.PINNED), parts.records.noted(Note.MARKED)
    processed = parts.records.names(Note.PROCESSED)
    leases: dict[str, list[Lease]] = defaultdict(list)
    for lease in parts.leases.in_force():
        leases[lease.product].append(lease)
    for place, record in known.items():
        name = record.key.product
        yield Holding(
            record=record,
            bytes=files[place].bytes,
            pin=str(pins[name].get("reason") or "no reason given") if name in pins else None,
            leases=tuple(leases.get(name, ())),
            processed=name in processed,
            marked=float(marks[name]["since"]) if name in marks else None,
        )
