"""The assets of a document, and which file is behind each.

An asset of a published document says so by ``file:local_path`` (STAC's file extension): the name of the FILE DID,
``<item>.<file name>``, in the scope of the item.

The same content in another format stands in the asset itself (STAC's extension ``alternate-assets``): the profiles of
the live catalogue name every asset that an item may have. It has a key and a file of its own all the same.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Final

FILE_NAME: Final = "file:local_path"
"""Member of an asset that names its FILE DID."""


ALTERNATES: Final = "alternate"
"""Member of an asset that holds its other formats, by what follows the key of the asset in theirs."""


def every_asset(document: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Return the assets of a document by their keys, other formats of one too: ``<its key>-<name of the format>``.

    The objects are those of the document, not copies; what is no object is left out.
    """
    found: dict[str, dict[str, Any]] = {}
    for key, asset in _objects(document.get("assets")):
        found[key] = asset
        for name, other in _objects(asset.get(ALTERNATES)):
            found.setdefault(f"{key}-{name}", other)
    return found


def asset_names(document: Mapping[str, Any]) -> dict[str, str]:
    """Return the name of the FILE DID of each asset that has one."""
    return {
        key: asset[FILE_NAME] for key, asset in every_asset(document).items() if isinstance(asset.get(FILE_NAME), str)
    }


def _objects(members: Any) -> Iterator[tuple[str, dict[str, Any]]]:
    for key, value in members.items() if isinstance(members, dict) else ():
        if isinstance(value, dict):
            yield key, value
