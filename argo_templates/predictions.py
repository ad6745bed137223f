"""Keeping a prediction between the step that makes it and the one that turns it into products."""

from dataclasses import fields
from pathlib import Path
from typing import Final

import numpy as np

from argo_templates.work import WorkError, read_json, write_json
from rucio_dafab.eo.inference import Prediction

ARRAYS: Final = ("probabilities", "valid", "clear", "index_water")
NUMBERS: Final = "numbers.json"


def save(prediction: Prediction, folder: Path) -> None:
    """Write the arrays of a prediction as ``.npy`` files and the rest as JSON."""
    for name in ARRAYS:
        np.save(folder / f"{name}.npy", getattr(prediction, name), allow_pickle=False)
    names = (field.name for field in fields(prediction) if field.name not in ARRAYS)
    write_json(folder / NUMBERS, {name: getattr(prediction, name) for name in names})


def load(folder: Path) -> Prediction:
    """Read a prediction back.

    Raises:
        WorkError: if the folder holds none.
    """
    try:
        arrays = {name: np.load(folder / f"{name}.npy", allow_pickle=False) for name in ARRAYS}
    except (OSError, ValueError) as error:
        raise WorkError(f"{folder} holds no prediction: {error}") from error
    numbers = read_json(folder / NUMBERS)
    numbers = {name: tuple(value) if isinstance(value, list) else value for name, value in numbers.items()}
    return Prediction(**arrays, **numbers)
