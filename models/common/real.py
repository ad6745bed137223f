"""Real scenes and labels to evaluate on; where they come from and their licences stand in the cards."""

import json
import os
from dataclasses import dataclass
from pathlib import Path

import geopandas
import numpy as np
import rasterio
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


def spain_flood(bands: tuple[str, ...]) -> Labelled:
    """Return the Sen1Floods11 chip (L1C, not corrected for the air) with its hand-drawn water."""
    place = folder() / "labels" / "spain_flood_west"
    with rasterio.open(place / "s2_l1c_13bands.tif") as image:
        pixels = image.read([SENTINEL_L1C.index(band) + 1 for band in bands]).astype(np.float32) / 10000
    with rasterio.open(place / "label.tif") as image:
        label = image.read(1)
    return Labelled("spain_flood_west", pixels, (label == 1).astype(np.int32), label >= 0)


def denmark(bands: tuple[str, ...]) -> Labelled:
    """Return the Danish piece with its parcels; bands that it lacks (B08) are NaN."""
    place = folder() / "labels" / "denmark_west"
    with rasterio.open(place / "rgb.tif") as image:
        stored = dict(zip(("B04", "B03", "B02"), image.read().astype(np.float32) / 10000, strict=True))
        parcels = geopandas.read_file(place / "parcels.gpkg").to_crs(image.crs)
        shapes = [(shape, number) for number, shape in enumerate(parcels.geometry, 1)]
        truth = rasterize(shapes, out_shape=image.shape, transform=image.transform, dtype="int32")
    absent = np.full(truth.shape, np.nan, np.float32)
    pixels = np.stack([stored.get(band, absent) for band in bands])
    return Labelled("denmark_west", pixels, truth, (np.nan_to_num(pixels, nan=1.0) > 0).all(axis=0))
