"""A small U-Net in plain torch."""

from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional


class Block(nn.Module):
    """Two 3×3 convolutions, each normalised over the batch and rectified."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(inputs, outputs, 3, padding=1, bias=False),
            nn.BatchNorm2d(outputs),
            nn.ReLU(inplace=True),
            nn.Conv2d(outputs, outputs, 3, padding=1, bias=False),
            nn.BatchNorm2d(outputs),
            nn.ReLU(inplace=True),
        )

    def forward(self, values: Tensor) -> Tensor:
        """Map (batch, inputs, row, column) to (batch, outputs, row, column)."""
        return self.layers(values)


class UNet(nn.Module):
    """U-Net (Ronneberger, Fischer and Brox, 2015) with four halvings and ``width`` channels at full resolution.

    Args:
        bands: Channels in.
        outputs: Channels out, as logits.
        width: Channels of the first block; doubled at each halving. 8 gives 0.48 million parameters.
    """

    def __init__(self, bands: int, outputs: int, width: int = 8) -> None:
        super().__init__()
        widths = [width * 2**level for level in range(5)]
        self.down = nn.ModuleList(Block(low, high) for low, high in zip([bands, *widths], widths, strict=False))
        self.up = nn.ModuleList(Block(high + low, low) for low, high in pairwise(widths))
        self.head = nn.Conv2d(width, outputs, 1)

    def forward(self, chips: Tensor) -> Tensor:
        """Map chips (batch, bands, row, column) to logits (batch, outputs, row, column); sides are multiples of 16."""
        values, skipped = chips, []
        for level, block in enumerate(self.down):
            values = block(functional.max_pool2d(values, 2) if level else values)
            skipped.append(values)
        for level in reversed(range(len(self.up))):
            larger = functional.interpolate(values, scale_factor=2.0, mode="nearest")
            values = self.up[level](torch.cat([larger, skipped[level]], dim=1))
        return self.head(values)
