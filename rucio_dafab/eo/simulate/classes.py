"""The scene classification that Sen2Cor would give, at 20 m."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from rucio_dafab.eo.simulate.land import QUARRY, TOWN, Land
from rucio_dafab.eo.simulate.radiometry import Surface, coarsen
from rucio_dafab.eo.simulate.sky import Sky
from rucio_dafab.eo.simulate.spectra import BANDS
from rucio_dafab.eo.simulate.water import Hydrology

CODES: Final = {"dark": 2, "shadow": 3, "vegetation": 4, "bare": 5, "water": 6, "unclassified": 7, "cloud medium": 8,
                "cloud high": 9, "cirrus": 10, "snow": 11}  # fmt: skip
"""Codes of the scene classification layer that the simulator writes."""


def classify(hydrology: Hydrology, land: Land, surface: Surface, sky: Sky) -> NDArray[np.uint8]:
    """Return the classification, uint8 (row, column) at 20 m, from the truth and not from the pixels.

    Like Sen2Cor's it is coarse: thin water and small gaps between clouds go unseen.
    """
    red, near_infrared = (_pure(surface, BANDS.index(band)) for band in ("B04", "B08"))
    greenness = coarsen((near_infrared - red) / (near_infrared + red + np.float32(1e-3)), 2)
    classes = np.full(greenness.shape, CODES["unclassified"], np.uint8)
    classes[greenness > 0.42] = CODES["vegetation"]
    classes[greenness < 0.30] = CODES["bare"]
    built = np.isin(land.kind, (TOWN, QUARRY)).astype(np.float32)
    classes[(coarsen(built, 2) > 0.5) & (greenness < 0.42)] = CODES["bare"]
    if surface.snow is not None:
        classes[coarsen(surface.snow, 2) > 0.5] = CODES["snow"]
    classes[coarsen(hydrology.today, 2) > 0.5] = CODES["water"]
    classes[coarsen(sky.shadow, 2) > 0.4] = CODES["shadow"]
    opacity = coarsen(sky.opacity, 2)
    classes[(coarsen(sky.cirrus, 2) > 0.05) & (opacity < 0.3)] = CODES["cirrus"]
    classes[opacity > 0.22] = CODES["cloud medium"]
    classes[opacity > 0.65] = CODES["cloud high"]
    return classes


def _pure(surface: Surface, band: int) -> NDArray[np.float32]:
    values = surface.table[:, band]
    ground = values[surface.first]
    return (ground + surface.part * (values[surface.second] - ground)).astype(np.float32)
