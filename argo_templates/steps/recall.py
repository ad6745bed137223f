"""recall: a scene out of the rolling store into the working folder, as a staged scene."""

from pathlib import Path
from typing import Annotated

from hera.workflows import Input, Output, Parameter

from argo_templates.curated import curate
from argo_templates.work import Work, fingerprint, finished, whole, write_json
from dasi_backend.store import Store
from rucio_dafab.eo.scene import open_scene
from rucio_dafab.site.home import Home


class RecallInput(Input):
    """Which scene and where to work."""

    scene: Annotated[str, Parameter(description="The id of a scene in the rolling store")]
    work: Annotated[str, Parameter(description="The working folder of this run")]


class RecallOutput(Output):
    """The scene as it is staged."""

    scene_id: Annotated[str, Parameter(description="The id of the scene")]
    bands: Annotated[str, Parameter(description="The names of its bands, comma separated")]


def recall(given: RecallInput) -> RecallOutput:
    """Stage a scene that is in the rolling store, each file verified; nothing comes from elsewhere.

    Raises:
        NotStored: if the store does not have it (any more).
        DasiError: if the store cannot give it whole.
        WorkError: if the working folder cannot be used.
        SceneError: if it is unfit by the rules of curation, or a file is unreadable.
        CurationError: if these rules cannot be used.
    """
    work = Work(Path(given.work))
    store = Store(Home.from_environment().store)
    product = store.get(given.scene)
    made_from = fingerprint("recall", product.manifest.content)
    if not finished(work.staged, made_from):
        with whole(work.staged, made_from) as folder:
            store.retrieve(product.key, folder)
    scene = open_scene(work.staged)
    curate(scene, work)
    write_json(work.origin, {"bands": {name: str(band.path) for name, band in scene.bands.items()}, "absent": {}})
    return RecallOutput(scene_id=scene.id, bands=",".join(sorted(scene.bands)))
