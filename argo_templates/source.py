"""The document of a source item: the scene as the catalogue tells of it, its bands being in the rolling store."""

from collections.abc import Mapping
from copy import deepcopy
from typing import Any, Final

from rucio_dafab.eo.bands import BACKSCATTER_BANDS
from rucio_dafab.eo.readers.stac_folder import asset_band

OPTICAL: Final = "sentinel_2_l2a"
"""The collection of scenes of reflectance."""

RADAR: Final = "sentinel_1_rtc"
"""The collection of scenes of terrain-corrected backscatter."""

PROCESSING: Final = "dafab:processing"
"""The member of ``properties`` that says, a model, whether it ran, or why not, and which item came of it."""

REQUEST_TYPE: Final = "application/vnd.ecmwf.mars"


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


def with_processing(document: Mapping[str, Any], record: Mapping[str, Any]) -> dict[str, Any]:
    """Return the document with what is known of each model; nothing is said while nothing is known."""
    if not record:
        return dict(document)
    return {**document, "properties": {**document["properties"], PROCESSING: dict(record)}}


def processing(document: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a document says of each model."""
    return dict(document["properties"].get(PROCESSING, {}))


def same_scene(first: Mapping[str, Any], second: Mapping[str, Any]) -> bool:
    """Tell whether two documents are of one scene: the same place and the same properties but for the processing."""
    return first["geometry"] == second["geometry"] and _own_properties(first) == _own_properties(second)


def _own_properties(document: Mapping[str, Any]) -> dict[str, Any]:
    return {
        key: value for key, value in document["properties"].items() if key not in {PROCESSING, "created", "updated"}
    }


def _via(request: str) -> dict[str, Any]:
    return {"rel": "via", "href": f"dasi:{request}", "type": REQUEST_TYPE, "title": "The bands in the rolling store"}
