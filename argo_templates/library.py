"""The ClusterWorkflowTemplate ``dafab-steps``: every step as a template, and what several workflows make of them.

Other templates name these by ``templateRef``, so that a step is rendered once. A workflow that calls them has the
parameters of :func:`common`: Argo hands a referred template the parameters of the workflow that calls it.
"""

from typing import Final, get_args

from hera.workflows import DAG, ClusterWorkflowTemplate, Parameter, Script, Task
from hera.workflows.models import Cache, LocalObjectReference, Memoize, Mutex, Synchronization, ValueFrom

from argo_templates.factory import (
    EXECUTOR,
    HPK,
    SCENES,
    SITES_PLACE,
    SOURCES_PLACE,
    VARIANTS,
    Runtime,
    archive_accounts,
    client_volume,
    limited_by,
    policies_volume,
    results_volume,
    rse_volume,
    scenes_volume,
    seasons_volume,
    sites_volume,
    sources_volume,
    step,
    store_volume,
)
from argo_templates.placement.values import Policy
from argo_templates.steps.archive import archive
from argo_templates.steps.choose import choose
from argo_templates.steps.clean import clean
from argo_templates.steps.collect import collect
from argo_templates.steps.deliver import deliver
from argo_templates.steps.discover import discover
from argo_templates.steps.fetch import fetch
from argo_templates.steps.finish import finish
from argo_templates.steps.gather import gather
from argo_templates.steps.infer import infer
from argo_templates.steps.make import make
from argo_templates.steps.mark import mark
from argo_templates.steps.outdated import outdated
from argo_templates.steps.parcels import parcels
from argo_templates.steps.place_scene import place_scene
from argo_templates.steps.publish import publish
from argo_templates.steps.ready import ready
from argo_templates.steps.recall import recall
from argo_templates.steps.recount import recount
from argo_templates.steps.reference import reference
from argo_templates.steps.retain import retain
from argo_templates.steps.season import season
from argo_templates.steps.verify import verify
from argo_templates.work import FIELDS, GPU, MODELS, SEASON
from argo_templates.work import PARCELS as WHOSE_PARCELS
from rucio_dafab import __version__
from rucio_dafab.site.home import DERIVED_ACCOUNT, ORIGINALS_ACCOUNT, REFERENCE_WATER

NAME: Final = "dafab-steps"
TITLE: Final = "Steps of all workflows"
DESCRIPTION: Final = "What the other templates are made of; nothing to be submitted by itself."
MEMOS: Final = "dafab-memos"
"""The config map of what is memoised; Argo wants it labelled ``workflows.argoproj.io/configmap-type: Cache``."""

SOURCES: Final = ("folder", "archive", "store")
"""Where a scene is: a folder below the scenes, an archive of the network, the rolling store."""

AUTO: Final = "auto"
"""The site that is chosen by the formula of placement."""

SITE: Final = Parameter(name="site", description="Value of the label dafab.eu/site of the pod")
PARTITION: Final = Parameter(name="partition", description="Slurm partition, where it runs through HPK")
NO_SECOND: Final = Parameter(
    name="second",
    value="",
    description="Another acquisition of the tile for models that take two: its id in the rolling store; empty for none",
)
PARCELS: Final = Parameter(
    name="parcels",
    value=SEASON,
    enum=list(WHOSE_PARCELS),
    description="Fields: counted from the parcels of tile and season, if there are any (season), or delineated (own)",
)
POLICY: Final = Parameter(
    name="policy",
    value="queue",
    enum=list(get_args(Policy)),
    description="Where placement finds no free slot: wait in the queue, or refuse, which is tried three times more",
)
PLACED: Final = ("runtime", "device", "site", "partition")
"""What says where inference runs, from the parameters of a workflow down to its pods."""


def common() -> list[Parameter]:
    """Return the parameters that every workflow which calls the library has."""
    return [
        Parameter(
            name="site",
            value="local",
            description="Label dafab.eu/site of the pods, and the site whose file states watts and prices",
        ),
        Parameter(name="image", value=f"localhost/rucio-dafab-worker:{__version__}", description="Image of the worker"),
        Parameter(
            name="gpu_image",
            value=f"localhost/rucio-dafab-worker-gpu:{__version__}",
            description="Image of the worker with CUDA, for pods on GPUs",
        ),
    ]


def templates() -> list[ClusterWorkflowTemplate]:
    """Return it, alone."""
    return [workflow_template()]


def workflow_template() -> ClusterWorkflowTemplate:
    """Return the library, ready to be rendered."""
    with ClusterWorkflowTemplate(
        name=NAME,
        annotations={"workflows.argoproj.io/title": TITLE, "workflows.argoproj.io/description": DESCRIPTION},
        arguments=common(),
    ) as library:
        steps = _steps()
        per_model = _model(steps)
        products = _products(steps, per_model)
        _scene(steps, _stage(steps), products)
    return library


def _steps() -> dict[str, Script]:
    made = [*_of_scenes(), *_of_items(), *_of_archives(), *_of_results(), *_of_ends()]
    return {str(each.name): each for each in made}


