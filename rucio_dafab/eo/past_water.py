"""Reference water counted from earlier masks of the same grid: how often each pixel was water when it was clear.

Occurrence is counted as Pekel et al. (2016, doi 10.1038/nature20584, Methods) have it: the share of water among the
clear observations of each calendar month, whatever the year, and the mean of the months that have any. Summers with
many clear images and winters with few then weigh the same.
"""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import date
from itertools import groupby
from pathlib import Path
from typing import Any, Final

import numpy as np
import rasterio
from numpy.typing import NDArray
from rasterio.errors import RasterioError
from rasterio.windows import Window

from rucio_dafab.eo.bands import Scene
from rucio_dafab.eo.errors import ProductError
from rucio_dafab.eo.raster import reason
from rucio_dafab.eo.reference_water import ReferenceWater, Source, codes_file, codes_of, split, strips_of

LEAST_DAYS: Final = 5
LEAST_MONTHS: Final = 3
"""On how many days, and in how many calendar months, a pixel must have been clear for its occurrence to be known.

With fewer than five days one mask that is wrong moves a pixel by more than the quarter that permanent water may miss;
with fewer than three months what is counted is the water of one season.
"""

MOST_MASKS: Final = 100
"""How many masks are counted at most, the latest: more than a year of a tile that is seen every five days. Items name
them one by one."""


@dataclass(frozen=True)
class PastMask:
    """An observed water mask of an earlier acquisition.

    Attributes:
        name: The id of its product.
        day: On which it was seen, UTC.
        path: Its file: uint8, 1 is water, masked where nothing was clear.
    """

    name: str
    day: date
    path: Path


def too_few(days: Sequence[date]) -> str:
    """Say why masks of these days give no reference; empty where they may."""
    several, months = len(set(days)), len({day.month for day in days})
    if several >= LEAST_DAYS and months >= LEAST_MONTHS:
        return ""
    needed = f"{LEAST_DAYS} in {LEAST_MONTHS} calendar months are needed"
    return f"earlier masks of {several} days in {months} calendar months, {needed}"


def reference_of_masks(masks: Sequence[PastMask], scene: Scene, target: Path) -> ReferenceWater:
    """Write the reference of a scene from earlier masks to ``target``; a pixel that was seldom clear is unknown.

    Masks of one day count once: a pixel is what the first of them, by name, says that saw it clear, as two products may
    be of one acquisition. Memory holds a few arrays of one strip, however many masks there are.

    Args:
        masks: All on the grid of the scene, and of days before it.
        scene: The scene whose grid is meant.
        target: The file of codes to write.

    Raises:
        ProductError: if a mask is unreadable, of another grid, or no mask; or ``target`` cannot be written.
    """
    ordered = sorted(masks, key=lambda mask: (mask.day.month, mask.day, mask.name))
    why = too_few([mask.day for mask in ordered])
    if why:
        return ReferenceWater.none(why)
    with ExitStack() as stack, codes_file(target, scene) as codes:
        opened = [(mask, stack.enter_context(_opened(mask, scene))) for mask in ordered]
        for window in strips_of(scene):
            codes.write(window, _counted(opened, window))
    if not codes.known:
        return ReferenceWater.none(f"no pixel was clear on {LEAST_DAYS} days in {LEAST_MONTHS} calendar months")
    return ReferenceWater(_told(ordered), target, tuple(sorted(mask.name for mask in ordered)))


def _told(masks: Sequence[PastMask]) -> dict[str, Any]:
    days = [mask.day for mask in masks]
    return {
        "source": Source.PAST_MASKS.value,
        "masks": len(masks),
        "days": len(set(days)),
        "start": min(days).isoformat(),
        "end": max(days).isoformat(),
        "least_days": LEAST_DAYS,
        "least_months": LEAST_MONTHS,
        **split(),
    }


@contextmanager
def _opened(mask: PastMask, scene: Scene) -> Iterator[Any]:
    try:
        with rasterio.open(mask.path, driver="GTiff") as source:
            _check(mask, source, scene)
            yield source
    except RasterioError as error:
        raise ProductError(f"the water mask of {mask.name} cannot be read: {reason(error)}") from error


def _check(mask: PastMask, source: Any, scene: Scene) -> None:
    if source.count != 1 or source.dtypes[0] != "uint8":
        raise ProductError(f"{mask.name} holds no water mask: {source.count} bands of {source.dtypes[0]}")
    if source.crs != scene.crs or source.shape != scene.shape or source.transform != scene.transform:
        raise ProductError(f"the water mask of {mask.name} is on another grid than scene {scene.id}")


def _counted(opened: Sequence[tuple[PastMask, Any]], window: Window) -> NDArray[np.uint8]:
    """Return the codes of a window from masks that are ordered by month and day, uint8 (row, column)."""
    shape = (int(window.height), int(window.width))
    shares = np.zeros(shape, np.float64)
    days, months = np.zeros(shape, np.uint16), np.zeros(shape, np.uint8)
    for _, of_month in groupby(opened, lambda each: each[0].day.month):
        seen, wet = _month(list(of_month), window)
        there = seen > 0
        np.add(shares, np.divide(wet, seen, out=np.zeros(shape), where=there), out=shares)
        days += seen
        months += there
    occurrence = 100.0 * np.divide(shares, months, out=np.zeros(shape), where=months > 0)
    return codes_of(occurrence, (days >= LEAST_DAYS) & (months >= LEAST_MONTHS))


def _month(opened: Sequence[tuple[PastMask, Any]], window: Window) -> tuple[NDArray[np.uint16], NDArray[np.uint16]]:
    """Return on how many days each pixel was clear, and on how many of them water, uint16 (row, column)."""
    shape = (int(window.height), int(window.width))
    seen, wet = np.zeros(shape, np.uint16), np.zeros(shape, np.uint16)
    for _, of_day in groupby(opened, lambda each: each[0].day):
        new = np.ones(shape, np.bool_)
        for mask, source in of_day:
            water, clear = _read(mask, source, window)
            clear &= new
            seen += clear
            wet += clear & water
            new &= ~clear
    return seen, wet


def _read(mask: PastMask, source: Any, window: Window) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Return where a mask is water, and where it was clear, bool (row, column)."""
    try:
        values, clear = source.read(1, window=window), source.read_masks(1, window=window) > 0
    except RasterioError as error:
        raise ProductError(f"the water mask of {mask.name} cannot be read: {reason(error)}") from error
    if values.max(initial=0, where=clear) > 1:
        raise ProductError(f"{mask.name} holds no water mask: the value {values.max(where=clear, initial=0)}")
    return values == 1, clear
