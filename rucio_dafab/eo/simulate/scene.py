"""One simulated scene: its parameters, its pixels and the truth behind them."""

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray
from skimage.measure import label

from rucio_dafab.eo.simulate import land as cover
from rucio_dafab.eo.simulate.classes import classify
from rucio_dafab.eo.simulate.errors import SimulationError
from rucio_dafab.eo.simulate.noise import Array, Mask
from rucio_dafab.eo.simulate.parcels import Blocks, Labels, divide, grow, make_blocks, margins, texture
from rucio_dafab.eo.simulate.radiometry import Surface, render, sun_glint, water_layers
from rucio_dafab.eo.simulate.sky import make_sky
from rucio_dafab.eo.simulate.spectra import BANDS, TABLE
from rucio_dafab.eo.simulate.water import Hydrology, make_hydrology, water_colour

SMALLEST_PARCEL: Final = 8
"""Pieces with fewer pixels (0.08 ha) are no parcel of their own."""

LARGEST: Final = 10980
"""Side of a Sentinel-2 tile in 10 m pixels."""


@dataclass(frozen=True)
class Options:
    """What a scene is like.

    Attributes:
        size: Rows and columns at 10 m; even, 64 to 10,980.
        date: Day of the image; decides what grows.
        flood: Height of a flood above the season's usual high water, in metres (0: none; 1 is a large flood).
        drought: How far the water has withdrawn from its shores, 0…1.
        clouds: Part of the scene under cloud, 0…1; every third seed has a veil of cirrus beside.
        parcel_width: Typical width of a parcel in 10 m pixels.
        rivers: Number of rivers.
        lakes: Number of lakes.
        wooded: Part of the land under forest, 0…1.
        built: Size of the towns relative to the usual.
        snow: Part of the land under snow, 0…1.
        glint: How much of the sun open water mirrors, 0…1: 1 is as bright as bare soil.
    """

    size: int = 1024
    date: dt.date = dt.date(2026, 6, 14)
    flood: float = 0.55
    drought: float = 0.0
    clouds: float = 0.06
    parcel_width: float = 20.0
    rivers: int = 1
    lakes: int = 6
    wooded: float = 0.22
    built: float = 1.0
    snow: float = 0.0
    glint: float = 0.0

    def __post_init__(self) -> None:
        """Refuse what no scene can be made of.

        Raises:
            SimulationError: naming the option and its range.
        """
        if self.size % 2 or not 64 <= self.size <= LARGEST:
            raise SimulationError(f"size {self.size} of a simulated scene: give an even number from 64 to {LARGEST}")
        ranges = {"flood": (0, 5), "drought": (0, 1), "clouds": (0, 1), "parcel_width": (4, 200), "rivers": (0, 5),
                  "lakes": (0, 200), "wooded": (0, 1), "built": (0, 5), "snow": (0, 1),
                  "glint": (0, 1)}  # fmt: skip
        for name, (low, high) in ranges.items():
            value = getattr(self, name)
            if not low <= value <= high:
                raise SimulationError(f"{name} {value} of a simulated scene: give a number from {low} to {high}")
        if self.flood > 0 and self.drought > 0:
            raise SimulationError("a simulated scene has a flood or a drought, not both: set one of them to 0")


@dataclass(frozen=True)
class SimulatedScene:
    """A scene and its truth. Rows run south, columns east; truth is on the 10 m grid.

    Attributes:
        seed: What it was made from.
        options: What it was made like.
        bands: Reflectance of each band at its own resolution, float32 (row, column).
        scl: Scene classification at 20 m, uint8 (row, column), Sen2Cor's codes 1…11.
        water: Part of each pixel under water today, float32 0…1.
        reference: 0 no water, 1 permanent, 2 seasonal: what usually is water, uint8.
        land_cover: What usually covers most of the pixel, a code of ESA WorldCover, uint8.
        parcels: Parcel of each pixel, int32 from 1; 0 is no parcel.
        opacity: How much of the ground a cloud hides, float32 0…1.
    """

    seed: int
    options: Options
    bands: Mapping[str, Array] = field(repr=False)
    scl: NDArray[np.uint8] = field(repr=False)
    water: Array = field(repr=False)
    reference: NDArray[np.uint8] = field(repr=False)
    land_cover: NDArray[np.uint8] = field(repr=False)
    parcels: Labels = field(repr=False)
    opacity: Array = field(repr=False)

    @property
    def water_mask(self) -> Mask:
        """Pixels mostly under water, bool (row, column)."""
        return self.water >= 0.5

    @property
    def visible(self) -> Mask:
        """Pixels whose ground can be seen, bool (row, column)."""
        return self.opacity < 0.35


@dataclass(frozen=True)
class Place:
    """The lie of the land of a scene, on the 10 m grid.

    Attributes:
        hydrology: Its water.
        blocks: Blocks of land between roads and ditches.
        labels: Parcel of each pixel as the blocks are divided, int32; what is no field is divided too.
        across: Position across the rows of a parcel.
        land: What covers it.
    """

    hydrology: Hydrology
    blocks: Blocks
    labels: Labels
    across: Array
    land: cover.Land


