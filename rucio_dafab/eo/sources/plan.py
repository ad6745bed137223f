"""Which files of a product are wanted, where they go, and which products can be used at all."""

import re
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from rucio_dafab.eo.bands import BACKSCATTER_BANDS, BAND_NAMES, SCENE_CLASSIFICATION, of_second
from rucio_dafab.eo.digital_numbers import lacks_offset, why_no_offset
from rucio_dafab.eo.ids import why_not_raw
from rucio_dafab.eo.models import MODEL_NAMES, load_model
from rucio_dafab.eo.readers.safe import finest
from rucio_dafab.eo.readers.safe_xml import image_file
from rucio_dafab.eo.readers.stac_folder import states_offset
from rucio_dafab.eo.sources import odata
from rucio_dafab.eo.sources.checksums import Checksum
from rucio_dafab.eo.sources.errors import SourceError
from rucio_dafab.eo.sources.manifest import ListedFile, read_manifest
from rucio_dafab.eo.sources.providers import Provider
from rucio_dafab.eo.sources.stac import file_suffix
from rucio_dafab.eo.sources.values import Found, RemoteFile

MANIFEST: Final = "manifest.safe"
_ID: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._\-]{0,149}")
_GRD: Final = re.compile(r"S1[A-D]_(?:IW|EW|S\d|WV)_GRD[HMF]?_", re.IGNORECASE)
_SENTINEL_1: Final = re.compile(r"S1[A-D]_|sentinel-?1", re.IGNORECASE)
_LEVEL_1C: Final = re.compile(r"S2[A-D]_.*(?:MSIL1C|_L1C)|S2MSI1C|sentinel-2-l1c", re.IGNORECASE)
_METADATA: Final = re.compile(r"MTD_MSIL2[Aa]\.xml|GRANULE/[^/]+/MTD_TL\.xml")
# What the simulator adds, which tells that no instrument measured the scene.
_SIMULATED: Final = re.compile(r"GRANULE/[^/]+/AUX_DATA/(?:simulation\.json|reference_water\.tif)")
_RESOLUTION: Final = re.compile(r"_(10|20|60)m$")
# What the readers open, the cheaper to read first.
_SUFFIXES: Final = (".tif", ".tiff", ".jp2")


@dataclass(frozen=True, slots=True)
class PlannedFile:
    """A file to fetch.

    Attributes:
        path: Where it goes, below the product's folder.
        urls: Where it can be had, each as good as the others.
        size: Bytes; None while nobody has said.
        checksums: Those it must have.
        band: The band it holds; None for metadata, which every product needs.
        key: The key of its asset in a STAC item, else empty.
    """

    path: str
    urls: tuple[str, ...]
    size: int | None = None
    checksums: tuple[Checksum, ...] = ()
    band: str | None = None
    key: str = ""


@dataclass(frozen=True, slots=True)
class Plan:
    """What of a product is fetched.

    Attributes:
        found: The product.
        folder: The name of its folder: ``<id>.SAFE`` or, with ``item.json``, ``<id>``.
        files: The files.
        missing: Bands that are wanted and that the product does not have.
    """

    found: Found
    folder: str
    files: tuple[PlannedFile, ...]
    missing: tuple[str, ...] = ()

    @property
    def size(self) -> int | None:
        """Bytes of all files, or None where one is unknown."""
        sizes = [file.size for file in self.files]
        return None if None in sizes else sum(size for size in sizes if size is not None)


def needed_bands() -> tuple[str, ...]:
    """Return the bands that the models take, with the scene classification and both polarisations of Sentinel-1.

    Raises:
        ModelError: if a model that ships cannot be used.
    """
    taken = {of_second(band) or band for name in MODEL_NAMES for band in load_model(name, threads=1).bands}
    wanted = taken | {SCENE_CLASSIFICATION, *BACKSCATTER_BANDS}
    return tuple(band for band in BAND_NAMES if band in wanted)


def check_bands(bands: Iterable[str]) -> tuple[str, ...]:
    """Return the names of bands, each once.

    Raises:
        SourceError: if one is no band.
    """
    asked = tuple(dict.fromkeys(bands))
    unknown = [band for band in asked if band not in BAND_NAMES]
    if unknown or not asked:
        raise SourceError(f"no band {', '.join(unknown) or 'is named'}: known are {', '.join(BAND_NAMES)}")
    return asked


def check_usable(found: Found) -> None:
    """Refuse what cannot be read or had, before anything is downloaded.

    Raises:
        SourceError: for raw Sentinel-1, Level-1C, reflectance whose offset nobody states, what is offline, and ids that
            no folder can have.
    """
    if not _ID.fullmatch(found.id) or ".." in found.id:
        raise SourceError(f"{found.id[:200]!r} cannot be the id of a scene: at most 150 letters, digits, . _ and -")
    names = (found.id, found.kind, found.collection)
    if is_raw_sentinel_1(found):
        raise SourceError(why_not_raw(found.id, found.kind or found.collection))
    if any(_LEVEL_1C.search(name) for name in names):
        raise SourceError(f"{found.id} is a Level-1C product: only Level-2A (surface reflectance) can be read")
    if found.item and lacks_offset(found.item) and not states_offset(dict(found.item), found.id):
        raise SourceError(f"{found.id} at {found.provider} {why_no_offset(found.item)}")
    if not found.online:
        raise SourceError(f"{found.id} is offline at {found.provider}: order it there, and fetch it when it is online")


