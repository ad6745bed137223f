"""A small U-Net in plain torch."""

from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional

from models.common.specification import Specification

DARKEST = 0.02
"""Least sum of two reflectances that an index divides by: below it there is noise alone."""


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


class Informed(nn.Module):
    """A U-Net that is told, beside its bands, some of their indices and which bands there are.

    Ratios of bands are what a few convolutions form badly; a band that is absent comes as 0 everywhere. Both are
    computed inside, so that the net takes normalised chips as any other.

    Args:
        specification: What the net reads and says.
        mean: Mean reflectance by band.
        deviation: Deviation by band.
    """

    def __init__(self, specification: Specification, mean: list[float], deviation: list[float]) -> None:
        super().__init__()
        bands = specification.bands
        self._pairs = [(bands.index(first), bands.index(second)) for first, second in specification.indices]
        self._optional = [bands.index(band) for band in specification.optional] if self._pairs else []
        for name, values in (("mean", mean), ("scale", deviation)):
            self.register_buffer(name, torch.tensor(values, dtype=torch.float32).reshape(1, -1, 1, 1), persistent=False)
        channels = len(bands) + len(self._pairs) + len(self._optional)
        self.net = UNet(channels, len(specification.outputs), specification.width)

    def forward(self, chips: Tensor) -> Tensor:
        """Map chips (batch, band, row, column) to logits (batch, output, row, column)."""
        if not self._pairs:
            return self.net(chips)
        present = (chips.abs().amax(dim=(2, 3), keepdim=True) > 0).to(chips.dtype)
        reflectance = chips * self.scale + self.mean
        layers = [chips]
        for first, second in self._pairs:
            one, other = reflectance[:, first : first + 1], reflectance[:, second : second + 1]
            index = ((one - other) / (one + other).clamp(min=DARKEST)).clamp(-1, 1)
            layers.append(index * present[:, first : first + 1] * present[:, second : second + 1])
        layers += [present[:, column : column + 1].expand_as(chips[:, :1]) for column in self._optional]
        return self.net(torch.cat(layers, dim=1))
