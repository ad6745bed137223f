"""What the store knows of its products beside FDB: small files, each whole or absent, in the folder ``.records``.

    products/<product>.json     what a product is; the time of the file is that of its last access
    pins/<product>.json         kept until it is unpinned
    processed/<product>.json    a workflow has made of it what it makes
    marked/<product>.json       due: a later run of retention removes it
    removing/<product>.json     being removed: gone for everybody, whatever is left of its bytes
    published/<product>.json    what the catalogue was told of it
    withdraw/<product>.json     gone, and the catalogue is still to be told
    leases/<product>~<…>.json   in use (:mod:`dasi_backend.leases`)

Files and not a database: they work wherever the store itself does, and a reader records an access by one system call.

On a full disk products must be able to go. So a note that one is due or being removed may be an empty file, which takes
no room: since when, its time says, and which database, the record of the product.
"""

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any, Final, Self

import orjson

from dasi_backend.errors import KeyRefused, StoreError
from dasi_backend.keys import ProductKey
from rucio_dafab.files import NoRoom, write_file

FOLDER: Final = ".records"
_SUFFIX: Final = ".json"
_VERSION: Final = 1


class Note(StrEnum):
    """What may be noted of a product; the value is the name of a folder."""

    PINNED = "pins"
    PROCESSED = "processed"
    MARKED = "marked"
    REMOVING = "removing"
    PUBLISHED = "published"
    WITHDRAW = "withdraw"


_MAY_BE_EMPTY: Final = frozenset({Note.MARKED, Note.REMOVING})


@dataclass(frozen=True, slots=True)
class Place:
    """Where an object lies in its database.

    Attributes:
        file: The name of the data file.
        offset: First byte.
        length: Bytes.
    """

    file: str
    offset: int
    length: int


@dataclass(frozen=True, slots=True)
class ProductRecord:
    """What retention needs to know of a product.

    Attributes:
        key: Its key.
        size: Bytes of its files.
        archived: When it was archived, seconds since 1970.
        collection: The collection of its item, if it says one.
        footprint: The geometry of its item (GeoJSON, EPSG:4326), if it has one.
        accessed: When it was last archived or retrieved, seconds since 1970.
        manifest: Where its manifest is, if the record says it.
        objects: Where the others are in the same file, if the record says it: first byte and bytes, by level-3 key.
    """

    key: ProductKey
    size: int
    archived: int
    collection: str | None = None
    footprint: Mapping[str, Any] | None = None
    accessed: float = 0.0
    manifest: Place | None = None
    objects: Mapping[str, Sequence[int]] = field(default_factory=dict)

    @classmethod
    def of(cls, key: ProductKey, size: int, archived: int, item: Mapping[str, Any]) -> Self:
        """Return the record of a product whose STAC item is known."""
        collection, footprint = item.get("collection"), item.get("geometry")
        return cls(
            key=key,
            size=size,
            archived=archived,
            collection=collection if isinstance(collection, str) else None,
            footprint=footprint if isinstance(footprint, dict) else None,
            accessed=float(archived),
        )


