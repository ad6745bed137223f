"""The card of a model: what it is, what it was trained on and what was measured, written from the figures."""

import hashlib
import json
from pathlib import Path
from typing import Any

Rows = list[tuple[str, ...]]


def table(head: tuple[str, ...], rows: Rows) -> str:
    """Return a Markdown table."""
    lines = [head, tuple("---" for _ in head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


TEMPLATE = """# {title}

{purpose}

- sha256: {sha256}
- version: {version}
- bands: {bands}
- bands that may be absent: {optional} (an absent band is 0 after normalisation)
- outputs: {outputs}, each 0…1
- input: `chips` float32 (batch, {count}, 256, 256), reflectance minus mean, divided by deviation;
  both stand in the file's metadata
- file: {megabytes:.2f} MB, fp32, ONNX
- licence: Apache-2.0 (code and weights)

## Training

- net: U-Net of width {width} in plain torch
- length: {steps:,} steps, {chips:,} chips, {minutes:.0f} minutes on one CPU thread, in {runs} runs
- data: scenes of this project's own simulator (`rucio_dafab/eo/simulate`) alone, in all seasons, with changed light,
  air, noise and absent bands. No real pixel was used in training, so no licence but the project's own applies.

## Measured

{figures}

## Limits

{limits}
"""


def write_card(model: Path, title: str, purpose: str, figures: str, limits: str) -> Path:
    """Write MODEL_CARD.md beside a model and return its path.

    Args:
        model: The ONNX file; ``training.json`` lies beside it.
        title: Name of the model.
        purpose: What it reads and says.
        figures: What was measured, Markdown.
        limits: What it is not good for, Markdown.
    """
    training: dict[str, Any] = json.loads(model.with_name("training.json").read_text())
    described, content = training["specification"], model.read_bytes()
    text = TEMPLATE.format(
        title=title, purpose=purpose, figures=figures, limits=limits, sha256=hashlib.sha256(content).hexdigest(),
        version=described["version"], bands=", ".join(described["bands"]), outputs=", ".join(described["outputs"]),
        optional=", ".join(described["optional"]) or "none", count=len(described["bands"]), width=described["width"],
        megabytes=len(content) / 1e6, **{name: training[name] for name in ("steps", "chips", "minutes", "runs")},
    )  # fmt: skip
    card = model.with_name("MODEL_CARD.md")
    card.write_text(text)
    return card
