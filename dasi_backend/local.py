"""The rolling store behind DASI: requests choose products, answers become staged folders."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

from dasi_backend import copying, plans, targets
from dasi_backend.copying import Extent
from dasi_backend.errors import RequestError
from dasi_backend.items import Item, Key, Retrieved
from dasi_backend.keys import LEVEL_3, STORE_KEYS, canonical
from dasi_backend.language import Request
from dasi_backend.manifest import StoredFile
from dasi_backend.plans import Plan, Planned, Progress, Way
from dasi_backend.products import level_3
from dasi_backend.retrieving import chosen
from dasi_backend.store import Product, Store


class LocalBackend:
    """One rolling store."""

    def __init__(self, store: Store) -> None:
        self.store = store

    def knows(self, key: str) -> bool:
        """Say whether a request for the store may name a key."""
        return key == "id" or key in STORE_KEYS

    def products(self, request: Request) -> Iterator[Product]:
        """Yield the products that a request means.

        Raises:
            KeyRefused: if a key is none of the store's or a value cannot be one.
        """
        query = {key: values for key, values in request.keys.items() if key not in LEVEL_3}
        yield from self.store.products(query)

    def listed(self, request: Request) -> Iterator[Product]:
        """Yield the products that have a file which a request means: ``band``, ``res``, ``kind`` and ``part`` count.

        Raises:
            KeyRefused: if a key is none of the store's or a value cannot be one.
        """
        below = {key: {canonical(key, each) for each in request.keys[key]} for key in LEVEL_3 if key in request.keys}
        for product in self.products(request):
            keys = [file.key for file in product.manifest.files if file.size]  # of an empty file there is no object
            if not below or any(all(key.get(name) in values for name, values in below.items()) for key in keys):
                yield product

    def list(self, request: Request) -> Iterator[Item]:
        """Yield the files of the products that a request means; ``band``, ``res``, ``kind`` and ``part`` narrow them.

        Raises:
            KeyRefused: if a key is none of the store's or a value cannot be one.
        """
        return (item for item, _ in self._items(request))

    def read(self, request: Request) -> Iterator[Item]:
        """Yield what :meth:`list` does, whose bytes are verified, and whose products count as used, when they are read.

        Raises:
            KeyRefused: if a key is none of the store's or a value cannot be one.
        """
        for item, file in self._items(request):
            yield replace(item, verified=partial(self._verified, item, file))

    def _items(self, request: Request) -> Iterator[tuple[Item, StoredFile]]:
        found = {product.key.product: product for product in self.products(request)}
        files = {name: {level_3(file.key): file for file in one.manifest.files} for name, one in found.items()}
        for element in self.store.objects(request.keys):
            name = element.key["product"]
            file = files.get(name, {}).get(level_3(element.key))
            if file is not None:
                item = Item(
                    key=Key(element.key),
                    name=f"{found[name].key.id}/{file.path}",
                    uri=str(element.path),
                    length=element.length,
                    offset=element.offset,
                    timestamp=found[name].manifest.archived,
                )
                yield item, file

    def _verified(self, item: Item, file: StoredFile) -> bytes:
        self.store.parts.records.touch(item.key["product"])
        return copying.read(Extent(item.local_path, item.offset, item.length), file.blake3, item.name)

    def retrieve(self, request: Request, progress: Progress | None = None) -> tuple[Retrieved, ...]:
        """Write the products that a request means as staged folders, each whole and verified; ``band`` chooses bands.

        Raises:
            RequestError: if there is no target, or not as many products as expected.
            TargetError: if two products would be one folder.
            ChecksumError: if a data file is damaged, naming it.
            StoreError: if a folder cannot be written.
        """
        return self.plan(request).carry_out(progress)

    def wipe(self, request: Request, doit: bool = False, everything: bool = False) -> Sequence[Key]:
        """Remove whole products and return their keys, ``id`` among them; without `doit` nothing is removed.

        Raises:
            KeyRefused: if the request names no key and not `everything`, or parts of products.
            Held: if one of them is leased or pinned: none is removed then.
            StoreError: if a database is in use.
        """
        keys = self.store.wipe(request.keys, doit=doit, everything=everything)
        return [Key({"id": key.id, **key.index}) for key in keys]

    def plan(self, request: Request) -> Plan:
        """Return what :meth:`retrieve` is going to write."""
        template = plans.template_of(request)
        if unfit := [key for key in request.keys if key in LEVEL_3 and key != "band"]:
            raise RequestError(f"{unfit[0]}: whole products are retrieved, or bands of them")
        planned = []
        for product in self.products(request):
            path = targets.fill(template, _values(product), product.key.id)
            write = partial(self._write, product, path, request.keys.get("band"))
            size = sum(file.size for file in chosen(product, request.keys.get("band")))
            content = (self.store.root, product.key.id, request.keys.get("band"))
            planned.append(Planned(path, product.key.id, write, way=Way.PROCESS, bytes=size, content=content))
        return Plan(request, planned, "products", "the rolling store")

    def _write(self, product: Product, path: Path, bands: Sequence[str] | None) -> Retrieved:
        there = path.is_dir() and any(path.iterdir())
        self.store.retrieve(product.key, path, bands)
        size = sum(file.stat().st_size for file in path.rglob("*") if file.is_file())
        return Retrieved(path, product.key.id, size, kept=there)


def _values(product: Product) -> dict[str, str]:
    return product.key.index | {"id": product.key.id, "name": product.key.id}
