"""Workflows of a supercomputer alone: the limits of its semaphores, adapted to what Slurm has free."""

from dataclasses import replace
from typing import Final

from hera.workflows import DAG, CronWorkflow, Parameter, Script, Task, WorkflowTemplate
from hera.workflows.models import EnvVar, TTLStrategy

from argo_templates.factory import HPK, SCALE, SLURM, scale_volumes, step
from argo_templates.library import PARTITION
from argo_templates.process import of_workflow, workflow
from argo_templates.steps.scale import scale
from argo_templates.upkeep import cron

NAME: Final = "dafab-scale"
ACCOUNT: Final = "dafab-scale"
"""The service account that may read and patch the config map of limits, and report as any pod may."""

SECONDS: Final = 600
IMAGE_PATH: Final = "/opt/project/bin:/opt/dafab/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
"""``PATH`` of the worker's image, which Slurm's commands are put behind."""

ENVIRONMENT: Final = {
    "PATH": f"{IMAGE_PATH}:{SLURM}/bin",
    "LD_LIBRARY_PATH": f"{SLURM}/lib:{SLURM}/lib/slurm",
    "SLURM_CONF": f"{SLURM}/etc/slurm.conf",
}


def templates() -> list[WorkflowTemplate | CronWorkflow]:
    """Return the template and its clock."""
    with workflow(
        NAME,
        "Adapt the limits of jobs to what Slurm has free",
        "Reads the free nodes and the queue of Slurm, and writes how many heavy pods may be in flight at a time to "
        "the config map of limits, within the bounds of scale.yaml. Nothing is cancelled.",
        [
            Parameter(name="dry_run", value="no", enum=["yes", "no"], description="Only say what would be written"),
            Parameter(name="partition", value="cpu", description="Slurm partition in which this step itself runs"),
        ],
        service_account_name=ACCOUNT,
        active_deadline_seconds=SECONDS,
        ttl_strategy=TTLStrategy(seconds_after_success=3600, seconds_after_failure=86_400),
        # A record in the catalogue every few minutes would be of use to nobody.
        hooks=None,
    ) as made:
        scaling = _step()
        with DAG(name="main"):
            settings = {"settings": f"{SCALE}/scale.yaml"}
            Task(name="scale", template=scaling, arguments=settings | of_workflow("dry_run", "partition"))
    return [made, cron(NAME, "*/5 * * * *", "Adapt the limits of jobs every five minutes")]


def _step() -> Script:
    # Through HPK it is a job itself: one that says that it is short begins in the gaps of a full machine.
    short = {key: f"{flags} --time=00:05:00" for key, flags in HPK.annotations.items()}
    return step(
        scale,
        runtime=replace(HPK, annotations=short, limit=""),
        volumes=scale_volumes(),
        env=[EnvVar(name=name, value=value) for name, value in ENVIRONMENT.items()],
        placed=[PARTITION],
        alone=True,
    )
