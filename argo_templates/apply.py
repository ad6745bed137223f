"""The WorkflowTemplate ``dafab-apply``: a user's own container over every item of a question to the catalogue."""

from typing import Final

from hera.workflows import DAG, Container, EmptyDirVolume, ExistingVolume, Parameter, Task, WorkflowTemplate
from hera.workflows.models import EnvVar, ExecutorConfig

from argo_templates import resource_requests
from argo_templates.batches import DONE
from argo_templates.factory import (
    HOME,
    HPK,
    KUBERNETES,
    RUNTIMES,
    SERVICE_ACCOUNT,
    TMP,
    WORK,
    Runtime,
    labels,
    limit_of,
    of_pod,
)
from argo_templates.library import PARTITION, POLICY, SITE, inputs
from argo_templates.process import however_it_ends, of_workflow, ref, workflow

NAME: Final = "dafab-apply"
DATA: Final = "/data"
"""Where the container finds ``in`` and ``out``, and nothing else of the site."""

LANGUAGES: Final = ("cql2-text", "cql2-json", "dafab-json", "rucio")
PLACE: Final = ("batch", "site", "runtime", "queue", "rse")


def templates() -> list[WorkflowTemplate]:
    """Return it, alone."""
    with workflow(
        NAME,
        "Apply a container to items",
        "Runs a container of one's own over every item of a question to the catalogue, each where its files are or "
        "where it ends soonest, and merges what it makes; where some fail, the run fails once those of the others are "
        "merged. The container reads /data/in/ITEM/item.json and the files beside it, and writes into /data/out/ITEM; "
        "a result.json there goes into the table of results.",
        _parameters(),
        active_deadline_seconds=86_400,
    ) as made:
        containers = {runtime.name: _container(runtime) for runtime in RUNTIMES}
        branch = _branch(containers)
        _main(branch)
    return [made]


def _parameters() -> list[Parameter]:
    return [
        Parameter(name="filter", description="The question to the catalogue, such as theme isA Flood"),
        Parameter(name="filter_lang", value=LANGUAGES[0], enum=list(LANGUAGES), description="Language of the question"),
        Parameter(name="collections", value="", description="Collections, comma separated; empty for all"),
        Parameter(name="container", description="Image of the container; a digest keeps it the same"),
        Parameter(name="command", description="Line of shell that it runs"),
        Parameter(name="at", value="auto", description="Site to compute at, whatever it costs; auto for the cheapest"),
        POLICY,
        Parameter(name="like", value="water", description="Models whose measured seconds stand in for the container's"),
        Parameter(name="batch", value="20", description="Items of one pod"),
        Parameter(name="most", value="1000", description="Items at most; a question that finds more is refused"),
    ]


def _container(runtime: Runtime) -> Container:
    """Return the template of the user's container: it sees its batch and no credentials."""
    placed = [SITE, *([PARTITION] if runtime is HPK else [])]
    batches = ExistingVolume(
        name="dafab-work",
        claim_name="dafab-work",
        mount_path=DATA,
        sub_path="{{workflow.name}}/batches/{{inputs.parameters.batch}}",
    )
    return Container(
        name=f"apply-{runtime.name}",
        inputs=[Parameter(name="batch"), *placed],
        image="{{workflow.parameters.container}}",
        command=["sh", "-c"],
        # The line is run as it stands, by a shell of its own; what follows it says that it succeeded.
        args=['sh -c "$0" && : > ' + f"{DATA}/{DONE}", "{{workflow.parameters.command}}"],
        env=[EnvVar(name="HOME", value=TMP), EnvVar(name="USER", value="dafab")],
        # Argo's own container reports by a token of its own, from a secret: without it Argo refuses the template.
        automount_service_account_token=False,
        executor=ExecutorConfig(service_account_name=SERVICE_ACCOUNT),
        synchronization=limit_of(runtime),
        labels=labels(runtime, "nothing", placed),
        **of_pod(runtime, resource_requests.of("apply")),
        volumes=[batches, EmptyDirVolume(name="tmp", mount_path=TMP)],
    )


def _branch(containers: dict[str, Container]) -> DAG:
    """Return what is done for one batch, at its site: replicas read again, files laid out, the container run."""
    with DAG(name="branch", inputs=[Parameter(name=name) for name in PLACE]) as dag:
        Task(name="gather", template_ref=ref("gather"), arguments={"work": WORK} | inputs("batch"))
        for runtime in (KUBERNETES, HPK):
            placed = {"partition": "{{inputs.parameters.queue}}"} if runtime is HPK else {}
            sign = "==" if runtime is HPK else "!="
            Task(
                name=f"apply-{runtime.name}",
                template=containers[runtime.name],
                arguments=inputs("batch", "site") | placed,
                when=f"'{{{{inputs.parameters.runtime}}}}' {sign} '{HPK.name}'",
                depends="gather.Succeeded",
            )
    return dag


def _main(branch: DAG) -> None:
    with DAG(name="main"):
        Task(
            name="choose",
            template_ref=ref("choose"),
            arguments={"work": WORK, "site": "{{workflow.parameters.at}}"}
            | of_workflow("filter", "filter_lang", "collections", "most", "batch", "like", "policy"),
        )
        Task(
            name="branch",
            template=branch,
            with_param="{{tasks.choose.outputs.parameters.branches}}",
            arguments={name: f"{{{{item.{name}}}}}" for name in PLACE},
            depends="choose.Succeeded",
        )
        Task(
            name="collect",
            template_ref=ref("collect"),
            arguments={"work": WORK, "results": f"{HOME}/results/{{{{workflow.name}}}}"},
            # What the good batches made is merged, whatever became of the others.
            depends=however_it_ends("branch"),
        )
