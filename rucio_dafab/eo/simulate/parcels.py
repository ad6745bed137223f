"""Agricultural parcels: how land is divided, and what grows on each piece on a given day."""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import distance_transform_edt

from rucio_dafab.eo.simulate.noise import Array, fractal, hashed, smooth
from rucio_dafab.eo.simulate.spectra import spectrum

Labels = NDArray[np.int32]

STATES: Final = ("green", "ripe", "stubble", "soil", "flower")
"""What a field can look like; a crop is a mixture of these that changes through the year."""


@dataclass(frozen=True)
class Crop:
    """A crop's year.

    Attributes:
        share: Part of the parcels that grow it (relative).
        green: Cover whose spectrum it has when green.
        days: Days of the year at which the mixture is given; it is interpolated between them.
        states: A mixture of :data:`STATES` in percent for each of ``days``.
    """

    share: float
    green: str
    days: tuple[int, ...]
    states: tuple[tuple[int, int, int, int, int], ...]


CROPS: Final[dict[str, Crop]] = {
    "winter cereal": Crop(
        26, "crop", (0, 60, 105, 160, 190, 205, 215, 260, 285, 366),
        ((25, 0, 5, 70, 0), (40, 0, 0, 60, 0), (97, 0, 0, 3, 0), (92, 8, 0, 0, 0), (12, 88, 0, 0, 0), (0, 100, 0, 0, 0),
         (0, 0, 95, 5, 0), (10, 0, 40, 50, 0), (0, 0, 0, 100, 0), (22, 0, 5, 73, 0)),
    ),
    "rapeseed": Crop(
        9, "crop", (0, 70, 105, 120, 135, 145, 175, 195, 205, 240, 366),
        ((45, 0, 5, 50, 0), (60, 0, 0, 40, 0), (90, 0, 0, 0, 10), (15, 0, 0, 0, 85), (30, 0, 0, 0, 70),
         (92, 0, 0, 0, 8), (45, 55, 0, 0, 0), (0, 100, 0, 0, 0), (0, 0, 95, 5, 0), (5, 0, 10, 85, 0),
         (45, 0, 0, 55, 0)),
    ),
    "spring cereal": Crop(
        9, "crop", (0, 85, 120, 165, 195, 212, 222, 270, 366),
        ((0, 0, 15, 85, 0), (4, 0, 0, 96, 0), (65, 0, 0, 35, 0), (96, 4, 0, 0, 0), (15, 85, 0, 0, 0), (0, 100, 0, 0, 0),
         (0, 0, 95, 5, 0), (20, 0, 30, 50, 0), (0, 0, 15, 85, 0)),
    ),
    "maize": Crop(
        16, "lush", (0, 130, 160, 195, 240, 265, 280, 300, 366),
        ((0, 0, 25, 75, 0), (2, 0, 5, 93, 0), (30, 0, 0, 70, 0), (96, 0, 0, 4, 0), (94, 6, 0, 0, 0), (40, 60, 0, 0, 0),
         (0, 40, 60, 0, 0), (0, 0, 50, 50, 0), (0, 0, 25, 75, 0)),
    ),
    "root crop": Crop(
        8, "lush", (0, 115, 150, 180, 255, 285, 305, 366),
        ((0, 0, 10, 90, 0), (2, 0, 0, 98, 0), (40, 0, 0, 60, 0), (98, 0, 0, 2, 0), (92, 8, 0, 0, 0), (60, 25, 0, 15, 0),
         (0, 0, 5, 95, 0), (0, 0, 5, 95, 0)),
    ),
    "meadow": Crop(
        22, "grass", (0, 80, 120, 145, 152, 185, 195, 240, 300, 366),
        ((70, 25, 0, 5, 0), (80, 20, 0, 0, 0), (100, 0, 0, 0, 0), (95, 5, 0, 0, 0), (45, 40, 15, 0, 0),
         (90, 10, 0, 0, 0), (55, 35, 10, 0, 0), (85, 15, 0, 0, 0), (88, 12, 0, 0, 0), (70, 25, 0, 5, 0)),
    ),
    "clover": Crop(
        5, "lush", (0, 90, 130, 155, 162, 190, 280, 366),
        ((45, 15, 0, 40, 0), (75, 5, 0, 20, 0), (100, 0, 0, 0, 0), (100, 0, 0, 0, 0), (40, 20, 30, 10, 0),
         (95, 5, 0, 0, 0), (85, 15, 0, 0, 0), (45, 15, 0, 40, 0)),
    ),
    "orchard": Crop(
        3, "deciduous", (0, 95, 130, 280, 320, 366),
        ((35, 30, 0, 35, 0), (45, 25, 0, 30, 0), (85, 5, 0, 10, 0), (75, 15, 0, 10, 0), (40, 30, 0, 30, 0),
         (35, 30, 0, 35, 0)),
    ),
    "fallow": Crop(
        4, "shrub", (0, 120, 200, 300, 366),
        ((30, 40, 0, 30, 0), (70, 20, 0, 10, 0), (45, 50, 0, 5, 0), (40, 50, 0, 10, 0), (30, 40, 0, 30, 0)),
    ),
}  # fmt: skip


