"""scale: the limits of a supercomputer's semaphores, adapted to what Slurm has free."""

import sys
from pathlib import Path
from typing import Annotated, Literal

from hera.workflows import Input, Output, Parameter

from argo_templates.local.volumes import LIMITS
from argo_templates.scaling.adapting import adapt
from argo_templates.scaling.kubernetes import ConfigMap
from argo_templates.scaling.settings import load_settings


class ScaleInput(Input):
    """By which settings, and whether to do it."""

    settings: Annotated[str, Parameter(description="A scale.yaml: limits, partitions, bounds")]
    dry_run: Annotated[Literal["yes", "no"], Parameter(description="Only say what would be written")] = "no"


class ScaleOutput(Output):
    """What was done, or would be."""

    changed: Annotated[int, Parameter(description="Limits that changed, or would")]
    said: Annotated[str, Parameter(description="Each limit with what was seen, separated by semicolons")]


def scale(given: ScaleInput) -> ScaleOutput:
    """Adapt the limits in the config map of the pod's own namespace; nothing is cancelled and nothing submitted.

    Raises:
        SiteFault: if the settings cannot be used.
        ScaleError: if Slurm or Kubernetes refuses; :class:`argo_templates.scaling.errors.NoAnswer` where another try
            may do.
    """
    settings = load_settings(Path(given.settings))
    limits = ConfigMap.of_this_pod(LIMITS)
    found = adapt(settings, limits, limits.where, dry_run=given.dry_run == "yes")
    for each in found:
        sys.stdout.write(f"{each}\n")
    return ScaleOutput(changed=sum(each.after != each.before for each in found), said="; ".join(map(str, found)))
