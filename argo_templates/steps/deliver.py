"""deliver: a finished STAC item with its files into Rucio: what a user's container or another program made."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

from hera.workflows import Input, Output, Parameter

from argo_templates.work import WorkError
from rucio_dafab.client import DafabClient, PublishRequest
from rucio_dafab.names import is_name
from rucio_dafab.site.home import DERIVED_ACCOUNT, SCOPE
from rucio_dafab.stac.asset_names import every_asset
from rucio_dafab.stac.validate import check_document, check_types

ITEM = "item.json"


class DeliverInput(Input):
    """Which folder goes where."""

    folder: Annotated[str, Parameter(description="The folder with item.json and the files of its assets")]
    rse: Annotated[str, Parameter(description="The storage element (RSE) that keeps the files")]
    parent: Annotated[str, Parameter(description="The item that it was derived from; empty for none")] = ""
    predecessor: Annotated[str, Parameter(description="The item that it is a new version of; empty for none")] = ""


class DeliverOutput(Output):
    """What was registered."""

    item: Annotated[str, Parameter(description="The item")]
    outcome: Annotated[str, Parameter(description="created or unchanged")]
    files: Annotated[int, Parameter(description="How many files it has")]


def deliver(given: DeliverInput) -> DeliverOutput:
    """Publish an item: bytes first, then one transaction; again is harmless, another document is never overwritten.

    Raises:
        WorkError: if the folder holds no item, or an asset names what is no file in it.
        DocumentInvalid: if the item does not fit its collection.
        ClientError: if the catalogue refuses or does not answer.
        StorageError: if a file cannot be stored.
    """
    folder = Path(given.folder)
    item = _item(folder)
    files = {key: _file(folder, key, asset) for key, asset in sorted(every_asset(item).items())}
    client = DafabClient.of_account(DERIVED_ACCOUNT)
    stored = {key: client.upload(path, given.rse, f"{item['id']}.{path.name}") for key, path in files.items()}
    request = PublishRequest(SCOPE, item, stored, parent=given.parent or None, predecessor=given.predecessor or None)
    report = client.publish(request)
    return DeliverOutput(item=report.item, outcome=report.outcome, files=len(stored))


def _item(folder: Path) -> dict[str, Any]:
    try:
        item = json.loads((folder / ITEM).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise WorkError(f"{folder} holds no {ITEM} that is JSON: {error}") from error
    check_document(item)
    check_types(item)
    return dict(item)


def _file(folder: Path, key: str, asset: Mapping[str, Any]) -> Path:
    """Return the file of an asset: below the folder, whatever its ``href`` says."""
    href = str(asset.get("href", ""))
    path = (folder / href).resolve()
    if not href or not path.is_relative_to(folder.resolve()) or not path.is_file() or not is_name(path.name):
        raise WorkError(f"{folder / ITEM}: the asset {key} names {href!r}, which is no file in the folder")
    return path
