"""Who holds what: pins, which last until they are taken off, and leases, which end with their holder."""

from collections.abc import Sequence
from dataclasses import dataclass
from time import time
from typing import Final

from dasi_backend import products
from dasi_backend.errors import NotStored, StoreError
from dasi_backend.leases import SIX_HOURS, Lease, Process
from dasi_backend.parts import Parts
from dasi_backend.records import Note
from dasi_backend.removal import Remover

MOST_SECONDS: Final = 90 * 86_400.0
"""The longest lease: what has to stay longer is pinned, which shows."""


@dataclass(frozen=True, slots=True)
class Use:
    """A use of products.

    Attributes:
        holder: Who: the name of a run, a person, a service.
        seconds: How long at most.
        process: The process that it ends with, or ``None`` for one that ends by its time alone.
    """

    holder: str
    seconds: float = SIX_HOURS
    process: Process | None = None

    def __post_init__(self) -> None:
        if not self.holder.strip() or not self.holder.isprintable() or len(self.holder) > 200:
            raise StoreError(f"the holder {self.holder[:60]!r} is no name of at most 200 letters")
        if not 0 < self.seconds <= MOST_SECONDS:
            raise StoreError(f"a lease lasts more than 0 and at most {MOST_SECONDS / 3600:g} hours")


@dataclass(frozen=True, slots=True)
class Holds:
    """The pins and leases of one store."""

    parts: Parts

    def take(self, product: str, use: Use) -> Lease:
        """Lease a product (canonical id), which may be one that is about to be archived; again renews it.

        Raises:
            StoreError: if the product's lock is not free in time.
        """
        with self.parts.locks.product(product):
            Remover(self.parts).finish(product)
            return self.parts.leases.take(product, use.holder, use.seconds, use.process)

    def lease(self, product: str, use: Use) -> Lease:
        """Lease a product that is stored.

        Raises:
            NotStored: if it is not there (any more).
        """
        with self.parts.locks.product(product):
            self._require(product)
            return self.parts.leases.take(product, use.holder, use.seconds, use.process)

    def release(self, product: str, holder: str) -> bool:
        """End a lease, and say whether there was one."""
        return self.parts.leases.release(product, holder)

    def leases(self, product: str | None = None) -> Sequence[Lease]:
        """Return the leases that are in force, of one product or of all."""
        return self.parts.leases.in_force(product)

    def pin(self, product: str, reason: str = "") -> None:
        """Keep a product until it is unpinned.

        Raises:
            NotStored: if it is not there.
        """
        with self.parts.locks.product(product):
            self._require(product)
            self.parts.records.note(Note.PINNED, product, {"reason": reason, "since": time()})

    def unpin(self, product: str) -> bool:
        """Take a pin off, and say whether there was one."""
        return self.parts.records.drop(Note.PINNED, product)

    def processed(self, product: str) -> None:
        """Note that a workflow has made of a product what it makes."""
        with self.parts.locks.product(product):
            self._require(product)
            self.parts.records.note(Note.PROCESSED, product, {"since": time()})

    def _require(self, product: str) -> None:
        """Refuse what is not stored; under the product's lock it then stays."""
        records = self.parts.records
        if records.told(Note.REMOVING, product) is None:
            if records.get(product) is not None:
                return
            with self.parts.listed() as hidden:  # a product of an older store has no record yet
                if next(products.find(self.parts.database, products.where(product), hidden), None) is not None:
                    return
        raise NotStored(f"the store has no product {product}")
