"""What training takes in energy and CO2, by codecarbon without a network (in the training environment)."""

from types import TracebackType
from typing import Final, Self

import codecarbon
from codecarbon import OfflineEmissionsTracker
from codecarbon.core.cpu import is_rapl_available

COUNTRY: Final = "LUX"
"""Whose electricity is counted (ISO 3166); the site of MeluXina."""

SECONDS_BETWEEN: Final = 15


class Meter:
    """A meter of this process (a context manager).

    codecarbon reads the processor's own counters (RAPL) where it may; on machines that hide them, as virtual ones do,
    it estimates from the load and the processor's name. ``method`` says so.

    Attributes:
        watt_hours: What this process took so far, Wh; after the block.
        grams: Its CO2 equivalent by the mean of the country's electricity, g; after the block.
        method: Who measured, and how.
    """

    watt_hours = 0.0
    grams = 0.0
    method = ""

    def __enter__(self) -> Self:
        self._tracker = OfflineEmissionsTracker(
            country_iso_code=COUNTRY, measure_power_secs=SECONDS_BETWEEN, tracking_mode="process", save_to_file=False,
            allow_multiple_runs=True, log_level="error",
        )  # fmt: skip
        self._tracker.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        kilograms = self._tracker.stop()
        data = self._tracker.final_emissions_data
        self.watt_hours, self.grams = float(data.energy_consumed) * 1000, float(kilograms or 0) * 1000
        how = "measured" if is_rapl_available() else "estimated from the load"
        self.method = f"codecarbon {codecarbon.__version__}, {how}"