@dataclass(frozen=True)
class Blocks:
    """Land between roads and hedges, before it is divided.

    Attributes:
        number: Block of each pixel, int32 (row, column).
        seed_row: Row of the block's seed, float32 (row, column).
        seed_column: Column of the block's seed.
        rows: Warped row coordinate of each pixel, so that edges bend gently.
        columns: Warped column coordinate.
    """

    number: Labels
    seed_row: Array
    seed_column: Array
    rows: Array
    columns: Array


def make_blocks(rng: np.random.Generator, shape: tuple[int, int], spacing: float) -> Blocks:
    """Divide the plane by a Voronoi diagram of seeds, one in each cell of a grid ``spacing`` pixels wide."""
    rows, columns = np.indices(shape, dtype=np.float32)
    bend = float(rng.uniform(1, 6))
    rows += bend * smooth(rng, shape, 70) + 0.5 * smooth(rng, shape, 12)
    columns += bend * smooth(rng, shape, 70) + 0.5 * smooth(rng, shape, 12)
    around = 40
    cells = [int((side + 2 * around) / spacing) + 1 for side in shape]
    corners = np.indices(cells).reshape(2, -1).T
    seeds = ((corners + rng.uniform(0.1, 0.9, corners.shape)) * spacing).astype(int)
    wide = (shape[0] + 2 * around, shape[1] + 2 * around)
    seeds = seeds[(seeds < wide).all(axis=1)]
    number = np.zeros(wide, np.int32)
    number[seeds[:, 0], seeds[:, 1]] = np.arange(1, len(seeds) + 1)
    nearest = distance_transform_edt(number == 0, return_distances=False, return_indices=True)
    # Blocks are looked up where the bent coordinates fall.
    at = tuple((layer + around).round().astype(np.intp).clip(0, side - 1)
               for layer, side in zip((rows, columns), wide, strict=True))  # fmt: skip
    seed_row, seed_column = (layer[at] for layer in nearest)
    block = number[seed_row, seed_column]
    return Blocks(
        block, (seed_row - around).astype(np.float32), (seed_column - around).astype(np.float32), rows, columns
    )


