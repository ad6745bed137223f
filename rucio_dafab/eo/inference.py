"""Running a model over a scene: 256×256 chips with overlap, blended into one array as wide as the scene."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rucio_dafab.eo.bands import Scene
from rucio_dafab.eo.errors import ModelError, SceneError

__all__ = ["Model", "ModelError", "Prediction", "SceneError", "missing_bands"]


@dataclass(frozen=True, eq=False)
class Model:
    """A net that is ready to run.

    Attributes:
        name: ``water``, ``fields``, or what a file of the user's calls itself.
        version: Its version.
        bands: The bands it takes, in the order of its input.
        mean: The reflectance that is subtracted, a number a band.
        std: What the difference is divided by, a number a band.
        outputs: What its output channels are.
        path: The ONNX file.
        sha256: The file's checksum, hexadecimal.
        provider: The onnxruntime execution provider in use.
        session: The onnxruntime session.
    """

    name: str
    version: str
    bands: tuple[str, ...]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    outputs: tuple[str, ...]
    path: Path
    sha256: str
    provider: str
    session: Any


@dataclass(frozen=True, eq=False)
class Prediction:
    """What a model says about every pixel of a scene.

    Attributes:
        outputs: What the probabilities are of, in order.
        probabilities: uint8 (output, row, column), 0…255 for 0…1; 0 where not valid.
        valid: bool (row, column): every band the model takes has data.
        clear: bool (row, column): valid, and neither cloud nor cloud shadow by the scene classification.
        scl_missing: The scene has no scene classification, so that clear is valid.
        chips: How many chips the model ran on.
        chips_skipped: How many were left out because they hold no valid pixel.
        seconds: Wall time of the whole run, reading included.
        session_seconds: Of it, the time inside the model.
    """

    outputs: tuple[str, ...]
    probabilities: NDArray[np.uint8]
    valid: NDArray[np.bool_]
    clear: NDArray[np.bool_]
    scl_missing: bool
    chips: int
    chips_skipped: int
    seconds: float
    session_seconds: float

    def output(self, name: str) -> NDArray[np.uint8]:
        """Return the probabilities of one output, uint8 (row, column).

        Raises:
            ModelError: if the model has no such output.
        """
        if name not in self.outputs:
            raise ModelError(f"the prediction has no output {name} (it has {', '.join(self.outputs)})")
        values: NDArray[np.uint8] = self.probabilities[self.outputs.index(name)]
        return values


def missing_bands(model: Model, scene: Scene) -> tuple[str, ...]:
    """Return the bands that the model takes and the scene does not have, in the model's order."""
    return tuple(name for name in model.bands if name not in scene.bands)
