"""What killed writers, interrupted removals and dead holders leave behind, and its end."""

import time
from collections.abc import Callable
from typing import Final

from dasi_backend import folders
from dasi_backend.accounting import account
from dasi_backend.errors import StoreError
from dasi_backend.keys import LEVEL_1
from dasi_backend.locks import SHARED
from dasi_backend.parts import Parts
from dasi_backend.records import Note
from dasi_backend.removal import Remover, delete_set_aside

_HALF_WRITTEN_SECONDS: Final = 3600.0
"""How old a file is that was never renamed to what it should be: nobody writes a record for so long."""


def tidy(parts: Parts) -> int:
    """Erase what nobody can see; return how many bytes of products it was.

    What somebody is at work on is left alone: its lock is taken.
    """
    delete_set_aside(parts.database.roots)
    for product in parts.records.names(Note.REMOVING):
        _locked(parts, product, Remover(parts).finish)
    cleared = [_clear(parts, database, product, taken) for database, product, taken in account(parts).unfinished]
    _drop_records(parts)
    _drop_leases(parts)
    _drop_half_written(parts)
    return sum(cleared)


def _locked(parts: Parts, product: str, act: Callable[[str], object]) -> bool:
    """Act under a product's lock, and say whether it was free."""
    try:
        with parts.locks.product(product):
            act(product)
    except StoreError:  # in use: the next run comes
        return False
    return True


def _clear(parts: Parts, database: str, product: str, taken: int) -> int:
    """Unlink the files of a product that FDB lists no object of, as a killed writer leaves them."""
    selection = dict(zip(LEVEL_1, database.split(":"), strict=True)) | {"product": product}

    def act(_: str) -> None:
        with parts.locks.database(database, SHARED):
            with parts.listed():
                if next(parts.database.objects(selection), None) is not None:
                    raise StoreError(f"{product} is listed")
            for path in folders.files_of(parts.database.roots, database, product):
                path.unlink(missing_ok=True)

    return taken if _locked(parts, product, act) else 0


def _drop_records(parts: Parts) -> None:
    """Drop records and notes of products that are gone."""
    # The records are read first: one without files is then of a product that was removed, not of one that comes.
    known = set(parts.records.all())
    known |= {
        name
        for note in (Note.PINNED, Note.PROCESSED, Note.MARKED, Note.PUBLISHED)
        for name in parts.records.names(note)
    }
    stored = {product for _, product in folders.occupied(parts.database.roots)}

    def forget(product: str) -> None:
        if not any(next(root.glob(f"*:*:*/{product}:*"), None) for root in parts.database.roots):
            parts.records.forget(product)

    for product in known - stored:
        _locked(parts, product, forget)


def _drop_leases(parts: Parts) -> None:
    now = time.time()

    def release(product: str) -> None:  # looked at again under the lock: it may have been renewed
        for lease in parts.leases.all(product):
            if not lease.holds(now):
                parts.leases.release(product, lease.holder)

    for product in {lease.product for lease in parts.leases.all() if not lease.holds(now)}:
        _locked(parts, product, release)


def _drop_half_written(parts: Parts) -> None:
    now = time.time()
    for path in parts.records.folder.glob("*/.*"):
        try:
            if now - path.stat().st_mtime > _HALF_WRITTEN_SECONDS:
                path.unlink()
        except FileNotFoundError:  # renamed meanwhile
            continue
