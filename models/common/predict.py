"""Running an exported net over an array: chips overlap, and only the middle of each is kept."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rucio_dafab.eo.inference import Model, load_model

Array = NDArray[np.float32]

CHIP = 256
MARGIN = 32


def load(path: Path) -> Model:
    """Return the net on two threads; its card must fit it, or be absent.

    Raises:
        ModelError: if the file cannot be used.
    """
    return load_model(path, threads=2)


def predict(model: Model, pixels: Array, absent: tuple[str, ...] = ()) -> Array:
    """Return probabilities (output, row, column) in 0…1.

    Args:
        model: The net.
        pixels: Reflectance (band, row, column) in the net's order of bands.
        absent: Bands that are to be taken as missing: they become 0 after normalisation.
    """
    mean, deviation = (np.array(values, np.float32).reshape(-1, 1, 1) for values in (model.mean, model.std))
    chips = (pixels - mean) / deviation
    chips[[model.bands.index(band) for band in absent]] = 0
    chips = np.nan_to_num(chips.clip(-6, 12)).astype(np.float32)
    step = CHIP - 2 * MARGIN
    height, width = pixels.shape[1:]
    bottom, right = (MARGIN + -side % step for side in (height, width))
    around = ((0, 0), (MARGIN, bottom), (MARGIN, right))
    padded = np.pad(chips, around, mode="reflect" if min(height, width) > CHIP else "edge")
    result = np.zeros((len(model.outputs), height + bottom - MARGIN, width + right - MARGIN), np.float32)
    for row in range(0, result.shape[1], step):
        for column in range(0, result.shape[2], step):
            chip = padded[None, :, row : row + CHIP, column : column + CHIP]
            inner = model.session.run(None, {"chips": chip})[0][0, :, MARGIN:-MARGIN, MARGIN:-MARGIN]
            result[:, row : row + step, column : column + step] = inner
    return result[:, :height, :width]
