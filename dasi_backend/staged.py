"""Staged scenes: a STAC folder (``item.json`` and the files its assets name), as the store takes and gives it."""

import json
import os
import re
import warnings
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, Final

from dasi_backend.errors import StagedError
from dasi_backend.keys import ProductKey

ITEM: Final = "item.json"
METADATA: Final = "safe"
"""The folder of a product's own metadata files; all of it is kept."""

_BAND: Final = re.compile(r"b\d{1,2}a?|scl|aot|wvp|tci|vv|vh|hh|hv")


@dataclass(frozen=True, slots=True)
class StagedFile:
    """A file to store.

    Attributes:
        path: Relative to the folder, with ``/``.
        source: Where it is.
        key: Its level-3 key.
        asset: The key of its asset in the item, if it is one.
        band: The band, such as ``B02``, if it is one.
    """

    path: str
    source: Path
    key: Mapping[str, str]
    asset: str | None = None
    band: str | None = None


@dataclass(frozen=True, slots=True)
class Staged:
    """A staged scene: its key, its item and its files, the item first."""

    key: ProductKey
    item: Mapping[str, Any]
    files: tuple[StagedFile, ...]

    @property
    def resolutions(self) -> dict[str, int]:
        """Metres a pixel of every band, by path."""
        return {file.path: int(file.key["res"]) for file in self.files if file.band}


def read(folder: Path, resolutions: Mapping[str, int] | None = None) -> Staged:
    """Read what a staged folder holds. No file but the item is opened, unless a band does not say its resolution.

    Args:
        folder: The folder.
        resolutions: Metres a pixel by path, as :attr:`Staged.resolutions` found them before.

    Raises:
        StagedError: if the folder, its item or a file of it cannot be used, naming the asset and the file.
        KeyRefused: if the item's id or date cannot be a key.
    """
    item = _item(folder)
    key = ProductKey.from_item(item)
    bands, others = [], []
    for path, (asset, source) in sorted(_assets(folder, item).items()):
        if band := _band(path, asset):
            known = (resolutions or {}).get(path)
            resolution = _resolution(asset, item["assets"][asset], source) if known is None else known
            level_3 = {"kind": "band", "band": band.lower(), "res": str(resolution)}
            bands.append(StagedFile(path, source, level_3, asset, band))
        else:
            others.append((path, source, asset))
    _refuse_twins(folder, bands)
    return Staged(key, item, (_document(folder), *bands, *_parts(folder, others)))


def is_band(name: str) -> bool:
    """Say whether a name is that of a band, in either case."""
    return _BAND.fullmatch(name.lower()) is not None


def without_assets(item: Mapping[str, Any], absent: Collection[str]) -> bytes:
    """Return the text of an item that does not promise the assets that were left out."""
    assets = {key: asset for key, asset in item["assets"].items() if key not in absent}
    return json.dumps({**item, "assets": assets}, indent=1, ensure_ascii=False).encode()


def _document(folder: Path) -> StagedFile:
    return StagedFile(ITEM, folder / ITEM, {"kind": "part", "part": "item"})


def _parts(folder: Path, assets: list[tuple[str, Path, str]]) -> Iterator[StagedFile]:
    """Number what is no band: names of files are longer than a level-3 key may be."""
    known = {path for path, _, _ in assets} | {ITEM}
    files = [*assets, *((path, source, None) for path, source in _metadata(folder) if path not in known)]
    for number, (path, source, asset) in enumerate(files, start=1):
        yield StagedFile(path, source, {"kind": "part", "part": f"p{number:04d}"}, asset)


def _band(path: str, asset: str) -> str | None:
    """Return the band of a file: staging names the file so; otherwise its asset is named so."""
    for name in (PurePosixPath(path).stem, asset):
        if is_band(name):
            return name.upper()
    return None


def _item(folder: Path) -> dict[str, Any]:
    path = folder / ITEM
    try:
        item = json.loads(path.read_bytes())
        json.dumps(item, ensure_ascii=False).encode()  # "\\ud800" is JSON, and no text that could be written
    except FileNotFoundError as error:
        raise StagedError(f"{folder} is no staged scene: it has no {ITEM}") from error
    except (OSError, ValueError, RecursionError) as error:
        raise StagedError(f"{path} cannot be read: {error}") from error
    if not isinstance(item, dict) or not isinstance(item.get("assets"), dict):
        raise StagedError(f"{path} is no STAC item: it has no assets")
    return item


def _assets(folder: Path, item: Mapping[str, Any]) -> dict[str, tuple[str, Path]]:
    """Return the asset and the file behind each relative path; assets that are web addresses stay links."""
    found: dict[str, tuple[str, Path]] = {}
    for asset, record in item["assets"].items():
        href = record.get("href") if isinstance(record, dict) else None
        if not isinstance(href, str) or not href:
            raise StagedError(f"{folder / ITEM}: asset {asset} has no href")
        if re.match(r"[A-Za-z][A-Za-z0-9+.-]*://", href):
            if is_band(asset):
                raise StagedError(f"{folder / ITEM}: asset {asset} is not in the folder but at {href}")
            continue
        path = PurePosixPath(href)
        if path.is_absolute() or ".." in path.parts:
            raise StagedError(f"{folder / ITEM}: asset {asset} points outside the folder: {href}")
        if not (folder / path).is_file():
            raise StagedError(f"{folder / ITEM}: asset {asset} names {path}, which is not there")
        _refuse_link(folder, folder / path)
        other, _ = found.setdefault(str(path), (asset, folder / path))
        if other != asset:
            raise StagedError(f"{folder / ITEM}: assets {other} and {asset} name the same file {path}")
    return found


def _metadata(folder: Path) -> Iterator[tuple[str, Path]]:
    for source in sorted((folder / METADATA).rglob("*")):
        if source.is_file():
            _refuse_link(folder, source)
            path = source.relative_to(folder).as_posix()
            if os.fsencode(path) != path.encode(errors="replace"):
                raise StagedError(f"{folder} holds a file whose name is no UTF-8: {os.fsencode(path)!r}")
            yield path, source


def _refuse_link(folder: Path, source: Path) -> None:
    """Refuse a link out of the folder: whoever made the scene is not to say which files of ours are archived."""
    if not source.resolve().is_relative_to(folder.resolve()):
        raise StagedError(f"{source} is a link to {source.resolve()}, outside of the folder")


def _refuse_twins(folder: Path, bands: list[StagedFile]) -> None:
    seen: dict[str, str | None] = {}
    for file in bands:
        other = seen.setdefault(file.key["band"], file.asset)
        if other != file.asset:
            raise StagedError(f"{folder / ITEM}: assets {other} and {file.asset} are both band {file.band}")


def _resolution(asset: str, record: Mapping[str, Any], source: Path) -> int:
    """Return metres a pixel, as the item says or else as the file does; 0 for a grid in degrees."""
    said = record.get("raster:spatial_resolution") or record.get("gsd")
    if isinstance(said, int | float) and 0 < said < 100_000:
        return round(said)
    import rasterio  # noqa: PLC0415  # half a second that scenes with a resolution in their item do not need
    from rasterio.errors import NotGeoreferencedWarning  # noqa: PLC0415

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", NotGeoreferencedWarning)
            with rasterio.open(source) as raster:
                return round(abs(float(raster.transform.a)))
    except rasterio.RasterioIOError as error:
        raise StagedError(f"asset {asset}: {source.name} is no raster that can be read ({error})") from error
