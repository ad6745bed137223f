"""Workflows that keep a site: retention, integrity, products of newer models; the first two by a clock."""

from typing import Any, Final

from hera.workflows import DAG, CronWorkflow, Parameter, Task, WorkflowTemplate
from hera.workflows.models import WorkflowTemplateRef

from argo_templates.factory import HOME, POLICIES, WORK
from argo_templates.library import PLACED
from argo_templates.process import models, of_workflow, placing, ref, workflow

SCENE_KEYS: Final = ("scene", "source", "models")
EVERY: Final = Parameter(name="filter", value="", description="Only items that satisfy this (CQL2 text); empty for all")


def templates() -> list[WorkflowTemplate | CronWorkflow]:
    """Return all of them."""
    return [
        retention(),
        cron("dafab-retention", "17 * * * *", "Clean the rolling store every hour"),
        integrity(),
        cron("dafab-integrity", "42 3 * * 0", "Compare documents and replicas every Sunday"),
        reprocess(),
        publish(),
    ]


def cron(template: str, schedule: str, title: str, arguments: dict[str, str] | None = None) -> CronWorkflow:
    """Return the CronWorkflow of a template: never two at once; it starts late rather than not at all.

    Its name is that of the template and ``-cron``: Argo keeps both kinds apart, the local executor does not.
    """
    return CronWorkflow(
        name=f"{template}-cron",
        annotations={
            "workflows.argoproj.io/title": title,
            "workflows.argoproj.io/description": f"Submits {template} by a clock, in UTC.",
        },
        schedules=[schedule],
        timezone="UTC",
        concurrency_policy="Forbid",
        starting_deadline_seconds=3600,
        successful_jobs_history_limit=3,
        failed_jobs_history_limit=5,
        workflow_template_ref=WorkflowTemplateRef(name=template),
        arguments=arguments or None,
    )


def retention() -> WorkflowTemplate:
    """Return the template that cleans the rolling store."""
    with (
        workflow(
            "dafab-retention",
            "Clean the rolling store",
            "Removes what the policy says is due, a lag after it was marked; never what is leased, pinned or in use.",
            [
                Parameter(name="policy", value=f"{POLICIES}/retention.toml", description="File with the policy"),
                Parameter(name="apply", value="yes", enum=["yes", "no"], description="Do it, or only say what"),
            ],
        ) as made,
        DAG(name="main"),
    ):
        Task(name="retain", template_ref=ref("retain"), arguments=of_workflow("policy", "apply"))
    return made


def integrity() -> WorkflowTemplate:
    """Return the template that compares documents with replicas."""
    with (
        workflow(
            "dafab-integrity",
            "Compare documents and replicas",
            "Looks at every asset of every document: whether Rucio knows a replica, whether its bytes are there and "
            "as registered. It fails if anything does not agree, and changes nothing.",
            [
                EVERY,
                Parameter(name="collections", value="", description="Collections, comma separated; empty for all"),
                Parameter(
                    name="depth", value="sizes", enum=["sizes", "checksums"], description="Sizes, or every byte, too"
                ),
            ],
        ) as made,
        DAG(name="main"),
    ):
        Task(
            name="verify",
            template_ref=ref("verify"),
            arguments={"report": f"{HOME}/results/{{{{workflow.name}}}}.json"}
            | of_workflow("filter", "collections", "depth"),
        )
    return made


def scenes_of(list_of: str, **more: Any) -> dict[str, Any]:
    """Return the arguments of a task that makes products of every scene of a list."""
    return {
        "template_ref": ref("scene"),
        "with_param": list_of,
        "arguments": {"work": f"{WORK}/scenes/{{{{item.key}}}}"}
        | {name: f"{{{{item.{name}}}}}" for name in SCENE_KEYS}
        | of_workflow("rse", "policy", *PLACED),
        **more,
    }


def reprocess() -> WorkflowTemplate:
    """Return the template that makes products again that an older model made."""
    with (
        workflow(
            "dafab-reprocess",
            "Make products of older models again",
            "Finds scenes whose products a model of another version made, and makes them with the one here: new items "
            "beside the old ones. Scenes come from the rolling store, or from the archive where they left it.",
            [
                EVERY,
                models(),
                Parameter(name="most", value="50", description="Scenes at most; the next run finds what is left"),
                *placing(),
            ],
        ) as made,
        DAG(name="main"),
    ):
        Task(name="outdated", template_ref=ref("outdated"), arguments=of_workflow("filter", "models", "most"))
        Task(
            name="scene",
            depends="outdated.Succeeded",
            **scenes_of("{{tasks.outdated.outputs.parameters.scenes}}"),
        )
    return made


def publish() -> WorkflowTemplate:
    """Return the template that publishes a finished item."""
    with (
        workflow(
            "dafab-publish",
            "Publish an item",
            "Registers a STAC item with its files in Rucio: what a container of dafab-apply or another program made.",
            [
                Parameter(name="folder", description=f"Folder with item.json, such as {HOME}/results/RUN/ITEM"),
                Parameter(name="parent", value="", description="The item that it was derived from; empty for none"),
                Parameter(name="predecessor", value="", description="The item that it is a new version of"),
                placing()[0],
            ],
        ) as made,
        DAG(name="main"),
    ):
        Task(
            name="deliver",
            template_ref=ref("deliver"),
            arguments=of_workflow("folder", "rse", "parent", "predecessor"),
        )
    return made
