"""place_scene: where the models run over a staged scene, which has no replicas in Rucio yet."""

from pathlib import Path
from typing import Annotated

from hera.workflows import Input, Parameter

from argo_templates import resource_requests
from argo_templates.placement.replicas import chips_of
from argo_templates.placement.values import File, Policy, Task
from argo_templates.steps.place import PlaceOutput, chosen_place
from argo_templates.work import MODELS, Work, listed, read_json, seal_of


class PlaceSceneInput(Input):
    """Which scene, for which models, and what counts."""

    work: Annotated[str, Parameter(description="The working folder of this run")]
    at: Annotated[str, Parameter(description="The RSE beside which the working folders lie")]
    models: Annotated[str, Parameter(description="The models that will run, comma separated")] = ",".join(MODELS)
    policy: Annotated[Policy, Parameter(description="Where no slot is free: queue or refuse")] = "queue"
    seconds_per_euro: Annotated[float, Parameter(description="How long a euro is waited for")] = 0.0
    sites: Annotated[str, Parameter(description="Folder of the sites; empty for DAFAB_SITES or the examples")] = ""


def place_scene(given: PlaceSceneInput) -> PlaceOutput:
    """Choose the cheapest place for a scene by the formula that items are placed by; nothing is moved.

    Its files count as lying on the RSE beside the working folders, which every site has to see.

    Raises:
        NoPlace: if no site takes it; :class:`argo_templates.placement.errors.NoRoomNow` where one may later.
        SiteFault: if the sites cannot be used.
        WorkError: if no scene is staged.
    """
    work, models = Work(Path(given.work)), listed(given.models)
    seal_of(work.staged)
    item = read_json(work.staged / "item.json")
    files = sorted(path for path in work.staged.rglob("*") if path.is_file())
    there, asked = frozenset({given.at}), resource_requests.of("infer")
    task = Task(
        item=item["id"],
        files=tuple(File(str(path.relative_to(work.staged)), path.stat().st_size, there) for path in files),
        chips=chips_of(item),
        models=models,
        cores=asked.cores,
        memory_gib=asked.gibibytes,
    )
    return chosen_place(task, given.sites, given.seconds_per_euro, given.policy)