def divide(rng: np.random.Generator, blocks: Blocks, width: float) -> tuple[Labels, Array]:
    """Divide blocks into parcels: strips of varied width cut across, some blocks left whole, some pieces joined.

    Args:
        rng: Source of randomness.
        blocks: The land to divide.
        width: Typical width of a parcel in pixels.

    Returns:
        Parcel of each pixel (int32 (row, column), dense from 0), and each pixel's coordinate across its parcel's
        working direction, in pixels (tramlines run along it).
    """
    salt, block = int(rng.integers(1 << 30)), blocks.number
    angle = np.float32(np.pi) * (0.5 * hashed(block, salt) + float(rng.uniform(0, 1)))
    own = width * (0.45 + 1.3 * hashed(block, salt + 1))
    length = own * (1.0 + 3.5 * hashed(block, salt + 2) ** 2)
    across = (blocks.columns - blocks.seed_column) * np.cos(angle) + (blocks.rows - blocks.seed_row) * np.sin(angle)
    along = (blocks.rows - blocks.seed_row) * np.cos(angle) - (blocks.columns - blocks.seed_column) * np.sin(angle)
    phase = 6.28 * hashed(block, salt + 3)
    unit = across / own
    strip = np.floor(unit + 0.42 * np.sin(unit * 2.1 + phase)).astype(np.int64)
    place = along / length + hashed(block, strip, salt + 4)
    piece = np.floor(place + 0.4 * np.sin(place * 2.3 + phase)).astype(np.int64)
    joined = hashed(block, strip // 2, salt + 5) < 0.18
    strip = np.where(joined, strip // 2 + 400, strip)
    whole = hashed(block, salt + 6) < 0.14
    key = np.where(whole, 0, (strip + 1024) * 4096 + piece + 2048) + block.astype(np.int64) * (1 << 24)
    _, dense = np.unique(key, return_inverse=True)
    return dense.reshape(block.shape).astype(np.int32), across.astype(np.float32)


def margins(labels: Labels, blocks: Blocks, salt: int) -> tuple[Array, Array, Array]:
    """Return what grows or runs between parcels, as parts of a pixel: grass, hedge and track, float32 (row, column).

    Each pair of neighbours has one kind of margin of one width along its whole border: none (the crops touch), a grass
    strip, a hedge or a track. Half of it lies on either side.
    """
    found = [np.zeros(labels.shape, np.float32) for _ in range(3)]
    for axis in (0, 1):
        first = tuple(slice(0, -1) if axis == side else slice(None) for side in (0, 1))
        second = tuple(slice(1, None) if axis == side else slice(None) for side in (0, 1))
        low, high = np.minimum(labels[first], labels[second]), np.maximum(labels[first], labels[second])
        edge = low != high
        border = edge & (blocks.number[first] != blocks.number[second])
        pair, other = low[edge], high[edge]
        kind = hashed(pair, other, salt)
        half = (0.05 + 0.27 * hashed(pair, other, salt + 1)) * np.where(border[edge], 1.5, 1.0)
        for index, (start, stop) in enumerate(((0.25, 0.68), (0.68, 0.84), (0.84, 1.01))):
            part = np.zeros(edge.shape, np.float32)
            part[edge] = np.where((kind >= start) & (kind < stop), half, 0)
            found[index][first] += part
            found[index][second] += part
    return found[0].clip(0, 0.8), found[1].clip(0, 0.9), found[2].clip(0, 0.7)


def grow(rng: np.random.Generator, count: int, day: int) -> tuple[Array, Array, Array]:
    """Sow ``count`` parcels and say what each looks like on a day of the year.

    Returns:
        Spectra (parcel, band) of the parcels; spectra (parcel, band) of what shows where they grow badly; and how
        strong that texture is (parcel,), all float32.
    """
    shares = np.array([crop.share for crop in CROPS.values()])
    # Regions differ in what they grow.
    shares = shares * np.exp(rng.normal(0, 0.7, len(shares)))
    sown = rng.choice(len(CROPS), count, p=shares / shares.sum())
    shift = rng.normal(0, 7, count)
    earth = rng.beta(2, 2) + rng.normal(0, 0.12, count)
    soil = _blend(spectrum("dark_soil"), spectrum("soil"), earth.clip(0, 1.2))
    looks, flaws = np.zeros((count, soil.shape[1]), np.float32), np.zeros((count, soil.shape[1]), np.float32)
    for index, crop in enumerate(CROPS.values()):
        mine = np.flatnonzero(sown == index)
        weights = np.stack(
            [np.interp(day + shift[mine], crop.days, column) for column in np.array(crop.states).T / 100]
        )
        ripe = spectrum("dry_grass" if crop.green in ("grass", "shrub", "deciduous") else "ripe")
        pure = (spectrum(crop.green), ripe, spectrum("stubble"), None, spectrum("flowering"))
        for weight, cover in zip(weights, pure, strict=True):
            looks[mine] += weight[:, None].astype(np.float32) * (soil[mine] if cover is None else cover)
        bare = (weights[3] + weights[2])[:, None].astype(np.float32)
        flaws[mine] = soil[mine] * (1 - bare) + bare * (0.75 * soil[mine] + 0.25 * spectrum(crop.green))
    looks *= np.exp(rng.normal(0, 0.07, (count, 1))).astype(np.float32)
    rough = np.where(rng.random(count) < 0.15, rng.uniform(0.15, 0.4, count), rng.gamma(2.0, 0.03, count))
    return looks, flaws, rough.clip(0, 0.45).astype(np.float32)


def texture(rng: np.random.Generator, labels: Labels, rough: Array, across: Array) -> Array:
    """Return how much of the flaw shows in each pixel of a field (0…1): soil zones, clumps and tramlines."""
    zones = 0.55 + 0.45 * fractal(rng, labels.shape, 26, 4, 0.6)
    period = 2.0 + 1.8 * hashed(labels, 11)
    lines = np.where(hashed(labels, 12) < 0.4, 0.05 + 0.06 * np.cos(2 * np.pi * across / period), 0)
    shown: Array = np.clip(rough[labels] * zones + lines, 0, 0.9).astype(np.float32)
    return shown


def _blend(first: Array, second: Array, part: NDArray[np.float64]) -> Array:
    """Return mixtures (member, band) of two spectra, ``part`` of the second in each member."""
    mixed: Array = first + part[:, None].astype(np.float32) * (second - first)
    return mixed
