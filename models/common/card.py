"""The card of a model: what it is, what it was trained on and what was measured, written from the figures."""

import json
from pathlib import Path
from typing import Any

from models.common.cost import precisions, training_cost
from models.common.stored import checksum
from rucio_dafab.eo.models import PRECISIONS

SIMULATED_ALONE = """scenes of this project's own simulator (`rucio_dafab/eo/simulate`) alone, in all seasons, with
  changed light, air, noise and absent bands. No real pixel was used in training, so no licence but the project's own
  applies."""
"""What is said of a net that never saw a real image."""


TEMPLATE = """# {title}

{purpose}

{checksums}
- version: {version}
- bands: {bands}
- bands that may be absent: {optional} (an absent band is 0 after normalisation)
- outputs: {outputs}, each 0…1
- indices that guard it: {guard}
- input: `chips` float32 (batch, {count}, 256, 256), {unit} minus mean, divided by deviation;
  both stand in the file's metadata
- file: {megabytes:.2f} MB, fp32, ONNX
- licence: Apache-2.0 (code and weights)

## Training

- net: U-Net of width {width} in plain torch
- length: {steps:,} steps, {chips:,} chips, {minutes:.0f} minutes on one CPU thread, in {runs} runs
- energy: {cost}
- data: {data}

## Measured

{figures}

## Precision and cost

{precisions}

## Limits

{limits}
"""


def write_card(
    model: Path,
    title: str,
    purpose: str,
    figures: str,
    limits: str,
    data: str = SIMULATED_ALONE,
    unit: str = "reflectance",
) -> Path:
    """Write MODEL_CARD.md beside a model and return its path.

    Args:
        model: The ONNX file; ``training.json`` lies beside it.
        title: Name of the model.
        purpose: What it reads and says.
        figures: What was measured, Markdown.
        limits: What it is not good for, Markdown.
        data: What it was trained on, with licences, Markdown.
        unit: What its numbers are before they are normalised.
    """
    training: dict[str, Any] = json.loads(model.with_name("training.json").read_text())
    described = training["specification"]
    files = [model.with_name(name) for name in PRECISIONS.values()]
    checksums = "\n".join(f"- sha256: {checksum(path)} ({path.name})" for path in files if path.is_file())
    text = TEMPLATE.format(
        title=title, purpose=purpose, figures=figures, limits=limits, data=data, unit=unit, checksums=checksums,
        guard=", ".join(described.get("guard", ())) or "none", cost=training_cost(training),
        precisions=precisions(model, checksum(model)),
        version=described["version"], bands=", ".join(described["bands"]), outputs=", ".join(described["outputs"]),
        optional=", ".join(described["optional"]) or "none", count=len(described["bands"]), width=described["width"],
        megabytes=model.stat().st_size / 1e6,
        **{name: training[name] for name in ("steps", "chips", "minutes", "runs")},
    )  # fmt: skip
    card = model.with_name("MODEL_CARD.md")
    card.write_text(text)
    return card
