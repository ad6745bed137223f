"""The document of a published item: stable links in place of whatever the files were called where they were made."""

import re
from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import quote

from rucio_dafab.names import LONGEST, is_name, rule
from rucio_dafab.stac.asset_names import FILE_NAME, asset_names, every_asset
from rucio_dafab.stac.errors import DocumentInvalid
from rucio_dafab.stac.links import (
    DERIVED,
    LATEST,
    SUCCESSOR,
    VERSIONS,
    item_address,
    leads_to_model,
    named_by,
    rule_of,
    with_links,
)

FILE_EXTENSION: Final = "https://stac-extensions.github.io/file/v2.1.0/schema.json"
"""STAC's file extension: ``file:size``, ``file:checksum``, ``file:local_path``."""

_MD5_MULTIHASH: Final = "d50110"
"""Multihash prefix of an MD5: code 0xd5 as a varint, 16 bytes (github.com/multiformats/multicodec, table.csv)."""

_OURS: Final = frozenset({"self", "root", "parent", "collection"})
"""Relations of links that say where a document stands: those are the catalogue's."""

_ADLER32: Final = re.compile(r"[0-9a-f]{8}")
_MD5: Final = re.compile(r"[0-9a-f]{32}")


@dataclass(frozen=True, slots=True)
class PublishedFile:
    """A file of an item: the key of its asset, its name ``<item>.<file name>``, the RSE that holds it, size, checksums.

    The size is in bytes, the checksums are hexadecimal in lower case. ``path`` says where it is on a volatile RSE.
    """

    asset: str
    name: str
    rse: str
    bytes: int
    adler32: str
    md5: str
    path: str | None = None


def check_files(item: str, document: Mapping[str, Any], files: Sequence[PublishedFile]) -> None:
    """Check the files of an item against each other and against its assets.

    Raises:
        DocumentInvalid: naming the first file that is wrong.
    """
    known: dict[str, PublishedFile] = {}
    assets = every_asset(document)
    for file in files:
        _check_file(item, file)
        if file.asset not in assets:
            raise DocumentInvalid(f"the item {item} has no asset {file.asset!r} for the file {file.name}")
        other = known.setdefault(file.name, file)
        if (other.asset, other.bytes, other.adler32, other.md5) != (file.asset, file.bytes, file.adler32, file.md5):
            raise DocumentInvalid(f"the file {file.name} is listed twice with different assets, sizes or checksums")
    by_asset = {(file.asset, file.name) for file in files}
    if len(by_asset) != len({asset for asset, _ in by_asset}):
        raise DocumentInvalid(f"two files of {item} are listed for one asset")


def _check_file(item: str, file: PublishedFile) -> None:
    if not file.name.startswith(f"{item}.") or not is_name(file.name) or not is_name(file.name[len(item) + 1 :]):
        raise DocumentInvalid(f"the file {file.name[:120]!r} must be called {item}.<file name>, {rule(LONGEST)}")
    if file.bytes < 0:
        raise DocumentInvalid(f"the file {file.name} cannot have {file.bytes} bytes")
    if not _ADLER32.fullmatch(file.adler32) or not _MD5.fullmatch(file.md5):
        raise DocumentInvalid(
            f"the checksums of {file.name} must be 8 (Adler-32) and 32 (MD5) lower-case hexadecimal digits"
        )


def dataset_of(item: str) -> str:
    """Return the name of the dataset of an item's files."""
    return f"{item}_assets"


