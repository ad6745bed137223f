"""From digital numbers to reflectance: which products have an offset, and which numbers no band can have."""

import math
from collections.abc import Mapping
from typing import Any, Final

from rucio_dafab.eo.ids import ProductId, is_product_name

LARGEST_VALUE: Final = 1e6
"""No offset, no digital number to a reflectance of 1, and no measurement is larger."""

_SMALLEST_SCALE: Final = 1e-12

# Offsets came with baseline 04.00; Sen2Cor run by users calls itself 99.99 and has them where its input has.
_OFFSETS_SINCE: Final = 4.0
_NO_BASELINE: Final = 90.0


def has_offset(baseline: float) -> bool:
    """Tell whether the digital numbers of a baseline stand 1000 higher than those before it: 04.00 and later."""
    return _OFFSETS_SINCE <= baseline < _NO_BASELINE


def stated_baseline(item: Mapping[str, Any]) -> float | None:
    """Return the processing baseline of an item of Sentinel-2, or None where it states none.

    It is what ``s2:processing_baseline`` says, else the name of the product (``…_N0511_…``).
    """
    properties = item["properties"]
    try:
        return float(properties["s2:processing_baseline"])
    except (KeyError, TypeError, ValueError):
        names = (str(properties.get("s2:product_uri", "")), str(item["id"]))
        named = (ProductId.parse(name).baseline for name in names if is_product_name(name))
        return next((float(baseline) for baseline in named if baseline), None)


def lacks_offset(item: Mapping[str, Any]) -> bool:
    """Tell whether digital numbers of an item have an offset by its baseline, unless somebody states or applied it."""
    baseline = stated_baseline(item)
    applied = item["properties"].get("earthsearch:boa_offset_applied") is True
    return baseline is not None and has_offset(baseline) and not applied


def why_no_offset(item: Mapping[str, Any]) -> str:
    """Return what is wrong with an item that :func:`lacks_offset` and states none, in words."""
    return (
        f"has no offset (raster:offset), which products of baseline {stated_baseline(item) or 0:05.2f} have, and its"
        " item does not say that it was applied (earthsearch:boa_offset_applied): reflectance would be 0.1 too high"
    )


def is_scale(value: float) -> bool:
    """Tell whether a number can be the reflectance, or the backscatter, of a digital number."""
    return math.isfinite(value) and _SMALLEST_SCALE <= abs(value) <= LARGEST_VALUE


def is_offset(value: float) -> bool:
    """Tell whether a number can be added to reflectance or backscatter."""
    return math.isfinite(value) and abs(value) <= LARGEST_VALUE
