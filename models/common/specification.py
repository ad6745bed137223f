"""What a net reads and says: the part of its description that training, export and evaluation share."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Specification:
    """A net's description.

    Attributes:
        name: ``water`` or ``fields``.
        version: Version of the weights.
        bands: Bands it reads, in order.
        outputs: What its channels mean, in order.
        width: Channels of the first block.
        optional: Bands that may be absent; an absent band is given as 0 after normalisation.
    """

    name: str
    version: str
    bands: tuple[str, ...]
    outputs: tuple[str, ...]
    width: int = 8
    optional: tuple[str, ...] = ()
