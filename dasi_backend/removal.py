"""Removal of whole products: in one act for everybody, whatever happens to whoever removes.

A note that the product is being removed is the act. From then on nobody lists it; what is left of its bytes is erased
by whoever comes next: this process, the next run of retention, or the next writer of the product.
"""

import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from dasi_backend import folders
from dasi_backend.errors import Held, StoreError
from dasi_backend.keys import ProductKey
from dasi_backend.locks import EXCLUSIVE
from dasi_backend.parts import Parts
from dasi_backend.records import Note

Check = Callable[[], str | None]
"""Says, under the product's lock, why a product is not to be removed after all."""


@dataclass(frozen=True, slots=True)
class Remover:
    """Removes products of one store."""

    parts: Parts

    def remove(self, key: ProductKey, check: Check | None = None) -> None:
        """Remove a product that nobody holds.

        Raises:
            Held: if it is pinned or leased, or `check` says why it stays.
            StoreError: if its database is in use for longer than the locks wait, or damaged; the product stays then.
        """
        with self.parts.locks.product(key.product):
            reason = self.holder(key.product) or (check() if check else None)
            if reason:
                raise Held(f"{key.id} {reason}: not removed")
            with self.parts.locks.database(key.database_name, EXCLUSIVE):
                # What FDB cannot even list it cannot erase either: such a product is not hidden first.
                self._alone(key)
                self.parts.records.note(Note.REMOVING, key.product, {"key": str(key)})
                self._erase(key)

    def holder(self, product: str) -> str | None:
        """Return what keeps a product, ``None`` where nothing does."""
        if pin := self.parts.records.told(Note.PINNED, product):
            return f"is pinned ({pin.get('reason') or 'no reason given'})"
        held = self.parts.leases.in_force(product)
        return f"is leased by {'; '.join(map(str, held))}" if held else None

    def finish(self, product: str) -> None:
        """Erase what a removal that was interrupted left; the product's lock is the caller's."""
        key = self.parts.records.removing(product)
        if key is None:
            if product in self.parts.records.names(Note.REMOVING):  # erased, and killed before its note went
                self.parts.records.forget(product)
            return
        with self.parts.locks.database(key.database_name, EXCLUSIVE):
            self._erase(key)

    def clear(self, key: ProductKey, suffix: str = "") -> None:
        """Unlink the files of a product that nobody lists, those that end so; the product's lock is the caller's."""
        for path in folders.files_of(self.parts.database.roots, key.database_name, key.product):
            if path.name.endswith(suffix):
                path.unlink(missing_ok=True)

    def _erase(self, key: ProductKey) -> None:
        moved: list[Path] = []
        with self.parts.locks.listing(EXCLUSIVE):
            folders.unlock(self.parts.database.roots, key.database_name)
            if self._alone(key):
                # FDB removes a database file by file, in an order that leaves a broken one if it is interrupted.
                moved = list(self._set_aside(key.database_name))
            else:
                # The data first: FDB notes in the database what it removes, for which a full disk has no room.
                self.clear(key, folders.DATA)
                self.parts.database.wipe(key.index)
                self.clear(key)
            self.parts.records.forget(key.product)
        for folder in moved:
            shutil.rmtree(folder, ignore_errors=True)  # what stays is deleted by the next run

    def _alone(self, key: ProductKey) -> bool:
        others = {element.key["product"] for element in self.parts.database.objects(key.database)}
        return not others - {key.product} - self.parts.records.names(Note.REMOVING)

    def _set_aside(self, name: str) -> list[Path]:
        moved = []
        for root in self.parts.database.roots:
            if (root / name).is_dir():
                target = root / folders.REMOVED / f"{name}.{time.time_ns()}"
                try:
                    target.parent.mkdir(exist_ok=True)
                    (root / name).rename(target)
                except OSError as error:
                    raise StoreError(f"{root / name} cannot be removed: {error.strerror}") from error
                moved.append(target)
        return moved


def delete_set_aside(roots: tuple[Path, ...]) -> None:
    """Delete the databases that interrupted removals left set aside."""
    for root in roots:
        for folder in (root / folders.REMOVED).glob("*"):
            shutil.rmtree(folder, ignore_errors=True)
