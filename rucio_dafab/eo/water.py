"""Water: the observed mask, the difference to a reference, and the scene's numbers.

The classes of the difference and the ratios between them are those of DaFab's live catalogue: water excess and deficit
are measured against the visible permanent reference water, and seasonal water that is wet or dry is as expected.
"""

from dataclasses import dataclass
from enum import IntEnum, StrEnum
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rucio_dafab.eo.bands import Scene
from rucio_dafab.eo.counting import histogram
from rucio_dafab.eo.errors import ProductError
from rucio_dafab.eo.on_grid import class_raster, scene_file
from rucio_dafab.eo.reference_water import NO_WATER, PERMANENT, SEASONAL, UNKNOWN

# Asset of a scene: uint8, 0 no water, 1 permanent, 2 seasonal, anything declared as nodata unknown.
REFERENCE_ASSET = "reference_water"
SQUARE_METRES_PER_KM2 = 1_000_000.0
# Excess or deficit above this share of the visible permanent water is an anomaly: one pixel more or less along both
# shores of a 200 m wide river is 10 %.
ANOMALY_PERCENT = 10.0
# Where clouds hide more of the reference than this, the visible rest does not tell what kind of anomaly it is.
HIDDEN_PERCENT = 50.0


class Difference(IntEnum):
    """The classes of a difference raster: observed water against the reference."""

    OTHER = 0
    PERMANENT_OBSERVED = 1
    SEASONAL_OBSERVED = 2
    EXCESS = 3
    DEFICIT = 4
    SEASONAL_NOT_OBSERVED = 5
    EXCLUSION_REFERENCE = 6
    EXCLUSION_OBSERVED = 7
    NO_DATA = 8


class AnomalyType(StrEnum):
    """What the water of a scene does."""

    NORMAL = "normal"
    FLOOD = "flood"
    DROUGHT = "drought"
    BOTH = "flood and drought"


@dataclass(frozen=True, eq=False)
class Reference:
    """Reference water on the scene's grid.

    Attributes:
        codes: uint8 (row, column), of :mod:`rucio_dafab.eo.reference_water`: one array, as three masks of a tile are
            a quarter of a gigabyte more than that.
    """

    codes: NDArray[np.uint8]

    @property
    def permanent(self) -> NDArray[np.bool_]:
        """Pixels of permanent water, bool (row, column)."""
        return np.equal(self.codes, PERMANENT)

    @property
    def seasonal(self) -> NDArray[np.bool_]:
        """Pixels of seasonal water, bool (row, column)."""
        return np.equal(self.codes, SEASONAL)

    @property
    def known(self) -> NDArray[np.bool_]:
        """Pixels of which anything is known, bool (row, column)."""
        return np.not_equal(self.codes, UNKNOWN)


@dataclass(frozen=True)
class Anomaly:
    """How far observed water is from the reference, over clear pixels, in per cent of visible permanent water.

    Attributes:
        score: ``100 · (observed − reference) / reference``, signed: gain − loss. None without visible reference water.
        gain: Water beyond the permanent reference (seasonal water included). None as above.
        loss: Permanent water that is dry. None as above.
        type: None where it cannot be told, and then ``reason`` says why.
        reason: Why there is no score or no type; empty otherwise.
    """

    score: float | None
    gain: float | None
    loss: float | None
    type: AnomalyType | None
    reason: str = ""


@dataclass(frozen=True)
class WaterNumbers:
    """Pixel counts of a scene and what follows from them.

    Attributes:
        valid: Pixels with data.
        clear: Those of them that no cloud or shadow hides.
        observed: Clear pixels of water.
        permanent: Pixels of permanent reference water, clouded ones included; None without a reference.
        seasonal: The same of seasonal reference water.
        difference: Pixels by class of :class:`Difference`; None without a reference.
        pixel_km2: Area of a pixel.
    """

    valid: int
    clear: int
    observed: int
    permanent: int | None
    seasonal: int | None
    difference: tuple[int, ...] | None
    pixel_km2: float

    def pixels(self, *classes: Difference) -> int:
        """Return the number of pixels in the classes; 0 without a reference."""
        return sum(self.difference[each] for each in classes) if self.difference else 0

    @property
    def permanent_visible(self) -> int:
        """Clear pixels of permanent reference water."""
        return self.pixels(Difference.PERMANENT_OBSERVED, Difference.DEFICIT)

    @property
    def seasonal_visible(self) -> int:
        """Clear pixels of seasonal reference water."""
        return self.pixels(Difference.SEASONAL_OBSERVED, Difference.SEASONAL_NOT_OBSERVED)

    @property
    def gain(self) -> int:
        """Clear pixels of water beyond the permanent reference."""
        return self.pixels(Difference.EXCESS, Difference.SEASONAL_OBSERVED)


def pixel_km2(scene: Scene) -> float:
    """Return the area of a pixel of a scene, in km²."""
    return float(abs(scene.transform.a * scene.transform.e)) / SQUARE_METRES_PER_KM2


def percent(part: float, whole: float) -> float | None:
    """Return ``part`` in per cent of ``whole``; None where the whole is nothing."""
    return 100.0 * part / whole if whole else None


