"""Real images that the water net learns from, cut in two: the south to train on, the north to decide by.

The labels are coarse, so only what they and the image agree on teaches anything: a margin along every border of the
labels, and pixels whose spectrum plainly says the opposite, have no weight.
"""

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import binary_dilation

from models.common.pool import Array, as_sample
from models.common.real import Labelled, Mask, clouds, terramesh
from models.common.scores import difference_index
from models.common.task import RealPiece

MARGIN: Final = 2
"""Pixels on each side of a border between labels that are left out: land cover is drawn at 10 m, by eye, of a year."""

DRY: Final = 0.12
"""Reflectance in B11 from which a pixel without a positive index is no water, whatever the label: 10 % of open sand."""

COAST, CROPS = "terramesh_282D_485L_3_3", "terramesh_637U_59R_1_3"


def contradicted(pixels: Array, bands: tuple[str, ...], water: Mask) -> Mask:
    """Return where the image plainly denies its label: dry sand called sea, open water called land.

    Args:
        pixels: Reflectance (band, row, column).
        bands: Its bands; B03, B08 and B11 are among them.
        water: The label.
    """
    green, infrared, shortwave = (pixels[bands.index(band)] for band in ("B03", "B08", "B11"))
    ndwi, mndwi = difference_index(green, infrared), difference_index(green, shortwave)
    dry = (mndwi < 0) & (shortwave > DRY)
    wet = (mndwi > 0.1) & (ndwi > 0.1)
    denied: Mask = (water & dry) | (~water & wet)
    return denied


def margin(labels: NDArray[Any]) -> Mask:
    """Return the pixels within :data:`MARGIN` of another label."""
    border = np.zeros(labels.shape, bool)
    border[:-1] |= labels[:-1] != labels[1:]
    border[:, :-1] |= labels[:, :-1] != labels[:, 1:]
    near: Mask = binary_dilation(border, np.ones((2 * MARGIN + 1,) * 2, bool))
    return near


def south(image: Labelled) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
    """Return the half to train on: pixels, truth, valid."""
    half = image.truth.shape[0] // 2
    return image.pixels[:, half:], image.truth[half:], image.valid[half:]


def north(image: Labelled) -> Labelled:
    """Return the half to decide by, which no training sees."""
    half = image.truth.shape[0] // 2
    return Labelled(f"{image.name}, north", image.pixels[:, :half], image.truth[:half], image.valid[:half])


def training_pieces(bands: tuple[str, ...]) -> tuple[RealPiece, ...]:
    """Return the southern halves of the coast, the crops and the clouded land, in the given bands."""
    named = (("TerraMesh 282D, south", terramesh(COAST, bands), 1.0, False),
             ("TerraMesh 637U, south", terramesh(CROPS, bands), 1.0, False),
             ("ukis-csmask Sentinel-2, south", clouds(bands), 2.0, True))  # fmt: skip
    pieces = []
    for name, image, often, uncorrected in named:
        pixels, truth, valid = south(image)
        water = truth > 0
        weight = valid & ~contradicted(pixels, bands, water)
        if not uncorrected:
            # The mask of the clouded image is drawn by pixel, and its ponds are as small as the margin.
            weight &= ~margin(truth)
        sample = as_sample(pixels, water[None].astype(np.float32), weight.astype(np.float32))
        pieces.append(RealPiece(name, sample, often, uncorrected))
    return tuple(pieces)
