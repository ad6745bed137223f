"""What the radar net reads and says, and what it learns from (without torch: evaluation and tests need none)."""

from typing import Final

import numpy as np
from scipy.ndimage import gaussian_filter

from models.common.pool import Array, Sample, as_sample
from models.common.pool import vary as options_of
from models.common.real import terramesh, terramesh_radar
from models.common.specification import Specification
from models.common.task import Absence, Batch, RealPiece, Task
from models.water.augment import patches
from models.water.pieces import COAST, CROPS, contradicted, margin, south
from rucio_dafab.eo.simulate.radar import CALM, POLARISATIONS, ROUGH, simulate_radar, speckle

SPECIFICATION: Final = Specification(
    name="water_radar", version="0.1.0", bands=POLARISATIONS, outputs=("water",), optional=("VH",)
)

OPTICAL: Final = ("B03", "B08", "B11")
"""Bands by which labels of land cover are checked: they say what radar cannot."""


def sample(seed: int, size: int) -> Sample:
    """Return a simulated scene in dB; all pixels count, as radar sees through clouds."""
    scene = simulate_radar(seed, options_of(seed, size))
    pixels = np.stack([scene.bands[name] for name in POLARISATIONS])
    return as_sample(pixels, scene.water[None], np.ones_like(scene.water))


def pieces() -> tuple[RealPiece, ...]:
    """Return the southern halves of the coast and the crops: Sentinel-1 RTC, its labels as far as the optics agree."""
    found = []
    for place, name in ((COAST, "TerraMesh 282D S1 RTC, south"), (CROPS, "TerraMesh 637U S1 RTC, south")):
        optical, truth, valid = south(terramesh(place, OPTICAL))
        radar, _, _ = south(terramesh_radar(place))
        water = truth > 0
        weight = valid & ~contradicted(optical, OPTICAL, water) & ~margin(truth)
        found.append(RealPiece(name, as_sample(radar, water[None].astype(np.float32), weight.astype(np.float32))))
    return tuple(found)


def vary(rng: np.random.Generator, pixels: Array, _target: Array) -> Array:
    """Return chips (batch, polarisation, row, column) of another calibration and, some, of more looks."""
    count, channels = pixels.shape[:2]
    shift = rng.normal(0, 0.9, (count, 1)) + rng.normal(0, 0.5, (count, channels))
    chips = pixels + shift.astype(np.float32)[:, :, None, None]
    for chip in np.flatnonzero(rng.random(count) < 0.3):
        # Multilooked or filtered products: means are taken of power, not of decibels.
        power = gaussian_filter(10 ** (chips[chip] / 10), (0, *[float(rng.uniform(0.3, 1.3))] * 2))
        chips[chip] = 10 * np.log10(power.clip(1e-5))
    return chips


def enrich(rng: np.random.Generator, _piece: RealPiece, batch: Batch) -> Batch:
    """Return chips of a real piece, half of them with a flood laid over the dry land."""
    pixels, target, weight = (layers.copy() for layers in batch)
    for chip in np.flatnonzero(rng.random(len(pixels)) < 0.5):
        shape = (target.shape[2], target.shape[3])
        part = patches(rng, shape, float(rng.uniform(0.03, 0.5))) * (1 - target[chip, 0])
        wind = float(rng.beta(1.2, 3.0))
        for column in range(pixels.shape[1]):
            level = CALM[column] + (ROUGH[column] - CALM[column]) * wind + float(rng.normal(0, 1))
            power = (1 - part) * 10 ** (pixels[chip, column] / 10)
            power += part * (10 ** (level / 10) + 10**-2.6) * speckle(rng, shape)
            pixels[chip, column] = 10 * np.log10(power.clip(1e-5))
        target[chip, 0] += part
    return pixels, target, weight


TASK: Final = Task(SPECIFICATION, sample, vary, pieces, enrich, absent=(Absence(SPECIFICATION.optional, 0.1),))
