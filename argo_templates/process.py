"""The WorkflowTemplate ``dafab-process``: one scene becomes products in Rucio."""

from typing import Final

from hera.workflows import DAG, Parameter, Script, Task, WorkflowTemplate
from hera.workflows.models import PodGC, TTLStrategy

from argo_templates.factory import (
    HPK,
    KUBERNETES,
    POD_SECURITY,
    RUNTIMES,
    SCENES,
    WORK,
    client_volume,
    rse_volume,
    scenes_volume,
    step,
    store_volume,
)
from argo_templates.steps.archive import archive
from argo_templates.steps.clean import clean
from argo_templates.steps.fetch import fetch
from argo_templates.steps.infer import infer
from argo_templates.steps.make import make
from argo_templates.steps.publish import publish
from argo_templates.work import MODELS
from rucio_dafab import __version__
from rucio_dafab.site.home import DERIVED_ACCOUNT, ORIGINALS_ACCOUNT, RSES

NAME: Final = "dafab-process"
TITLE: Final = "Process one Sentinel-2 scene"
DESCRIPTION: Final = (
    "Fetches a scene into the rolling store, runs the water and field models over it and publishes the products in "
    "Rucio. Running it again over the same scene changes nothing."
)
CHOICES: Final = (",".join(MODELS), *MODELS)
MODEL: Final = "{{inputs.parameters.model}}"


def parameters() -> list[Parameter]:
    """Return what a user fills in, as Argo's user interface shows it."""
    return [
        Parameter(name="scene", description=f"Folder of the scene below {SCENES}: a STAC folder or a SAFE folder"),
        Parameter(
            name="rse", value=RSES[0], enum=list(RSES), description="Storage element (RSE) that keeps the products"
        ),
        Parameter(name="models", value=CHOICES[0], enum=list(CHOICES), description="Models to run over the scene"),
        Parameter(name="site", value="local", description="Label dafab.eu/site of every pod, for placing them"),
        Parameter(
            name="runtime",
            value=KUBERNETES.name,
            enum=[runtime.name for runtime in RUNTIMES],
            description="Where inference runs: as pods of the cluster, or as Slurm jobs through HPK",
        ),
        Parameter(name="partition", value="cpu", description="Slurm partition for inference through HPK"),
        Parameter(name="image", value=f"localhost/rucio-dafab-worker:{__version__}", description="Image of the worker"),
    ]


def workflow_template() -> WorkflowTemplate:
    """Return the template, ready to be rendered."""
    with WorkflowTemplate(
        name=NAME,
        entrypoint="process",
        annotations={"workflows.argoproj.io/title": TITLE, "workflows.argoproj.io/description": DESCRIPTION},
        arguments=parameters(),
        service_account_name="dafab-process",
        security_context=POD_SECURITY,
        pod_gc=PodGC(strategy="OnPodSuccess"),
        ttl_strategy=TTLStrategy(seconds_after_success=86_400, seconds_after_failure=604_800),
        active_deadline_seconds=21_600,
        parallelism=4,
    ) as workflow:
        steps = _steps()
        per_model = _per_model(steps)
        _process(steps, per_model)
    return workflow


def _steps() -> dict[str, Script]:
    clients = [client_volume(account) for account in (ORIGINALS_ACCOUNT, DERIVED_ACCOUNT)]
    return {
        "fetch": step(fetch, cpu=1, memory="2Gi", volumes=[scenes_volume()]),
        "archive": step(archive, cpu=1, memory="2Gi", volumes=[store_volume()]),
        "infer-kubernetes": step(infer, name="infer-kubernetes", cpu=2, memory="6Gi", volumes=[store_volume()]),
        "infer-hpk": step(infer, name="infer-hpk", runtime=HPK, cpu=2, memory="6Gi", volumes=[store_volume()]),
        "make": step(make, cpu=1, memory="6Gi"),
        "publish": step(publish, cpu=1, memory="1Gi", volumes=[rse_volume(), *clients]),
        "clean": step(clean, cpu=1, memory="1Gi", volumes=[store_volume()]),
    }


def _per_model(steps: dict[str, Script]) -> DAG:
    """Return what is done for one model: inference in the place that was asked for, then its products."""
    with DAG(name="model", inputs=[Parameter(name="model")]) as dag:
        arguments = {"work": WORK, "model": MODEL}
        joins = []
        for runtime in RUNTIMES:
            name = f"infer-{runtime.name}"
            when = f"'{{{{workflow.parameters.runtime}}}}' == '{runtime.name}'"
            Task(name=name, template=steps[name], arguments=arguments, when=when)
            joins.append(_done_or_left_out(name))
        Task(name="make", template=steps["make"], arguments=arguments, depends=" && ".join(joins))
    return dag


def _process(steps: dict[str, Script], per_model: DAG) -> None:
    with DAG(name="process"):
        scene = f"{SCENES}/{{{{workflow.parameters.scene}}}}"
        Task(name="fetch", template=steps["fetch"], arguments={"scene": scene, "work": WORK})
        Task(name="archive", template=steps["archive"], arguments={"work": WORK}, depends="fetch.Succeeded")
        for model in MODELS:
            Task(
                name=model,
                template=per_model,
                arguments={"model": model},
                when=f"'{{{{workflow.parameters.models}}}}' =~ '{model}'",
                depends="archive.Succeeded",
            )
        Task(
            name="publish",
            template=steps["publish"],
            arguments={
                "work": WORK,
                "rse": "{{workflow.parameters.rse}}",
                "models": "{{workflow.parameters.models}}",
            },
            depends=" && ".join(_done_or_left_out(model) for model in MODELS),
        )
        Task(name="clean", template=steps["clean"], arguments={"work": WORK}, depends="publish.Succeeded")


def _done_or_left_out(task: str) -> str:
    return f"({task}.Succeeded || {task}.Skipped)"
