"""From torch to ONNX, with the description that inference reads."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path

import onnx
import torch
from torch import Tensor, nn

from models.common.specification import Specification

CHIP = 256
"""Rows and columns of a chip at inference."""


@dataclass(frozen=True)
class Card:
    """A trained net, in figures.

    Attributes:
        specification: What it reads and says.
        mean: Mean reflectance by band.
        deviation: Deviation of the reflectance by band.
        steps: Steps of training, all runs together.
        chips: Chips seen.
        minutes: Wall time it took, scenes included.
        runs: How many runs, each going on from the weights of the one before.
        seed: Seed of the last run.
        chips_a_second: Chips of 256×256 (four of 128×128 make one) that the last run trained on in a second.
        pieces: The real images that the last run trained on, beside the simulator.
        watt_hours: Energy of all runs, Wh.
        co2_grams: Its CO2 equivalent, g.
        energy_by: Who measured that, and how.
    """

    specification: Specification
    mean: tuple[float, ...]
    deviation: tuple[float, ...]
    steps: int
    chips: int
    minutes: float
    runs: int
    seed: int
    chips_a_second: float
    pieces: tuple[str, ...]
    watt_hours: float
    co2_grams: float
    energy_by: str


class Probabilities(nn.Module):
    """A net whose logits become numbers from 0 to 1."""

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.net = net

    def forward(self, chips: Tensor) -> Tensor:
        """Map chips (batch, band, row, column) to probabilities (batch, output, row, column)."""
        return torch.sigmoid(self.net(chips))


def export(net: nn.Module, card: Card, path: Path) -> None:
    """Write a net as ONNX with any batch size, its bands and scale in the metadata, and its figures beside it.

    ``path`` gets the net, ``<folder>/training.json`` the card.
    """
    specification = card.specification
    example = torch.zeros(2, len(specification.bands), CHIP, CHIP)
    trained = Probabilities(net.to(memory_format=torch.contiguous_format)).eval()
    program = torch.onnx.export(
        trained, (example,), dynamo=True, input_names=["chips"], output_names=["probabilities"],
        dynamic_shapes={"chips": {0: torch.export.Dim("batch")}}, verbose=False,
    )  # fmt: skip
    model = program.model_proto
    for node in model.graph.node:
        # What the exporter notes of the source does not belong in the product (it names folders of the machine).
        node.ClearField("metadata_props")
        node.ClearField("doc_string")
    onnx.helper.set_model_props(model, metadata(card))
    model.producer_name = "rucio-dafab"
    onnx.checker.check_model(model, full_check=True)
    onnx.save(model, path)
    path.with_name("training.json").write_text(json.dumps(asdict(card), indent=2) + "\n")


def metadata(card: Card) -> dict[str, str]:
    """Return the metadata properties of the ONNX file: strings only, lists separated by commas."""
    specification = card.specification
    return {
        "dafab:name": specification.name,
        "dafab:version": specification.version,
        "dafab:bands": ",".join(specification.bands),
        "dafab:outputs": ",".join(specification.outputs),
        "dafab:optional_bands": ",".join(specification.optional),
        "dafab:mean": ",".join(f"{value:.4f}" for value in card.mean),
        **({"dafab:guard": ",".join(specification.guard)} if specification.guard else {}),
        "dafab:std": ",".join(f"{value:.4f}" for value in card.deviation),
    }
