"""Random surfaces: the raw material of terrain, texture and clouds."""

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Array: TypeAlias = NDArray[np.float32]
Mask: TypeAlias = NDArray[np.bool_]


def smooth(rng: np.random.Generator, shape: tuple[int, int], period: float) -> Array:
    """Return smooth Gaussian noise whose bumps are about ``period`` pixels wide.

    Args:
        rng: Source of randomness.
        shape: Rows and columns of the answer.
        period: Distance between independent values, in pixels.

    Returns:
        float32 (row, column), mean about 0, deviation somewhat below 1 (interpolation smooths).
    """
    coarse = tuple(int(np.ceil(side / period)) + 3 for side in shape)
    values = rng.standard_normal(coarse, dtype=np.float32)
    # A random phase, so that the nodes of two surfaces do not coincide.
    top, left = (float(offset) for offset in rng.uniform(0.5, 1.5, 2))
    box = (left, top, left + shape[1] / period, top + shape[0] / period)
    image = Image.fromarray(values).resize((shape[1], shape[0]), Image.Resampling.BICUBIC, box=box)
    return np.asarray(image, dtype=np.float32)


def fractal(
    rng: np.random.Generator, shape: tuple[int, int], period: float, octaves: int = 4, gain: float = 0.5
) -> Array:
    """Return the sum of octaves of :func:`smooth` noise, scaled to mean 0 and deviation 1.

    Args:
        rng: Source of randomness.
        shape: Rows and columns of the answer.
        period: Width of the widest bumps, in pixels; each octave halves it.
        octaves: How many, at least one; those finer than two pixels are left out.
        gain: Height of an octave relative to the one before.
    """
    total = np.zeros(shape, np.float32)
    for octave in range(octaves):
        width = period / 2**octave
        if octave and width < 2:
            break
        total += np.float32(gain**octave) * smooth(rng, shape, width)
    total -= total.mean()
    return total / np.float32(max(float(total.std()), 1e-6))


def grain(rng: np.random.Generator, shape: tuple[int, ...]) -> Array:
    """Return white Gaussian noise, float32, deviation 1."""
    return rng.standard_normal(shape, dtype=np.float32)


def hashed(*keys: NDArray[np.integer] | int) -> Array:
    """Return a number in 0…1 for each tuple of integer keys: random, but the same wherever the keys are.

    Used where a value belongs to a thing (a parcel, an edge between two parcels) and not to a pixel. The mixing is the
    finaliser of SplitMix64 (Steele, Lea and Flood, 2014).
    """
    state: NDArray[np.uint64] = np.asarray(0x9E3779B97F4A7C15, np.uint64)
    for key in keys:
        state = (np.asarray(key).astype(np.int64).astype(np.uint64) ^ state) * np.uint64(0xBF58476D1CE4E5B9)
        state = (state ^ (state >> np.uint64(31))) * np.uint64(0x94D049BB133111EB)
        state = state ^ (state >> np.uint64(29))
    return np.asarray((state >> np.uint64(40)) / (1 << 24), np.float32)
