"""Which replica of a file is tried first: the preferred RSE's, one of this machine, of this site, the nearest."""

from collections.abc import Callable, Sequence
from functools import cache
from math import inf
from typing import Final
from urllib.parse import urlsplit

from rucio.common.exception import RucioException

from rucio_dafab.client import DafabClient, Replica
from rucio_dafab.pfn import local_file

SITE: Final = "site"
"""The attribute of an RSE that says at which site it is, as Rucio's own clients read it."""


class Nearness:
    """The order of replicas as seen from one RSE.

    Rucio is asked for sites and distances only where two RSEs elsewhere are to be told apart, once for each of them.

    Args:
        client: Gives the client, when it is first needed.
        rse: The RSE whose replicas are preferred, if one is.
        protocol: The scheme whose addresses are preferred, if one is.
    """

    def __init__(self, client: Callable[[], DafabClient], rse: str | None, protocol: str | None = None) -> None:
        self._client, self._rse, self._protocol = client, rse, protocol
        self._site = cache(self._site_of)
        self._distance = cache(self._distance_of)

    def ordered(self, replicas: Sequence[Replica]) -> list[Replica]:
        """Return replicas in the order to try them.

        The preferred RSE's come first, then those on this machine, of the preferred RSE's site, and by the distance
        (``rucio rse distance``) to the preferred RSE; where none is known, last. Of one RSE the preferred scheme's.

        Raises:
            ClientError: if the catalogue does not answer.
        """
        elsewhere = {each.rse for each in replicas if each.rse != self._rse and local_file(each.pfn) is None}
        asks = self._rse is not None and len(elsewhere) > 1

        def rank(replica: Replica) -> tuple[bool, bool, bool, float, bool]:
            far = asks and replica.rse in elsewhere
            return (
                replica.rse != self._rse,
                local_file(replica.pfn) is None,
                far and not self._is_here(replica.rse),
                self._distance(replica.rse) if far else 0,
                urlsplit(replica.pfn).scheme != self._protocol,
            )

        return sorted(replicas, key=rank)

    def _is_here(self, rse: str) -> bool:
        here = self._site(self._rse or "")
        return here is not None and self._site(rse) == here

    def _site_of(self, rse: str) -> str | None:
        try:
            said = self._client().list_rse_attributes(rse).get(SITE)
        except RucioException:  # the RSE is gone, or was never there: its replica may be all the same
            return None
        return str(said) if said else None

    def _distance_of(self, rse: str) -> float:
        try:
            said = self._client().get_distance(rse, self._rse)
        except RucioException:
            return inf
        return min((float(each["distance"]) for each in said), default=inf)
