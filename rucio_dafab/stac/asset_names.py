"""Which file is behind an asset.

An asset of a published document says so by ``file:local_path`` (STAC's file extension): the name of the FILE DID,
``<item>.<file name>``, in the scope of the item.
"""

from collections.abc import Mapping
from typing import Any, Final

FILE_NAME: Final = "file:local_path"
"""Member of an asset that names its FILE DID."""


def asset_names(document: Mapping[str, Any]) -> dict[str, str]:
    """Return the name of the FILE DID of each asset that has one."""
    assets = document.get("assets")
    return {
        key: asset[FILE_NAME]
        for key, asset in (assets if isinstance(assets, dict) else {}).items()
        if isinstance(asset, dict) and isinstance(asset.get(FILE_NAME), str)
    }
