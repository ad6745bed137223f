"""The fields net's loss. Its architecture is ``models.common.net.UNet``."""

from typing import Final

from torch import Tensor
from torch.nn import functional

BOUNDARY_WEIGHT: Final = 2.5


def loss(logits: Tensor, target: Tensor, weight: Tensor) -> Tensor:
    """Return cross-entropy and Dice of extent and boundary plus the squared error of the depth.

    Boundary pixels are few: each counts as :data:`BOUNDARY_WEIGHT` of the others, or the net is content to find none.
    """
    total = 2.0 * ((logits[:, 2].sigmoid() - target[:, 2]).square() * weight).mean()
    for channel, share in ((0, 1.0), (1, BOUNDARY_WEIGHT)):
        score, wanted = logits[:, channel], target[:, channel]
        probability = score.sigmoid() * weight
        dice = 1 - (2 * (probability * wanted).sum() + 1) / (probability.sum() + (wanted * weight).sum() + 1)
        counted = weight * (1 + (share - 1) * wanted)
        entropy = functional.binary_cross_entropy_with_logits(score, wanted, weight=counted)
        total = total + entropy + 0.5 * dice
    return total
