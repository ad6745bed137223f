"""The writer: a process that archives one product and ends.

FDB publishes what was archived when its object goes, also after an error. Only ``os._exit`` leaves nothing behind that
anybody can see; so each product has a process of its own, which leaves by that door on any error.

It reads a job (JSON) from standard input and answers with one line of JSON on what was standard output when it began;
standard output itself is moved away, because FDB prints diagnostics there.
"""

import json
import os
import resource
import sys
import time
import traceback
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict, replace
from pathlib import Path
from shutil import disk_usage
from typing import Any, Final, NoReturn

from blake3 import blake3

from dasi_backend import folders, products, staged
from dasi_backend.addresses import text_of
from dasi_backend.errors import ContentDiffers, StagedError, StoreError
from dasi_backend.fdb import Database, named
from dasi_backend.keys import ProductKey
from dasi_backend.locks import SHARED
from dasi_backend.manifest import MANIFEST, Manifest, StoredFile, content_checksum
from dasi_backend.parts import Parts
from dasi_backend.records import Place, ProductRecord
from dasi_backend.removal import Remover
from rucio_dafab.errors import DafabError

STORED: Final = "stored"
UNCHANGED: Final = "unchanged"
_BESIDE_BYTES: Final = 1_000_000
"""What FDB writes beside the objects: indexes, tables of contents and the manifest."""

_HANDLES: Final[list[Any]] = []
"""Keeps FDB's handle to the end of the process: when an error is forgotten, so would be the handle, and FDB would
publish what is being cleared."""


def job(folder: Path, parts: Parts) -> str:
    """Return the job, as text, of archiving one folder.

    The folder is read here once: what is no staged scene is refused without a process, and a process that lives for
    one product need not load what reads rasters.

    Raises:
        StagedError: if the folder is no staged scene.
        KeyRefused: if FDB cannot keep its id.
    """
    return json.dumps(
        {
            "folder": str(folder),
            "resolutions": staged.read(folder).resolutions,
            "parts": parts.stated(),
        }
    )


def write(scene: staged.Staged, parts: Parts) -> tuple[str, ProductKey]:
    """Archive a staged scene, all of it or nothing; what is stored already with the same content stays.

    To be called in a process that leaves by ``os._exit``.

    Returns:
        :data:`STORED` or :data:`UNCHANGED`, and the key of the product.

    Raises:
        ContentDiffers: if the store has another content, or another spelling, of this id.
        DafabError: if a file cannot be read or FDB refuses.
    """
    with parts.locks.product(scene.key.product):
        remover = Remover(parts)
        remover.finish(scene.key.product)
        # The list is let go before the database is locked: removing takes them the other way round.
        with parts.listed() as hidden:
            known = next(products.find(parts.database, products.where(scene.key.id), hidden), None)
        if known:
            _refuse_other_content(known, scene)
            parts.records.touch(scene.key.product)
            return UNCHANGED, known.key
        with parts.locks.database(scene.key.database_name, SHARED):
            folders.unlock(parts.database.roots, scene.key.database_name)
            manifest = _publish(scene, parts.database, remover)
            record = ProductRecord.of(scene.key, manifest.size, manifest.archived, scene.item)
            parts.records.keep(_with_places(record, parts.database))
    return STORED, scene.key


def _publish(scene: staged.Staged, database: Database, remover: Remover) -> Manifest:
    """Archive; what a writer that did not finish left of this product is cleared before, and after an error.

    Right only under the product's lock and when the store lists nothing of it: no index then refers to such files.
    """
    if products.objects(database, scene.key):
        raise StoreError(f"{scene.key.id}: the store has objects under this id that no manifest explains")
    remover.clear(scene.key)
    _require_room(scene, database.roots[0])
    try:
        return _archive(scene, database)
    except BaseException:
        # An interrupt that comes while FDB flushes is seen when that is done. What is listed then is whole, and stays:
        # a list whose index is missing would break the whole database.
        if not products.objects(database, scene.key):
            remover.clear(scene.key)
        raise


def _with_places(record: ProductRecord, database: Database) -> ProductRecord:
    """Return the record of a published product that says where its objects are, if they are in one file."""
    found = list(products.objects(database, record.key).values())
    places = {text_of(element.key): element for element in found}
    manifest = places.get(text_of(MANIFEST))
    if manifest is None or {element.path for element in found} != {manifest.path}:
        return record
    place = Place(manifest.path.name, manifest.offset, manifest.length)
    objects = {text: (element.offset, element.length) for text, element in places.items()}
    return replace(record, manifest=place, objects=objects)