def _of_scenes() -> list[Script]:
    """Return the steps that make products of a scene."""
    clients = [client_volume(account) for account in (ORIGINALS_ACCOUNT, DERIVED_ACCOUNT)]
    store = store_volume()
    return [
        step(fetch, volumes=[scenes_volume()]),
        step(
            fetch,
            name="download",
            env=[*archive_accounts(), SOURCES_PLACE],
            volumes=[sources_volume()],
            synchronization=limited_by("downloads"),
        ),
        step(recall, volumes=[store]),
        step(archive, volumes=[store]),
        *(_infer(runtime) for runtime in VARIANTS),
        step(parcels, volumes=[clients[1]]),
        step(reference, volumes=[scenes_volume(), rse_volume(), clients[1]]),
        step(make),
        step(recount, volumes=[rse_volume(), clients[1]]),
        step(publish, volumes=[rse_volume(), *clients]),
        step(place_scene, name="place-scene", env=[SITES_PLACE, EXECUTOR], volumes=[sites_volume()]),
    ]


def _infer(runtime: Runtime) -> Script:
    """Return the step that runs a model, as a template for a kind of place; the function is the same."""
    return step(
        infer,
        name=f"infer-{runtime.suffix}",
        runtime=runtime,
        volumes=[store_volume()],
        placed=[SITE, *([PARTITION] if runtime.name == HPK.name else [])],
    )


def _of_items() -> list[Script]:
    """Return the steps that hand items to containers, and those that keep a site."""
    client = client_volume(DERIVED_ACCOUNT)
    return [
        step(choose, env=[SITES_PLACE, EXECUTOR], volumes=[sites_volume(), client]),
        step(gather, volumes=[rse_volume(), client], synchronization=limited_by("transfers")),
        step(collect, volumes=[results_volume()]),
        step(retain, volumes=[store_volume(), policies_volume()]),
        step(verify, volumes=[results_volume(), rse_volume(), client]),
    ]


def _of_archives() -> list[Script]:
    """Return the steps that ask archives what there is to do."""
    client, store = client_volume(DERIVED_ACCOUNT), store_volume()
    return [
        step(
            discover,
            env=[*archive_accounts(), SOURCES_PLACE, SITES_PLACE],
            volumes=[store, sources_volume(), sites_volume(), client],
        ),
        step(
            ready,
            env=[*archive_accounts(), SOURCES_PLACE],
            volumes=[store, sources_volume(), client],
        ),
        step(
            season,
            env=[*archive_accounts(), SOURCES_PLACE],
            volumes=[seasons_volume(), sources_volume(), client],
        ),
    ]


def _of_results() -> list[Script]:
    """Return the steps that look at what was published, and change it."""
    client = client_volume(DERIVED_ACCOUNT)
    return [
        step(mark, volumes=[client]),
        step(outdated, volumes=[store_volume(), client]),
        step(deliver, volumes=[results_volume(), scenes_volume(), rse_volume(), client]),
    ]


def _of_ends() -> list[Script]:
    """Return the steps that end the work on a scene, and a workflow."""
    store = store_volume()
    return [
        step(clean, volumes=[store]),
        step(
            finish,
            env=[SITES_PLACE],
            volumes=[store, sites_volume(), client_volume(DERIVED_ACCOUNT)],
        ),
    ]


def inputs(*names: str) -> dict[str, str]:
    """Return arguments that hand inputs of a template on under their own names."""
    return {name: f"{{{{inputs.parameters.{name}}}}}" for name in names}


def done_or_left_out(*tasks: str) -> str:
    """Return the ``depends`` that waits for tasks of which some are left out."""
    return " && ".join(f"({task}.Succeeded || {task}.Skipped)" for task in tasks)


def _model(steps: dict[str, Script]) -> DAG:
    """Return what is done for one model: inference in the place that was asked for, then its products."""
    with DAG(name="model", inputs=[*_named("work", "model", "second", "runtime", "device"), SITE, PARTITION]) as dag:
        arguments = inputs("work", "model")
        for runtime in VARIANTS:
            more = ("site", "partition") if runtime.name == HPK.name else ("site",)
            Task(
                name=f"infer-{runtime.suffix}",
                template=steps[f"infer-{runtime.suffix}"],
                arguments=arguments | inputs("second", *more),
                when=f"{_is('runtime', HPK.name, runtime.name)} && {_is('device', GPU, runtime.device)}",
            )
        joins = done_or_left_out(*(f"infer-{runtime.suffix}" for runtime in VARIANTS))
        Task(name="make", template=steps["make"], arguments=arguments, depends=joins)
    return dag


def _is(name: str, special: str, asked: str) -> str:
    """Return the condition that an input is the special value where that is asked, and another where it is not."""
    return f"'{{{{inputs.parameters.{name}}}}}' {'==' if asked == special else '!='} '{special}'"


