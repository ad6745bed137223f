"""WorkflowTemplates over one scene: ``dafab-process`` and its parts, all made of the library's templates."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

from hera.workflows import DAG, Parameter, Task, WorkflowTemplate
from hera.workflows.models import Arguments, LifecycleHook, PodGC, TemplateRef, TTLStrategy
from hera.workflows.models import Parameter as ModelParameter

from argo_templates.factory import KUBERNETES, POD_SECURITY, RUNTIMES, SCENES, SERVICE_ACCOUNT, WORK
from argo_templates.library import NAME as LIBRARY
from argo_templates.library import NO_SECOND, PARCELS, PLACED, POLICY, SOURCES, common
from argo_templates.work import CPU, GPU, MODELS
from rucio_dafab.site.home import RSES

PROCESS: Final = "dafab-process"
CHOICES: Final = (",".join(MODELS), *MODELS)
SCENE: Final = Parameter(
    name="scene",
    description=f"Folder below {SCENES}, address or name in an archive, or id in the rolling store, as the source says",
)


def source(default: str) -> Parameter:
    """Return the parameter that says where the scene is."""
    said = "Where the scene is: folder, archive (downloaded; at most as many at once as dafab-limits says) or store"
    return Parameter(name="source", value=default, enum=list(SOURCES), description=said)


def models(value: str = CHOICES[0]) -> Parameter:
    """Return the parameter of the models."""
    return Parameter(name="models", value=value, enum=list(CHOICES), description="Models to run over the scene")


def placing() -> list[Parameter]:
    """Return the parameters of what computes: where products go, and where inference runs."""
    return [
        Parameter(
            name="rse", value=RSES[0], enum=list(RSES), description="Storage element (RSE) that keeps the products"
        ),
        Parameter(
            name="runtime",
            value=KUBERNETES.name,
            enum=[runtime.name for runtime in RUNTIMES],
            description="Where inference runs: as pods of the cluster, or as Slurm jobs through HPK",
        ),
        Parameter(
            name="device",
            value=CPU,
            enum=[CPU, GPU],
            description="What inference runs on: cores, or one GPU a pod (no GPU has run it yet)",
        ),
        Parameter(name="partition", value="cpu", description="Slurm partition for inference through HPK"),
        POLICY,
    ]


def ref(template: str) -> TemplateRef:
    """Return the reference to a template of the library."""
    return TemplateRef(name=LIBRARY, template=template, cluster_scope=True)


def however_it_ends(task: str) -> str:
    """Return the ``depends`` that waits for a task and takes up its failure."""
    return f"{task}.Succeeded || {task}.Skipped || {task}.Failed || {task}.Errored"


def of_workflow(*names: str) -> dict[str, str]:
    """Return arguments that hand parameters of the workflow on under their own names."""
    return {name: f"{{{{workflow.parameters.{name}}}}}" for name in names}


@contextmanager
def workflow(
    name: str, title: str, description: str, arguments: list[Parameter], **more: Any
) -> Iterator[WorkflowTemplate]:
    """Yield a WorkflowTemplate to be filled, with what all of ours have: clean-up, deadlines, security, exit hook.

    Args:
        name: of the template.
        title: for Argo's user interface.
        description: likewise.
        arguments: besides those that the library wants.
        more: members of the specification in place of the usual ones.
    """
    usual: dict[str, Any] = {
        "entrypoint": "main",
        "service_account_name": SERVICE_ACCOUNT,
        "security_context": POD_SECURITY,
        "pod_gc": PodGC(strategy="OnPodSuccess"),
        "ttl_strategy": TTLStrategy(seconds_after_success=86_400, seconds_after_failure=604_800),
        "active_deadline_seconds": 21_600,
        "parallelism": 4,
        "hooks": {"exit": _exit_hook(name)},
    }
    with WorkflowTemplate(
        name=name,
        annotations={"workflows.argoproj.io/title": title, "workflows.argoproj.io/description": description},
        arguments=[*arguments, *common()],
        **(usual | more),
    ) as made:
        yield made


def _exit_hook(template: str) -> LifecycleHook:
    """Return the hook that settles what failed and records the run, however it ended."""
    told = {
        "work": WORK,
        "name": "{{workflow.name}}",
        "template": template,
        "namespace": "{{workflow.namespace}}",
        "status": "{{workflow.status}}",
        "created": "{{workflow.creationTimestamp}}",
        "seconds": "{{workflow.duration}}",
        "parameters": "{{workflow.parameters}}",
        "failures": "{{workflow.failures}}",
        "site": "{{workflow.parameters.site}}",
    }
    given = [ModelParameter(name=key, value=value) for key, value in told.items()]
    return LifecycleHook(arguments=Arguments(parameters=given), template_ref=ref("finish"))


def process() -> WorkflowTemplate:
    """Return the template that makes products of one scene."""
    with workflow(
        PROCESS,
        "Process one Sentinel-2 scene",
        "Brings a scene into the rolling store, runs the water and field models over it and publishes the products in "
        "Rucio. Where the tile has field parcels of the season, fields are counted from those. Running it again over "
        "the same scene changes nothing.",
        [SCENE, source("folder"), models(), NO_SECOND, PARCELS, *placing()],
    ) as made:
        _main("{{workflow.parameters.models}}", "second", "parcels")
    return made


def of_model(model: str, what: str, *more: Parameter) -> WorkflowTemplate:
    """Return the template that makes one kind of product; it has more parameters where its model takes them."""
    with workflow(
        f"dafab-{model}",
        f"{what} of one scene",
        f"Runs the {model} model over a scene and publishes its product in Rucio; by default over a scene that is in "
        "the rolling store already.",
        [SCENE, source("store"), *more, *placing()],
    ) as made:
        _main(model, *(str(each.name) for each in more))
    return made


def _main(chosen: str, *more: str) -> None:
    with DAG(name="main"):
        Task(
            name="scene",
            template_ref=ref("scene"),
            arguments={"work": f"{WORK}/scenes/scene", "models": chosen}
            | of_workflow("scene", "source", *more, "rse", "policy", *PLACED),
        )


def fetch() -> WorkflowTemplate:
    """Return the template that only fills the rolling store."""
    with (
        workflow(
            "dafab-fetch",
            "Fetch one scene",
            "Brings a scene into the rolling store and makes nothing of it; other workflows then take it from there.",
            [SCENE, source("archive")],
        ) as made,
        DAG(name="main"),
    ):
        Task(
            name="stage",
            template_ref=ref("stage"),
            arguments={"work": f"{WORK}/scenes/scene", "models": "", "rse": ""} | of_workflow("scene", "source"),
        )
    return made


def templates() -> list[WorkflowTemplate]:
    """Return all of them."""
    return [process(), fetch(), of_model("water", "Water"), of_model("fields", "Fields", NO_SECOND, PARCELS)]
