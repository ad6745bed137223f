"""What the water net reads and says, and what it learns from (without torch: evaluation and tests need none)."""

from typing import Final

import numpy as np

from models.common.pool import Array, sampler
from models.common.specification import Specification
from models.common.task import Absence, Task
from models.water.augment import enrich, vary
from models.water.pieces import training_pieces
from rucio_dafab.eo.simulate import SimulatedScene

SPECIFICATION: Final = Specification(
    name="water", version="0.2.0", bands=("B02", "B03", "B04", "B08", "B11", "B12"), outputs=("water",),
    optional=("B11", "B12"), indices=(("B03", "B08"), ("B03", "B11"), ("B04", "B11"), ("B08", "B11")),
)  # fmt: skip


def truth(scene: SimulatedScene) -> tuple[Array, Array]:
    """Return the part of each pixel under water (1, row, column) and its weight: 0 where a cloud hides the ground."""
    return scene.water[None], scene.visible.astype(np.float32)


TASK: Final = Task(
    SPECIFICATION, sampler(SPECIFICATION.bands, truth), vary, lambda: training_pieces(SPECIFICATION.bands), enrich,
    absent=(Absence(SPECIFICATION.optional, 0.15),),
)  # fmt: skip
