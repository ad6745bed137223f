"""Names, times, place and angles of a simulated product, as the real ground segment would give them."""

import datetime as dt
import math
from dataclasses import dataclass
from typing import Final

import numpy as np
from affine import Affine
from pyproj import Transformer

from rucio_dafab.eo.simulate.scene import SimulatedScene

TILE: Final = "31UGR"
EPSG: Final = 32631
CENTRE: Final = (6.1, 49.75)
"""Longitude and latitude of every scene's middle: in Luxembourg, so that a scene of 1,024 pixels lies within it."""

RELATIVE_ORBIT: Final = 8
BASELINE: Final = "05.11"
OFFSET: Final = -1000
QUANTIFICATION: Final = 10000
"""BOA_ADD_OFFSET and BOA_QUANTIFICATION_VALUE: DN = reflectance · 10000 + 1000, as since baseline 04.00."""


@dataclass(frozen=True)
class Product:
    """What a product's files are called and what its metadata says beside the pixels.

    Attributes:
        sensing: Start of the datatake, UTC.
        generation: When the product was made, UTC: some time after sensing, so that the same scene gives the same
            name.
        orbit: Absolute orbit number.
        transform: Of the 10 m grid, in metres of EPSG:32631.
        size: Rows and columns at 10 m.
    """

    sensing: dt.datetime
    generation: dt.datetime
    orbit: int
    transform: Affine
    size: int

    @property
    def name(self) -> str:
        """Name of the product's folder, without ``.SAFE``."""
        return (
            f"S2B_MSIL2A_{self.compact(self.sensing)}_N{BASELINE.replace('.', '')}_R{RELATIVE_ORBIT:03d}_T{TILE}_"
            f"{self.compact(self.generation)}"
        )

    @property
    def granule(self) -> str:
        """Name of the granule's folder."""
        return f"L2A_T{TILE}_A{self.orbit:06d}_{self.compact(self.sensing)}"

    def image(self, band: str, resolution: int) -> str:
        """Return the path of an image in the product, without ``.jp2``, as IMAGE_FILE has it."""
        stem = f"T{TILE}_{self.compact(self.sensing)}_{band}_{resolution}m"
        return f"GRANULE/{self.granule}/IMG_DATA/R{resolution}m/{stem}"

    @staticmethod
    def compact(time: dt.datetime) -> str:
        """Return a time as names have it, 20260614T103629."""
        return time.strftime("%Y%m%dT%H%M%S")

    def footprint(self) -> list[tuple[float, float]]:
        """Return the corners as longitude and latitude, counter-clockwise and closed."""
        left, top, length = self.transform.c, self.transform.f, self.size * 10
        corners = ((left, top), (left, top - length), (left + length, top - length), (left + length, top), (left, top))
        to_degrees = Transformer.from_crs(EPSG, 4326, always_xy=True)
        return [to_degrees.transform(east, north) for east, north in corners]

    def sun(self) -> tuple[float, float]:
        """Return zenith and azimuth of the sun in degrees (declination after Cooper, 1969)."""
        day = self.sensing.timetuple().tm_yday
        declination = math.radians(23.45 * math.sin(math.radians(360 * (284 + day) / 365)))
        hours = self.sensing.hour + self.sensing.minute / 60 + CENTRE[0] / 15 - 12
        angle, latitude = math.radians(15 * hours), math.radians(CENTRE[1])
        up, forward = math.sin(declination), math.cos(declination) * math.cos(angle)
        zenith = math.acos(math.sin(latitude) * up + math.cos(latitude) * forward)
        north = math.cos(latitude) * up - math.sin(latitude) * forward
        east = -math.cos(declination) * math.sin(angle)
        return math.degrees(zenith), math.degrees(math.atan2(east, north)) % 360

    def conversion(self) -> float:
        """Return U, the inverse square of the distance to the sun in astronomical units (S2 L1C algorithm)."""
        day = self.sensing.timetuple().tm_yday
        return 1 / (1 - 0.01673 * math.cos(math.radians(0.9856 * (day - 4)))) ** 2


def describe(scene: SimulatedScene) -> Product:
    """Return the names and times of a scene; each seed has its own second of the day."""
    start = dt.datetime.combine(scene.options.date, dt.time(10, 30), dt.UTC)
    sensing = start + dt.timedelta(seconds=scene.seed % 1200)
    east, north = Transformer.from_crs(4326, EPSG, always_xy=True).transform(*CENTRE)
    half = scene.options.size * 5
    # Corners lie on multiples of 60 m, so that the three grids of 10, 20 and 60 m coincide.
    left, top = (float(np.round(value / 60) * 60) for value in (east - half, north + half))
    days = (scene.options.date - dt.date(2017, 3, 7)).days
    # Sentinel-2B makes 143 orbits in ten days; its relative orbit is (absolute − 27) modulo 143, plus one.
    cycle = max(0, round((days * 14.3 - RELATIVE_ORBIT) / 143))
    generation = sensing + dt.timedelta(hours=3, minutes=21, seconds=scene.seed // 1200 % 3600)
    return Product(sensing, generation, 143 * cycle + RELATIVE_ORBIT + 26,
                   Affine(10, 0, left, 0, -10, top), scene.options.size)  # fmt: skip
