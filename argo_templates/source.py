"""What the document of a source item says of the models that ran on it."""

from collections.abc import Mapping
from typing import Any

from dasi_backend.originals import OPTICAL, PROCESSING, RADAR, collection_of, same_scene, source_document

__all__ = [
    "OPTICAL",
    "PROCESSING",
    "RADAR",
    "collection_of",
    "processing",
    "same_scene",
    "source_document",
    "with_processing",
]


def with_processing(document: Mapping[str, Any], record: Mapping[str, Any]) -> dict[str, Any]:
    """Return the document with what is known of each model; nothing is said while nothing is known."""
    if not record:
        return dict(document)
    return {**document, "properties": {**document["properties"], PROCESSING: dict(record)}}


def processing(document: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a document says of each model."""
    return dict(document["properties"].get(PROCESSING, {}))
