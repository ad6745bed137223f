"""The numbers of a product under the names and in the units of the live catalogue's profile.

Percentages of an image are of its valid area; those of water excess and deficit are of visible permanent water. What a
scene cannot tell (no reference, nothing to divide by) is left out, never zero; but for one number that the profile
requires.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rucio_dafab.eo.fields import FieldNumbers
from rucio_dafab.eo.water import Anomaly, Difference, WaterNumbers, percent

_SHARES = {
    "other": Difference.OTHER,
    "exclusion_reference": Difference.EXCLUSION_REFERENCE,
    "exclusion_observed": Difference.EXCLUSION_OBSERVED,
    "water_deficit_observed": Difference.DEFICIT,
    "water_seasonal_not_observed": Difference.SEASONAL_NOT_OBSERVED,
    "water_permanent_observed": Difference.PERMANENT_OBSERVED,
    "water_seasonal_observed": Difference.SEASONAL_OBSERVED,
    "water_excess_observed": Difference.EXCESS,
}
DECIMALS = 4


@dataclass(frozen=True)
class Patches:
    """Delineated areas, in km²: float64 (n)."""

    km2: NDArray[np.float64]

    def document(self) -> dict[str, Any]:
        """Return number, total, mean, greatest and least area."""
        areas = self.km2
        return {
            "number": len(areas),
            "total_area(km2)": _rounded(float(areas.sum())),
            "mean_area(km2)": _rounded(float(areas.mean()) if len(areas) else 0.0),
            "max_area(km2)": _rounded(float(areas.max(initial=0.0))),
            "min_area(km2)": _rounded(float(areas.min()) if len(areas) else 0.0),
        }


def water_analysis(
    numbers: WaterNumbers, anomaly: Anomaly, excess: Patches, deficit: Patches, version: int
) -> dict[str, Any]:
    """Return the member ``dafab:water-analysis``."""
    observed = percent(numbers.observed, numbers.valid)
    document: dict[str, Any] = {
        "water_analysis_algorithm_version": version,
        "observed_water": observed,
        "observed_water_visible": observed,
    }
    if numbers.difference is not None:
        document |= _reference_shares(numbers) | _anomaly_numbers(numbers, anomaly, excess, deficit)
    return without_none(document)


def water_properties(numbers: WaterNumbers, anomaly: Anomaly, pixels: int) -> dict[str, Any]:
    """Return the searchable numbers of a water product beside its profile; ``pixels`` are those of the grid."""
    permanent = None if numbers.permanent is None else numbers.permanent * numbers.pixel_km2
    return without_none(
        {
            "dafab:observed_water_km2": numbers.observed * numbers.pixel_km2,
            "dafab:observed_water_percent": percent(numbers.observed, numbers.clear),
            "dafab:permanent_water_km2": permanent,
            "dafab:anomaly_score": anomaly.score,
            "dafab:anomaly_gain": anomaly.gain,
            "dafab:anomaly_loss": anomaly.loss,
            "dafab:anomaly_type": None if anomaly.type is None else anomaly.type.value,
            "dafab:anomaly_reason": anomaly.reason or None,
            **_seen(numbers.valid, numbers.clear, pixels),
        }
    )


def smart_agriculture(numbers: FieldNumbers, version: int) -> dict[str, Any]:
    """Return the member ``dafab:smart-agriculture``."""
    return without_none(
        {
            "smart_agriculture_algorithm_version": version,
            "number_of_fields": numbers.number,
            "field_percentage": numbers.coverage_percent,
            "total_field_area(ha)": numbers.total_hectares,
            "min_area_of_fields(ha)": numbers.minimum_hectares,
            "mean_area_of_fields(ha)": numbers.mean_hectares,
            "max_area_of_fields(ha)": numbers.maximum_hectares,
        }
    )


def agriculture_properties(numbers: FieldNumbers, valid: int, clear: int, pixels: int) -> dict[str, Any]:
    """Return the searchable numbers of a field product beside its profile; the counts are pixels."""
    return without_none(
        {
            "dafab:agricultural_coverage": numbers.coverage_percent,
            "dafab:cloud_free_agricultural_coverage": numbers.cloud_free_coverage_percent,
            "dafab:cloud_free_number_of_fields": numbers.cloud_free_number,
            **_seen(valid, clear, pixels),
        }
    )


def without_none(document: Mapping[str, Any]) -> dict[str, Any]:
    """Return a document without its members that are None, its numbers rounded."""
    rounded = {key: _rounded(value) if isinstance(value, float) else value for key, value in document.items()}
    return {key: value for key, value in rounded.items() if value is not None}


def _seen(valid: int, clear: int, pixels: int) -> dict[str, float | None]:
    """Say how much of the grid holds data, and how much of that is clear, per cent."""
    return {"dafab:valid_percent": percent(valid, pixels), "dafab:clear_percent": percent(clear, valid)}


def _reference_shares(numbers: WaterNumbers) -> dict[str, Any]:
    assert numbers.difference is not None and numbers.permanent is not None and numbers.seasonal is not None
    shares = {name: percent(numbers.difference[each], numbers.valid) for name, each in _SHARES.items()}
    return {
        "reference_permanent_water": percent(numbers.permanent, numbers.valid),
        "reference_permanent_water_visible": percent(numbers.permanent_visible, numbers.valid),
        "reference_seasonal_water": percent(numbers.seasonal, numbers.valid),
        "reference_seasonal_water_visible": percent(numbers.seasonal_visible, numbers.valid),
        "difference_water_mask": without_none(shares),
    }


def _anomaly_numbers(numbers: WaterNumbers, anomaly: Anomaly, excess: Patches, deficit: Patches) -> dict[str, Any]:
    visible = numbers.permanent_visible * numbers.pixel_km2
    expected = numbers.pixels(Difference.PERMANENT_OBSERVED, Difference.SEASONAL_OBSERVED)
    observed = expected + numbers.pixels(Difference.EXCESS)
    excess_share = percent(float(excess.km2.sum()), visible)
    # Outlines may enclose a little more than the pixels they follow: a deficit is never more than all of it.
    deficit_share = percent(min(float(deficit.km2.sum()), visible), visible)
    return {
        "excess_total_water_observed_area(km2)": numbers.gain * numbers.pixel_km2,
        "excess_total_water_observed": anomaly.gain,
        "excess_water_observed_by_permanent_seasonal": percent(observed, expected),
        # The live catalogue says 0 where there is no seasonal water, and asks for the number.
        "excess_seasonal_water_observed": percent(
            numbers.pixels(Difference.SEASONAL_OBSERVED), numbers.seasonal_visible
        )
        or 0.0,
        "deficit_water_observed_area(km2)": numbers.pixels(Difference.DEFICIT) * numbers.pixel_km2,
        "deficit_water_observed": anomaly.loss,
        "excess_total_water": without_none({**excess.document(), "excess_total_water_observed": excess_share}),
        "deficit_water": without_none({**deficit.document(), "deficit_water_observed": deficit_share}),
    }


def _rounded(value: float) -> float:
    return round(value, DECIMALS)
