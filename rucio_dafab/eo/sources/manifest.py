"""``manifest.safe``: the files of a SAFE product with their sizes and checksums.

Source: Sentinel-SAFE (XFDU) as in products of baselines 02.12 to 05.11, which give MD5 or SHA3-256 of every file.
"""

import re
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from xml.etree.ElementTree import Element

from rucio_dafab.eo.errors import SceneError
from rucio_dafab.eo.readers.document import Document, local
from rucio_dafab.eo.sources.checksums import Checksum, named
from rucio_dafab.eo.sources.errors import SourceError

_PART = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.\-]*")


@dataclass(frozen=True, slots=True)
class ListedFile:
    """A file of a product: path below the product's folder, bytes, and its checksum where the manifest has one."""

    path: str
    size: int
    checksum: Checksum | None


def read_manifest(path: Path, product: str) -> tuple[ListedFile, ...]:
    """Return the files that a manifest lists.

    Raises:
        SourceError: if it is no manifest, or lists a path that leaves the product, or a size or checksum that is none.
    """
    try:
        document = Document(path)
    except SceneError as error:
        raise SourceError(f"{product}: its manifest cannot be used: {error}") from error
    files = [_listed(element, product) for element in document.elements("byteStream")]
    if not files:
        raise SourceError(f"{product}: its manifest lists no file")
    return tuple(files)


def _listed(element: Element, product: str) -> ListedFile:
    children = {local(child): child for child in element}
    location, checksum = children.get("fileLocation"), children.get("checksum")
    size = element.get("size", "")
    href = location.get("href", "") if location is not None else ""
    if not (size.isascii() and size.isdecimal()):
        raise SourceError(f"{product}: its manifest gives {href or 'a file'} the size {size!r}")
    found = None
    if checksum is not None and checksum.text:
        try:
            found = named(checksum.get("checksumName", ""), checksum.text)
        except SourceError as error:
            raise SourceError(f"{product}: its manifest: {href}: {error}") from error
    return ListedFile(inner_path(href, product), int(size), found)


def inner_path(href: str, product: str) -> str:
    """Return a path inside a product as it may stand in an address and in a file system.

    Raises:
        SourceError: if it leaves the product or holds anything that names of files in products never do.
    """
    parts = PurePosixPath(href).parts
    if href.startswith("/") or not parts or not all(_PART.fullmatch(part) and ".." not in part for part in parts):
        raise SourceError(f"{product}: {href!r} is no path of a file inside it")
    return "/".join(parts)
