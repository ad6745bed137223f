"""What placement refuses."""

import os

from rucio_dafab.errors import DafabError


class PlacementError(DafabError):
    """An item cannot be placed, or what is asked makes no sense; the text says why."""


class SiteFault(PlacementError):
    """The site catalogue, the measured figures or a scenario cannot be used: a line for each fault."""


class UnknownItem(PlacementError):
    """The catalogue has no item of that name."""


class NoReplica(PlacementError):
    """A file of an item has no replica that Rucio knows, or an item has no files at all."""


class NoPlace(PlacementError):
    """Every site is refused, for good; the text says why, site by site."""


class NoRoomNow(NoPlace):
    """Every site is refused, at least one of them only for now: another try may find room."""

    exit_code: int = os.EX_TEMPFAIL
