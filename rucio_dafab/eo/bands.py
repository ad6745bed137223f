"""What a scene is made of: band files on one 10 m grid, and the names that Sentinel bands go by."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from affine import Affine
from rasterio.crs import CRS

REFLECTANCE_BANDS = ("B01", "B02", "B03", "B04", "B05", "B06", "B07", "B08", "B8A", "B09", "B10", "B11", "B12")
BACKSCATTER_BANDS = ("VV", "VH")
SCENE_CLASSIFICATION = "SCL"
BAND_NAMES = (*REFLECTANCE_BANDS, *BACKSCATTER_BANDS, SCENE_CLASSIFICATION)
SECOND = "@2"
"""What ends the names of bands of a second acquisition: ``B02@2``."""

# STAC eo 2.0 common names of the Sentinel-2 MSI bands.
COMMON_NAME_OF: Mapping[str, str] = {
    "B01": "coastal",
    "B02": "blue",
    "B03": "green",
    "B04": "red",
    "B05": "rededge071",
    "B06": "rededge075",
    "B07": "rededge078",
    "B08": "nir",
    "B8A": "nir08",
    "B09": "nir09",
    "B10": "cirrus",
    "B11": "swir16",
    "B12": "swir22",
}
# The other way round, with the asset keys of Earth Search; "rededge" alone stands for three bands and names none.
COMMON_NAMES: Mapping[str, str] = {common: band for band, common in COMMON_NAME_OF.items()} | {
    "rededge1": "B05",
    "rededge2": "B06",
    "rededge3": "B07",
}

_RESOLUTION_SUFFIX = re.compile(r"[-_](?:10m|20m|60m|jp2)$")
_SHORT_NAME = re.compile(r"^B(\d)$")


@dataclass(frozen=True)
class BandFile:
    """One band in one single-band raster file.

    Attributes:
        name: ``B02`` … ``B12``, ``B8A``, ``SCL``, ``VV`` or ``VH``; of a second acquisition ``B02@2``.
        path: The file.
        scale: Reflectance (or backscatter) per digital number.
        offset: Added after scaling: ``value = DN * scale + offset``.
        nodata: The digital number of pixels without data; None where every number is a measurement. NaN never is one.
        saturated: The digital number of saturated pixels, which hold no measurement either; None where there is none.
        asset: The key of this file's asset in the scene's item.
        power: The numbers are backscatter as linear power: they are read as decibels, as those that are stored so.
    """

    name: str
    path: Path
    scale: float = 1.0
    offset: float = 0.0
    nodata: float | None = None
    saturated: float | None = None
    asset: str = ""
    power: bool = False


@dataclass(frozen=True, eq=False)
class Scene:
    """A scene that can be read: its STAC item and its band files on one grid.

    Attributes:
        id: The item's id.
        item: A complete STAC 1.1 item; its assets' hrefs are relative to ``folder``.
        bands: The band files by band name.
        crs: The coordinate reference system of every band.
        transform: Pixel (column, row) to CRS coordinates of the 10 m grid (the grid of the finest band).
        shape: Rows and columns of that grid.
        folder: Where the files are.
        metadata: Files that belong to the scene and are not bands (the XML of a SAFE), by asset key.
        absent: Bands that the metadata names and whose files are not in the folder, with the path or address it gives.
        second: ``id`` and times of the second acquisition that some of the bands are of
            (:func:`rucio_dafab.eo.pairs.paired`); empty where there is none.
    """

    id: str
    item: dict[str, Any]
    bands: Mapping[str, BandFile]
    crs: CRS
    transform: Affine
    shape: tuple[int, int]
    folder: Path
    metadata: Mapping[str, Path] = field(default_factory=dict)
    absent: Mapping[str, str] = field(default_factory=dict)
    second: Mapping[str, Any] = field(default_factory=dict)


def second_name(band: str) -> str:
    """Return the name that a band of a second acquisition goes by: ``B02`` is ``B02@2``."""
    return band + SECOND


def of_second(name: str) -> str | None:
    """Return the band that a name means of a second acquisition, or None: ``B02@2`` is ``B02``.

    Only reflectance is taken of a second acquisition.
    """
    band = name.removesuffix(SECOND)
    return band if band != name and band in REFLECTANCE_BANDS else None


def band_name(text: str) -> str | None:
    """Return the Sentinel band that an asset key, a band's name or a common name means, or None.

    ``B02``, ``b2``, ``B02_10m``, ``blue`` and ``blue-jp2`` all mean ``B02``.
    """
    plain = _RESOLUTION_SUFFIX.sub("", text.strip().lower())
    if plain in COMMON_NAMES:
        return COMMON_NAMES[plain]
    name = _SHORT_NAME.sub(r"B0\1", plain.upper())
    return name if name in BAND_NAMES else None
