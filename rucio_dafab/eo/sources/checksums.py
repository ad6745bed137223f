"""Checksums of files, in the forms that archives give them, and their verification."""

import hashlib
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from blake3 import blake3

from rucio_dafab.eo.sources.errors import SourceError

_NEW: dict[str, Callable[[], Any]] = {
    "md5": lambda: hashlib.md5(usedforsecurity=False),
    "sha1": lambda: hashlib.sha1(usedforsecurity=False),
    "sha2-256": hashlib.sha256,
    "sha2-512": hashlib.sha512,
    "sha3-256": hashlib.sha3_256,
    "sha3-512": hashlib.sha3_512,
    "blake3": blake3,
}
# Multicodec table: https://github.com/multiformats/multicodec (code of the hash function, before length and digest).
_MULTIHASH = {
    0x11: "sha1", 0x12: "sha2-256", 0x13: "sha2-512", 0x14: "sha3-512", 0x16: "sha3-256", 0x1E: "blake3", 0xD5: "md5",
}  # fmt: skip
_ALIASES = {"sha-256": "sha2-256", "sha256": "sha2-256", "sha-512": "sha2-512", "sha512": "sha2-512", "sha-1": "sha1"}
_MD5_TAG = re.compile(r'"?([0-9a-fA-F]{32})"?')
_CHUNK = 4 * 2**20


@dataclass(frozen=True, slots=True)
class Checksum:
    """A checksum: ``algorithm`` is one that can be computed here, ``value`` hexadecimal in lower case."""

    algorithm: str
    value: str


def named(algorithm: str, value: str) -> Checksum | None:
    """Return the checksum that an archive names (``MD5``, ``SHA3-256``, ``BLAKE3``), or None for an unknown kind.

    Raises:
        SourceError: if the value cannot be one of that algorithm.
    """
    name = _ALIASES.get(algorithm.strip().lower(), algorithm.strip().lower())
    if name not in _NEW:
        return None
    digits, value = 2 * _NEW[name]().digest_size, value.strip().lower()
    if not re.fullmatch(rf"[0-9a-f]{{{digits}}}", value):
        raise SourceError(f"{value[:80]!r} is no checksum of the kind {algorithm}")
    return Checksum(name, value)


def multihash(text: str) -> Checksum | None:
    """Return what a multihash in hexadecimal digits says (STAC's ``file:checksum``), or None for an unknown kind.

    Raises:
        SourceError: if it is no multihash.
    """
    try:
        content = bytes.fromhex(text)
        code, at = _varint(content, 0)
        length, at = _varint(content, at)
    except (ValueError, IndexError) as error:
        raise SourceError(f"{text[:80]!r} is no multihash") from error
    if len(content) - at != length:
        raise SourceError(f"{text[:80]!r} is no multihash: {length} bytes are announced, {len(content) - at} there")
    name = _MULTIHASH.get(code)
    # A shortened digest is allowed by the format and verifies nothing here.
    return Checksum(name, content[at:].hex()) if name and length == _NEW[name]().digest_size else None


def _varint(content: bytes, at: int) -> tuple[int, int]:
    """Return an unsigned LEB128 number and where the next begins."""
    number = shift = 0
    while True:
        byte = content[at]
        number, at, shift = number | (byte & 0x7F) << shift, at + 1, shift + 7
        if not byte & 0x80:
            return number, at
        if shift > 63:
            raise ValueError("too long")


def of_entity_tag(tag: str | None) -> Checksum | None:
    """Return the MD5 that an S3 entity tag is, or None (parts, encryption and weak tags have others)."""
    match = _MD5_TAG.fullmatch(tag or "")
    return Checksum("md5", match[1].lower()) if match else None


def first_mismatch(path: Path, checksums: Iterable[Checksum]) -> str | None:
    """Return what is wrong with a file by the first checksum that it does not have, or None.

    Raises:
        OSError: if it cannot be read.
    """
    expected = tuple(checksums)
    digests = [_NEW[checksum.algorithm]() for checksum in expected]
    with path.open("rb") as stream:
        while digests and (chunk := stream.read(_CHUNK)):
            for digest in digests:
                digest.update(chunk)
    for checksum, digest in zip(expected, digests, strict=True):
        if digest.hexdigest() != checksum.value:
            return f"its {checksum.algorithm} is {digest.hexdigest()}, and should be {checksum.value}"
    return None
