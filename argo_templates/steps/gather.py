"""gather: the files of a batch to its site, and to where the container reads them."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

from hera.workflows import Input, Output, Parameter

from argo_templates.batches import BatchFolder
from argo_templates.placement.replicas import find_items
from argo_templates.steps.bring import ReplicaWriter, bring_item, fetched
from argo_templates.work import fingerprint, finished, whole, write_json
from rucio_dafab.client import Found
from rucio_dafab.site.home import DERIVED_ACCOUNT


class GatherInput(Input):
    """Which batch of which workflow."""

    work: Annotated[str, Parameter(description="The folder of the workflow")]
    batch: Annotated[str, Parameter(description="The batch")]


class GatherOutput(Output):
    """What was brought."""

    items: Annotated[int, Parameter(description="Items of the batch")]
    brought: Annotated[int, Parameter(description="Files that were not on the RSE of the site before")]
    bytes: Annotated[int, Parameter(description="Their bytes")]


def gather(given: GatherInput) -> GatherOutput:
    """Read the replicas again, bring to the RSE of the site what is not there, and lay everything out, verified.

    Replicas may have moved since the items were split. Those that are brought are registered; the others stay.

    Raises:
        UnknownItem: if the catalogue has lost an item.
        NoReplica: if a file has no replica.
        ChecksumError, StoreError: if no replica of a file can be read whole.
        StorageError: if the RSE is full or takes no writes.
        ClientError: if the catalogue does not answer or refuses.
        WorkError: if there is no such batch.
    """
    folder = BatchFolder.of(given.work, given.batch)
    batch = folder.read()
    client = ReplicaWriter.of_account(DERIVED_ACCOUNT)
    lines = [
        line for item in find_items(client, batch.items) for line in bring_item(client, item, batch.rse, folder.root)
    ]
    _lay_out(client, find_items(client, batch.items), batch.rse, folder.given)
    folder.made.mkdir(exist_ok=True)
    return GatherOutput(items=len(batch.items), brought=len(lines), bytes=sum(line["bytes"] for line in lines))


def _lay_out(client: ReplicaWriter, items: Sequence[Found], rse: str, place: Path) -> None:
    """Write ``ITEM/item.json`` and the files beside it for all items, all or nothing."""
    sums = [[asset.name, asset.bytes, asset.adler32, asset.md5] for item in items for asset in item.assets.values()]
    made_from = fingerprint("gather", [item.document for item in items], sums)
    if finished(place, made_from):
        return
    with whole(place, made_from) as folder:
        for item in items:
            write_json(folder / item.name / "item.json", item.document)
            for asset in item.assets.values():
                fetched(client, asset, folder / item.name / asset.name.removeprefix(f"{item.name}."), rse)
