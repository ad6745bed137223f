"""bring: the files of an item to the RSE of the place that was chosen, and the new replicas into Rucio."""

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

from hera.workflows import Input, Output, Parameter
from rucio.client.replicaclient import ReplicaClient
from rucio.common.exception import RucioException

from argo_templates.placement.errors import NoReplica
from argo_templates.placement.replicas import find_items
from argo_templates.work import WorkError
from dasi_backend.fetching import Wanted, fetch
from dasi_backend.nearness import Nearness
from rucio_dafab.client import Asset, ClientError, DafabClient, Found
from rucio_dafab.errors import first_line
from rucio_dafab.site.home import DERIVED_ACCOUNT


class BringInput(Input):
    """Which item goes where."""

    item: Annotated[str, Parameter(description="The item whose files are brought")]
    rse: Annotated[str, Parameter(description="The storage element (RSE) that gets them")]
    work: Annotated[str, Parameter(description="The working folder of this run, through which the files go")]


class BringOutput(Output):
    """What was brought."""

    files: Annotated[int, Parameter(description="How many files were not there before")]
    bytes: Annotated[int, Parameter(description="Their bytes")]


class ReplicaWriter(DafabClient, ReplicaClient):  # type: ignore[misc]  # Rucio ships no types
    """The client of a site that registers replicas, too."""

    def register(self, rse: str, lines: Sequence[dict[str, Any]]) -> None:
        """Tell Rucio of files that lie on an RSE, by one request.

        Raises:
            ClientError: if the server refuses.
        """
        try:
            self.add_replicas(rse, list(lines))
        except RucioException as error:
            raise ClientError(f"{self.host} does not register replicas on {rse}: {first_line(error)}") from error


def bring(given: BringInput) -> BringOutput:
    """Copy what is not on the RSE, verified, and register the replicas; what is there stays, other replicas do, too.

    Nothing is registered before all bytes are there, so a step that is killed is simply run again.

    Raises:
        UnknownItem: if the catalogue has no such item.
        NoReplica: if a file has no replica.
        NotFound: if there is no such RSE.
        ChecksumError, StoreError: if no replica of a file can be read whole.
        StorageError: if the RSE is full or takes no writes.
        ClientError: if the catalogue does not answer or refuses.
    """
    client = ReplicaWriter.of_account(DERIVED_ACCOUNT)
    (found,) = find_items(client, [given.item])
    lines = bring_item(client, found, given.rse, Path(given.work))
    return BringOutput(files=len(lines), bytes=sum(line["bytes"] for line in lines))


def bring_item(client: ReplicaWriter, found: Found, rse: str, work: Path) -> list[dict[str, Any]]:
    """Copy the files of an item that are not on an RSE, and register them; return a line a file, as Rucio is told.

    Raises:
        NoReplica: if a file has no replica; and as :func:`bring` has it.
    """
    missing = [asset for asset in found.assets.values() if all(each.rse != rse for each in asset.replicas)]
    lost = [asset.name for asset in missing if not asset.replicas]
    if lost:
        raise NoReplica(f"{found.name}: {lost[0]} has no replica")
    if not missing:
        return []
    lines = [_copied(client, asset, rse, _folder(work)) for asset in missing]
    client.register(rse, lines)
    return lines


def fetched(client: DafabClient, asset: Asset, here: Path, rse: str | None = None) -> None:
    """Write a file of an item, verified, from the first of its replicas that can be read, those of ``rse`` before.

    Raises:
        ChecksumError, StoreError: if no replica can be read whole.
    """
    sums = {"adler32": asset.adler32, "md5": asset.md5}
    known = {function: value for function, value in sums.items() if value}
    replicas = Nearness(lambda: client, rse).ordered(asset.replicas)
    fetch(Wanted(f"{asset.scope}:{asset.name}", asset.bytes, known, replicas), here, client.rse_settings)


def _folder(work: Path) -> Path:
    try:
        work.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise WorkError(f"cannot work in {work}: {error.strerror}") from error
    return work


def _copied(client: ReplicaWriter, asset: Asset, rse: str, work: Path) -> dict[str, Any]:
    """Copy one file, by way of the working folder, and return what Rucio is told of it."""
    with tempfile.TemporaryDirectory(prefix=".bring-", dir=work) as folder:
        here = Path(folder) / "file"
        fetched(client, asset, here)
        stored = client.upload(here, rse, asset.name, scope=asset.scope)
    return {
        "scope": asset.scope,
        "name": asset.name,
        "bytes": stored.bytes,
        "adler32": stored.adler32,
        "md5": stored.md5,
    }
