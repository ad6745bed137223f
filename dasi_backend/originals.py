"""Originals in the catalogue: the document of a source item, whose bytes are in the rolling store, and its files."""

from collections.abc import Iterable, Mapping
from copy import deepcopy
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any, Final

from dasi_backend.manifest import StoredFile
from dasi_backend.staged import ITEM
from rucio_dafab.eo.bands import BACKSCATTER_BANDS
from rucio_dafab.eo.curation import CURATION
from rucio_dafab.eo.readers.stac_folder import asset_band
from rucio_dafab.names import is_name

OPTICAL: Final = "sentinel_2_l2a"
"""The collection of scenes of reflectance."""

RADAR: Final = "sentinel_1_rtc"
"""The collection of scenes of terrain-corrected backscatter."""

PROCESSING: Final = "dafab:processing"
"""The member of ``properties`` that says, a model, whether it ran, or why not, and which item came of it."""

REQUEST_TYPE: Final = "application/vnd.ecmwf.mars"

_TYPES: Final = {".xml": "application/xml", ".json": "application/json", ".tif": "image/tiff; application=geotiff"}


@dataclass(frozen=True, slots=True)
class OriginalFile:
    """A file of a product as the catalogue is to know it: the key of its asset, the name of its DID, what is stored."""

    asset: str
    name: str
    stored: StoredFile


def source_document(staged: Mapping[str, Any], request: str) -> dict[str, Any]:
    """Return a staged scene's item as a document without assets: the store is rolling, links to its files would die.

    In their place stand the names of the bands and a link ``via`` that carries the request by which ``dasi retrieve``
    gives them while the store has them.
    """
    document = deepcopy(dict(staged))
    assets = document.pop("assets", {})
    document |= {"collection": collection_of(assets), "assets": {}, "links": [_via(request)]}
    document["properties"] = {**document["properties"], "bands": [{"name": name} for name in sorted(assets)]}
    return document


def collection_of(assets: Mapping[str, Any]) -> str:
    """Return the collection of a scene, by the bands among its assets."""
    bands = {asset_band(key, asset) for key, asset in assets.items()} - {None}
    return RADAR if bands and bands <= set(BACKSCATTER_BANDS) else OPTICAL


def same_scene(first: Mapping[str, Any], second: Mapping[str, Any]) -> bool:
    """Tell whether two documents are of one scene: the same place and properties, but for processing and curation."""
    return first["geometry"] == second["geometry"] and _own_properties(first) == _own_properties(second)


def with_assets(
    document: Mapping[str, Any], staged: Mapping[str, Any], files: Mapping[str, OriginalFile]
) -> dict[str, Any]:
    """Return a source document with the assets of its item, and one more for each file that is none.

    Args:
        document: The document, without assets or with those of an earlier publication.
        staged: The item as the store has it.
        files: What is published of the product, by key of the asset.
    """
    assets = {key: dict(asset) for key, asset in staged.get("assets", {}).items()}
    for key, file in files.items():
        if key not in assets:
            kind = _TYPES.get(PurePosixPath(file.stored.path).suffix.lower())
            assets[key] = {"href": file.stored.path, "roles": ["metadata"]} | ({"type": kind} if kind else {})
    # What is in the folder and not published has no address that anybody could follow.
    published = {key: asset for key, asset in assets.items() if key in files or "://" in str(asset.get("href"))}
    return {**document, "assets": published}


def files_of(identifier: str, stored_files: Iterable[StoredFile]) -> tuple[dict[str, OriginalFile], tuple[str, ...]]:
    """Return the files of a product by asset key, and the paths of those that the catalogue cannot keep.

    The item is the document itself. Left out are files without a byte, of which the store has no object, and files
    whose path makes no name of a DID.
    """
    files: dict[str, OriginalFile] = {}
    left_out, names = [], set()
    for stored in stored_files:
        if stored.path == ITEM:
            continue
        name = f"{identifier}.{stored.path.replace('/', '.')}"
        asset = stored.asset or stored.path
        if not stored.size or not is_name(name) or name in names or asset in files:
            left_out.append(stored.path)
            continue
        names.add(name)
        files[asset] = OriginalFile(asset, name, stored)
    return files, tuple(left_out)


def _own_properties(document: Mapping[str, Any]) -> dict[str, Any]:
    others = {PROCESSING, CURATION, "created", "updated"}
    return {key: value for key, value in document["properties"].items() if key not in others}


def _via(request: str) -> dict[str, Any]:
    return {"rel": "via", "href": f"dasi:{request}", "type": REQUEST_TYPE, "title": "The bands in the rolling store"}
