"""What a product consists of, stored beside its objects: names, sizes and checksums."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final, Self

from blake3 import blake3

from dasi_backend.errors import ChecksumError

MANIFEST: Final = {"kind": "part", "part": "manifest"}
"""The level-3 key of the manifest."""

_VERSION: Final = 1


@dataclass(frozen=True, slots=True)
class StoredFile:
    """One file of a product.

    Attributes:
        path: Where it belongs in the staged folder, relative, with ``/``.
        size: Bytes.
        blake3: BLAKE3 of its bytes, hexadecimal.
        key: Its level-3 key; an empty file has no object, because FDB cannot read one back.
        asset: The key of its asset in the item, if it is one.
        band: The band, such as ``B02``, if it is one.
    """

    path: str
    size: int
    blake3: str
    key: Mapping[str, str]
    asset: str | None = None
    band: str | None = None


@dataclass(frozen=True, slots=True)
class Manifest:
    """A product as it was archived.

    Attributes:
        id: The identifier as the item writes it.
        dated_by: The member of the item that the date comes from.
        archived: When, in seconds since 1970.
        content: One checksum of the whole, which does not depend on time or order.
        files: Every file, by path.
    """

    id: str
    dated_by: str
    archived: int
    content: str
    files: tuple[StoredFile, ...]

    @property
    def size(self) -> int:
        """Bytes of all files."""
        return sum(file.size for file in self.files)

    def encode(self) -> bytes:
        """Return the object to store: a line with its own checksum, then JSON."""
        body = json.dumps({"version": _VERSION} | asdict(self), sort_keys=True, separators=(",", ":")).encode()
        return blake3(body).hexdigest().encode() + b"\n" + body

    @classmethod
    def decode(cls, data: bytes, place: str) -> Self:
        """Return the manifest of an object.

        Raises:
            ChecksumError: naming the place, if it is not what was stored.
        """
        checksum, _, body = data.partition(b"\n")
        if blake3(body).hexdigest().encode() != checksum:
            raise ChecksumError(f"{place}: the manifest is damaged (its checksum does not match)")
        record: dict[str, Any] = json.loads(body)
        if record.pop("version") != _VERSION:
            raise ChecksumError(f"{place}: the manifest was written by another version of this software")
        files = tuple(StoredFile(**file) for file in record.pop("files"))
        return cls(files=files, **record)


def content_checksum(item: Mapping[str, Any], checksums: Mapping[str, str]) -> str:
    """Return one checksum of a product's content, whatever the order of its files and the layout of its item.

    Args:
        item: The STAC item.
        checksums: BLAKE3 by path, of every other file.
    """
    document = json.dumps(item, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    lines = "".join(f"{path}\0{checksum}\n" for path, checksum in sorted(checksums.items()))
    return blake3(f"{document}\n{lines}".encode()).hexdigest()
