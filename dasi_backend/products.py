"""Products as FDB holds them: found by key, with the manifest that says what each one consists of."""

import json
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from dasi_backend.errors import ChecksumError, NotStored, StoreError
from dasi_backend.fdb import Database, Element, Selection
from dasi_backend.keys import LEVEL_1, LEVEL_3, ProductKey, from_identifier
from dasi_backend.manifest import MANIFEST, Manifest

Level3 = frozenset[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Product:
    """A product in the store.

    Attributes:
        key: Its key.
        manifest: What it consists of.
    """

    key: ProductKey
    manifest: Manifest

    @property
    def bands(self) -> tuple[str, ...]:
        """Its bands, in the item's own spelling."""
        return tuple(file.band for file in self.manifest.files if file.band)


def find(database: Database, selection: Selection, hidden: Collection[str] = ()) -> Iterator[Product]:
    """Yield the selected products; the lock on the listing is the caller's.

    Args:
        database: Where to look.
        selection: Keys of products.
        hidden: Products that are being removed, whose bytes may be gone.

    Raises:
        ChecksumError: if a manifest is damaged.
    """
    for element in database.objects(dict(selection) | MANIFEST):
        if element.key["product"] in hidden:
            continue
        manifest = Manifest.decode(read(element), str(element.path))
        yield Product(_key(element.key, manifest), manifest)


def objects(database: Database, key: ProductKey) -> dict[Level3, Element]:
    """Return every object of one product by its level-3 key."""
    selection = key.database | {"product": key.product}
    return {level_3(element.key): element for element in database.objects(selection)}


def level_3(key: Mapping[str, str]) -> Level3:
    """Return the level-3 part of a key, to look objects up by."""
    return frozenset((name, key[name]) for name in LEVEL_3 if key.get(name))


def where(identifier: str) -> dict[str, str]:
    """Return the narrowest selection that finds an id: a Sentinel identifier says its database."""
    named = from_identifier(identifier)
    return {name: named[name] for name in LEVEL_1 if named} | {"product": identifier.lower()}


def item_of(database: Database, key: ProductKey) -> dict[str, Any]:
    """Return the STAC item of a product; the lock on the listing is the caller's.

    Raises:
        ChecksumError: if it is damaged.
        NotStored: if it is not there.
    """
    element = objects(database, key).get(level_3({"kind": "part", "part": "item"}))
    if element is None:
        raise NotStored(f"{key.id}: the store lost its item")
    try:
        item: dict[str, Any] = json.loads(read(element))
    except ValueError as error:
        raise ChecksumError(f"{key.id}: the item in {element.path} is damaged") from error
    return item


def read(element: Element) -> bytes:
    """Return the bytes of a small object.

    Raises:
        StoreError: naming the data file, if it cannot be read or is too short.
    """
    try:
        with element.path.open("rb") as file:
            file.seek(element.offset)
            data = file.read(element.length)
    except OSError as error:
        raise StoreError(f"the data file {element.path} cannot be read: {error.strerror}") from error
    if len(data) != element.length:
        raise StoreError(f"the data file {element.path} is too short: an object of it is cut off")
    return data


def _key(key: Mapping[str, str], manifest: Manifest) -> ProductKey:
    return ProductKey(
        id=manifest.id,
        mission=key["mission"],
        level=key["level"],
        date=key["date"],
        tile=key["tile"],
        orbit=int(key["orbit"]),
        time=key["time"],
        baseline=key["baseline"],
        dated_by=manifest.dated_by,
    )
