"""Clouds, their shadows, and what the air adds."""

from dataclasses import dataclass

import numpy as np
from scipy.ndimage import gaussian_filter, shift

from rucio_dafab.eo.simulate.noise import Array, fractal


@dataclass(frozen=True)
class Sky:
    """Clouds over a scene, all float32 (row, column) in 0…1.

    Attributes:
        opacity: How much of the ground a cloud hides.
        shadow: How much of the direct light a cloud takes.
        cirrus: Opacity of thin high cloud alone (part of ``opacity``).
    """

    opacity: Array
    shadow: Array
    cirrus: Array


def make_sky(rng: np.random.Generator, shape: tuple[int, int], cover: float, cirrus: bool) -> Sky:
    """Make clouds that hide about ``cover`` of the scene.

    Args:
        rng: Source of randomness.
        shape: Rows and columns, 10 m pixels.
        cover: Part of the scene under cloud, 0…1.
        cirrus: Whether a veil of thin cloud lies over part of it.
    """
    thickness = fractal(rng, shape, float(rng.uniform(50, 160)), 6, 0.55)
    height = rng.uniform(25, 90)
    veil = 0.25 * np.clip(fractal(rng, shape, 220, 5, 0.55) - 0.9, 0, 1) if cirrus else np.zeros(shape, np.float32)
    if cover <= 0:
        empty = np.zeros(shape, np.float32)
        return Sky(veil.astype(np.float32), empty, veil.astype(np.float32))
    level = np.quantile(thickness, 1 - min(cover, 0.995))
    opacity = np.clip((thickness - level) / 0.35 + 0.3, 0, 1) ** 1.3 if cover < 0.99 else np.ones(shape, np.float32)
    # In the morning over Europe the sun stands in the south-east: shadows fall to the north-west.
    fallen = shift(opacity, (-height * 0.8, -height * 0.55), order=1, mode="mirror", prefilter=False)
    shadow = gaussian_filter(fallen, 1.2) * (1 - opacity)
    return Sky(np.maximum(opacity, veil).astype(np.float32), shadow.astype(np.float32), veil.astype(np.float32))