def published_document(
    item: Mapping[str, Any],
    files: Sequence[PublishedFile],
    *,
    scope: str,
    parent: Mapping[str, Any] | None,
    root: str,
    versions: Sequence[tuple[str, str]] = (),
) -> dict[str, Any]:
    """Return the document that is kept: the item with stable links, and what the file extension says of its files.

    Args:
        item: a valid STAC item.
        files: its files.
        scope: scope of the item.
        parent: the document of the item that it was derived from.
        root: address of the site, without a slash at its end.
        versions: relations and addresses of the links to other versions of it.
    """
    document = deepcopy(dict(item))
    document.setdefault("assets", {})
    assets = every_asset(document)
    for file in files:
        assets[file.asset] |= {
            "href": f"{root}/assets/{quote(scope)}/items/{quote(document['id'])}/{quote(file.asset, safe='')}",
            "file:size": file.bytes,
            "file:checksum": assets[file.asset].get("file:checksum", f"{_MD5_MULTIHASH}{file.md5}"),
            FILE_NAME: file.name,
        }
    if asset_names(document):
        extensions = document.get("stac_extensions", [])
        document["stac_extensions"] = [*extensions, *([] if FILE_EXTENSION in extensions else [FILE_EXTENSION])]
    document["links"] = [*_links(document, parent, root), *_kept(document.get("links", []), parent)]
    replaced = {SUCCESSOR, LATEST, *(rel for rel, _ in versions)}
    return with_links(document, versions, replaced=replaced)


def with_files_of(item: Mapping[str, Any], published: Mapping[str, Any]) -> dict[str, Any]:
    """Return an item that names none of the published files, with the assets of its document that have some."""
    kept = {key: asset for key, asset in published.get("assets", {}).items() if FILE_NAME in asset}
    return {**item, "assets": {**item.get("assets", {}), **kept}}


def same_document(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Return whether two published documents say the same, wherever the site that wrote their links was reached."""
    return _without_place(one) == _without_place(other)


def _links(document: Mapping[str, Any], parent: Mapping[str, Any] | None, root: str) -> list[dict[str, str]]:
    collection = f"{root}/collections/{quote(document['collection'])}"
    links = [
        {"rel": "self", "href": _address(document, root), "type": "application/geo+json"},
        {"rel": "root", "href": root, "type": "application/json"},
        {"rel": "parent", "href": collection, "type": "application/json"},
        {"rel": "collection", "href": collection, "type": "application/json"},
    ]
    if parent is not None:
        links.append({"rel": DERIVED, "href": _address(parent, root), "type": "application/geo+json"})
    return links


def _address(document: Mapping[str, Any], root: str) -> str:
    return item_address(root, str(document["collection"]), document["id"])


def _kept(links: Sequence[Mapping[str, Any]], parent: Mapping[str, Any] | None) -> list[dict[str, Any]]:
    """Return the links of an item that are not the catalogue's to write: that to the parent is, to others it is not."""
    return [
        dict(link)
        for link in links
        if link.get("rel") not in _OURS
        and (parent is None or link.get("rel") != DERIVED or leads_to_model(link) or _names_another(link, parent))
    ]


def _names_another(link: Mapping[str, Any], parent: Mapping[str, Any]) -> bool:
    named = named_by(link.get("href"))
    return named is not None and named[1] != parent["id"]


def _without_place(document: Mapping[str, Any]) -> dict[str, Any]:
    """Return a document without the address of the site: where links and published assets point."""
    addresses = [str(link.get("href")) for link in document.get("links", []) if link.get("rel") == "root"]
    root = addresses[0] if addresses else ""
    written = document.get("links", [])
    links = [
        link
        | {"href": named_by(link.get("href")) if leads_to_model(link) else str(link.get("href")).removeprefix(root)}
        for link in written
        if link.get("rel") not in VERSIONS and rule_of(link) is None
    ]
    # What names another version may have been written under another address of the site.
    versions = {
        (link["rel"], named_by(link.get("href")) or link.get("href")) for link in written if link.get("rel") in VERSIONS
    }
    assets = deepcopy(document.get("assets", {}))
    for asset in every_asset({"assets": assets}).values():
        if FILE_NAME in asset:
            del asset["href"]
    return dict(document) | {"links": links, "versions": versions, "assets": assets}


def _led_to(link: Mapping[str, Any], root: str) -> str | tuple[str | None, str]:
    """Return where a link leads without the address of the site; a model may be known by another one."""
    named = named_by(link.get("href")) if leads_to_model(link) else None
    return named or str(link.get("href")).removeprefix(root)
