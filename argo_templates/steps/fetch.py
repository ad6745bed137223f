"""fetch: a scene from its source, a folder or an archive, into the working folder, as a staged scene."""

import json
from contextvars import copy_context
from pathlib import Path
from typing import Annotated

from hera.workflows import Input, Output, Parameter

from argo_templates import progress
from argo_templates.curated import curate
from argo_templates.source import source_document
from argo_templates.work import Work, fingerprint, finished, whole, write_json
from rucio_dafab.eo.scene import Scene, SceneError, open_scene
from rucio_dafab.eo.sources.plan import needed_bands
from rucio_dafab.eo.sources.providers import is_address
from rucio_dafab.eo.sources.reference import Remote, is_reference
from rucio_dafab.eo.staging import stage
from rucio_dafab.names import LONGEST_SCENE, is_name, rule
from rucio_dafab.stac.errors import DocumentInvalid
from rucio_dafab.stac.validate import check_document, check_types


class FetchInput(Input):
    """Where the scene is and where to work.

    ``scene`` may also name a scene in an archive: the address of a STAC item, ``source:id``, or a product's name.
    """

    scene: Annotated[str, Parameter(description="The folder of the scene: a STAC folder (item.json) or a SAFE folder")]
    work: Annotated[str, Parameter(description="The working folder of this run")]


class FetchOutput(Output):
    """The scene as it is staged."""

    scene_id: Annotated[str, Parameter(description="The id of the scene")]
    staged: Annotated[str, Parameter(description="The staged scene: a STAC folder")]
    bands: Annotated[str, Parameter(description="The names of its bands, comma separated")]


def fetch(given: FetchInput) -> FetchOutput:
    """Stage a scene; a scene that is staged already, and unchanged at its source, is not copied again.

    Of a scene in an archive the bands that the models take are downloaded first.

    Raises:
        SourceBusy: if the archive of the scene is busy or away; what came of it stays for the next try.
        SourceError: if the archive refuses, or has no such scene.
        SceneError: if the folder is no scene, its id or document cannot stand in the catalogue, or it is unfit by the
            rules of curation.
        CurationError: if these rules cannot be used.
        WorkError: if the working folder cannot be used.
    """
    work = Work(Path(given.work))
    source = _here(given.scene, work)
    scene = open_scene(source)
    _check(scene)
    curate(scene, work)
    made_from = fingerprint("fetch", scene.id, _state(source))
    if not finished(work.staged, made_from):
        with whole(work.staged, made_from) as folder:
            stage(scene, folder)
    files = {name: str(band.path) for name, band in scene.bands.items()}
    write_json(work.origin, {"bands": files, "absent": dict(scene.absent)})
    return FetchOutput(scene_id=scene.id, staged=str(work.staged), bands=",".join(sorted(scene.bands)))


def _here(scene: str, work: Work) -> Path:
    """Return the folder of a scene, which comes from an archive first where its name says so."""
    if not is_remote(scene):
        return Path(scene)
    remote = Remote.of(scene)
    plan = remote.plan(needed_bands(), work.source)
    # Downloads run in threads, which do not know who listens to this one.
    here, done = copy_context(), 0

    def came(count: int) -> None:
        nonlocal done
        done += count
        here.run(progress.report, done, plan.size or done)

    return remote.fetch(plan, work.source, came).folder


def is_remote(scene: str) -> bool:
    """Tell whether a scene lies in an archive: no such folder is here, and the text names a product there."""
    return is_address(scene) or (is_reference(scene) and not Path(scene).exists())


def _check(scene: Scene) -> None:
    """Refuse what can never be published before anything is stored."""
    if not is_name(scene.id, LONGEST_SCENE):
        raise SceneError(f"{scene.id!r} cannot be the id of a scene: {rule(LONGEST_SCENE)}")
    try:
        # As it will be staged: readers hold tuples where JSON has arrays.
        document = json.loads(json.dumps(source_document(scene.item, "")))
        check_document(document)
        check_types(document)
    except DocumentInvalid as error:
        raise SceneError(f"{scene.id} could not be published: {error}") from error


def _state(source: Path) -> list[tuple[str, int, int]]:
    """Return name, size and time of change of every file, which is enough to see that a source has changed."""
    files = sorted(path for path in source.rglob("*") if path.is_file())
    return [(str(path.relative_to(source)), path.stat().st_size, path.stat().st_mtime_ns) for path in files]
