"""What the catalogue's documents say of an answer: its key, its assets, its checksums."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

from dasi_backend.errors import RequestError
from dasi_backend.keys import UNKNOWN, described
from rucio_dafab.client import Asset, Found
from rucio_dafab.stac.asset_names import every_asset

_GEOTIFF: Final = "image/tiff"
_MULTIHASH: Final = {"1220": "sha256", "1114": "sha1", "d50110": "md5", "1e20": "blake3"}
"""Prefixes of multihashes (STAC's file extension) and the functions that they mean."""


def key_of(document: Mapping[str, Any]) -> dict[str, str]:
    """Return the identifying keys of a document; those it does not say stay away."""
    properties = document.get("properties") or {}
    key = {"id": str(document.get("id") or ""), "collection": str(document.get("collection") or "")}
    moment = properties.get("datetime") or properties.get("start_datetime")
    if moment:
        key |= {"date": str(moment)[:10].replace("-", ""), "time": str(moment)[11:19].replace(":", "")}
    # The store's own reading of an item, so that both sides say tile or mission alike.
    key |= {name: value for name, value in described(properties).items() if value not in {UNKNOWN, "0"}}
    return {name: value for name, value in key.items() if value}


def timestamp_of(document: Mapping[str, Any]) -> int:
    """Return when a document was last written, seconds since 1970, or 0 where it does not say."""
    properties = document.get("properties") or {}
    for name in ("updated", "created"):
        try:
            moment = datetime.fromisoformat(str(properties.get(name)))
        except ValueError:
            continue
        return int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp())
    return 0


def assets_of(found: Found, wanted: Sequence[str]) -> dict[str, Asset]:
    """Return the assets that a request means: those it names, or else the main one.

    The main asset is the first raster of role ``data``, or where there is none the first file of that role.

    Raises:
        RequestError: if the item lacks a named asset, or is made of bands, none of which is the main one.
    """
    known = ", ".join(sorted(found.assets)) or "no file"
    if wanted:
        if absent := [key for key in wanted if key not in found.assets]:
            raise RequestError(f"{found.name} has no asset {', '.join(absent)}: it has {known}")
        return {key: found.assets[key] for key in wanted}
    documented = every_asset(found.document or {}).items()
    data = {key: asset for key, asset in documented if key in found.assets and "data" in (asset.get("roles") or ())}
    rasters = [key for key, asset in data.items() if str(asset.get("type", "")).startswith(_GEOTIFF)]
    if len(rasters) > 1 and all("reflectance" in data[key]["roles"] for key in rasters):
        raise RequestError(f"{found.name} is made of bands: say which, as in asset={rasters[0]} (it has {known})")
    main = next(iter(rasters or data), None)
    if main is None:
        raise RequestError(f"{found.name} has no asset of role data: say which, as in asset=… (it has {known})")
    return {main: found.assets[main]}


def checksums_of(asset: Asset, documented: Mapping[str, Any]) -> dict[str, str]:
    """Return the checksums (hexadecimal) that are known of an asset, by function, the strongest first.

    Args:
        asset: What Rucio knows.
        documented: What the document says of it; ``file:checksum`` is a multihash.
    """
    sums: dict[str, str] = {}
    multihash = str(documented.get("file:checksum") or "").lower()
    for prefix, function in _MULTIHASH.items():
        if multihash.startswith(prefix):
            sums[function] = multihash.removeprefix(prefix)
    if asset.md5 and not sums:
        sums["md5"] = asset.md5.lower()
    if asset.adler32:
        sums["adler32"] = asset.adler32.lower().rjust(8, "0")
    return sums
