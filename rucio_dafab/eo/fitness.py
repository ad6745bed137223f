"""What makes a scene fit: how much of it is there, and how much of that is clear."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rucio_dafab.eo.bands import REFLECTANCE_BANDS, SCENE_CLASSIFICATION, Scene
from rucio_dafab.eo.counting import histogram
from rucio_dafab.eo.pixels import read_scl, strips

# Scene classification of Sen2Cor (S2 L2A product definition): 0 no data, 1 saturated or defective, 3 cloud shadow,
# 8 and 9 cloud of medium and high probability, 10 thin cirrus. All others show the ground.
NOT_CLEAR = (0, 1, 3, 8, 9, 10)


@dataclass(frozen=True)
class Fitness:
    """How much of a scene can be used.

    Attributes:
        valid_fraction: Pixels with data ÷ pixels of the grid, 0…1.
        clear_fraction: Pixels neither without data nor cloud nor cloud shadow ÷ pixels with data, 0…1; 0 without any.
        scl: Whether the scene classification says so; without one every pixel with data counts as clear.
    """

    valid_fraction: float
    clear_fraction: float
    scl: bool


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


def assess(scene: Scene) -> Fitness:
    """Return how much of the scene is there and clear: from its classification, else from its first band.

    Raises:
        SceneError: if the file that is read is unreadable.
    """
    pixels = scene.shape[0] * scene.shape[1]
    if SCENE_CLASSIFICATION in scene.bands:
        classes = histogram(read_scl(scene))
        valid = pixels - int(classes[0])
        clear = pixels - int(classes[list(NOT_CLEAR)].sum())
        return Fitness(valid / pixels, clear / valid if valid else 0.0, scl=True)
    name = next((name for name in REFLECTANCE_BANDS if name in scene.bands), next(iter(scene.bands)))
    valid = sum(int(np.count_nonzero(~np.isnan(strip.values))) for strip in strips(scene, [name]))
    return Fitness(valid / pixels, 1.0 if valid else 0.0, scl=False)
