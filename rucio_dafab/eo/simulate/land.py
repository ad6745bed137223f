"""What covers the land beside fields: forest, wild patches, quarries, towns, roads and the green along rivers."""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from rucio_dafab.eo.simulate.noise import Array, Mask, fractal, hashed, smooth
from rucio_dafab.eo.simulate.parcels import Blocks, Labels
from rucio_dafab.eo.simulate.spectra import NAMES
from rucio_dafab.eo.simulate.water import Lines, meander, nearest

FIELD: Final = 0
FOREST: Final = 1
WILD: Final = 2
QUARRY: Final = 3
TOWN: Final = 4
RIPARIAN: Final = 5

WORLDCOVER: Final = {FIELD: 40, FOREST: 10, WILD: 30, QUARRY: 60, TOWN: 50, RIPARIAN: 10}
"""What ESA WorldCover calls each of these: cropland, tree cover, grassland, bare, built-up, tree cover."""
WORLDCOVER_WATER: Final = 80

Kinds = NDArray[np.uint8]


@dataclass(frozen=True)
class Land:
    """Cover of the land.

    Attributes:
        kind: One of ``FIELD`` … ``RIPARIAN`` for each pixel, uint8 (row, column).
        road: Part of each pixel that is road, float32 (row, column).
    """

    kind: Kinds
    road: Array


def snow_cover(rng: np.random.Generator, land: Land, part: float) -> Array:
    """Return how much of each pixel's land lies under snow, float32 (row, column), 0…1.

    It melts in patches, lies on roads and roofs for a shorter time, and is mostly hidden under trees.

    Args:
        rng: Source of randomness.
        land: The land.
        part: Of the land under snow, 0…1, trees left aside.
    """
    lasting = fractal(rng, land.kind.shape, 120, 5)
    edge = np.quantile(lasting, 1 - part) if part < 1 else lasting.min() - 1
    lying = np.clip((lasting - edge) / 0.15 + 0.5, 0, 1).astype(np.float32)
    lying[np.isin(land.kind, (FOREST, RIPARIAN))] *= np.float32(0.3)
    lying[land.kind == TOWN] *= np.float32(0.6)
    return np.asarray(lying * (1 - np.float32(0.8) * land.road), np.float32)


def worldcover(land: Land, permanent: Array) -> NDArray[np.uint8]:
    """Return the class of ESA WorldCover of each pixel, uint8 (row, column).

    Args:
        land: The land.
        permanent: Part of each pixel under permanent water, float32 (row, column).
    """
    codes = np.array([WORLDCOVER[kind] for kind in sorted(WORLDCOVER)], np.uint8)[land.kind]
    codes[land.road >= 0.5] = WORLDCOVER[TOWN]
    codes[permanent >= 0.5] = WORLDCOVER_WATER
    return codes


def _discs(rng: np.random.Generator, shape: tuple[int, int], radii: NDArray[np.float64], rough: Array) -> Mask:
    """Return the union of rough discs at random places, bool (row, column)."""
    inside = np.zeros(shape, bool)
    for radius in radii:
        row, column = (float(part) * side for part, side in zip(rng.uniform(0, 1, 2), shape, strict=True))
        # Roughness reaches two radii at most: the rest of the scene need not be looked at.
        reach = 2 * float(radius)
        window = (slice(max(0, int(row - reach)), int(row + reach) + 1),
                  slice(max(0, int(column - reach)), int(column + reach) + 1))  # fmt: skip
        edge = float(radius) * np.minimum(1 + 0.3 * rough[window], 2)
        rows, columns = np.ogrid[: edge.shape[0], : edge.shape[1]]
        inside[window] |= np.hypot(rows + (window[0].start - row), columns + (window[1].start - column)) < edge
    return inside


def make_land(rng: np.random.Generator, blocks: Blocks, river: Lines, wooded: float, built: float) -> Land:
    """Lay forest, wild patches, quarries, towns, riparian strips and roads over the blocks.

    Args:
        rng: Source of randomness.
        blocks: Blocks of land: forest and wild patches follow their edges.
        river: The rivers.
        wooded: Part of the land under forest, 0…1.
        built: Size of the towns relative to the usual, 0 for none.
    """
    shape = blocks.number.shape
    salt = int(rng.integers(1 << 30))
    hills = fractal(rng, shape, 180, 3)
    row, column = (np.clip(seed, 0, side - 1).astype(int) for seed, side in
                   zip((blocks.seed_row, blocks.seed_column), shape, strict=True))  # fmt: skip
    mood = 0.75 * hills[row, column] + 0.35 * hills + 0.9 * (hashed(blocks.number, salt) - 0.5)
    kind = np.full(shape, FIELD, np.uint8)
    kind[mood > np.quantile(mood, 1 - min(wooded, 0.99))] = FOREST
    kind[(kind == FIELD) & (hashed(blocks.number, salt + 1) < 0.05)] = WILD
    rough = fractal(rng, shape, 30, 4)
    area = shape[0] * shape[1] / 1024**2
    kind[_discs(rng, shape, rng.uniform(3, 16, rng.poisson(2 * area)), rough)] = QUARRY
    kind[_discs(rng, shape, rng.uniform(3, 9, rng.poisson(10 * area)), rough)] = FOREST
    towns = np.concatenate([rng.uniform(30, 75, rng.poisson(1.6 * area * built)),
                            rng.uniform(9, 24, rng.poisson(6 * area * built)),
                            rng.uniform(2, 5, rng.poisson(25 * area * built))])  # fmt: skip
    kind[_discs(rng, shape, towns, rough)] = TOWN
    strip = (1.2 + 1.6 * fractal(rng, shape, 60, 3)).clip(0, 5)
    kind[river.distance - river.width / 2 < strip] = RIPARIAN
    return Land(kind, _roads(rng, shape, max(1, round(3 * area**0.5))))