def _products(steps: dict[str, Script], per_model: DAG) -> DAG:
    """Return what is made of one archived scene; one workflow at a time, and what was made before is not made again."""
    with DAG(
        name="products",
        inputs=[*_named("product", "memo", "stored", "work", "models", "second", "rse", *PLACED[:2]), SITE, PARTITION],
        synchronization=Synchronization(mutexes=[Mutex(name="dafab-product-{{inputs.parameters.product}}")]),
        memoize=Memoize(
            key="{{inputs.parameters.memo}}", max_age="24h", cache=Cache(config_map=LocalObjectReference(name=MEMOS))
        ),
        outputs=[_output("outcome", "publish")],
    ) as dag:
        for model in MODELS:
            asked = f"'{{{{inputs.parameters.models}}}}' =~ '{model}'"
            Task(
                name=model,
                template=per_model,
                arguments={"model": model} | inputs("work", "second", *PLACED),
                when=f"{asked} && '{{{{inputs.parameters.stored}}}}' == ''" if model == FIELDS else asked,
            )
        Task(
            name="recount",
            template=steps["recount"],
            arguments=inputs("work") | {"item": "{{inputs.parameters.stored}}"},
            when="'{{inputs.parameters.stored}}' != ''",
        )
        Task(
            name="publish",
            template=steps["publish"],
            arguments=inputs("work", "rse", "models"),
            depends=done_or_left_out(*MODELS, "recount"),
        )
    return dag


def _stage(steps: dict[str, Script]) -> DAG:
    """Return how a scene comes into the rolling store and stays there while it is worked on."""
    ways = {"folder": "fetch", "archive": "download", "store": "recall"}
    with DAG(
        name="stage",
        inputs=[*_named("scene", "work", "models", "rse"), _source(), NO_SECOND],
        outputs=[_output("product", "archive", "scene_id"), _output("memo", "archive")],
    ) as dag:
        for source, way in ways.items():
            scene = f"{SCENES}/{{{{inputs.parameters.scene}}}}" if source == "folder" else "{{inputs.parameters.scene}}"
            Task(
                name=way,
                template=steps[way],
                arguments={"scene": scene} | inputs("work"),
                when=f"'{{{{inputs.parameters.source}}}}' == '{source}'",
            )
        Task(
            name="archive",
            template=steps["archive"],
            arguments=inputs("work", "models", "rse", "second"),
            depends=done_or_left_out(*ways.values()),
        )
    return dag


def _scene(steps: dict[str, Script], stage: DAG, products: DAG) -> None:
    """Make the template that does all of it for one scene, where it is told to or where placement says."""
    taken = _named("scene", "work", "models", "rse", "runtime", "device")
    with DAG(name="scene", inputs=[*taken, _source(), NO_SECOND, PARCELS, POLICY, SITE, PARTITION]):
        Task(name="stage", template=stage, arguments=inputs("scene", "source", "work", "models", "rse", "second"))
        Task(
            name="parcels",
            template=steps["parcels"],
            arguments=inputs("work", "models", "second", "parcels") | _of_task("stage", memo="memo"),
            depends="stage.Succeeded",
        )
        Task(
            name="reference",
            template=steps["reference"],
            arguments=inputs("work", "models")
            | _of_task("parcels", memo="memo")
            | {"occurrence": f"{SCENES}/{REFERENCE_WATER}"},
            depends="parcels.Succeeded",
        )
        staged = _of_task("stage", product="product") | _of_task("parcels", stored="item")
        staged |= _of_task("reference", memo="memo")
        common_ones = staged | inputs("work", "models", "second", "rse")
        auto = f"'{{{{inputs.parameters.site}}}}' %s '{AUTO}'"
        Task(
            name="products",
            template=products,
            arguments=common_ones | inputs(*PLACED),
            when=auto % "!=",
            depends="reference.Succeeded",
        )
        _by_placement(steps, products, common_ones, auto % "==")
        Task(
            name="clean",
            template=steps["clean"],
            arguments=inputs("work"),
            depends=done_or_left_out("products", "placed"),
        )


def _by_placement(steps: dict[str, Script], products: DAG, arguments: dict[str, str], when: str) -> None:
    """Make the tasks that make the products where placement says."""
    Task(
        name="place",
        template=steps["place-scene"],
        arguments=inputs("work", "models", "policy") | {"at": "{{inputs.parameters.rse}}"},
        when=when,
        depends="stage.Succeeded",
    )
    placed = {name: "queue" if name == "partition" else name for name in PLACED}
    Task(
        name="placed",
        template=products,
        arguments=arguments | _of_task("place", **placed),
        when=when,
        depends=f"{done_or_left_out('place')} && reference.Succeeded",
    )


def _named(*names: str) -> list[Parameter]:
    return [Parameter(name=name) for name in names]


def _of_task(task: str, **names: str) -> dict[str, str]:
    """Return arguments that are outputs of a task: the name that is wanted, and the one of the output."""
    return {wanted: f"{{{{tasks.{task}.outputs.parameters.{name}}}}}" for wanted, name in names.items()}


def _source() -> Parameter:
    return Parameter(name="source", enum=list(SOURCES))


def _output(name: str, task: str, of: str | None = None) -> Parameter:
    return Parameter(name=name, value_from=ValueFrom(parameter=f"{{{{tasks.{task}.outputs.parameters.{of or name}}}}}"))