def _require_room(scene: staged.Staged, root: Path) -> None:
    """Refuse before the first byte what cannot fit: on a full disk FDB aborts the process and says nothing of it.

    Nor does it say anything of a limit on the size of files (``ulimit -f``): all of a product goes into one.
    """
    root.mkdir(parents=True, exist_ok=True)
    wanted = sum(file.source.stat().st_size for file in scene.files) + _BESIDE_BYTES
    free = disk_usage(root).free
    if free < wanted:
        raise StoreError(f"{scene.key.id} needs {wanted / 1e6:.1f} MB and {root} has {free / 1e6:.1f} MB left")
    limit = resource.getrlimit(resource.RLIMIT_FSIZE)[0]
    if resource.RLIM_INFINITY != limit < wanted:
        room = f"files may have {limit / 1e6:.2f} MB at most (ulimit -f)"
        raise StoreError(f"{scene.key.id} needs a file of {wanted / 1e6:.1f} MB in {root}, and {room}")


def _archive(scene: staged.Staged, database: Database) -> Manifest:
    with ThreadPoolExecutor(1) as reader:
        loaded = _loaded(scene.files, reader)  # the first is read while FDB's libraries are loaded
        fdb = database.open()
        _HANDLES.append(fdb)
        files = []
        for file, data, checksum in loaded:
            if data:
                with named(f"{scene.key.id}: {file.path} could not be stored"):
                    fdb.archive(data, scene.key.index | dict(file.key))
            files.append(StoredFile(file.path, len(data), checksum, dict(file.key), file.asset, file.band))
    manifest = Manifest(
        id=scene.key.id,
        dated_by=scene.key.dated_by,
        archived=int(time.time()),
        content=_content(scene, {file.path: file.blake3 for file in files}),
        files=tuple(files),
    )
    with named(f"{scene.key.id} could not be stored"):
        fdb.archive(manifest.encode(), scene.key.index | MANIFEST)
        fdb.flush()
    return manifest


def _loaded(
    files: Sequence[staged.StagedFile], reader: ThreadPoolExecutor
) -> Iterable[tuple[staged.StagedFile, bytes, str]]:
    """Return files with their bytes and BLAKE3, each read while FDB, which lets go of the GIL, writes the one before.

    Two files are in memory at a time. The first one is being read when this returns.
    """
    first = reader.submit(_load, files[0]) if files else None

    def following(coming: Future[tuple[bytes, str]] | None) -> Iterator[tuple[staged.StagedFile, bytes, str]]:
        for place, file in enumerate(files, start=1):
            assert coming is not None
            data, checksum = coming.result()
            coming = reader.submit(_load, files[place]) if place < len(files) else None
            yield file, data, checksum

    return following(first)


def _load(file: staged.StagedFile) -> tuple[bytes, str]:
    try:
        data = file.source.read_bytes()
    except OSError as error:
        raise StagedError(f"{file.path} cannot be read: {error}") from error
    return data, blake3(data).hexdigest()


def _content(scene: staged.Staged, checksums: Mapping[str, str]) -> str:
    others = {path: checksum for path, checksum in checksums.items() if path != staged.ITEM}
    return content_checksum(scene.item, others)


def _refuse_other_content(known: products.Product, scene: staged.Staged) -> None:
    if known.key.id != scene.key.id:
        raise ContentDiffers(
            f"the id '{scene.key.id}' is the stored '{known.key.id}' but for case: FDB keeps one of them"
        )
    checksums = {}
    for file in scene.files:
        if file.path != staged.ITEM:
            checksums[file.path] = blake3().update_mmap(file.source).hexdigest()
    if _content(scene, checksums) == known.manifest.content:
        return
    stored = {file.path: file.blake3 for file in known.manifest.files if file.path != staged.ITEM}
    changed = sorted(path for path in stored.keys() | checksums.keys() if stored.get(path) != checksums.get(path))
    what = ", ".join(changed[:3]) or staged.ITEM
    raise ContentDiffers(f"the store has another content under the id '{scene.key.id}' already: {what} differs")


def _run(text: str) -> dict[str, Any]:
    task = json.loads(text)
    try:
        scene = staged.read(Path(task["folder"]), task["resolutions"])
        outcome, key = write(scene, Parts.restated(task["parts"]))
    except DafabError as refusal:
        return {"refusal": type(refusal).__name__, "message": str(refusal)}
    return {"outcome": outcome, "key": asdict(key)}


def main() -> NoReturn:
    """Do one job and leave without any destructor."""
    answer_to = os.dup(1)
    os.dup2(2, 1)
    status = 1
    try:
        answer = _run(sys.stdin.read())
        os.write(answer_to, json.dumps(answer).encode())
        status = 0 if "outcome" in answer else 1
    except BaseException:  # noqa: BLE001  # the end of the process: said on standard error, then out by the one safe door
        traceback.print_exc()
    finally:
        os._exit(status)


if __name__ == "__main__":
    main()
