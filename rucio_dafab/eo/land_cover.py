"""The land cover that comes with a scene: ESA WorldCover, 10 m, as an asset of its own."""

import numpy as np
from numpy.typing import NDArray

from rucio_dafab.eo.bands import Scene
from rucio_dafab.eo.counting import histogram
from rucio_dafab.eo.errors import ProductError
from rucio_dafab.eo.on_grid import class_raster, scene_file
from rucio_dafab.eo.pictures import Colour
from rucio_dafab.eo.writers import RasterLegend

# Asset of a scene: uint8, the codes below; 0, or what is declared as nodata, is unknown.
LAND_COVER_ASSET = "land_cover"
UNKNOWN = 0

# ESA WorldCover 10 m 2021 v200, Product User Manual 2.0, table of classes and colours.
CLASSES: dict[int, tuple[str, Colour]] = {
    10: ("tree cover", (0, 100, 0)),
    20: ("shrubland", (255, 187, 34)),
    30: ("grassland", (255, 255, 76)),
    40: ("cropland", (240, 150, 255)),
    50: ("built-up", (250, 0, 0)),
    60: ("bare or sparse vegetation", (180, 180, 180)),
    70: ("snow and ice", (240, 240, 240)),
    80: ("permanent water bodies", (0, 100, 200)),
    90: ("herbaceous wetland", (0, 150, 160)),
    95: ("mangroves", (0, 207, 117)),
    100: ("moss and lichen", (250, 230, 160)),
}
COLOURS = {code: colour for code, (_, colour) in CLASSES.items()}
LEGEND = RasterLegend("land cover", 8, (("unknown", (255, 255, 255)), *CLASSES.values()), (UNKNOWN, *CLASSES))


def read(scene: Scene) -> NDArray[np.uint8] | None:
    """Return the land cover of a scene's asset ``land_cover`` on its grid, uint8 (row, column); None without one.

    Raises:
        ProductError: if the asset's file is missing, unreadable or holds what is no code of WorldCover.
        SceneError: if its href leaves the scene's folder.
    """
    path = scene_file(scene, LAND_COVER_ASSET)
    if path is None:
        return None
    values = class_raster(path, scene, UNKNOWN, "land cover")
    strange = np.setdiff1d(np.flatnonzero(histogram(values)), (UNKNOWN, *CLASSES))
    if len(strange):
        raise ProductError(f"land cover {path} holds the value {strange[0]}, which is no class of ESA WorldCover")
    return values


def commonest(values: NDArray[np.uint8], valid: NDArray[np.bool_]) -> int | None:
    """Return the code that most valid pixels have, the lower one of two; None where none is known.

    Args:
        values: uint8 (row, column), see :func:`read`.
        valid: bool (row, column).
    """
    counts = histogram(values * valid)
    codes = tuple(CLASSES)
    most = int(np.argmax(counts[list(codes)]))
    return codes[most] if counts[codes[most]] else None