def is_raw_sentinel_1(found: Found) -> bool:
    """Tell whether a product is Sentinel-1 and not terrain-corrected; RTC products keep the name of their GRD."""
    texts = (found.id, found.kind, found.collection)
    if not any(_GRD.search(text) or _SENTINEL_1.match(text) for text in texts):
        return False
    return not any("rtc" in text.lower() for text in texts)


def plan_item(found: Found, wanted: Collection[str], kept: Callable[[str], bool]) -> Plan:
    """Return what is fetched of a STAC item: of each band the finest file that the readers open.

    Args:
        found: The product, with its files.
        wanted: The bands.
        kept: Tells by its path whether a file has been fetched before; such bands stay.

    Raises:
        SourceError: if the item has none of the bands.
    """
    files = [_planned(chosen) for chosen in _finest_assets(found.files)]
    files = [file for file in files if file.band in wanted or kept(file.path)]
    return _plan(found, found.id, files, wanted)


def _finest_assets(files: Iterable[RemoteFile]) -> list[RemoteFile]:
    best: dict[str, tuple[tuple[float, int], RemoteFile]] = {}
    for file in files:
        suffix = next((file_suffix(url) for url in file.urls), "")
        if file.band is None or suffix not in _SUFFIXES:
            continue
        in_key = _RESOLUTION.search(file.key)
        resolution = float(in_key[1]) if in_key else file.resolution or float("inf")
        rank = (resolution, _SUFFIXES.index(suffix))
        if file.band not in best or rank < best[file.band][0]:
            best[file.band] = (rank, file)
    return [best[band][1] for band in BAND_NAMES if band in best]


def _planned(file: RemoteFile) -> PlannedFile:
    path = f"{file.band}{file_suffix(file.urls[0])}"
    return PlannedFile(path, file.urls, file.size, file.checksums, file.band, file.key)


def local_item(plan: Plan) -> dict[str, Any]:
    """Return the STAC item with the fetched files in place of their addresses; other assets keep theirs."""
    item = dict(plan.found.item or {})
    by_key = {file.key: file for file in plan.files}
    item["assets"] = {
        key: _local(asset, by_key[key]) if key in by_key else asset for key, asset in item["assets"].items()
    }
    return item


def _local(asset: dict[str, Any], file: PlannedFile) -> dict[str, Any]:
    of_the_archive = ("alternate", "alternate:name", "auth:refs", "storage:refs", "file:local_path")
    kept = {key: value for key, value in asset.items() if key not in of_the_archive}
    return {**kept, "href": f"./{file.path}", "file:size": file.size}


def manifest_file(provider: Provider, found: Found) -> PlannedFile:
    """Return the manifest of a SAFE, which says what else there is."""
    return PlannedFile(MANIFEST, odata.node_urls(provider, found, MANIFEST))


def plan_safe(
    provider: Provider, found: Found, manifest: Path, wanted: Collection[str], kept: Callable[[str], bool]
) -> Plan:
    """Return what is fetched of a SAFE: its metadata, and of each band the finest image.

    Args:
        provider: The archive.
        found: The product.
        manifest: Its manifest, fetched.
        wanted: The bands.
        kept: Tells by its path whether a file has been fetched before; such bands stay.

    Raises:
        SourceError: if the manifest cannot be used, the product lacks its metadata, holds several tiles, or has none of
            the bands.
    """
    listed = {file.path: file for file in read_manifest(manifest, found.id)}
    metadata = [path for path in listed if _METADATA.fullmatch(path)]
    if len(metadata) != 2:
        raise SourceError(
            f"{found.id}: its manifest lists {len(metadata)} metadata files, not a product's and a tile's"
        )
    inside = [path.removesuffix(".jp2") for path in listed if "/IMG_DATA/" in path and path.endswith(".jp2")]
    images = finest(tuple(image for path in inside if (image := image_file(path))))
    simulated = [path for path in listed if _SIMULATED.fullmatch(path)]
    files = [_of_safe(provider, found, listed[path]) for path in (*metadata, *simulated)]
    for image in images:
        path = f"{image.path}.jp2"
        if image.band in wanted or kept(path):
            files.append(replace(_of_safe(provider, found, listed[path]), band=image.band))
    if not any(file.band for file in files):
        raise SourceError(f"{found.id} at {found.provider} has no JPEG 2000 image of the bands {', '.join(wanted)}")
    own = replace(manifest_file(provider, found), size=manifest.stat().st_size)
    return _plan(found, f"{found.id}.SAFE", [own, *files], wanted)


def _of_safe(provider: Provider, found: Found, file: ListedFile) -> PlannedFile:
    checksums = (file.checksum,) if file.checksum else ()
    return PlannedFile(file.path, odata.node_urls(provider, found, file.path), file.size, checksums)


def _plan(found: Found, folder: str, files: list[PlannedFile], wanted: Collection[str]) -> Plan:
    bands = {file.band for file in files if file.band}
    if not bands:
        raise SourceError(f"{found.id} at {found.provider} has none of the bands {', '.join(wanted)}")
    # A product is of one kind: what an optical one lacks of radar, and the other way round, is not missing.
    radar = bool(bands & set(BACKSCATTER_BANDS))
    missing = [band for band in wanted if band not in bands and (band in BACKSCATTER_BANDS) == radar]
    return Plan(found, folder, tuple(files), tuple(missing))