@dataclass(frozen=True, slots=True)
class Records:
    """The records of one store.

    Attributes:
        folder: Where they lie; made when the first one is written.
    """

    folder: Path

    def keep(self, record: ProductRecord) -> None:
        """Write the record of a product, whose access is now."""
        stated = asdict(record) | {"version": _VERSION}
        del stated["accessed"]
        write_file(self._product(record.key.product), orjson.dumps(stated).decode())
        with suppress(OSError):  # while there is room for a folder
            for note in (Note.MARKED, Note.REMOVING, Note.WITHDRAW):
                (self.folder / note).mkdir(exist_ok=True)

    def get(self, product: str) -> ProductRecord | None:
        """Return the record of a product (canonical id); ``None`` where there is none that can be read."""
        return _read_record(self._product(product))

    def all(self) -> dict[str, ProductRecord]:
        """Return every record by product; one that is damaged counts as absent, since FDB can tell it anew."""
        found = ((name, _read_record(path)) for name, path in _files(self.folder / "products"))
        return {name: record for name, record in found if record is not None}

    def touch(self, product: str, moment: float | None = None) -> None:
        """Record an access, now or at `moment` (seconds since 1970), where whoever reads may."""
        # No record: a product of an older store, for which the next account makes one.
        with suppress(FileNotFoundError, PermissionError):
            os.utime(self._product(product), None if moment is None else (moment, moment))

    def note(self, note: Note, product: str, said: Mapping[str, Any]) -> None:
        """Note something of a product, durably.

        Raises:
            NoRoom: if the disk is full, and an empty note would not say enough.
            FileError: if it cannot be written.
        """
        try:
            write_file(self._note(note, product), orjson.dumps(dict(said)).decode())
        except NoRoom:
            if note not in _MAY_BE_EMPTY or self.get(product) is None:
                raise
            write_file(self._note(note, product), "")

    def noted(self, note: Note) -> dict[str, dict[str, Any]]:
        """Return what is noted, by product.

        Raises:
            StoreError: naming a note that cannot be read: nobody may take a damaged pin for none.
        """
        found = ((name, _read_note(path, note)) for name, path in _files(self.folder / note))
        return {name: said for name, said in found if said is not None}

    def told(self, note: Note, product: str) -> dict[str, Any] | None:
        """Return what is noted of one product.

        Raises:
            StoreError: if the note cannot be read.
        """
        return _read_note(self._note(note, product), note)

    def removing(self, product: str) -> ProductKey | None:
        """Return the key of a product that is being removed; ``None`` where it is not, or nothing but its note is left.

        Raises:
            StoreError: if the note cannot be read.
        """
        said = self.told(Note.REMOVING, product)
        if said is None:
            return None
        if "key" in said:
            return ProductKey.parse(str(said["key"]))
        record = self.get(product)
        return None if record is None else record.key

    def names(self, note: Note) -> frozenset[str]:
        """Return the products of which something is noted."""
        return frozenset(name for name, _ in _files(self.folder / note))

    def drop(self, note: Note, product: str) -> bool:
        """Take a note back, and say whether there was one."""
        try:
            self._note(note, product).unlink()
        except FileNotFoundError:
            return False
        return True

    def forget(self, product: str) -> None:
        """Drop everything about a product that is gone, the note that it is being removed last of all.

        What the catalogue was told of it is kept as what it has to be told: whoever comes here next does.
        """
        self._product(product).unlink(missing_ok=True)
        if (told := self._note(Note.PUBLISHED, product)).exists():  # renamed and not written: it takes no room
            (self.folder / Note.WITHDRAW).mkdir(exist_ok=True)
            told.replace(self._note(Note.WITHDRAW, product))
        for note in (Note.PINNED, Note.PROCESSED, Note.MARKED, Note.REMOVING):
            self.drop(note, product)

    def _product(self, product: str) -> Path:
        return self.folder / "products" / f"{product}{_SUFFIX}"

    def _note(self, note: Note, product: str) -> Path:
        return self.folder / note / f"{product}{_SUFFIX}"


def _files(folder: Path) -> Iterator[tuple[str, Path]]:
    """Yield name and path of every record in a folder; what begins with a dot is one that is being written."""
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                if entry.name.endswith(_SUFFIX) and not entry.name.startswith("."):
                    yield entry.name.removesuffix(_SUFFIX), Path(entry.path)
    except FileNotFoundError:
        return


def _read_record(path: Path) -> ProductRecord | None:
    try:
        with path.open("rb", buffering=0) as file:
            stated = orjson.loads(file.readall() or b"")
            accessed = os.fstat(file.fileno()).st_mtime
        if stated.pop("version") != _VERSION:
            return None
        place = Place(**stated["manifest"]) if stated.get("manifest") else None
        return ProductRecord(**(stated | {"key": ProductKey(**stated["key"]), "accessed": accessed, "manifest": place}))
    except FileNotFoundError:
        return None
    except (orjson.JSONDecodeError, KeyError, TypeError, AttributeError, KeyRefused):
        return None


def _read_note(path: Path, note: Note) -> dict[str, Any] | None:
    try:
        text = path.read_bytes()
        if not text and note in _MAY_BE_EMPTY:
            return {"since": path.stat().st_mtime}
        said = orjson.loads(text)
    except FileNotFoundError:
        return None
    except (OSError, orjson.JSONDecodeError) as error:
        raise StoreError(f"{path} cannot be read: {error}") from error
    if not isinstance(said, dict):
        raise StoreError(f"{path} is no note: it holds no JSON object")
    return said
