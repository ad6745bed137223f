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
    described = training["specification"]
    content = model.read_bytes()
    text = f"""# {title}

{purpose}

- sha256: {hashlib.sha256(content).hexdigest()}
- version: {described["version"]}
- bands: {", ".join(described["bands"])}
- bands that may be absent: {", ".join(described["optional"]) or "none"} (an absent band is 0 after normalisation)
- outputs: {", ".join(described["outputs"])}, each 0…1
- input: `chips` float32 (batch, {len(described["bands"])}, 256, 256), reflectance minus mean, divided by deviation;
  both stand in the file's metadata
- file: {len(content) / 1e6:.2f} MB, fp32, ONNX
- licence: Apache-2.0 (code and weights)

## Training

- net: U-Net of width {described["width"]} in plain torch
- length: {training["steps"]:,} steps, {training["chips"]:,} chips, {training["minutes"]} minutes on one CPU thread, \
seed {training["seed"]}
- data: scenes of this project's own simulator (`rucio_dafab/eo/simulate`) alone, in all seasons, with changed light,
  air, noise and absent bands. No real pixel was used in training, so no licence but the project's own applies.

## Measured

{figures}

## Limits

{limits}
"""
    card = model.with_name("MODEL_CARD.md")
    card.write_text(text)
    return card
