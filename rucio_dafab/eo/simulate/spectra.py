"""Reflectance of the covers that a scene is made of, in Sentinel-2's bands.

The numbers are bottom-of-atmosphere reflectances typical of Sentinel-2 L2A over temperate Europe, rounded; they follow
the shapes of published spectral libraries (USGS splib07, ECOSTRESS) and are no measurement of any one place.
"""

from collections.abc import Sequence
from typing import Final

import numpy as np

from rucio_dafab.eo.simulate.noise import Array

BANDS: Final = ("B01", "B02", "B03", "B04", "B05", "B06", "B07", "B08", "B8A", "B09", "B11", "B12")
"""The bands of an L2A product (B10 is not in one), in the order of their wavelength."""

RESOLUTION: Final[dict[str, int]] = {
    "B01": 60, "B02": 10, "B03": 10, "B04": 10, "B05": 20, "B06": 20, "B07": 20, "B08": 10, "B8A": 20, "B09": 60,
    "B11": 20, "B12": 20,
}  # fmt: skip
"""Ground sampling distance of each band, in metres."""

_PERMILLE: Final[dict[str, tuple[int, ...]]] = {
    # water
    "deep": (32, 28, 25, 15, 12, 9, 9, 8, 7, 7, 5, 4),
    "turbid": (62, 78, 105, 108, 102, 62, 58, 48, 40, 34, 14, 9),
    "muddy": (78, 98, 142, 176, 172, 132, 126, 106, 92, 80, 22, 13),
    "algal": (34, 34, 62, 36, 42, 27, 25, 22, 19, 17, 9, 6),
    # vegetation
    "crop": (18, 22, 50, 22, 85, 320, 400, 430, 450, 450, 175, 78),
    "lush": (22, 28, 70, 32, 115, 340, 420, 455, 470, 470, 205, 100),
    "flowering": (38, 45, 130, 125, 180, 310, 350, 380, 400, 405, 210, 110),
    "ripe": (50, 62, 100, 130, 168, 220, 250, 280, 310, 312, 300, 185),
    "grass": (28, 34, 72, 46, 115, 270, 320, 345, 360, 362, 205, 112),
    "dry_grass": (45, 55, 85, 95, 135, 190, 215, 235, 255, 260, 270, 180),
    "deciduous": (15, 19, 42, 20, 72, 240, 310, 335, 355, 358, 150, 66),
    "conifer": (12, 15, 28, 16, 44, 125, 155, 172, 184, 186, 82, 36),
    "shrub": (24, 30, 56, 42, 90, 190, 225, 245, 262, 264, 170, 95),
    # ground
    "soil": (62, 78, 108, 142, 162, 178, 192, 208, 226, 232, 292, 245),
    "dark_soil": (38, 46, 62, 82, 96, 106, 115, 125, 136, 140, 196, 166),
    "mud": (42, 52, 70, 82, 90, 92, 95, 98, 98, 96, 82, 58),
    "stubble": (68, 84, 122, 158, 190, 215, 234, 256, 280, 286, 338, 248),
    "sand": (150, 182, 232, 272, 290, 300, 306, 315, 322, 324, 405, 372),
    # built
    "asphalt": (72, 80, 92, 102, 108, 114, 120, 128, 134, 136, 156, 146),
    "roof_red": (62, 72, 96, 152, 178, 192, 204, 216, 228, 230, 258, 236),
    "roof_dark": (48, 54, 62, 68, 74, 80, 86, 94, 100, 102, 122, 118),
    "roof_bright": (220, 250, 272, 288, 294, 298, 304, 312, 318, 320, 322, 296),
    # sky
    "cloud": (640, 640, 635, 640, 645, 655, 660, 665, 670, 640, 480, 400),
    "snow": (900, 900, 880, 860, 850, 830, 820, 790, 760, 700, 90, 80),
}  # fmt: skip

NAMES: Final = tuple(_PERMILLE)
"""The covers, in the order of the rows of :data:`TABLE`."""

TABLE: Final = np.array(list(_PERMILLE.values()), np.float32) / np.float32(1000)
"""Reflectance, float32 (cover, band)."""


def spectrum(name: str) -> Array:
    """Return the reflectance of a cover, float32 (band,) in the order of :data:`BANDS`."""
    row: Array = TABLE[NAMES.index(name)]
    return row


def band_rows(bands: Sequence[str]) -> list[int]:
    """Return where each named band stands in :data:`BANDS`."""
    return [BANDS.index(band) for band in bands]
