"""The rolling store: whole products in FDB, archived all or nothing, given back with every byte checked."""

import json
import os
import stat
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from dasi_backend import errors, finding, products, retrieving, staged, writer
from dasi_backend.accounting import Account, account
from dasi_backend.appearing import appearing
from dasi_backend.errors import Held, KeyRefused, NotStored, StoreError
from dasi_backend.fdb import Element
from dasi_backend.holds import Holds, Use
from dasi_backend.keys import LEVEL_3, STORE_KEYS, WHERE, ProductKey, canonical, check_id
from dasi_backend.locks import SHARED, WAIT_SECONDS
from dasi_backend.parts import Parts
from dasi_backend.products import Product
from dasi_backend.removal import Remover
from dasi_backend.retrieving import Progress
from rucio_dafab.errors import DafabError
from rucio_dafab.resources import resources

__all__ = ["Archived", "Product", "ProductKey", "Query", "Store"]

Query = Mapping[str, str | int | Sequence[str | int]]
"""Values by key of the store, such as ``{"mission": "s2a", "tile": ["33uwp", "33uwq"]}``; none asks for everything."""

_MEMORY: Final = {"MALLOC_ARENA_MAX": "1", "MALLOC_MMAP_MAX_": "0", "MALLOC_TRIM_THRESHOLD_": str(1 << 30)}
"""Environment of a writer: glibc uses the memory of one band again for the next. It would give it back and ask anew,
and the kernel clears each page, which takes as long as writing it."""


@dataclass(frozen=True, slots=True)
class Archived:
    """What archiving did.

    Attributes:
        key: The key of the product.
        outcome: ``stored``, or ``unchanged`` when the same content was there already.
    """

    key: ProductKey
    outcome: str


class Store:
    """A rolling store on FDB. Holds nothing open: instances are cheap, and safe in threads and processes.

    Args:
        root: The folder of the databases; made when the first product is archived.
        schema: The schema of new databases, by default ours (``etc/fdb/schema``).
        others: More folders that hold databases.
        wait_seconds: How long to wait for whoever holds a lock.

    Raises:
        StoreError: if what is there in place of one of the folders is none, or cannot be entered.
    """

    def __init__(
        self,
        root: Path,
        schema: Path | None = None,
        others: Sequence[Path] = (),
        wait_seconds: float = WAIT_SECONDS,
    ) -> None:
        self.root = root.absolute()
        roots = (self.root, *(other.absolute() for other in others))
        for each in roots:
            _require_folder(each)
        self.parts = Parts.at(schema or resources() / "etc" / "fdb" / "schema", roots, wait_seconds)

    @property
    def holds(self) -> Holds:
        """The pins and leases of this store."""
        return Holds(self.parts)

    def account(self) -> Account:
        """Return what is in the store, what it takes, when it was last used, and who holds what."""
        return account(self.parts)

    def archive(self, folder: Path) -> ProductKey:
        """Archive a staged scene, durably and all or nothing, and return its key; again is harmless.

        Raises:
            StagedError: if the folder is no staged scene.
            KeyRefused: if the id is none that FDB can keep, or the item has no date.
            ContentDiffers: if another content is stored under this id.
            StoreError: if FDB refuses, the disk is full, or the writer died; nothing of the product is visible then.
        """
        return self.put(folder).key

    def put(self, folder: Path, use: Use | None = None) -> Archived:
        """Archive as :meth:`archive` does, and say whether the product was there already.

        Args:
            folder: The staged scene.
            use: Who uses it from the first moment on: the lease is there before the product is.
        """
        job = writer.job(folder.absolute(), self.parts)
        self._make()
        if use is None:
            return _archived(_written(job, folder))
        product = staged.read(folder, json.loads(job)["resolutions"]).key.product
        self.holds.take(product, use)
        try:
            return _archived(_written(job, folder))
        except BaseException:
            self.holds.release(product, use.holder)
            raise

    def products(self, query: Query | None = None) -> Iterator[Product]:
        """Yield the products that satisfy a query, by day and id.

        Raises:
            KeyRefused: if a key is not one of the store's or a value cannot be one.
        """
        selection = _selection(query or {})
        if below := [name for name in selection if name in LEVEL_3]:
            raise KeyRefused(f"{below[0]}: a product is not chosen by what is in it")
        with self.parts.listed() as hidden:
            found = list(finding.find(self.parts, selection, hidden))
        yield from sorted(found, key=lambda product: (product.key.date, product.key.product))

    def get(self, identifier: str) -> Product:
        """Return the product of an id.

        Raises:
            NotStored: if there is none.
        """
        check_id(identifier)
        record = self.parts.records.get(identifier.lower())
        # The record knows the database of any id; FDB has the last word, and is asked for everything where it says no.
        for where in ([record.key.database | {"product": record.key.product}] if record else []) + [
            products.where(identifier)
        ]:
            for product in self.products(where):
                if product.key.id == identifier:
                    return product
        raise NotStored(f"the store at {self.root} has no product {identifier}")

    def contains(self, identifier: str) -> bool:
        """Say whether a product of this id is stored."""
        try:
            self.get(identifier)
        except NotStored:
            return False
        return True

    def contains_product(self, product: str) -> bool:
        """Say whether a product of this canonical id is stored."""
        return next(self.products({"product": product}), None) is not None

    def size(self, query: Query | None = None) -> int:
        """Return the bytes of the files of all products that satisfy a query."""
        return sum(product.manifest.size for product in self.products(query))

    def retrieve(
        self,
        key: ProductKey | str,
        folder: Path,
        bands: Sequence[str] | None = None,
        progress: Progress | None = None,
    ) -> Path:
        """Write a product as a staged folder, each file verified; the folder appears whole or not at all.

        Args:
            key: The key or the id of the product.
            folder: Where to write; if it holds these very files already, it stays as it is.
            bands: Names of bands, all when ``None``; everything that is not a band always comes along.
            progress: Called for each file.

        Raises:
            NotStored: if the product or a band is not there.
            ChecksumError: if a data file is damaged, naming it.
            StoreError: if the folder is there with other contents, or cannot be written.
        """
        identifier = key if isinstance(key, str) else key.id
        known = self.get(identifier).key
        with self.parts.locks.database(known.database_name, SHARED):
            product = self.get(identifier)  # under the lock nobody removes it, as somebody may have before
            self.parts.records.touch(known.product)
            files = retrieving.chosen(product, bands)
            if _holds_something(folder):
                return retrieving.verified(folder, files, product)
            try:
                with appearing(folder, StoreError) as made:
                    found = finding.objects_of(self.parts, product.key)
                    retrieving.copy_all(product, files, found, made, progress)
            except StoreError:
                if not _holds_something(folder):
                    raise
                return retrieving.verified(folder, files, product)  # another process wrote it meanwhile
        return folder

    def objects(self, query: Query | None = None) -> Iterator[Element]:
        """Yield the objects of the selected products: key, data file, offset, length; level-3 keys narrow it exactly.

        Raises:
            KeyRefused: if a key is not one of the store's or a value cannot be one.
        """
        selection = _selection(query or {})
        with self.parts.listed() as hidden:
            found = list(finding.objects(self.parts, selection, hidden))
        for element in found:
            below = all(element.key.get(name) in values for name, values in selection.items() if name in LEVEL_3)
            if below and element.key["product"] not in hidden:
                yield element

    def wipe(self, query: Query, doit: bool = False, everything: bool = False) -> list[ProductKey]:
        """Remove whole products and return their keys; without `doit` nothing is removed.

        Args:
            query: Keys of products.
            doit: Do it.
            everything: Allow a query without any key.

        Raises:
            KeyRefused: if no key is named, or one that is below a product: FDB would remove more, or nothing, silently.
            Held: if one of them is leased or pinned: none is removed then.
            StoreError: if a database is in use for longer than the store waits.
        """
        if not query and not everything:
            raise KeyRefused("a wipe names at least one key")
        keys = [product.key for product in self.products(query)]
        remover = Remover(self.parts)
        if held := [f"{key.id} {reason}" for key in keys if (reason := remover.holder(key.product))]:
            more = f" (and {len(held) - 1} more)" if len(held) > 1 else ""
            raise Held(f"{held[0]}{more}: nothing was removed")
        removed = list[str]()
        for key in keys if doit else ():
            try:
                remover.remove(key)
            except DafabError as refusal:
                errors.tell_removed(refusal, removed)
                raise
            removed.append(key.id)
        return keys

    def _make(self) -> None:
        try:
            self.root.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StoreError(f"the store {self.root} cannot be made: {error.strerror}") from error


