"""Scenes that are a folder with a STAC ``item.json`` and a raster file a band: the staged form of every scene."""

import math
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import orjson

from rucio_dafab.eo.bands import REFLECTANCE_BANDS, SCENE_CLASSIFICATION, BandFile, Scene, band_name
from rucio_dafab.eo.digital_numbers import is_offset, is_scale, lacks_offset, why_no_offset
from rucio_dafab.eo.errors import SceneError
from rucio_dafab.eo.raster import Grid, common_grid, read_grid
from rucio_dafab.eo.readers.backscatter import in_decibels
from rucio_dafab.eo.readers.paths import inside

ITEM_NAME = "item.json"
# ESA's product specification (S2 PDGS): digital numbers of 12 to 15 bits, 10000 to a reflectance of 1.
QUANTIFICATION = 10_000.0
SATURATED = 65_535.0


def read_stac_folder(folder: Path) -> Scene:
    """Return the scene in ``folder``.

    A band whose file is not there, or lies on another machine, is one that the scene does not have (``Scene.absent``).

    Raises:
        SceneError: if ``item.json`` is missing or is no STAC item, an asset's path leaves the folder, no band is left,
            or a band file is unreadable or does not fit the others.
    """
    item = read_item(folder / ITEM_NAME)
    named = [(name, key, asset) for key, asset in item["assets"].items() if (name := asset_band(key, asset))]
    candidates = [
        _declared(name, asset, item, path, key)
        for name, key, asset in named
        if (path := local_file(folder, key, asset))
    ]
    if not candidates:
        raise SceneError(f"{folder / ITEM_NAME}: no asset is a band file of a known name in this folder")
    finest: dict[str, tuple[BandFile, Grid]] = {}
    for band in candidates:
        grid = read_grid(band)
        known = finest.get(band.name)
        if known is None or grid.transform.a < known[1].transform.a:
            finest[band.name] = (_completed(band, grid, item), grid)
    finest = {name: (in_decibels(band, item, grid), grid) for name, (band, grid) in finest.items()}
    grid = common_grid(finest.values())
    bands = {name: band for name, (band, _) in finest.items()}
    absent = {name: asset["href"] for name, _, asset in named if name not in bands}
    others = _other_files(folder, item)
    return Scene(item["id"], item, bands, grid.crs, grid.transform, grid.shape, folder, others, absent)


def _other_files(folder: Path, item: dict[str, Any]) -> dict[str, Path]:
    """Return the files of the assets that are no bands: metadata, a reference mask, a thumbnail."""
    files = {key: local_file(folder, key, asset) for key, asset in item["assets"].items() if not asset_band(key, asset)}
    return {key: path for key, path in files.items() if path is not None and path.name != ITEM_NAME}


def read_item(path: Path) -> dict[str, Any]:
    """Return the STAC item in ``path``: a Feature with an id, a geometry, properties and assets.

    Raises:
        SceneError: naming the file and what it lacks.
    """
    try:
        item = orjson.loads(path.read_bytes())
    except OSError as error:
        raise SceneError(f"{path}: cannot be read: {error.strerror}") from error
    except orjson.JSONDecodeError as error:
        raise SceneError(f"{path}: is not JSON: {error}") from error
    if not isinstance(item, dict) or item.get("type") != "Feature":
        raise SceneError(f"{path}: is not a STAC item (a GeoJSON Feature)")
    for member, kind in (("id", str), ("geometry", dict), ("properties", dict), ("assets", dict)):
        if not isinstance(item.get(member), kind) or not item[member]:
            raise SceneError(f"{path}: the item has no {member}")
    _check_time(path, item["properties"])
    return item


def _check_time(path: Path, properties: dict[str, Any]) -> None:
    """An item has a datetime, or a null one and the two ends of its interval (STAC 1.1)."""
    if properties.get("datetime") is None and not (properties.get("start_datetime") and properties.get("end_datetime")):
        raise SceneError(f"{path}: the item has neither datetime nor start_datetime and end_datetime")


def asset_band(key: str, asset: Any) -> str | None:
    """Return the band that an asset holds, by its key, else by the name or common name of its only band."""
    name = band_name(key)
    if name or not isinstance(asset, dict):
        return name if isinstance(asset, dict) else None
    bands = _only(asset.get("bands")) or _only(asset.get("eo:bands"))
    for member in ("name", "eo:common_name", "common_name"):
        value = bands.get(member)
        if isinstance(value, str) and (name := band_name(value)):
            return name
    return None


