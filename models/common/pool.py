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


class Pool:
    """Scenes made on demand.

    Args:
        bands: Bands to read.
        truth: Makes target and weight from a scene.
        seed: Seed of the first scene and of the crops.
        count: How many scenes are kept.
        size: Rows and columns of a scene.
    """

    def __init__(
        self,
        bands: tuple[str, ...],
        truth: Callable[[SimulatedScene], tuple[Array, Array]],
        seed: int,
        count: int,
        size: int,
    ) -> None:
        self._bands, self._truth, self._next, self._size = bands, truth, seed, size
        self._rng = np.random.default_rng(seed)
        self._samples: deque[Sample] = deque(maxlen=count)
        for _ in range(count):
            self.renew()

    def renew(self) -> None:
        """Make one more scene; the oldest goes when there are enough."""
        scene = simulate(self._next, vary(self._next, self._size), self._bands)
        self._next += 1
        target, weight = self._truth(scene)
        pixels = on_grid(scene, self._bands).astype(np.float16)
        self._samples.append(Sample(pixels, target.astype(np.float16), weight.astype(np.float16)))

    def statistics(self) -> tuple[Array, Array]:
        """Return mean and deviation (band,) of the reflectance, clouds left out."""
        values = np.concatenate([s.pixels[:, s.weight > 0][:, ::37] for s in self._samples], axis=1).astype(np.float32)
        return values.mean(axis=1), values.std(axis=1)

    def batch(self, count: int, side: int) -> tuple[Array, Array, Array]:
        """Return pixels (batch, band, …), targets (batch, output, …) and weights (batch, …) of ``side`` × ``side``."""
        drawn = [self._crop(side) for _ in range(count)]
        pixels, target, weight = (np.stack(part).astype(np.float32) for part in zip(*drawn, strict=True))
        return pixels, target, weight

    def _crop(self, side: int) -> tuple[NDArray[Any], ...]:
        sample = self._samples[int(self._rng.integers(len(self._samples)))]
        row, column = self._rng.integers(0, self._size - side + 1, 2)
        window = np.s_[..., row : row + side, column : column + side]
        return turn(self._rng, sample.pixels[window], sample.target[window], sample.weight[window])