def _require_folder(root: Path) -> None:
    """Refuse what is there and is no folder; one that is not there is made when it is needed."""
    try:
        is_folder = stat.S_ISDIR(root.stat().st_mode)
    except FileNotFoundError:
        return
    except OSError as error:
        raise StoreError(f"the store {root} cannot be entered: {error.strerror}") from error
    if not is_folder:
        raise StoreError(f"the store {root} is no folder")


def _holds_something(folder: Path) -> bool:
    return folder.is_dir() and any(folder.iterdir())


def _written(job: str, folder: Path) -> dict[str, Any]:
    """Run a writer and return what it answers; its refusals are raised here as what they were there."""
    process = subprocess.run(
        [sys.executable, "-P", "-m", "dasi_backend.writer"],
        env=os.environ | _MEMORY,
        input=job.encode(),
        capture_output=True,
        check=False,
    )
    try:
        answer: dict[str, Any] = json.loads(process.stdout)
    except ValueError:
        said = process.stderr.decode(errors="replace").strip().splitlines()
        why = (said or ["no reason given"])[-1].removeprefix("what():").strip()
        if process.returncode < 0:
            why = f"signal {-process.returncode}, {why}"
        raise StoreError(f"{folder} was not stored: the writer ended early ({why})") from None
    if "refusal" in answer:
        refusal = getattr(errors, answer["refusal"], StoreError)
        raise refusal(answer["message"])
    return answer


def _archived(answer: Mapping[str, Any]) -> Archived:
    return Archived(ProductKey(**answer["key"]), answer["outcome"])


def _selection(query: Query) -> dict[str, list[str]]:
    """Return a query as canonical values of known keys; an ``id`` is asked for as ``product``."""
    selection: dict[str, list[str]] = {}
    for name, value in query.items():
        key = "product" if name == "id" else name
        if key == WHERE:
            raise KeyRefused(f"{WHERE}: the rolling store keeps no documents that could be asked: the catalogue does")
        if key not in STORE_KEYS:
            raise KeyRefused(f"{name}: the rolling store has no such key (it has {', '.join(STORE_KEYS)})")
        values = [value] if isinstance(value, str | int) else list(value)
        selection[key] = [canonical(key, str(each)) for each in values]
        if not values:
            raise KeyRefused(f"{name}: no value is given")
    return selection
