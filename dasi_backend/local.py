"""The rolling store behind DASI: requests choose products, answers become staged folders."""

from collections.abc import Callable, Iterator

from dasi_backend import targets
from dasi_backend.errors import NotStored, RequestError
from dasi_backend.items import Item, Key, Retrieved
from dasi_backend.keys import LEVEL_3
from dasi_backend.language import ANY, Request
from dasi_backend.products import level_3
from dasi_backend.store import Product, Store

Progress = Callable[[Retrieved], None]
"""Called with each product when it is written."""


class LocalBackend:
    """One rolling store."""

    def __init__(self, store: Store) -> None:
        self.store = store

    def products(self, request: Request) -> Iterator[Product]:
        """Yield the products that a request means.

        Raises:
            KeyRefused: if a key is none of the store's or a value cannot be one.
        """
        query = {key: values for key, values in request.keys.items() if key not in LEVEL_3}
        yield from self.store.products(query)

    def list(self, request: Request) -> Iterator[Item]:
        """Yield the files of the products that a request means; ``band``, ``res``, ``kind`` and ``part`` narrow them.

        Raises:
            KeyRefused: if a key is none of the store's or a value cannot be one.
        """
        found = {product.key.product: product for product in self.products(request)}
        paths = {
            name: {level_3(file.key): file.path for file in product.manifest.files} for name, product in found.items()
        }
        for element in self.store.objects(request.keys):
            name = element.key["product"]
            path = paths.get(name, {}).get(level_3(element.key))
            if path is not None:
                yield Item(
                    key=Key(element.key),
                    name=f"{found[name].key.id}/{path}",
                    uri=str(element.path),
                    length=element.length,
                    offset=element.offset,
                    timestamp=found[name].manifest.archived,
                )

    def retrieve(self, request: Request, progress: Progress | None = None) -> tuple[Retrieved, ...]:
        """Write the products that a request means as staged folders, each whole and verified; ``band`` chooses bands.

        Raises:
            RequestError: if there is no target, or not as many products as expected.
            TargetError: if two products would be one folder.
            ChecksumError: if a data file is damaged, naming it.
            StoreError: if a folder cannot be written.
        """
        if request.target is None:
            raise RequestError('retrieve needs a target, such as target="scenes/[id]"')
        if unfit := [key for key in request.keys if key in LEVEL_3 and key != "band"]:
            raise RequestError(f"{unfit[0]}: whole products are retrieved, or bands of them")
        targets.check(request.target)
        plan = [
            (targets.fill(request.target, _values(product), product.key.id), product)
            for product in self.products(request)
        ]
        _check_count(request, len(plan))
        targets.refuse_clashes(request.target, ((path, product.key.id) for path, product in plan))
        written = []
        for path, product in plan:
            there = path.is_dir() and any(path.iterdir())
            self.store.retrieve(product.key, path, request.keys.get("band"))
            size = sum(file.stat().st_size for file in path.rglob("*") if file.is_file())
            written.append(Retrieved(path, product.key.id, size, kept=there))
            if progress:
                progress(written[-1])
        return tuple(written)


def _values(product: Product) -> dict[str, str]:
    return product.key.index | {"id": product.key.id, "name": product.key.id}


def _check_count(request: Request, count: int) -> None:
    if isinstance(request.expect, int) and count != request.expect:
        raise RequestError(f"{count} products answer the request, and expect={request.expect}")
    if request.expect is None and count == 0:
        raise NotStored(f"nothing in the rolling store answers the request (expect={ANY} takes that as an answer)")