def simulate(seed: int, options: Options | None = None, bands: Sequence[str] = BANDS) -> SimulatedScene:
    """Make a scene; the same seed and options give the same scene.

    The lie of the land depends on the seed and on size alone, so that two dates show one place.

    Args:
        seed: Not negative.
        options: What it is like; by default a flood in June.
        bands: The bands to make.

    Raises:
        SimulationError: if the seed is negative or a band is unknown.
    """
    options = options or Options()
    if seed < 0:
        raise SimulationError(f"seed {seed} of a simulated scene: give a number that is not negative")
    unknown = set(bands) - set(BANDS)
    if unknown:
        raise SimulationError(f"a simulated scene has no band {', '.join(sorted(unknown))}: it has {', '.join(BANDS)}")
    place = lay(seed, options)
    hydrology, land = place.hydrology, place.land
    when = options.date.timetuple().tm_yday
    veiled = options.clouds > 0 and seed % 3 == 0
    sky = make_sky(part_rng(seed, 4, options.date.toordinal()), land.kind.shape, options.clouds, veiled)
    bare = _surface(seed, when, place.blocks, (place.labels, place.across), land, hydrology)
    surface = _weathered(seed, options, bare, place)
    pixels = dict(render(part_rng(seed, 5, options.date.toordinal()), surface, sky, bands))
    return SimulatedScene(
        seed=seed, options=options, bands=pixels, scl=classify(hydrology, land, surface, sky), water=hydrology.today,
        reference=reference_water(hydrology), land_cover=cover.worldcover(land, hydrology.permanent),
        parcels=_true_parcels(place.labels, land, hydrology), opacity=sky.opacity,
    )  # fmt: skip


def lay(seed: int, options: Options) -> Place:
    """Lay out the land of a scene: what every sensor sees, each in its way."""
    shape = (options.size, options.size)
    hydrology = make_hydrology(part_rng(seed, 1), shape, options.rivers, options.lakes, options.flood, options.drought)
    layout = part_rng(seed, 2)
    blocks = make_blocks(layout, shape, options.parcel_width * float(layout.uniform(2.5, 5)))
    labels, across = divide(layout, blocks, options.parcel_width)
    land = cover.make_land(part_rng(seed, 3), blocks, hydrology.river, options.wooded, options.built)
    return Place(hydrology, blocks, labels, across, land)


def part_rng(*key: int) -> np.random.Generator:
    """Return a generator of its own for each part of a scene, so that a change in one leaves the others."""
    return np.random.default_rng(key)


def reference_water(hydrology: Hydrology) -> NDArray[np.uint8]:
    """Return what usually is water, uint8 (row, column): 0 no water, 1 permanent, 2 seasonal."""
    reference = np.zeros(hydrology.usual.shape, np.uint8)
    reference[hydrology.usual >= 0.5] = 2
    reference[hydrology.permanent >= 0.5] = 1
    return reference


def _true_parcels(labels: Labels, land: cover.Land, hydrology: Hydrology) -> Labels:
    """Return the connected pieces of parcels that are field, numbered from 1; slivers are left out."""
    farmed = (land.kind == cover.FIELD) & (land.road < 0.5) & (hydrology.usual < 0.5)
    pieces = label(np.where(farmed, labels + 1, 0), connectivity=1)  # type: ignore[no-untyped-call]
    sizes = np.bincount(pieces.ravel())
    kept = sizes >= SMALLEST_PARCEL
    kept[0] = False
    numbers: Labels = (np.cumsum(kept) * kept)[pieces].astype(np.int32)
    return numbers


def _weathered(seed: int, options: Options, surface: Surface, place: Place) -> Surface:
    """Return the surface with the day's snow below its water and the sun's glint on it."""
    day, today = options.date.toordinal(), place.hydrology.today
    if options.snow:
        lying = cover.snow_cover(part_rng(seed, 8, day), place.land, options.snow)
        surface = replace(surface, layers=(("snow", lying), *surface.layers), snow=lying * (1 - today))
    if options.glint:
        surface = replace(surface, glint=sun_glint(part_rng(seed, 9, day), today, options.glint))
    return surface


def _surface(
    seed: int, day: int, blocks: Blocks, division: tuple[Labels, Array], land: cover.Land, hydrology: Hydrology
) -> Surface:
    """Put together what each pixel is made of on one day."""
    labels, across = division
    shape = labels.shape
    # The draws of a crop's sowing belong to the year and the place, not to the day.
    looks, flaws, rough = grow(part_rng(seed, 6), int(labels.max()) + 1, day)
    table = np.concatenate([TABLE, looks, flaws])
    first, second = labels + len(TABLE), labels + len(TABLE) + len(looks)
    rng = part_rng(seed, 7)
    part = texture(rng, labels, rough, across)
    roughness = np.full(shape, 0.022, np.float32)
    first, second, part, roughness = cover.dress(rng, blocks, land, day, (first, second, part, roughness))
    grass, hedge, track = (np.where(land.kind == cover.FIELD, layer, 0) for layer in margins(labels, blocks, seed))
    today = hydrology.today
    colour = water_colour(rng, shape, (today >= 0.5) & (hydrology.usual < 0.5))
    wet = np.clip(hydrology.usual - today, 0, 1)
    dry = 1 - today * 0.85
    layers = (("grass", grass), ("deciduous", hedge), ("stubble", track), ("asphalt", land.road), ("mud", wet),
              *water_layers(today, colour))  # fmt: skip
    return Surface(table, first, second, part, layers, roughness * dry)
