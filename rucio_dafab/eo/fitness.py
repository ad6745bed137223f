"""What makes a scene fit: how much of it is there, how much of that is clear, saturated or dark.

The bands are looked at through their files' overviews, JPEG 2000's lower resolutions included: a whole tile takes a
second, and no band is decoded twice. Scenes of :data:`LOOKED_AT` pixels a side or less are looked at pixel by pixel.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from rucio_dafab.eo.bands import BACKSCATTER_BANDS, SCENE_CLASSIFICATION, Scene
from rucio_dafab.eo.counting import histogram
from rucio_dafab.eo.pixels import Glance, glance, read_classes, read_scl

# Scene classification of Sen2Cor (S2 L2A product definition): 0 no data, 1 saturated or defective, 3 cloud shadow,
# 8 and 9 cloud of medium and high probability, 10 thin cirrus. All others show the ground.
NOT_CLEAR = (0, 1, 3, 8, 9, 10)

LOOKED_AT: Final = 640
"""Rows and columns, at most, of what is looked at."""

SEEN_BANDS: Final = ("B02", "B03", "B04", "B08", "B11", "B12", *BACKSCATTER_BANDS)
"""The bands that are looked at, where a scene has them: those that the nets take."""

DARK_REFLECTANCE: Final = 0.005


@dataclass(frozen=True)
class Fitness:
    """How much of a scene can be used.

    Attributes:
        valid_fraction: Pixels with data ÷ pixels of the grid, 0…1; a saturated pixel is there.
        clear_fraction: Pixels neither without data nor cloud nor cloud shadow ÷ pixels with data, 0…1; 0 without any.
        scl: Whether the scene classification says so; without one every pixel with data counts as clear.
        saturated_fraction: Pixels that are saturated in a band ÷ pixels with data, 0…1.
        dark_fraction: Pixels whose reflectance is below a threshold in each band ÷ pixels that hold a measurement,
            0…1; None for radar, or where no pixel does.
    """

    valid_fraction: float
    clear_fraction: float
    scl: bool
    saturated_fraction: float = 0.0
    dark_fraction: float | None = None


def clear_by_scl(scene: Scene) -> NDArray[np.bool_]:
    """Return where the scene classification shows the ground, bool (row, column) on the 10 m grid.

    Raises:
        SceneError: if the scene has no readable scene classification.
    """
    return shows_ground(read_scl(scene))


def shows_ground(classes: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Return where codes of the scene classification say that the ground is seen, bool of the same shape."""
    seen = np.ones(256, np.bool_)
    seen[list(NOT_CLEAR)] = False
    found: NDArray[np.bool_] = seen[classes]
    return found


def assess(scene: Scene, dark_reflectance: float = DARK_REFLECTANCE) -> Fitness:
    """Return how much of the scene is there, clear, saturated and dark.

    Args:
        scene: The scene.
        dark_reflectance: Below it in each band that is looked at, a pixel is dark.

    Raises:
        SceneError: if a file that is read is unreadable.
    """
    names = [name for name in SEEN_BANDS if name in scene.bands]
    there, saturated, dark = _seen(scene, names, dark_reflectance)
    if SCENE_CLASSIFICATION not in scene.bands:
        return Fitness(there, 1.0 if there else 0.0, False, saturated, dark)
    classes = histogram(read_classes(scene))
    pixels = int(classes.sum())
    valid, clear = pixels - int(classes[0]), pixels - int(classes[list(NOT_CLEAR)].sum())
    there = min(there, valid / pixels) if names else valid / pixels
    return Fitness(there, clear / valid if valid else 0.0, True, saturated, dark)


def _seen(scene: Scene, names: Sequence[str], threshold: float) -> tuple[float, float, float | None]:
    """Return the shares of pixels with data, of saturated ones among them, and of dark ones among the others."""
    pictures: list[Glance] = glance(scene, names, LOOKED_AT)
    if not pictures:
        return 0.0, 0.0, None
    saturated = np.logical_or.reduce([picture.saturated for picture in pictures])
    known = np.logical_and.reduce([np.isfinite(picture.values) | picture.saturated for picture in pictures])
    measured = known & ~saturated
    there, usable = int(known.sum()), int(measured.sum())
    radar = set(names) <= set(BACKSCATTER_BANDS)
    dark = measured & np.logical_and.reduce([picture.values < threshold for picture in pictures])
    return (
        there / known.size,
        int((known & saturated).sum()) / there if there else 0.0,
        None if radar or not usable else int(dark.sum()) / usable,
    )
