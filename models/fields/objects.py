"""Scores of parcels as objects: how many are found, and how far their borders are from the real ones."""

from dataclasses import dataclass
from typing import Final

import geopandas
import numpy as np
import shapely
from affine import Affine
from numpy.typing import NDArray

from models.common.pool import Array
from models.common.scores import Mask
from rucio_dafab.eo import fields
from rucio_dafab.eo.vectors import TOLERANCE, polygonise, to_coordinates, trace

MATCH: Final = 0.5
"""Intersection over union above which two parcels are the same; so Fields of The World counts (Kerner et al., 2024)."""

EVERY_METRES: Final = 5.0
"""Borders are looked at in points so far apart."""

Labels = NDArray[np.int32]


@dataclass(frozen=True)
class ObjectScores:
    """What became of the parcels.

    Attributes:
        found: Predicted parcels.
        real: Real parcels.
        precision: Share of the predicted ones that are a real one.
        recall: Share of the real ones that were found.
        f1: Harmonic mean of both.
    """

    found: int
    real: int
    precision: float
    recall: float
    f1: float


@dataclass(frozen=True)
class Distances:
    """Distances in metres: ``median`` and ``p95``, the 95th percentile."""

    median: float
    p95: float


def parcels_of(probabilities: Array, valid: Mask) -> Labels:
    """Return the parcels that the product would draw: int32 (row, column), 0 for none.

    Args:
        probabilities: Extent, boundary and distance, float32 (3, row, column) in 0…1.
        valid: bool (row, column).
    """
    maps = np.rint(probabilities.clip(0, 1) * 255).astype(np.uint8)
    rules = fields.FieldRules()
    return fields.without_small(fields.instances(maps, valid, rules), round(rules.minimum_hectares * 100))


def object_scores(predicted: Labels, truth: Labels, valid: Mask) -> ObjectScores:
    """Return how many parcels have a counterpart that they share more than half of their union with."""
    here, there = predicted[valid], truth[valid]
    sizes, real_sizes = np.bincount(here), np.bincount(there)
    pairs, shared = np.unique(np.stack([here, there]), axis=1, return_counts=True)
    both = (pairs > 0).all(axis=0)
    (one, other), common = pairs[:, both], shared[both]
    # Above one half no parcel has two counterparts.
    matched = int((common / (sizes[one] + real_sizes[other] - common) > MATCH).sum())
    found, real = int((sizes[1:] > 0).sum()), int((real_sizes[1:] > 0).sum())
    precision, recall = matched / max(found, 1), matched / max(real, 1)
    return ObjectScores(found, real, precision, recall, 2 * matched / max(found + real, 1))


def simplification(labels: Labels, transform: Affine) -> Distances:
    """Return how far the polygons of the product are from the pixels' own borders (Hausdorff, a number a parcel)."""
    exact, simple = trace(labels), polygonise(labels, transform, TOLERANCE)
    lines = to_coordinates(exact.geometries, transform)
    moved = shapely.hausdorff_distance(shapely.boundary(lines), shapely.boundary(simple.geometries), densify=0.1)
    return _distances(moved)


def border_distances(labels: Labels, transform: Affine, real: geopandas.GeoSeries) -> Distances:
    """Return how far the borders of predicted parcels are from the nearest real border.

    Args:
        labels: Predicted parcels (row, column).
        transform: Pixel (column, row) to metres.
        real: The real parcels in the same reference system.
    """
    simple = polygonise(labels, transform, TOLERANCE).geometries
    points = shapely.points(shapely.get_coordinates(shapely.segmentize(shapely.boundary(simple), EVERY_METRES)))
    tree = shapely.STRtree(real.boundary.to_numpy())
    _, away = tree.query_nearest(points, return_distance=True, all_matches=False)
    return _distances(away)


def _distances(metres: NDArray[np.float64]) -> Distances:
    median, p95 = np.percentile(metres, (50, 95))
    return Distances(float(median), float(p95))
