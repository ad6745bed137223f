"""What sites have free now, asked of the Slurm or the Kubernetes at hand, where the file of a site says so.

Where nothing is configured to ask with, the file's own statement holds. A site that is asked and does not answer is no
candidate: what its file says would hide that it is down.
"""

import os
import shutil
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from argo_templates.local.errors import LocalError
from argo_templates.local.pods import quantity
from argo_templates.placement.values import Queue, Site, Sites
from argo_templates.scaling import kubernetes, slurm
from argo_templates.scaling.errors import ScaleError

EXECUTOR: Final = "DAFAB_EXECUTOR"
"""The variable that names the namespace of a pod that places: ``local`` at the local executor, absent outside pods."""

LOCAL_EXECUTOR: Final = "local"
_CONFIGURATION: Final = Path("/etc/slurm/slurm.conf")
_GIB: Final = 2**30
_MIB_OF_A_GIB: Final = 1024
_CORES, _MEMORY, _PODS = ("requests.cpu", "cpu"), ("requests.memory", "memory"), ("pods", "count/pods")
_GPUS: Final = ("requests.nvidia.com/gpu",)


def now(sites: Sites) -> Sites:
    """Return sites with what is free of them now; those that do not answer are closed, with the reason."""
    known: list[Site] = []
    closed: dict[str, str] = {}
    for site in sites.sites:
        try:
            known.append(_asked(site))
        except (ScaleError, LocalError) as refusal:
            known.append(site)
            closed[site.name] = f"it does not answer: {refusal}"
        if site.runtime == "slurm" and os.environ.get(EXECUTOR, LOCAL_EXECUTOR) != LOCAL_EXECUTOR:
            closed[site.name] = "its runtime slurm is the local executor's: Argo reaches a Slurm through HPK alone"
    return replace(sites, sites=tuple(known), closed=closed)


def _asked(site: Site) -> Site:
    """Return a site with what is free now; as its file has it where it says nobody is asked, or nothing can ask.

    Raises:
        ScaleError: if it does not answer, or answers what cannot be read.
        LocalError: if it states an amount that is none.
    """
    if site.asked == "slurm" and _has_slurm():
        nodes = slurm.nodes_of_partitions({queue.name for queue in site.queues})
        return replace(site, queues=tuple(_of_nodes(queue, nodes) for queue in site.queues))
    if site.asked == "kubernetes" and (cluster := kubernetes.at_hand()) is not None:
        quotas = cluster.read("resourcequotas").get("items") or []
        return replace(site, queues=tuple(_of_quotas(queue, quotas) for queue in site.queues))
    return site


def _has_slurm() -> bool:
    """Tell whether this machine is one of a Slurm: its commands may be installed where no controller is."""
    configured = Path(os.environ.get("SLURM_CONF") or _CONFIGURATION).exists()
    return configured and shutil.which("scontrol") is not None


def _of_nodes(queue: Queue, nodes: Iterable[slurm.Node]) -> Queue:
    """Return a queue with what the nodes of its partition have free; what lies on several of them is added up."""
    here = [node for node in nodes if queue.name in node.partitions]
    return _at_most(
        queue,
        sum(max(0, node.cores) for node in here),
        sum(max(0, node.mebibytes) for node in here) / _MIB_OF_A_GIB,
        sum(max(0, node.gpus) for node in here),
    )


def _of_quotas(queue: Queue, quotas: Iterable[Mapping[str, Any]]) -> Queue:
    """Return a queue with what the quotas of the namespace leave; what none of them bounds is as its file has it.

    Raises:
        ScaleError: if they are built otherwise than Kubernetes' are.
        LocalError: if an amount is none.
    """
    try:
        statuses = [each["status"] for each in quotas]
        cores, memory, pods, gpus = (_left(statuses, names) for names in (_CORES, _MEMORY, _PODS, _GPUS))
    except (KeyError, TypeError, AttributeError) as error:
        raise ScaleError(f"the quotas are not built as Kubernetes' are: no {error}") from error
    if pods is not None and pods < 1:
        cores = 0.0
    return _at_most(queue, cores, None if memory is None else memory / _GIB, None if gpus is None else int(gpus))


def _left(statuses: Iterable[Mapping[str, Any]], names: Iterable[str]) -> float | None:
    """Return the least that any quota leaves of an amount; ``None`` where none bounds it."""
    left = [
        max(0.0, quantity(status["hard"][name]) - quantity(status.get("used", {}).get(name, 0)))
        for status in statuses
        for name in names
        if name in status.get("hard", {})
    ]
    return min(left, default=None)


def _at_most(queue: Queue, cores: float | None, memory_gib: float | None, gpus: int | None) -> Queue:
    """Return a queue with what is free, no more than its file says there is; ``None`` leaves what the file says."""
    return replace(
        queue,
        free_cores=queue.free_cores if cores is None else min(float(queue.cores or 0), cores),
        free_memory_gib=queue.free_memory_gib if memory_gib is None else min(queue.memory_gib or 0.0, memory_gib),
        free_gpus=queue.free_gpus if gpus is None else min(queue.gpus, gpus),
    )
