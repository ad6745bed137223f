"""Real scenes and labels to evaluate on; where they come from and their licences stand in the cards."""

import json
import os
from dataclasses import dataclass
from pathlib import Path

import geopandas
import numpy as np
import rasterio
from affine import Affine
from numpy.typing import NDArray
from rasterio.features import rasterize

Array = NDArray[np.float32]
Mask = NDArray[np.bool_]

SENTINEL_L1C = ("B01", "B02", "B03", "B04", "B05", "B06", "B07", "B08", "B8A", "B09", "B10", "B11", "B12")


@dataclass(frozen=True)
class Labelled:
    """A real image with its truth.

    Attributes:
        name: How the cards call it.
        pixels: Reflectance (band, row, column).
        truth: bool (row, column) for water, int32 parcels for fields.
        valid: Where the truth is known.
    """

    name: str
    pixels: Array
    truth: NDArray[np.int32]
    valid: Mask


def folder() -> Path:
    """Return the folder of the real data (``DAFAB_SHARED``, default ``../shared`` beside the checkout)."""
    root = Path(os.environ.get("DAFAB_SHARED") or Path(__file__).resolve().parents[3] / "shared")
    return root / "data"


def terramesh(place: str, bands: tuple[str, ...]) -> Labelled:
    """Return a TerraMesh piece (L2A), its land cover as truth: 1 is water; no data, wetland and cloud are unknown."""
    scene = folder() / "scenes" / place
    assets = json.loads((scene / "item.json").read_text())["assets"]
    layers = []
    for band in bands:
        with rasterio.open(scene / f"{band}.tif") as image:
            numbers = image.read(1).astype(np.float32)
        layers.append(numbers * assets[band]["raster:scale"] + assets[band]["raster:offset"])
    with rasterio.open(scene / "landcover.tif") as image:
        cover = image.read(1)
    known = ~np.isin(cover, (0, 3, 8))
    return Labelled(place, np.stack(layers).astype(np.float32), (cover == 1).astype(np.int32), known)


def terramesh_radar(place: str) -> Labelled:
    """Return the Sentinel-1 RTC of a TerraMesh piece, VV and VH in dB, with the truth of :func:`terramesh`."""
    layers = []
    for name in ("vv", "vh"):
        with rasterio.open(folder() / "scenes" / place / f"s1rtc_{name}.tif") as image:
            layers.append(image.read(1).astype(np.float32))
    optical = terramesh(place, ("B03",))
    return Labelled(place, np.stack(layers), optical.truth, optical.valid)


def clouds(bands: tuple[str, ...]) -> Labelled:
    """Return the clouded image of ukis-csmask (L1C): water, land, snow and cloud shadow known, clouds unknown.

    Raises:
        KeyError: if a band is asked for that it lacks.
    """
    stored = dict(zip(("B02", "B03", "B04", "B08", "B11", "B12"), range(6), strict=True))
    with np.load(folder() / "labels" / "clouds" / "sentinel2.npz") as archive:
        image, mask = archive["img"], archive["msk"][..., 0]
    pixels = np.stack([image[..., stored[band]] for band in bands]).astype(np.float32)
    return Labelled("ukis-csmask Sentinel-2", pixels, (mask == 1).astype(np.int32), mask != 4)


def spain_flood(bands: tuple[str, ...]) -> Labelled:
    """Return the Sen1Floods11 chip (L1C, not corrected for the air) with its hand-drawn water."""
    place = folder() / "labels" / "spain_flood_west"
    with rasterio.open(place / "s2_l1c_13bands.tif") as image:
        pixels = image.read([SENTINEL_L1C.index(band) + 1 for band in bands]).astype(np.float32) / 10000
    with rasterio.open(place / "label.tif") as image:
        label = image.read(1)
    return Labelled("spain_flood_west", pixels, (label == 1).astype(np.int32), label >= 0)


def spain_flood_radar() -> Labelled:
    """Return the Sentinel-1 image of the Sen1Floods11 chip, VV and VH in dB, with its hand-drawn water."""
    with rasterio.open(folder() / "labels" / "spain_flood_west" / "s1_vv_vh_db.tif") as image:
        pixels = image.read().astype(np.float32)
    optical = spain_flood(("B03",))
    return Labelled("spain_flood_west", pixels, optical.truth, optical.valid & np.isfinite(pixels).all(axis=0))


def denmark(bands: tuple[str, ...]) -> Labelled:
    """Return the Danish piece with its parcels; bands that it lacks (B08, a second acquisition) are NaN."""
    with rasterio.open(folder() / "labels" / "denmark_west" / "rgb.tif") as image:
        stored = dict(zip(("B04", "B03", "B02"), image.read().astype(np.float32) / 10000, strict=True))
        parcels, transform = denmark_parcels()
        shapes = [(shape, number) for number, shape in enumerate(parcels, 1)]
        truth = rasterize(shapes, out_shape=image.shape, transform=transform, dtype="int32")
    absent = np.full(truth.shape, np.nan, np.float32)
    pixels = np.stack([stored.get(band, absent) for band in bands])
    return Labelled("denmark_west", pixels, truth, (np.nan_to_num(pixels, nan=1.0) > 0).all(axis=0))


def denmark_parcels() -> tuple[geopandas.GeoSeries, Affine]:
    """Return the polygons of the Danish piece in its image's reference system, and its transform (pixel to metres)."""
    place = folder() / "labels" / "denmark_west"
    with rasterio.open(place / "rgb.tif") as image:
        return geopandas.read_file(place / "parcels.gpkg").to_crs(image.crs).geometry, image.transform
