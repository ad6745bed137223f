"""The water net's loss. Its architecture is ``models.common.net.UNet``."""

from torch import Tensor
from torch.nn import functional


def loss(logits: Tensor, target: Tensor, weight: Tensor) -> Tensor:
    """Return cross-entropy plus the soft Dice loss over the batch, clouds left out."""
    logits, target = logits[:, 0], target[:, 0]
    entropy = functional.binary_cross_entropy_with_logits(logits, target, weight=weight)
    probability = logits.sigmoid() * weight
    wet = (target >= 0.5) * weight
    dice = 1 - (2 * (probability * wet).sum() + 1) / (probability.sum() + wet.sum() + 1)
    return entropy + 0.5 * dice
