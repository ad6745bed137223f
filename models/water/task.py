"""What the water net reads and says, and its truth (without torch: evaluation and tests need none)."""

from typing import Final

import numpy as np

from models.common.pool import Array
from models.common.specification import Specification
from rucio_dafab.eo.simulate import SimulatedScene

SPECIFICATION: Final = Specification(
    name="water", version="0.1.0", bands=("B02", "B03", "B04", "B08", "B11", "B12"), outputs=("water",),
    optional=("B11", "B12"),
)  # fmt: skip


def truth(scene: SimulatedScene) -> tuple[Array, Array]:
    """Return the part of each pixel under water (1, row, column) and its weight: 0 where a cloud hides the ground."""
    return scene.water[None], scene.visible.astype(np.float32)
