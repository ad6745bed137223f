"""What failed of late, as the records of runs say: it is taken up last, so that it keeps nothing else from its turn."""

from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Final

from argo_templates import run_record, scenes
from rucio_dafab.client import DafabClient
from rucio_dafab.site.home import SCOPE

LATELY: Final = timedelta(days=14)
"""How long a failure counts."""

_UNSUCCESSFUL: Final = ("Failed", "Error")
_FAILED: Final = (scenes.WITHDRAWN, scenes.KEPT)


def of_late(client: DafabClient) -> Mapping[str, int]:
    """Return how many runs of late failed at a scene, by its id; those at which none did are absent.

    A record is published when a run ends: of a run whose exit hook failed, too, nothing is known.

    Raises:
        ClientError: if the catalogue does not answer.
    """
    since = (datetime.now(UTC) - LATELY).isoformat(timespec="seconds").replace("+00:00", "Z")
    outcome = {"property": f"/properties/{run_record.MEMBER}/outcome"}
    asked = {
        "op": "and",
        "args": [
            {"op": "in", "args": [outcome, list(_UNSUCCESSFUL)]},
            {"op": ">=", "args": [{"property": "end_datetime"}, {"timestamp": since}]},
        ],
    }
    found = client.search(SCOPE, asked, collections=[run_record.COLLECTION], did_type="container")
    documents = (each.document["properties"][run_record.MEMBER] for each in found if each.document is not None)
    return Counter(
        str(each["scene"]) for record in documents for each in record.get("scenes", []) if each["outcome"] in _FAILED
    )


def last(names: Iterable[str], failed: Mapping[str, int]) -> list[str]:
    """Return names in their order with those at the end at which runs of late failed, the most failures last."""
    return sorted(names, key=lambda name: failed.get(name, 0))