def _roads(rng: np.random.Generator, shape: tuple[int, int], count: int) -> Array:
    """Return the part of each pixel under a road that crosses the scene; the widest are motorways."""
    lines = []
    for _ in range(count):
        points = meander(rng, shape, rng.uniform(0.02, 0.15))
        lines.append((points, float(rng.choice([0.6, 0.8, 1.1, 2.2]))))
    roads = nearest(lines, shape, np.zeros(shape, np.float32))
    return np.clip(0.5 + roads.width / 2 - roads.distance, 0, np.minimum(roads.width, 1)).astype(np.float32)


def street_plan(rng: np.random.Generator, blocks: Blocks) -> tuple[Labels, Labels, Array]:
    """Return what towns are made of: cover of each lot, cover beside it, and the part of the latter.

    Returns:
        Two arrays of indices into the spectra, int32 (row, column), and a part 0…1, float32 (row, column).
    """
    shape, salt = blocks.number.shape, int(rng.integers(1 << 30))
    # Each quarter has its own grid of streets, a little bent.
    turn = np.float32(np.pi) * hashed(blocks.number, salt + 3)
    bend = 2.5 * smooth(rng, shape, 35)
    rows, columns = blocks.rows - blocks.seed_row + bend, blocks.columns - blocks.seed_column + bend
    u, v = columns * np.cos(turn) + rows * np.sin(turn), rows * np.cos(turn) - columns * np.sin(turn)
    street = np.minimum(np.abs(u % 9 - 4.5), np.abs(v % 13 - 6.5)) < 0.5
    works = hashed(np.floor(u / 40).astype(int), np.floor(v / 40).astype(int), salt) < 0.15
    lot_size = np.where(works, 6.0, 1.7)
    lot = hashed(np.floor(u / lot_size).astype(int), np.floor(v / lot_size).astype(int), salt + 1)
    names = ("roof_red", "roof_dark", "grass", "deciduous", "asphalt", "roof_bright")
    cover = np.array([NAMES.index(name) for name in names], np.int32)
    homes = cover[np.searchsorted([0.34, 0.46, 0.68, 0.86, 0.97], lot)]
    plants = cover[np.searchsorted([0.1, 0.3, 0.4, 0.45, 0.65], lot)]
    first = np.where(street, cover[4], np.where(works, plants, homes)).astype(np.int32)
    second = np.where(lot < 0.5, cover[2], cover[4]).astype(np.int32)
    open_part = np.float32(0.15) + np.float32(0.4) * hashed(np.floor(u).astype(int), np.floor(v).astype(int), salt + 2)
    return first, second, open_part


Mixture = tuple[Labels, Labels, Array, Array]


def dress(rng: np.random.Generator, blocks: Blocks, land: Land, day: int, fields: Mixture) -> Mixture:
    """Lay what is no field over the fields.

    Args:
        rng: Source of randomness.
        blocks: Blocks of land.
        land: What covers it.
        day: Day of the year; leaves are out from about day 105 to day 300.
        fields: First cover, second cover (indices into the spectra), part of the second and roughness, as if all were
            field.

    Returns:
        The same with forest, wild patches, quarries, towns and riparian strips in their places.
    """
    shape = land.kind.shape
    mix = np.clip(0.5 + 0.45 * fractal(rng, shape, 45, 4), 0, 1)
    lot, beside, open_part = street_plan(rng, blocks)
    leafless = float(np.interp(day, (0, 95, 125, 285, 320, 366), (1, 1, 0, 0, 1, 1)))
    wood = "deciduous" if leafless < 0.5 else "dry_grass"
    conifers = np.clip(mix * 1.3 - 0.4 + 0.25 * (hashed(blocks.number, 21) - 0.3), 0, 1)
    rows = {FOREST: (wood, "conifer", conifers, 0.11), WILD: ("shrub", "dry_grass", mix, 0.08),
            QUARRY: ("sand", "soil", mix, 0.09), RIPARIAN: (wood, "grass", mix * 0.6, 0.10)}  # fmt: skip
    first, second, part, roughness = fields[0].copy(), fields[1].copy(), fields[2].copy(), fields[3].copy()
    for kind, (name, other, share, rough) in rows.items():
        here = land.kind == kind
        first[here], second[here] = NAMES.index(name), NAMES.index(other)
        part[here], roughness[here] = share[here], rough
    town = land.kind == TOWN
    first[town], second[town], part[town], roughness[town] = lot[town], beside[town], open_part[town], 0.08
    return first, second, part, roughness
