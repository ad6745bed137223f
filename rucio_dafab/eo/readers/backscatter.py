"""Sentinel-1 RTC bands: whether their numbers are linear power or decibels.

Archives differ: Microsoft's ``sentinel-1-rtc`` holds power, others decibels. What the item or the file says of the unit
counts; where neither says anything the numbers do, as power is never negative and gamma0 in decibels mostly is.
"""

from dataclasses import replace
from typing import Any

import numpy as np

from rucio_dafab.eo.bands import BACKSCATTER_BANDS, BandFile
from rucio_dafab.eo.errors import SceneError
from rucio_dafab.eo.raster import Grid, opened

DECIBELS = frozenset({"db", "decibel", "decibels"})
POWER = frozenset({"1", "linear", "power", "linear power", "unitless", "m2/m2", "m^2/m^2"})
# Rows and columns of the picture from which an undeclared unit is told; overviews serve it where there are any.
GLANCE = 64


def in_decibels(band: BandFile, item: dict[str, Any], grid: Grid) -> BandFile:
    """Return a backscatter band that is read as decibels, whatever its file holds; any other band as it is.

    Args:
        band: The band as declared.
        item: The scene's item.
        grid: What the file's header says.

    Raises:
        SceneError: if the unit is neither decibels nor power (an amplitude, say), or the file is unreadable.
    """
    if band.name not in BACKSCATTER_BANDS:
        return band
    unit = _declared_unit(item["assets"][band.asset]) or grid.unit.strip().lower()
    if unit and unit not in DECIBELS | POWER:
        raise SceneError(f"band {band.name}: {band.path} has the unit {unit!r}: backscatter is read as dB or as power")
    return replace(band, power=unit in POWER if unit else not _mostly_negative(band))


def _declared_unit(asset: dict[str, Any]) -> str:
    """Return the unit that an asset states for its only band, in lower case, from wherever STAC 1.0 and 1.1 put it."""
    for place in (asset, *(asset.get(member) or [{}] for member in ("bands", "raster:bands"))):
        described = place[0] if isinstance(place, list) and len(place) == 1 else place
        unit = described.get("unit") if isinstance(described, dict) else None
        if isinstance(unit, str) and unit.strip():
            return unit.strip().lower()
    return ""


def _mostly_negative(band: BandFile) -> bool:
    with opened(band.name, band.path) as source:
        shape = tuple(min(GLANCE, size) for size in source.shape)
        numbers = source.read(1, out_shape=shape).astype(np.float64)
    known = np.isfinite(numbers)
    if band.nodata is not None:
        known &= numbers != band.nodata
    if not known.any():
        # Nothing in sight: whatever it is, hardly a pixel has data. Power is what most archives hold.
        return False
    return bool(np.median(numbers[known] * band.scale + band.offset) < 0)
