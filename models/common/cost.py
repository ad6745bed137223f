"""The card's part on cost: precision × provider, and what training took. Energy is estimated and says so."""

import json
from pathlib import Path
from typing import Any, Final

from models.common.markdown import Rows, table
from rucio_dafab.eo.models import PRECISIONS

TILE_CHIPS: Final = 2401
"""Chips of a full Sentinel-2 tile with 32 pixels of overlap."""

CARBON: Final = 0.21
"""kg of CO2 a kWh: the mean of the European Union's electricity in 2023 (European Environment Agency)."""


def precisions(model: Path, sha256: str) -> str:
    """Return the table precision × provider, or that this file was not measured.

    Args:
        model: The ONNX file; ``precision.json`` lies beside it where it was measured.
        sha256: Its checksum, which the measurement must name.
    """
    path = model.with_name("precision.json")
    found: dict[str, Any] = json.loads(path.read_text()) if path.is_file() else {}
    if found.get("sha256") != sha256:
        return "Not measured for this file (`python -m models.common.precision`)."
    watts = found["watts"]
    rows: Rows = []
    for name, values in found["precisions"].items():
        seconds = values["cpu_seconds"]
        size = f"{PRECISIONS[name]}, {values['megabytes']:.2f} MB"
        rows.append((name, "CPU, one thread", f"{values['iou']:.3f}", size,
                     f"{1 / seconds:.0f}", f"{TILE_CHIPS * seconds * watts:.0f}"))  # fmt: skip
    rows.append(("fp16", "CUDA", "not measured", PRECISIONS["fp16"], "not measured", "not measured"))
    head = ("precision", "provider", "IoU, 6 simulated chips", "file", "chips/s of CPU time", "J a tile")
    return (
        f"{table(head, rows)}\n\nChips of 256×256; a tile is {TILE_CHIPS:,}. Joules are estimated: CPU seconds times an"
        f" assumed {watts:g} W a busy core, nothing\nbeside the net. Static int8: QDQ, per channel."
        " A CPU takes fp32 and a GPU fp16, unless `DAFAB_PRECISION` says another."
    )


def training_cost(training: dict[str, Any], watts: float = 8.0) -> str:
    """Return what training took in energy and CO2: by codecarbon, or of older nets estimated from their wall time.

    Args:
        training: ``training.json``.
        watts: Assumed power of the one busy core, in W, where codecarbon did not look.
    """
    speed = training.get("chips_a_second")
    if "watt_hours" in training:
        said = f"{training['watt_hours']:.1f} Wh and {training['co2_grams']:.1f} g of CO2 ({training['energy_by']})"
    else:
        energy = training["minutes"] * 60 * watts / 3.6e6
        said = f"about {energy * 1000:.0f} Wh and {energy * CARBON * 1000:.0f} g of CO2"
        said += f" (estimated: {watts:g} W for one busy core, {CARBON} kg a kWh)"
    return said + (f";\n  {speed:.1f} chips/s of 256×256 in training on one core of a shared machine" if speed else "")