def observed_water(
    probabilities: NDArray[np.uint8], clear: NDArray[np.bool_], threshold: float = 0.5
) -> NDArray[np.bool_]:
    """Return the clear pixels whose water probability (uint8, 0…255 for 0…1) reaches ``threshold`` (0…1)."""
    return (probabilities >= int(np.ceil(threshold * 255.0))) & clear


def difference(
    water: NDArray[np.bool_], valid: NDArray[np.bool_], clear: NDArray[np.bool_], reference: Reference
) -> NDArray[np.uint8]:
    """Return the class of every pixel, uint8 (row, column) of :class:`Difference`. The arguments are (row, column)."""
    # The later a class is written, the more it counts.
    classes = np.full(water.shape, Difference.OTHER, np.uint8)
    seasonal, permanent = reference.seasonal, reference.permanent
    classes[seasonal] = Difference.SEASONAL_NOT_OBSERVED
    classes[permanent] = Difference.DEFICIT
    classes[water] = Difference.EXCESS
    classes[water & seasonal] = Difference.SEASONAL_OBSERVED
    classes[water & permanent] = Difference.PERMANENT_OBSERVED
    classes[~reference.known] = Difference.EXCLUSION_REFERENCE
    classes[~clear] = Difference.EXCLUSION_OBSERVED
    classes[~valid] = Difference.NO_DATA
    return classes


def count(
    water: NDArray[np.bool_],
    valid: NDArray[np.bool_],
    clear: NDArray[np.bool_],
    pixel_km2: float,
    *,
    reference: Reference | None = None,
    classes: NDArray[np.uint8] | None = None,
) -> WaterNumbers:
    """Return the numbers of a scene; ``classes`` is its :func:`difference` to ``reference``."""
    return WaterNumbers(
        valid=int(valid.sum()),
        clear=int(clear.sum()),
        observed=int(water.sum()),
        permanent=None if reference is None else int((reference.permanent & valid).sum()),
        seasonal=None if reference is None else int((reference.seasonal & valid).sum()),
        difference=None if classes is None else tuple(map(int, histogram(classes)[: len(Difference)])),
        pixel_km2=pixel_km2,
    )


def anomaly(numbers: WaterNumbers, why_no_reference: str = "") -> Anomaly:
    """Return how far the observed water is from the reference, and what kind of anomaly that is.

    A flood is water beyond permanent and seasonal water, a drought is dry permanent water, each above
    :data:`ANOMALY_PERCENT` of the visible permanent water: seasonal water is as expected both wet and dry.

    Args:
        numbers: Of the scene.
        why_no_reference: Why it has no reference, where that is known.
    """
    reason = _why_no_score(numbers, why_no_reference)
    if reason:
        return Anomaly(None, None, None, None, reason)
    visible = numbers.permanent_visible
    gain = 100.0 * numbers.gain / visible
    loss = 100.0 * numbers.pixels(Difference.DEFICIT) / visible
    hidden = 100.0 * (1.0 - visible / numbers.permanent) if numbers.permanent else 0.0
    if hidden > HIDDEN_PERCENT:
        return Anomaly(gain - loss, gain, loss, None, f"{hidden:.0f} % of the permanent reference water is hidden")
    flood = 100.0 * numbers.pixels(Difference.EXCESS) / visible > ANOMALY_PERCENT
    return Anomaly(gain - loss, gain, loss, _type(flood, loss > ANOMALY_PERCENT))


def scene_reference(scene: Scene) -> Reference | None:
    """Return the reference water that the scene carries as asset ``reference_water``, on its grid; None without one.

    Raises:
        ProductError: if the asset's file is missing, unreadable or holds other values than 0, 1 and 2.
        SceneError: if its href leaves the scene's folder.
    """
    path = scene_file(scene, REFERENCE_ASSET)
    return None if path is None else read_reference(path, scene)


def read_reference(path: Path, scene: Scene) -> Reference:
    """Return a reference water mask on the scene's grid (nearest neighbour); outside of it nothing is known.

    Args:
        path: GeoTIFF, uint8: 0 no water, 1 permanent, 2 seasonal; its nodata value, or 255, is unknown.
        scene: The scene whose grid is meant.

    Raises:
        ProductError: if the file is missing, unreadable, or holds other values.
    """
    values = class_raster(path, scene, UNKNOWN, "reference water")
    strange = np.setdiff1d(np.flatnonzero(histogram(values)), (NO_WATER, PERMANENT, SEASONAL, UNKNOWN))
    if len(strange):
        raise ProductError(
            f"reference water {path} holds the value {strange[0]}: expected 0, 1 (permanent), 2 (seasonal)"
        )
    return Reference(values)


def _why_no_score(numbers: WaterNumbers, why_no_reference: str) -> str:
    if numbers.permanent is None:
        return f"no reference water mask{f': {why_no_reference}' if why_no_reference else ''}"
    if not numbers.clear:
        return "no clear pixel"
    if not numbers.permanent:
        return "no permanent reference water in the scene"
    return "" if numbers.permanent_visible else "all permanent reference water is hidden by cloud"


def _type(flood: bool, drought: bool) -> AnomalyType:
    if flood and drought:
        return AnomalyType.BOTH
    if flood:
        return AnomalyType.FLOOD
    return AnomalyType.DROUGHT if drought else AnomalyType.NORMAL
