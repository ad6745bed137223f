"""place: where the next steps of an item run; flat values, so that conditions and labels of a workflow can use them."""

from pathlib import Path
from typing import Annotated

from hera.workflows import Input, Output, Parameter

from argo_templates.placement.errors import PlacementError
from argo_templates.placement.figures import Figures, load_figures
from argo_templates.placement.formula import Formula
from argo_templates.placement.replicas import tasks_of
from argo_templates.placement.sites import load_sites
from argo_templates.placement.values import Policy, Prediction, Sites, Task, of_pods
from argo_templates.scaling import sites as room
from argo_templates.work import CPU, GPU, MODELS, listed
from rucio_dafab.client import DafabClient
from rucio_dafab.site.home import DERIVED_ACCOUNT


class PlaceInput(Input):
    """Which item, for which models, and what counts."""

    item: Annotated[str, Parameter(description="The item whose files are read")]
    models: Annotated[str, Parameter(description="The models that will run, comma separated")] = ",".join(MODELS)
    site: Annotated[str, Parameter(description="At this site, whatever it costs; empty for the cheapest")] = ""
    policy: Annotated[Policy, Parameter(description="Where no slot is free: queue or refuse")] = "queue"
    seconds_per_euro: Annotated[float, Parameter(description="How long a euro is waited for")] = 0.0
    sites: Annotated[str, Parameter(description="Folder of the sites; empty for DAFAB_SITES or the examples")] = ""


class PlaceOutput(Output):
    """The place: values of the labels dafab.eu/site and dafab.eu/runtime, and what has to come first."""

    site: Annotated[str, Parameter(description="The site, for the label dafab.eu/site")]
    runtime: Annotated[
        str, Parameter(description="kubernetes, hpk (of a Slurm, too) or local, for the label dafab.eu/runtime")
    ]
    device: Annotated[str, Parameter(description="cpu or gpu, for the label dafab.eu/device")]
    queue: Annotated[str, Parameter(description="The queue; the partition of Slurm")]
    rse: Annotated[str, Parameter(description="The RSE beside it, to which bring brings what is not there")]
    bytes_to_bring: Annotated[int, Parameter(description="Bytes that are not there")]
    seconds: Annotated[float, Parameter(description="Predicted seconds until the models have run")]


def place(given: PlaceInput) -> PlaceOutput:
    """Choose the cheapest place for an item; nothing is moved.

    Raises:
        UnknownItem: if the catalogue has no such item.
        NoReplica: if a file of it has no replica, or it has no files.
        NoPlace: if no site takes it; :class:`argo_templates.placement.errors.NoRoomNow` where one may later.
        SiteFault: if the sites cannot be used.
        ClientError: if the catalogue does not answer.
    """
    (task,) = tasks_of(DafabClient.of_account(DERIVED_ACCOUNT), [given.item], listed(given.models))
    return chosen_place(task, given.sites, given.seconds_per_euro, given.policy, given.site or None)


def chosen_place(
    task: Task, sites: str, seconds_per_euro: float, policy: Policy, only: str | None = None
) -> PlaceOutput:
    """Return the cheapest place of a task.

    Args:
        task: What is placed.
        sites: Folder of the sites; empty for ``DAFAB_SITES`` or the examples.
        seconds_per_euro: How long a euro is waited for.
        policy: Where no slot is free.
        only: The one site that may be chosen.

    Raises:
        PlacementError: if no model is asked for, or the price of waiting is none; and as :func:`place` has it.
    """
    if not task.models:
        raise PlacementError("no model was asked for")
    if not seconds_per_euro >= 0:
        raise PlacementError(f"seconds_per_euro {seconds_per_euro}: it is not 0 or more")
    known = room.now(load_sites(Path(sites) if sites else None))
    figures = load_figures()
    chosen = Formula(known, figures, seconds_per_euro, policy).place(task, only=only).chosen
    return PlaceOutput(
        site=chosen.site,
        runtime=of_pods(chosen.runtime),
        device=device_of(known, chosen, figures),
        queue=chosen.queue,
        rse=chosen.rse,
        bytes_to_bring=chosen.bytes_moved,
        seconds=round(chosen.seconds, 3),
    )


def device_of(sites: Sites, chosen: Prediction, figures: Figures) -> str:
    """Return whether the queue that was chosen computes on GPUs or on cores."""
    site = sites.named(chosen.site)
    devices = {queue.name: queue.device for queue in (site.queues if site else ())}
    return GPU if figures.is_gpu(devices[chosen.queue]) else CPU
