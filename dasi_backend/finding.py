"""Finding products and objects without FDB: by the names of its files and the store's records of where objects are.

FDB answers any list by holding the name of every database against the question, in 1.5 ms and 4 µs for each of them;
most questions are about one day of many. Names tell which products are there, since an index is named by its product,
and a record is written when its product is published and goes with it. What is not told so is asked of FDB.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from dasi_backend import folders, products
from dasi_backend.addresses import parse_text
from dasi_backend.fdb import Element
from dasi_backend.keys import LEVEL_3, ProductKey
from dasi_backend.manifest import Manifest
from dasi_backend.parts import Parts
from dasi_backend.products import Level3, Product, level_3
from dasi_backend.records import Place, ProductRecord

Selected = Mapping[str, Sequence[str]]
_Told = tuple[ProductRecord, Place, Path]
"""A record, where it says the manifest is, and the folder of the database."""


def find(parts: Parts, selection: Selected, hidden: Collection[str]) -> Iterable[Product]:
    """Return the selected products; the lock on the listing is the caller's.

    Args:
        parts: The store.
        selection: Canonical values by keys of products.
        hidden: Products that are being removed, whose bytes may be gone.

    Raises:
        ChecksumError: if a manifest is damaged.
        StoreError: if a data file cannot be read, or FDB refuses.
    """
    told = _told(parts, selection, hidden)
    return products.find(parts.database, selection, hidden) if told is None else list(map(_product, told))


def objects(parts: Parts, selection: Selected, hidden: Collection[str]) -> Iterable[Element]:
    """Return the objects of the selected products; level-3 keys do not narrow them reliably.

    Args:
        parts: The store.
        selection: Canonical values by keys.
        hidden: Products that are being removed.

    Raises:
        StoreError: if FDB refuses.
    """
    above = {key: values for key, values in selection.items() if key not in LEVEL_3}
    told = _told(parts, above, hidden)
    if told is None or not all(record.objects for record, _, _ in told):
        return parts.database.objects(selection)
    return [element for each in told for element in _elements(each)]


def objects_of(parts: Parts, key: ProductKey, hidden: Collection[str] = ()) -> dict[Level3, Element]:
    """Return every object of one product by its level-3 key; the lock on the listing is the caller's.

    Raises:
        StoreError: if FDB refuses.
    """
    selection = {name: [value] for name, value in key.database.items()} | {"product": [key.product]}
    return {level_3(element.key): element for element in objects(parts, selection, hidden)}


def _product(told: _Told) -> Product:
    record, place, folder = told
    element = Element(record.key.index, folder / place.file, place.offset, place.length)
    return Product(record.key, Manifest.decode(products.read(element), str(element.path)))


def _elements(told: _Told) -> Iterator[Element]:
    record, place, folder = told
    for text, (offset, length) in record.objects.items():
        yield Element(record.key.index | parse_text(text), folder / place.file, offset, length)


def _told(parts: Parts, selection: Selected, hidden: Collection[str]) -> list[_Told] | None:
    """Return the records of the products; ``None`` if anything selected is there that they do not tell."""
    found: list[_Told] = []
    for folder in folders.databases(parts.database.roots, selection):
        names = folders.names(folder)
        for product in sorted(_indexed(names, selection) - set(hidden)):
            record = parts.records.get(product)
            place = record.manifest if record and record.key.database_name == folder.name else None
            # No record, or one of another file: whoever wrote this left none, and FDB knows what it is.
            if record is None or place is None or place.file not in names:
                return None
            if all(record.key.index[key] in values for key, values in selection.items()):
                found.append((record, place, folder))
    return found


def _indexed(names: Iterable[str], selection: Selected) -> set[str]:
    """Return the products that have an index, as far as their ids are selected."""
    found = {name.partition(":")[0] for name in names if name.endswith(folders.INDEX) and ":" in name}
    return found & set(selection["product"]) if "product" in selection else found
