"""Rivers and lakes, how high their water usually stands, and how high it stands today."""

import math
from dataclasses import dataclass

import numpy as np
from scipy.ndimage import distance_transform_edt, gaussian_filter

from rucio_dafab.eo.simulate.noise import Array, Mask, fractal, smooth


@dataclass(frozen=True)
class Lines:
    """Where a pixel lies relative to the nearest of some lines: all float32 (row, column).

    Attributes:
        distance: To the line, in pixels.
        width: Width of the line there, in pixels.
    """

    distance: Array
    width: Array


@dataclass(frozen=True)
class Hydrology:
    """The water of a place, as the part of each pixel that it covers (float32 (row, column), 0…1).

    Attributes:
        permanent: Covered at low water.
        usual: Covered at the season's usual high water (permanent and seasonal).
        today: Covered when the image was taken.
        river: Position relative to the rivers, for what grows along them.
    """

    permanent: Array
    usual: Array
    today: Array
    river: Lines


def meander(rng: np.random.Generator, shape: tuple[int, int], amplitude: float) -> Array:
    """Return the points of a line that crosses the scene, float32 (point, 2): row and column, half a pixel apart.

    The direction of a river swings as a sine of its arc length (Langbein and Leopold, 1966); slow noise bends its
    valley.
    """
    diagonal = float(np.hypot(*shape))
    count = int(diagonal * 2 * (1 + 1.2 * amplitude)) * 2
    arc = np.arange(count, dtype=np.float64) * 0.5
    bend = rng.uniform(0.5, 1.0) * np.interp(arc, np.linspace(0, arc[-1], 12), rng.standard_normal(12))
    swing = amplitude * np.sin(2 * np.pi * arc / rng.uniform(90, 220) + bend * 3)
    swing += 0.4 * amplitude * np.sin(2 * np.pi * arc / rng.uniform(35, 70) + rng.uniform(0, 6))
    heading = rng.uniform(0, 2 * np.pi) + 0.35 * bend + swing
    steps = 0.5 * np.stack([np.sin(heading), np.cos(heading)], axis=1)
    points = np.cumsum(steps, axis=0)
    # The middle of the line passes near the middle of the scene, so that it is seen whatever its heading.
    points += np.array(shape) * rng.uniform(0.3, 0.7, 2) - points[count // 2]
    return points.astype(np.float32)


def nearest(lines: list[tuple[Array, float]], shape: tuple[int, int], wander: Array) -> Lines:
    """Return each pixel's position relative to the nearest line, exact to a small part of a pixel.

    Args:
        lines: Points (point, 2) of each line with its width in pixels.
        shape: Rows and columns.
        wander: Relative change of width by place (row, column).
    """
    point = np.full((*shape, 3), np.nan, np.float32)
    for points, width in lines:
        cell = np.floor(points).astype(int)
        inside = ((cell >= 0) & (cell < shape)).all(axis=1)
        row, column = cell[inside].T
        point[row, column, :2] = points[inside]
        point[row, column, 2] = width
    empty = np.isnan(point[..., 0])
    if empty.all():
        far = np.full(shape, 1e6, np.float32)
        return Lines(far, np.ones(shape, np.float32))
    row, column = distance_transform_edt(empty, return_distances=False, return_indices=True)
    found = point[row, column]
    rows, columns = np.indices(shape, dtype=np.float32)
    distance = np.hypot(rows + 0.5 - found[..., 0], columns + 0.5 - found[..., 1])
    return Lines(distance, found[..., 2] * (1 + wander))


def _lakes(rng: np.random.Generator, shape: tuple[int, int], count: int) -> Array:
    """Return the height above the water line of lakes, in pixels from the shore (negative inside)."""
    rows, columns = np.indices(shape, dtype=np.float32)
    shore = np.full(shape, 1e6, np.float32)
    rough = fractal(rng, shape, 60, 4)
    for _ in range(count):
        centre = rng.uniform(0, 1, 2) * shape
        radius, stretch, angle = float(np.exp(rng.normal(2.5, 0.9))), rng.uniform(1, 2.5), rng.uniform(0, np.pi)
        down, right = rows - np.float32(centre[0]), columns - np.float32(centre[1])
        along = (down * math.sin(angle) + right * math.cos(angle)) / stretch
        across = down * math.cos(angle) - right * math.sin(angle)
        shore = np.minimum(shore, np.hypot(along, across) - radius * (1 + 0.25 * rough))
    return shore


def _part(shore: Array) -> Array:
    """Return how much of a pixel is water, from its distance to the shore in pixels (negative inside)."""
    part: Array = np.clip(0.5 - shore, 0, 1).astype(np.float32)
    return part


def _floodplain(rng: np.random.Generator, shape: tuple[int, int], bank: Array) -> Array:
    """Return the height of the land above the usual high water, in metres: rising from the bank, with hollows."""
    relief = 0.85 * fractal(rng, shape, 120, 5, 0.55) + 0.25 * fractal(rng, shape, 14, 3)
    height: Array = np.maximum(bank, 0) * np.float32(rng.uniform(0.02, 0.05))
    height += 0.55 * (1 + relief)
    return height


def make_hydrology(
    rng: np.random.Generator, shape: tuple[int, int], rivers: int, lakes: int, stage: float, drought: float
) -> Hydrology:
    """Lay rivers and lakes and set today's water.

    Args:
        rng: Source of randomness; the same number of draws whatever the stage, so that a place keeps its shape.
        shape: Rows and columns, 10 m pixels.
        rivers: How many rivers cross the scene.
        lakes: How many lakes lie in it.
        stage: Height of a flood above the usual high water, in metres; 0 for none.
        drought: Part of the usual water that has withdrawn from the shores, 0…1.
    """
    beds = [(meander(rng, shape, rng.uniform(0.5, 1.1)), float(np.exp(rng.normal(1.35, 0.6)))) for _ in range(rivers)]
    river = nearest(beds, shape, np.clip(0.25 * smooth(rng, shape, 40), -0.6, 0.9))
    lake = _lakes(rng, shape, lakes)
    shore = np.minimum(river.distance - river.width / 2, lake)
    # Gently sloping shores hold the seasonal water: its belt is a few pixels here and none there.
    belt = np.clip(1.5 + 2.2 * fractal(rng, shape, 50, 3), 0, 5).astype(np.float32)
    belt = np.where(river.width > 5, belt, 0.3 * belt)
    permanent, usual = _part(shore + belt), _part(shore)
    height = _floodplain(rng, shape, shore)
    patchy = np.clip(fractal(rng, shape, 9, 3) * 0.25 + 0.85, 0.25, 1)
    withdrawn = _part(shore + np.float32(drought) * (belt * 1.6 + np.float32(0.25) * river.width.clip(0, 14)))
    today = withdrawn if drought > 0 else usual
    if stage > 0:
        depth = np.float32(stage) - height
        # Shallow water leaves stalks and ridges dry: parts of a pixel, fewer the deeper it is.
        flooded = np.clip(depth / 0.18 + 0.5, 0, 1) * np.clip(patchy + depth.clip(0, 2), 0, 1)
        flooded *= gaussian_filter((shore < 90).astype(np.float32), 12)
        today = np.maximum(today, flooded.astype(np.float32))
    return Hydrology(permanent, usual, today.astype(np.float32), river)


@dataclass(frozen=True)
class Colour:
    """Parts of each pixel's water that are of some colour, float32 (row, column) in 0…1; the rest is clear and deep.

    Attributes:
        turbid: Carries some soil.
        muddy: Carries much soil, as floods do (a part of ``turbid``): bright up to the near infrared.
        algal: Blooms, as lakes and slow rivers may.
    """

    turbid: Array
    muddy: Array
    algal: Array


def water_colour(rng: np.random.Generator, shape: tuple[int, int], flooded: Mask) -> Colour:
    """Return the colour of the water; ``flooded`` is bool (row, column)."""
    murk, bloom = rng.uniform(0, 0.7), rng.uniform(0, 0.8) * (rng.random() < 0.5)
    turbid = np.clip(murk + 0.2 * smooth(rng, shape, 60) + 0.35 * flooded, 0, 1)
    load = rng.uniform(0, 1.1) * (rng.random() < 0.6)
    muddy = np.clip(load * (0.35 + 0.65 * flooded) + 0.2 * smooth(rng, shape, 50) - 0.1, 0, 1)
    algal = np.clip(bloom + 0.25 * smooth(rng, shape, 45), 0, 1) * (1 - turbid)
    return Colour(turbid.astype(np.float32), muddy.astype(np.float32), algal.astype(np.float32))
