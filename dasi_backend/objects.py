"""Single objects of the rolling store by their addresses, for whoever reads replicas."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from dasi_backend import finding, products
from dasi_backend.addresses import parse_address
from dasi_backend.copying import Extent, copy
from dasi_backend.errors import NotStored
from dasi_backend.fdb import Element
from dasi_backend.keys import ProductKey
from dasi_backend.locks import SHARED, WAIT_SECONDS
from dasi_backend.parts import Parts
from dasi_backend.records import Note
from rucio_dafab.resources import resources


@dataclass(frozen=True, slots=True)
class Objects:
    """The objects of one store."""

    parts: Parts

    @classmethod
    def at(cls, roots: Sequence[Path], wait_seconds: float | None = None) -> Self:
        """Return those in the databases of some folders; locks are waited for as the store does unless it is said."""
        seconds = WAIT_SECONDS if wait_seconds is None else wait_seconds
        return cls(Parts.at(resources() / "etc" / "fdb" / "schema", roots, seconds))

    def holds(self, address: str) -> bool:
        """Say whether there is an object.

        Raises:
            KeyRefused: if it is no address.
        """
        key, level_3 = parse_address(address)
        return self._find(key, level_3) is not None

    def locate(self, address: str) -> Element:
        """Return where an object is. It counts as an access.

        Raises:
            KeyRefused: if it is no address.
            NotStored: if the store does not hold it (any more).
        """
        key, level_3 = parse_address(address)
        found = self._find(key, level_3)
        if found is None:
            raise self._lacks(address)
        self.parts.records.touch(key.product)
        return found

    def copy(self, address: str, target: Path) -> None:
        """Write an object to a new file, as it is: whoever has its checksum verifies it. It counts as an access.

        Raises:
            KeyRefused: if it is no address.
            NotStored: if the store does not hold it (any more).
            StoreError: if the data file cannot be read, or the target not be written.
        """
        key, _ = parse_address(address)
        with self.parts.locks.database(key.database_name, SHARED):  # nobody removes it meanwhile
            found = self.locate(address)
            copy(Extent(found.path, found.offset, found.length), target, None, address)

    def _lacks(self, address: str) -> NotStored:
        return NotStored(f"the store at {self.parts.database.roots[0]} does not hold {address}")

    def _find(self, key: ProductKey, level_3: dict[str, str]) -> Element | None:
        if not any((root / key.database_name).is_dir() for root in self.parts.database.roots):
            return None
        with self.parts.listed() as hidden:
            if key.product in hidden or self.parts.records.told(Note.REMOVING, key.product) is not None:
                return None
            return finding.objects_of(self.parts, key, hidden).get(products.level_3(level_3))
