"""parcels: whether the fields of a scene are delineated, or counted from parcels that its tile has of the season."""

from pathlib import Path
from typing import Annotated

from hera.workflows import Input, Output, Parameter

from argo_templates import season_parcels
from argo_templates.local import handed_on
from argo_templates.season_parcels import PARQUET
from argo_templates.work import FIELDS, OWN, SEASON, Parcels, Work, fingerprint, listed, read_json, seal_of
from rucio_dafab.client import DafabClient
from rucio_dafab.eo.items import projection
from rucio_dafab.eo.scene import open_scene
from rucio_dafab.site.home import DERIVED_ACCOUNT


class ParcelsInput(Input):
    """Which run's scene, and what will be made of it."""

    work: Annotated[str, Parameter(description="The working folder of this run")]
    models: Annotated[str, Parameter(description="The models that will run, comma separated")]
    memo: Annotated[str, Parameter(description="The key of what is made of the scene")] = ""
    second: Annotated[str, Parameter(description="The second acquisition that models will take; empty for none")] = ""
    parcels: Annotated[
        Parcels, Parameter(description="season: counted from the parcels of tile and season, if any; own: delineated")
    ] = SEASON
    partition: Annotated[str, Parameter(description="Slurm partition that inference will ask for through HPK")] = "cpu"


class ParcelsOutput(Output):
    """From which parcels the fields are counted."""

    item: Annotated[str, Parameter(description="The field product with the parcels; empty to delineate")]
    memo: Annotated[str, Parameter(description="The key of what is made of the scene, the parcels included")]


def parcels(given: ParcelsInput) -> ParcelsOutput:
    """Find the parcels that the tile of a scene has of the season in which it was taken.

    Fields of two acquisitions are delineated: who names a second one asks for that. It is the last step before pods ask
    for a partition, which HPK would split where it has a space, so that it refuses one that is none.

    Raises:
        ParameterError: if the partition is none.
        WorkError: if no scene is staged, or its time is none.
        SceneError: if its grid cannot be read.
        ClientError: if the catalogue does not answer.
    """
    handed_on.check_arguments("inference", {"partition": given.partition})
    if FIELDS not in listed(given.models) or given.parcels == OWN or given.second:
        return ParcelsOutput(item="", memo=given.memo)
    work = Work(Path(given.work))
    seal_of(work.staged)
    client = DafabClient.of_account(DERIVED_ACCOUNT)
    grid = projection(open_scene(work.staged))
    found = season_parcels.of_scene(client, read_json(work.staged / "item.json"), grid)
    if found is None:
        return ParcelsOutput(item="", memo=given.memo)
    file = found.assets[PARQUET]
    return ParcelsOutput(item=found.name, memo=fingerprint("recount", given.memo, found.name, file.adler32, file.md5))
