"""archive: the staged scene into the rolling store."""

from pathlib import Path
from typing import Annotated

from hera.workflows import Input, Output, Parameter

from argo_templates.work import Work, seal_of, write_json
from dasi_backend.store import Store
from rucio_dafab.site.home import Home


class ArchiveInput(Input):
    """Which run's scene."""

    work: Annotated[str, Parameter(description="The working folder of this run")]


class ArchiveOutput(Output):
    """What the store calls the scene."""

    product: Annotated[str, Parameter(description="The key of the product in the rolling store")]
    outcome: Annotated[str, Parameter(description="stored, or unchanged when the same content was there already")]


def archive(given: ArchiveInput) -> ArchiveOutput:
    """Archive the staged scene; one that is in the store already is left as it is.

    Raises:
        DasiError: if the store cannot keep the scene, or keeps another one under the same id.
        WorkError: if no scene is staged.
    """
    work = Work(Path(given.work))
    seal_of(work.staged)
    archived = Store(Home.from_environment().store).put(work.staged)
    keys = archived.key.database | {"product": archived.key.product}
    product = ",".join(f"{name}={value}" for name, value in keys.items())
    write_json(work.archived, {"id": archived.key.id, "product": product})
    return ArchiveOutput(product=product, outcome=archived.outcome)