def _only(bands: Any) -> dict[str, Any]:
    """Return the only entry of a list of bands, or an empty one."""
    return bands[0] if isinstance(bands, list) and len(bands) == 1 and isinstance(bands[0], dict) else {}


def local_file(folder: Path, key: str, asset: dict[str, Any]) -> Path | None:
    """Return the file of an asset inside ``folder``, or None when it is absent or remote.

    Raises:
        SceneError: if the href is absolute or leads out of the folder, by ``..`` or by a symbolic link.
    """
    href = asset.get("href")
    if not isinstance(href, str) or not href:
        raise SceneError(f"{folder / ITEM_NAME}: asset {key} has no href")
    scheme, named_by = urlsplit(href).scheme, f"{folder / ITEM_NAME}: asset {key}"
    if scheme == "file":
        raise SceneError(f"{named_by} names a file outside the scene's folder: {href}")
    if scheme:
        return None
    path = inside(folder, unquote(href), named_by)
    return path if path.is_file() else None


def _declared(name: str, asset: dict[str, Any], item: dict[str, Any], path: Path, key: str) -> BandFile:
    """Return the band file as the item alone declares it; what it leaves open is NaN until the file is opened."""
    where = f"{path.parent / ITEM_NAME}: asset {key}"
    offset = _number(asset, "offset", where)
    # Earth Search keeps the product's offset in the asset beside files from which it was already subtracted.
    if item["properties"].get("earthsearch:boa_offset_applied") is True and name in REFLECTANCE_BANDS:
        offset = 0.0
    scale = _number(asset, "scale", where)
    if scale is not None and not is_scale(scale):
        raise SceneError(f"{where}: a scale of {scale:g}")
    if offset is not None and not is_offset(offset):
        raise SceneError(f"{where}: an offset of {offset:g}")
    return BandFile(name, path, _or_open(scale), _or_open(offset), _number(asset, "nodata", where), None, key)


def states_offset(item: dict[str, Any], where: str) -> bool:
    """Tell whether an item states the offset of any band of reflectance.

    Raises:
        SceneError: if one is no finite number; ``where`` is what the message begins with.
    """
    return any(
        _number(asset, "offset", f"{where}: asset {key}") is not None
        for key, asset in item["assets"].items()
        if asset_band(key, asset) in REFLECTANCE_BANDS
    )


def _or_open(value: float | None) -> float:
    return math.nan if value is None else value


def _number(asset: dict[str, Any], member: str, where: str) -> float | None:
    """Return a band's scale, offset or nodata from wherever STAC 1.0 and 1.1 put it, or None.

    Raises:
        SceneError: if it is not a number, or not a finite one (nodata may be).
    """
    places = (asset, _only(asset.get("bands")), _only(asset.get("raster:bands")))
    values = [place[key] for place in places for key in (f"raster:{member}", member) if place.get(key) is not None]
    if not values:
        return None
    try:
        number = float(values[0])
    except (TypeError, ValueError) as error:
        raise SceneError(f"{where}: {member} is not a number: {values[0]!r}") from error
    if member != "nodata" and not math.isfinite(number):
        raise SceneError(f"{where}: {member} is not finite: {values[0]!r}")
    return number


def _completed(band: BandFile, grid: Grid, item: dict[str, Any]) -> BandFile:
    """Fill what the item left open: from the file's own header, then by the conventions of Sentinel-2.

    The convention: digital number 0 is no data, 65535 saturated, and integers are reflectance times 10000. What would
    be wrong by 0.1, as nobody says whether the offset of the product's baseline is in its numbers, is refused.
    """
    integer = grid.dtype.startswith(("int", "uint"))
    reflectance = band.name in REFLECTANCE_BANDS
    scale, offset = band.scale, band.offset
    if math.isnan(scale):
        scale = grid.scale if grid.scale != 1 or not (integer and reflectance) else 1 / QUANTIFICATION
    if math.isnan(offset):
        if integer and reflectance and not grid.offset and lacks_offset(item):
            raise SceneError(f"band {band.name}: {band.path} {why_no_offset(item)}")
        offset = grid.offset
    if not (is_scale(scale) and is_offset(offset)):
        raise SceneError(f"band {band.name}: {band.path} has a scale of {scale:g} and an offset of {offset:g}")
    nodata = next((value for value in (band.nodata, grid.nodata) if value is not None), None)
    if nodata is None and integer and (reflectance or band.name == SCENE_CLASSIFICATION):
        nodata = 0.0
    saturated = SATURATED if reflectance and grid.dtype == "uint16" else None
    return BandFile(band.name, band.path, scale, offset, nodata, saturated, band.asset)
