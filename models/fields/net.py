"""The fields net's loss. Its architecture is ``models.common.net.UNet``."""

from torch import Tensor
from torch.nn import functional


def loss(logits: Tensor, target: Tensor, weight: Tensor) -> Tensor:
    """Return cross-entropy and Dice of extent and boundary plus the squared error of the depth."""
    total = 2.0 * ((logits[:, 2].sigmoid() - target[:, 2]).square() * weight).mean()
    for channel in (0, 1):
        score, wanted = logits[:, channel], target[:, channel]
        probability = score.sigmoid() * weight
        dice = 1 - (2 * (probability * wanted).sum() + 1) / (probability.sum() + (wanted * weight).sum() + 1)
        total = total + functional.binary_cross_entropy_with_logits(score, wanted, weight=weight) + 0.5 * dice
    return total
