"""recount: the fields of a scene counted from stored parcels, under its own clouds; no net runs."""

import tempfile
from pathlib import Path
from typing import Annotated, Any, Final

from hera.workflows import Input, Output, Parameter

from argo_templates import archives, progress
from argo_templates.placement.replicas import find_items
from argo_templates.season_parcels import PARQUET
from argo_templates.seasons import MEMBER
from argo_templates.steps.bring import fetched
from argo_templates.steps.infer import SKIPPED, absent_bands, named_by_origin
from argo_templates.steps.make import PRODUCT
from argo_templates.work import FIELDS, Work, WorkError, fingerprint, finished, read_json, seal_of, whole, write_json
from rucio_dafab import __version__
from rucio_dafab.client import Asset, DafabClient, Found
from rucio_dafab.eo.scene import open_scene
from rucio_dafab.site.home import DERIVED_ACCOUNT

RECOUNTED: Final = "recounted"
RECOUNT: Final = "dafab:recount"
"""What tells the item of a recount (``rucio_dafab.eo.recount_items``, which takes seconds to load)."""


class RecountInput(Input):
    """Which run's scene, and from which parcels."""

    work: Annotated[str, Parameter(description="The working folder of this run")]
    item: Annotated[str, Parameter(description="The field product with the parcels")]


class RecountOutput(Output):
    """What was counted."""

    outcome: Annotated[str, Parameter(description="recounted, or skipped where the scene lacks a band that is needed")]
    item: Annotated[str, Parameter(description="The id of the derived item; empty when skipped")]
    reason: Annotated[str, Parameter(description="Why it was skipped; empty when it was not")]


def recount(given: RecountInput) -> RecountOutput:
    """Count stored parcels on a scene; what was counted already is not counted again.

    Raises:
        UnknownItem: if the catalogue has no such product.
        ChecksumError, StoreError: if no replica of its parcels can be read whole.
        ParcelsError: if they are damaged, or of another tile.
        SceneError: if a band cannot be read.
        WorkError: if no scene is staged, or the product has no parcels.
        ClientError: if the catalogue does not answer.
    """
    # Seconds of scikit-image and GeoPandas, here and below, which those that only name this step do without.
    from rucio_dafab.eo.recount import missing_bands  # noqa: PLC0415

    work = Work(Path(given.work))
    scene = open_scene(work.staged)
    version, checksum = archives.identities([FIELDS])[FIELDS]
    # By this the scene is known to be done with the net of here, as one that the net ran over.
    record: dict[str, Any] = {"version": version, "model:sha256": checksum}
    missing = missing_bands(scene)
    if missing:
        reason = absent_bands(work, missing)
        write_json(work.outcome(FIELDS), record | {"outcome": SKIPPED, "reason": reason})
        return RecountOutput(outcome=SKIPPED, item="", reason=reason)
    client = DafabClient.of_account(DERIVED_ACCOUNT)
    _, file = _parcels_of(client, given.item)
    result = work.product(FIELDS)
    made_from = fingerprint("recount", seal_of(work.staged), given.item, file.adler32, file.md5, __version__)
    if not finished(result, made_from):
        with whole(result, made_from) as folder, named_by_origin(work):
            write_json(folder / PRODUCT, {"item": _counted(client, work, given.item), "files": {}})
    write_json(work.outcome(FIELDS), record | {"outcome": RECOUNTED, "parcels": given.item})
    return RecountOutput(outcome=RECOUNTED, item=read_json(result / PRODUCT)["item"]["id"], reason="")


def fetch_parcels(client: DafabClient, item: str, folder: Path) -> tuple[Found, Path]:
    """Return a field product, and the file of its parcels in a folder, fetched through Rucio and verified.

    Raises:
        PlacementError: if it is no name of an item.
        UnknownItem: if the catalogue has no such product.
        WorkError: if it has no parcels.
        ChecksumError, StoreError: if no replica of them can be read whole.
        ClientError: if the catalogue does not answer.
    """
    found, file = _parcels_of(client, item)
    path = folder / file.name
    fetched(client, file, path)
    return found, path


def _parcels_of(client: DafabClient, item: str) -> tuple[Found, Asset]:
    (found,) = find_items(client, [item])
    if PARQUET not in found.assets:
        raise WorkError(f"{item} has no parcels: it has no asset {PARQUET}")
    return found, found.assets[PARQUET]


def _counted(client: DafabClient, work: Work, item: str) -> dict[str, Any]:
    """Return the item of the recount; the parcels do not stay."""
    from rucio_dafab.eo.recount import recount as count  # noqa: PLC0415
    from rucio_dafab.eo.recount_items import Origin, recount_item  # noqa: PLC0415
    from rucio_dafab.eo.stored_parcels import read_parcels  # noqa: PLC0415

    scene = open_scene(work.staged)
    with tempfile.TemporaryDirectory(prefix=".parcels-", dir=work.root) as folder:
        found, path = fetch_parcels(client, item, Path(folder))
        document = found.document or {}
        season = str(document.get("properties", {}).get(MEMBER, {}).get("id", ""))
        return recount_item(scene, count(scene, read_parcels(path), progress.report), Origin.of(document, path, season))
