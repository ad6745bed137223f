"""Simulated scenes to train on: some are kept, the oldest is replaced as training goes on."""

import datetime as dt
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.common.augment import turn
from rucio_dafab.eo.simulate import Options, SimulatedScene, simulate

Array = NDArray[np.float32]

HELD_OUT = 1_000_000
"""Seeds from here on are for evaluation and tests; training never uses them."""


@dataclass(frozen=True)
class Sample:
    """A scene as training sees it.

    Attributes:
        pixels: Reflectance float16 (band, row, column) at 10 m.
        target: float16 (output, row, column).
        weight: What a pixel counts, float16 (row, column).
    """

    pixels: NDArray[np.float16]
    target: NDArray[np.float16]
    weight: NDArray[np.float16]


def vary(seed: int, size: int) -> Options:
    """Return options for a training scene: any season, wet or dry, small fields or large."""
    rng = np.random.default_rng([77, seed])
    water = rng.random()
    return Options(
        size=size,
        date=dt.date(2026, 1, 1) + dt.timedelta(days=int(rng.integers(45, 330))),
        flood=float(rng.uniform(0.2, 1.4)) if water < 0.6 else 0.0,
        drought=float(rng.uniform(0.2, 1.0)) if water > 0.8 else 0.0,
        clouds=float(rng.uniform(0.02, 0.25)) if rng.random() < 0.4 else 0.0,
        parcel_width=float(np.exp(rng.uniform(np.log(12), np.log(45)))),
        rivers=int(rng.integers(0, 3)),
        lakes=int(rng.integers(1, 9)),
        wooded=float(rng.uniform(0.05, 0.5)),
        built=float(rng.uniform(0, 2.2)),
    )


def on_grid(scene: SimulatedScene, bands: tuple[str, ...]) -> Array:
    """Return bands on the 10 m grid by repetition, float32 (band, row, column)."""
    size = scene.options.size
    layers = []
    for band in bands:
        values = scene.bands[band]
        step = round(size / values.shape[0])
        layers.append(np.kron(values, np.ones((step, step), np.float32))[:size, :size] if step > 1 else values)
    return np.stack(layers)


def sampler(
    bands: tuple[str, ...], truth: Callable[[SimulatedScene], tuple[Array, Array]]
) -> Callable[[int, int], Sample]:
    """Return the function that makes a scene of a seed and a size and keeps what training needs of it."""

    def sample(seed: int, size: int) -> Sample:
        scene = simulate(seed, vary(seed, size), bands)
        return as_sample(on_grid(scene, bands), *truth(scene))

    return sample


def as_sample(pixels: Array, target: Array, weight: Array) -> Sample:
    """Return a sample of half the precision: enough for reflectance and decibels, in half the memory."""
    return Sample(pixels.astype(np.float16), target.astype(np.float16), weight.astype(np.float16))


class Pool:
    """Scenes made on demand.

    Args:
        sample: Makes a scene from a seed and a size (:func:`sampler`).
        seed: Seed of the first scene and of the crops.
        count: How many scenes are kept.
        size: Rows and columns of a scene.
    """

    def __init__(self, sample: Callable[[int, int], Sample], seed: int, count: int, size: int) -> None:
        self._sample, self._next, self._size = sample, seed, size
        self._rng = np.random.default_rng(seed)
        self._samples: deque[Sample] = deque(maxlen=count)
        for _ in range(count):
            self.renew()

    def renew(self) -> None:
        """Make one more scene; the oldest goes when there are enough."""
        self._samples.append(self._sample(self._next, self._size))
        self._next += 1

    def statistics(self) -> tuple[Array, Array]:
        """Return mean and deviation (band,) of the pixels that count."""
        values = np.concatenate([s.pixels[:, s.weight > 0][:, ::37] for s in self._samples], axis=1).astype(np.float32)
        return values.mean(axis=1), values.std(axis=1)

    def batch(self, count: int, side: int) -> tuple[Array, Array, Array]:
        """Return pixels (batch, band, …), targets (batch, output, …) and weights (batch, …) of ``side`` × ``side``."""
        chosen = (self._samples[int(self._rng.integers(len(self._samples)))] for _ in range(count))
        return stacked([crop(self._rng, sample, side) for sample in chosen])


def stacked(chips: list[tuple[NDArray[Any], ...]]) -> tuple[Array, Array, Array]:
    """Return chips as one batch: pixels (batch, band, …), targets (batch, output, …), weights (batch, …), float32."""
    pixels, target, weight = (np.stack(part).astype(np.float32) for part in zip(*chips, strict=True))
    return pixels, target, weight


def crop(rng: np.random.Generator, sample: Sample, side: int) -> tuple[NDArray[Any], ...]:
    """Return a random square of a sample, turned and mirrored; what lies beyond a smaller sample has no weight."""
    height, width = sample.weight.shape
    missing = ((0, max(side - height, 0)), (0, max(side - width, 0)))
    pixels, target, weight = sample.pixels, sample.target, sample.weight
    if missing != ((0, 0), (0, 0)):
        pixels, target = (np.pad(layer, ((0, 0), *missing), mode="reflect") for layer in (pixels, target))
        weight = np.pad(weight, missing)
    row, column = (int(rng.integers(0, full - side + 1)) for full in weight.shape)
    window = np.s_[..., row : row + side, column : column + side]
    return turn(rng, pixels[window], target[window], weight[window])
