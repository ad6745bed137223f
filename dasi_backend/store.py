"""The rolling store: whole products in FDB, archived all or nothing, given back with every byte checked."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from dasi_backend import errors, products, writer
from dasi_backend.copying import Extent, checksum_of, copy
from dasi_backend.errors import ChecksumError, KeyRefused, NotStored, StoreError
from dasi_backend.fdb import Database, Element
from dasi_backend.keys import LEVEL_3, STORE_KEYS, ProductKey, canonical, check_id
from dasi_backend.locks import EXCLUSIVE, SHARED, WAIT_SECONDS, Locks
from dasi_backend.manifest import StoredFile
from dasi_backend.products import Level3, Product, level_3
from dasi_backend.staged import ITEM, without_assets
from rucio_dafab.resources import resources

__all__ = ["Archived", "Product", "ProductKey", "Query", "Store"]

Query = Mapping[str, str | int | Sequence[str | int]]
"""Values by key of the store, such as ``{"mission": "s2a", "tile": ["33uwp", "33uwq"]}``; none asks for everything."""

Progress = Callable[[str, int], None]
"""Called with the path of a file and its bytes when it is done."""

_PARALLEL: Final = min(4, os.cpu_count() or 1)


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
        self._database = Database(schema or resources() / "etc" / "fdb" / "schema", roots)
        self._locks = Locks(self.root / ".locks", wait_seconds)

    def archive(self, folder: Path) -> ProductKey:
        """Archive a staged scene, durably and all or nothing, and return its key; again is harmless.

        Raises:
            StagedError: if the folder is no staged scene.
            KeyRefused: if the id is none that FDB can keep, or the item has no date.
            ContentDiffers: if another content is stored under this id.
            StoreError: if FDB refuses, the disk is full, or the writer died; nothing of the product is visible then.
        """
        return self.put(folder).key

    def put(self, folder: Path) -> Archived:
        """Archive as :meth:`archive` does, and say whether the product was there already."""
        job = writer.job(folder.absolute(), self._database, self._locks)
        self._make()
        answer = _written(job, folder)
        return Archived(ProductKey(**answer["key"]), answer["outcome"])

    def products(self, query: Query | None = None) -> Iterator[Product]:
        """Yield the products that satisfy a query, by day and id.

        Raises:
            KeyRefused: if a key is not one of the store's or a value cannot be one.
        """
        selection = _selection(query or {})
        if below := [name for name in selection if name in LEVEL_3]:
            raise KeyRefused(f"{below[0]}: a product is not chosen by what is in it")
        with self._listing():
            found = list(products.find(self._database, selection))
        yield from sorted(found, key=lambda product: (product.key.date, product.key.product))

    def get(self, identifier: str) -> Product:
        """Return the product of an id.

        Raises:
            NotStored: if there is none.
        """
        check_id(identifier)
        for product in self.products(products.where(identifier)):
            if product.key.id == identifier:
                return product
        raise NotStored(f"the store at {self.root} has no product {identifier}")

    def contains(self, identifier: str) -> bool:
        """Say whether a product of this id is stored."""
        check_id(identifier)
        return any(product.key.id == identifier for product in self.products(products.where(identifier)))

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
        product = self.get(key if isinstance(key, str) else key.id)
        files = _chosen(product, bands)
        if folder.is_dir() and any(folder.iterdir()):
            return _verified(folder, files, product)
        try:
            folder.parent.mkdir(parents=True, exist_ok=True)
            partial = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", suffix=".partial", dir=folder.parent))
        except OSError as error:
            raise StoreError(f"{folder} cannot be written: {error.strerror}") from error
        try:
            with self._locks.database(product.key.database_name, SHARED):
                _copy_all(product, files, products.objects(self._database, product.key), partial, progress)
            partial.chmod(0o777 & ~_umask())
            partial.rename(folder)
        except OSError as error:
            raise StoreError(f"{folder} cannot be written: {error.strerror}") from error
        finally:
            shutil.rmtree(partial, ignore_errors=True)
        return folder

    def objects(self, query: Query | None = None) -> Iterator[Element]:
        """Yield the objects of the selected products: key, data file, offset, length; level-3 keys narrow it exactly.

        Raises:
            KeyRefused: if a key is not one of the store's or a value cannot be one.
        """
        selection = _selection(query or {})
        with self._listing():
            found = list(self._database.objects(selection))
        for element in found:
            if all(element.key.get(name) in values for name, values in selection.items() if name in LEVEL_3):
                yield element

    def wipe(self, query: Query, doit: bool = False, everything: bool = False) -> list[ProductKey]:
        """Remove whole products and return their keys; without `doit` nothing is removed.

        Args:
            query: Keys of products.
            doit: Do it.
            everything: Allow a query without any key.

        Raises:
            KeyRefused: if no key is named, or one that is below a product: FDB would remove more, or nothing, silently.
            StoreError: if a database is in use for longer than the store waits.
        """
        if not query and not everything:
            raise KeyRefused("a wipe names at least one key")
        keys = [product.key for product in self.products(query)]
        for key in keys if doit else ():
            with (
                self._locks.product(key.product),
                self._locks.listing(EXCLUSIVE),
                self._locks.database(key.database_name, EXCLUSIVE),
            ):
                self._database.wipe(key.index)
        return keys

    def _listing(self) -> AbstractContextManager[None]:
        """Lock the list of databases; where there is no store yet there is nothing to lock."""
        return self._locks.listing(SHARED) if self.root.is_dir() else nullcontext()

    def _make(self) -> None:
        try:
            self.root.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StoreError(f"the store {self.root} cannot be made: {error.strerror}") from error


def _written(job: str, folder: Path) -> dict[str, Any]:
    """Run a writer and return what it answers; its refusals are raised here as what they were there."""
    process = subprocess.run(
        [sys.executable, "-P", "-m", "dasi_backend.writer"],
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


def _selection(query: Query) -> dict[str, list[str]]:
    """Return a query as canonical values of known keys; an ``id`` is asked for as ``product``."""
    selection: dict[str, list[str]] = {}
    for name, value in query.items():
        key = "product" if name == "id" else name
        if key not in STORE_KEYS:
            raise KeyRefused(f"{name}: the rolling store has no such key (it has {', '.join(STORE_KEYS)})")
        values = [value] if isinstance(value, str | int) else list(value)
        selection[key] = [canonical(key, str(each)) for each in values]
        if not values:
            raise KeyRefused(f"{name}: no value is given")
    return selection


def _chosen(product: Product, bands: Sequence[str] | None) -> list[StoredFile]:
    if bands is None:
        return list(product.manifest.files)
    wanted = {band.lower() for band in bands}
    known = {band.lower() for band in product.bands}
    if absent := sorted(wanted - known):
        there = ", ".join(product.bands) or "no band"
        raise NotStored(f"{product.key.id} has no band {', '.join(absent)}: it has {there}")
    return [file for file in product.manifest.files if file.band is None or file.band.lower() in wanted]


def _copy_all(
    product: Product,
    files: Sequence[StoredFile],
    found: Mapping[Level3, Element],
    folder: Path,
    progress: Progress | None,
) -> None:
    def one(file: StoredFile) -> None:
        _copy_one(product, file, found, folder / file.path)
        if progress:
            progress(file.path, file.size)

    with ThreadPoolExecutor(_PARALLEL) as pool:
        for done in [pool.submit(one, file) for file in files]:
            done.result()
    _rewrite_item(product, files, folder / ITEM)


def _copy_one(product: Product, file: StoredFile, found: Mapping[Level3, Element], target: Path) -> None:
    name = f"{product.key.id}/{file.path}"
    if not file.size:
        target.parent.mkdir(parents=True, exist_ok=True)
        target.touch()
        return
    element = found.get(level_3(file.key))
    if element is None:
        raise NotStored(f"{name}: the store lost this object")
    if element.length != file.size:
        raise ChecksumError(f"{name}: {element.path} has {element.length} bytes of it, {file.size} were stored")
    copy(Extent(element.path, element.offset, element.length), target, file.blake3, name)


def _rewrite_item(product: Product, files: Sequence[StoredFile], path: Path) -> None:
    """Leave out of the item what was not asked for, so that the folder is a staged scene of its own."""
    chosen = {file.path for file in files}
    absent = {file.asset for file in product.manifest.files if file.asset and file.path not in chosen}
    if absent:
        path.write_bytes(without_assets(json.loads(path.read_bytes()), absent))


def _verified(folder: Path, files: Sequence[StoredFile], product: Product) -> Path:
    """Return a folder that holds these very files already."""
    whole = len(files) == len(product.manifest.files)
    for file in files:
        path = folder / file.path
        if not path.is_file() or ((whole or file.path != ITEM) and checksum_of(path) != file.blake3):
            raise StoreError(f"{folder} is there with other contents: {file.path} is not the stored one")
    return folder


def _umask() -> int:
    mask = os.umask(0o077)
    os.umask(mask)
    return mask
