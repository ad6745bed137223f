"""mark: which crop season the fields of a scene are of, written on their item."""

import json
from typing import Annotated

from hera.workflows import Input, Output, Parameter

from argo_templates import archives
from argo_templates.seasons import MEMBER
from argo_templates.steps.infer import RAN
from argo_templates.work import WorkError
from rucio_dafab.client import ClientError, DafabClient
from rucio_dafab.site.home import DERIVED_ACCOUNT


class MarkInput(Input):
    """Which scene's fields, and what they are of."""

    scene: Annotated[str, Parameter(description="The id of the scene")]
    season: Annotated[str, Parameter(description="The season (JSON)")]


class MarkOutput(Output):
    """What was marked."""

    item: Annotated[str, Parameter(description="The item of the fields")]


def mark(given: MarkInput) -> MarkOutput:
    """Write the season on the item of fields that was made of a scene; again is harmless.

    Raises:
        WorkError: if no fields were made of the scene, or they were counted from the parcels of another one.
        ClientError: if the catalogue does not answer or refuses.
    """
    client = DafabClient.of_account(DERIVED_ACCOUNT)
    said = archives.records(client, [given.scene]).get(given.scene, {}).get("fields", {})
    if "item" in said and said["outcome"] != RAN:
        raise WorkError(f"{given.scene} has no fields of its own: they were counted from {said.get('parcels')}")
    if "item" not in said:
        raise WorkError(f"{given.scene} has no fields: {said.get('reason', 'nobody has delineated them')}")
    change = [{"op": "upsert", "path": f"/properties/{MEMBER}", "value": json.loads(given.season)}]
    failures = client.patch_documents([said["item"]], change).failures
    if failures:
        raise ClientError(f"{said['item']}: its season cannot be written: {failures[0].reason}")
    return MarkOutput(item=said["item"])
