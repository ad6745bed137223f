"""Finding products without FDB: by the names of its files and the store's records, which say where manifests are.

FDB answers any list by holding the name of every database against the question, in 1.5 ms and 4 µs for each of them;
most questions are about one day of many. Names tell which products are there, since an index is named by its product,
and a record is written when its product is published and goes with it. What is not told so is asked of FDB.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence

from dasi_backend import folders, products
from dasi_backend.fdb import Element
from dasi_backend.manifest import Manifest
from dasi_backend.parts import Parts
from dasi_backend.products import Product

Selected = Mapping[str, Sequence[str]]


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
    return products.find(parts.database, selection, hidden) if told is None else told


def _told(parts: Parts, selection: Selected, hidden: Collection[str]) -> list[Product] | None:
    """Return the products that records tell; ``None`` if anything selected is there that they do not."""
    found = []
    for folder in folders.databases(parts.database.roots, selection):
        names = folders.names(folder)
        for product in _indexed(names, selection) - set(hidden):
            record = parts.records.get(product)
            place = record.manifest if record and record.key.database_name == folder.name else None
            # No record, or one of another file: whoever wrote this left none, and FDB knows what it is.
            if record is None or place is None or place.file not in names:
                return None
            if all(record.key.index[key] in values for key, values in selection.items()):
                element = Element(record.key.index, folder / place.file, place.offset, place.length)
                found.append(Product(record.key, Manifest.decode(products.read(element), str(element.path))))
    return found


def _indexed(names: Iterable[str], selection: Selected) -> set[str]:
    """Return the products that have an index, as far as their ids are selected."""
    found = {name.partition(":")[0] for name in names if name.endswith(folders.INDEX) and ":" in name}
    return found & set(selection["product"]) if "product" in selection else found
