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
        indices: Pairs of bands whose normalised difference the net computes for itself, beside what it is given.
        guard: Indices that vote with the net, as the product reads them (``eo/guard.py``); empty for none.
    """

    name: str
    version: str
    bands: tuple[str, ...]
    outputs: tuple[str, ...]
    width: int = 8
    optional: tuple[str, ...] = ()
    indices: tuple[tuple[str, str], ...] = ()
    guard: tuple[str, ...] = ()
