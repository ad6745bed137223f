"""Products out of the store into staged folders: every file verified, the folder whole or not there."""

import json
import os
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final

from dasi_backend.copying import Extent, checksum_of, copy
from dasi_backend.errors import ChecksumError, NotStored, StoreError
from dasi_backend.fdb import Element
from dasi_backend.manifest import StoredFile
from dasi_backend.products import Level3, Product, level_3
from dasi_backend.staged import ITEM, without_assets

Progress = Callable[[str, int], None]
"""Called with the path of a file and its bytes when it is done."""

_PARALLEL: Final = min(4, os.cpu_count() or 1)


def chosen(product: Product, bands: Sequence[str] | None) -> list[StoredFile]:
    """Return the files of some bands, with all that are no bands; every file when `bands` is ``None``.

    Raises:
        NotStored: naming the bands that the product lacks, and those that it has.
    """
    if bands is None:
        return list(product.manifest.files)
    wanted = {band.lower() for band in bands}
    known = {band.lower() for band in product.bands}
    if absent := sorted(wanted - known):
        there = ", ".join(product.bands) or "no band"
        raise NotStored(f"{product.key.id} has no band {', '.join(absent)}: it has {there}")
    return [file for file in product.manifest.files if file.band is None or file.band.lower() in wanted]


def copy_all(
    product: Product,
    files: Sequence[StoredFile],
    found: Mapping[Level3, Element],
    folder: Path,
    progress: Progress | None,
) -> None:
    """Copy files into a new folder, several at a time.

    Args:
        product: The product.
        files: Those of its files that are wanted.
        found: Its objects.
        folder: Where to write.
        progress: Called for each file.

    Raises:
        NotStored: if the store lost an object.
        ChecksumError: if a data file is damaged, naming it.
    """

    def one(file: StoredFile) -> None:
        _copy_one(product, file, found, folder / file.path)
        if progress:
            progress(file.path, file.size)

    folder.mkdir()
    with ThreadPoolExecutor(_PARALLEL) as pool:
        try:
            for done in [pool.submit(one, file) for file in files]:
                done.result()
        finally:
            pool.shutdown(cancel_futures=True)  # after an error, or when it is interrupted, no other is begun
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


def verified(folder: Path, files: Sequence[StoredFile], product: Product) -> Path:
    """Return a folder that holds these very files already.

    Raises:
        StoreError: if it holds anything else.
    """
    whole = len(files) == len(product.manifest.files)
    for file in files:
        path = folder / file.path
        if not path.is_file() or ((whole or file.path != ITEM) and checksum_of(path) != file.blake3):
            raise StoreError(f"{folder} is there with other contents: {file.path} is not the stored one")
    return folder
