"""Reference water of a place: how often a pixel is water, and what of that is permanent and what is seasonal.

A reference is made by :mod:`rucio_dafab.eo.occurrence` (from a raster that the user has) or by
:mod:`rucio_dafab.eo.past_water` (from earlier masks), strip by strip into a file on the grid of a scene; both split
occurrence here. :func:`rucio_dafab.eo.water.read_reference` reads that file.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any, Final

import numpy as np
import rasterio
from numpy.typing import NDArray
from rasterio.errors import RasterioError
from rasterio.windows import Window

from rucio_dafab.eo.bands import Scene
from rucio_dafab.eo.errors import ProductError
from rucio_dafab.eo.raster import limit_cache, reason

MEMBER: Final = "dafab:reference_water"
"""The member of ``properties`` that tells a reference: ``{source, …}``, of :class:`Source`."""

MASKS: Final = "dafab:masks"
"""The member of the asset with a reference that names the products whose masks it was counted from.

Not of ``properties``: what stands there is indexed, and each product would bring a hundred entries.
"""

PERMANENT_PERCENT: Final = 75.0
SEASONAL_PERCENT: Final = 5.0
"""From which occurrence on water is permanent, and seasonal.

Occurrence is that of JRC's Global Surface Water (Pekel et al. 2016, doi 10.1038/nature20584): per cent of the valid
observations in which a pixel is water. The paper's own seasonality map asks for water in all twelve months of a year;
what is split by occurrence leaves a quarter for what detection misses, and takes less than 5 % for noise.
"""

NO_WATER: Final = 0
PERMANENT: Final = 1
SEASONAL: Final = 2
UNKNOWN: Final = 255
"""The codes of a reference, uint8; that of what is not known is the file's nodata."""

TILES: Final = "occurrence_*.tif"
"""How JRC names its tiles of occurrence, by their north-western corner: ``occurrence_10E_50Nv1_4_2021.tif``."""

STRIP_ROWS: Final = 512
"""Rows that are worked on at once: those of the blocks of our masks."""

# Shares of counts are compared in floating point: 3 of 4 is 75 % whatever the month it is averaged with.
_TOLERANCE: Final = 1e-9


class Source(StrEnum):
    """Where a reference is from."""

    SCENE = "scene"
    OCCURRENCE = "occurrence"
    PAST_MASKS = "past_masks"
    NONE = "none"


@dataclass(frozen=True)
class ReferenceWater:
    """The reference of a scene.

    Attributes:
        told: What the item says of it under :data:`MEMBER`: ``source``, and where there is none a ``reason``.
        path: The file of codes on the scene's grid; None where the scene carries its own, or there is none.
        masks: The ids of the products whose masks it was counted from.
    """

    told: Mapping[str, Any]
    path: Path | None = None
    masks: tuple[str, ...] = ()

    @classmethod
    def none(cls, why: str) -> "ReferenceWater":
        """Return that there is none, and why."""
        return cls({"source": Source.NONE.value, "reason": why})


def has_tiles(folder: Path) -> bool:
    """Tell whether a folder is there and holds tiles of occurrence, whatever place they are of."""
    return folder.is_dir() and next(folder.glob(TILES), None) is not None


def split() -> dict[str, float]:
    """Return the thresholds as items tell them."""
    return {"permanent_percent": PERMANENT_PERCENT, "seasonal_percent": SEASONAL_PERCENT}


def codes_of(occurrence: NDArray[Any], known: NDArray[np.bool_]) -> NDArray[np.uint8]:
    """Return the code of each pixel, uint8 of the same shape.

    Args:
        occurrence: Per cent, 0…100; whatever it is where nothing is known.
        known: bool, of the same shape.
    """
    codes = np.full(known.shape, NO_WATER, np.uint8)
    codes[occurrence >= SEASONAL_PERCENT - _TOLERANCE] = SEASONAL
    codes[occurrence >= PERMANENT_PERCENT - _TOLERANCE] = PERMANENT
    codes[~known] = UNKNOWN
    return codes


def strips_of(scene: Scene) -> Iterator[Window]:
    """Yield windows of full-width rows over the grid of a scene, from top to bottom."""
    height, width = scene.shape
    for row in range(0, height, STRIP_ROWS):
        yield Window(0, row, width, min(STRIP_ROWS, height - row))


class CodesFile:
    """The file of a reference while it is written, strip by strip.

    Attributes:
        known: How many of the pixels that were written are known.
    """

    def __init__(self, target: Any) -> None:
        self._target = target
        self.known = 0

    def write(self, window: Window, codes: NDArray[np.uint8]) -> None:
        """Write the codes of a window, uint8 (row, column)."""
        self.known += int(np.count_nonzero(codes != UNKNOWN))
        self._target.write(codes, 1, window=window)


@contextmanager
def codes_file(path: Path, scene: Scene) -> Iterator[CodesFile]:
    """Make the file of a reference on the grid of a scene; the same codes give the same bytes.

    Raises:
        ProductError: if it cannot be written.
    """
    height, width = scene.shape
    profile = {
        "driver": "GTiff", "dtype": "uint8", "count": 1, "height": height, "width": width, "nodata": UNKNOWN,
        "crs": scene.crs, "transform": scene.transform, "compress": "deflate", "tiled": False, "blockysize": 64,
    }  # fmt: skip
    limit_cache()
    try:
        with rasterio.Env(GDAL_NUM_THREADS="1"), rasterio.open(path, "w", **profile) as target:
            yield CodesFile(target)
    except RasterioError as error:
        raise ProductError(f"the reference water of {scene.id} cannot be written to {path}: {reason(error)}") from error
