"""What the client of the catalogue takes and gives: items to publish and what became of them, what a search found."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from rucio_dafab.storage import UploadedFile

FilterLanguage = Literal["cql2-json", "cql2-text", "dafab-json", "rucio"]
"""The languages of a search."""

Filter: TypeAlias = Mapping[str, Any] | Sequence[Mapping[str, Any]] | str | bool
"""A filter as its language has it."""

Versions = Literal["latest", "all"]
"""Which versions of items a search finds, where its filter does not say it."""


@dataclass(frozen=True, slots=True)
class Replica:
    """Where a file is."""

    rse: str
    pfn: str


@dataclass(frozen=True, slots=True)
class Asset:
    """A file of an item, with its checksums (hexadecimal) and the replicas that Rucio knows."""

    scope: str
    name: str
    bytes: int
    adler32: str | None
    md5: str | None
    replicas: tuple[Replica, ...]


@dataclass(frozen=True, slots=True)
class Found:
    """One DID of a search: its document (``None`` where it has none) and its assets by key."""

    scope: str
    name: str
    did_type: str
    document: dict[str, Any] | None
    assets: dict[str, Asset]


@dataclass(frozen=True, slots=True)
class PlacedFile:
    """A file on a volatile RSE: the name of its DID, where it is there, size in bytes, checksums (hexadecimal)."""

    name: str
    rse: str
    path: str
    bytes: int
    adler32: str
    md5: str


@dataclass(frozen=True, slots=True)
class PublishRequest:
    """An item to publish.

    Attributes:
        scope: Scope of the item and of its collection.
        item: The STAC item.
        files: Its files by asset key, uploaded or in their place on a volatile RSE; an original that has files already
            keeps them where none are named.
        parent: Name of the item that it was derived from.
        update: Whether the document may replace another one under the same id; files are never replaced.
        predecessor: Name of the item of its collection that it is a new version of.
        keep: How many older versions stay, the others expire; all of them stay where it is ``None``.
        dry_run: Whether the server only says what it would do.
    """

    scope: str
    item: Mapping[str, Any]
    files: Mapping[str, UploadedFile | PlacedFile]
    parent: str | None = None
    update: bool = False
    predecessor: str | None = None
    keep: int | None = None
    dry_run: bool = False


@dataclass(frozen=True, slots=True)
class PublishReport:
    """What the server did, or in a dry run would do.

    The names of the item, its dataset and its files; created, unchanged or updated; older versions that leave; how
    many replicas became known on volatile RSEs.
    """

    item: str
    dataset: str
    files: tuple[str, ...]
    outcome: str
    leaving: tuple[str, ...] = ()
    replicas: int = 0


def body_of(request: PublishRequest) -> dict[str, Any]:
    """Return what is sent to publish an item."""
    options = {name: getattr(request, name) for name in ("parent", "predecessor", "keep")}
    return {
        "scope": request.scope,
        "item": request.item,
        "files": [_file_line(asset, file) for asset, file in sorted(request.files.items())],
        "update": request.update,
        "dry_run": request.dry_run,
    } | {name: value for name, value in options.items() if value is not None}


def report_of(answer: Mapping[str, Any]) -> PublishReport:
    """Return the server's answer to a publication."""
    return PublishReport(
        item=str(answer["item"]),
        dataset=str(answer["dataset"]),
        files=tuple(_name(file) for file in answer["files"]),
        outcome=str(answer["outcome"]),
        leaving=tuple(str(name) for name in answer.get("leaving", ())),
        replicas=int(answer.get("replicas", 0)),
    )


def found_of(line: Mapping[str, Any]) -> Found:
    """Return a line of the server's answer to a search."""
    assets = {key: _asset(asset) for key, asset in (line.get("assets") or {}).items()}
    return Found(line["scope"], line["name"], line["did_type"], line.get("document"), assets)


def _name(file: str | Mapping[str, Any]) -> str:
    return file if isinstance(file, str) else str(file["name"])


def _file_line(asset: str, file: UploadedFile | PlacedFile) -> dict[str, Any]:
    placed = {"path": file.path} if isinstance(file, PlacedFile) else {}
    return placed | {
        "asset": asset,
        "name": file.name,
        "rse": file.rse,
        "bytes": file.bytes,
        "adler32": file.adler32,
        "md5": file.md5,
    }


def _asset(line: Mapping[str, Any]) -> Asset:
    return Asset(
        scope=line["scope"],
        name=line["name"],
        bytes=line["bytes"],
        adler32=line.get("adler32"),
        md5=line.get("md5"),
        replicas=tuple(Replica(replica["rse"], replica["pfn"]) for replica in line.get("replicas", ())),
    )
