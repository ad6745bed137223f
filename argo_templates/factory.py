"""Templates from step functions: one function, a template for each kind of place it may run in.

The functions stay plain. What a pod needs besides (image, volumes, credentials by reference, resources, retries,
labels) is said here once; nothing here knows which workflow uses it.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from hera.workflows import (
    ConfigMapVolume,
    EmptyDirVolume,
    ExistingVolume,
    Parameter,
    Resources,
    RetryStrategy,
    RunnerScriptConstructor,
    Script,
    SecretEnv,
    SecretVolume,
)
from hera.workflows.models import (
    Backoff,
    Capabilities,
    ConfigMapKeySelector,
    EnvVar,
    IntOrString,
    PodSecurityContext,
    SeccompProfile,
    SecurityContext,
    SemaphoreRef,
    Synchronization,
    Toleration,
)
from typing_extensions import override

from argo_templates import resource_requests
from argo_templates.measures import RUN
from argo_templates.resource_requests import Request
from argo_templates.scaling.sites import EXECUTOR as EXECUTOR_VARIABLE
from argo_templates.work import CPU, DEVICE, GPU

HOME: Final = "/dafab"
"""``DAFAB_HOME`` in a pod: the volumes below lie where :class:`rucio_dafab.site.home.Home` looks for them."""

SCENES: Final = "/scenes"
"""Where the folders of scenes are mounted."""

TMP: Final = "/tmp"  # noqa: S108 - a volume of the pod's own
SITES: Final = f"{HOME}/sites"
"""Where the site catalogue is mounted, in the pods that ask it."""

SCALE: Final = f"{HOME}/scale"
SLURM: Final = "/opt/slurm"
"""Where the bounds of limits, and Slurm's commands of a supercomputer, are mounted in the pod that scales."""

POLICIES: Final = f"{HOME}/policies"
SEASONS: Final = f"{HOME}/seasons"
SOURCES: Final = f"{HOME}/sources"
"""Where policies, crop seasons and the table of archives are mounted."""

SOURCES_PLACE: Final = EnvVar(name="DAFAB_SOURCES", value=f"{SOURCES}/sources.toml")
SITES_PLACE: Final = EnvVar(name="DAFAB_SITES", value=SITES)
EXECUTOR: Final = EnvVar(name=EXECUTOR_VARIABLE, value="{{workflow.namespace}}")
"""What steps are told of where these are mounted, and of who runs them: some sites are the local executor's alone."""

WORK: Final = f"{HOME}/work/{{{{workflow.name}}}}"
"""The folder of one workflow, shared by its pods; results go by path, never as big parameters."""

LIMITS: Final = "dafab-limits"
"""The config map of the semaphores: how many pods may do a thing at once, a key a thing."""

ARCHIVES: Final = "dafab-archives"
"""The secret with the accounts at archives of scenes; each key may be absent."""

ACCOUNT_VARIABLES: Final = ("CDSE_USERNAME", "CDSE_PASSWORD", "CDSE_S3_ACCESS_KEY", "CDSE_S3_SECRET_KEY")
"""Keys of that secret, and the variables that ``etc/sources.toml`` names."""

# The user of the image has no home, and Rucio's client asks for a name.
ENVIRONMENT: Final = {"DAFAB_HOME": HOME, "HOME": TMP, "USER": "dafab", RUN: "{{workflow.name}}"}


# 75 is a refusal that another try may mend (EX_TEMPFAIL), 143 a pod told to end. 137 is one that was killed, for memory
# most likely: a second try has more (podSpecPatch), and what is killed then is reported. There is no maxDuration: it is
# counted from the first try on, so that a step that is killed after minutes would have no second one.
RETRY: Final = RetryStrategy(
    limit="3",
    retry_policy="Always",
    expression=(
        "lastRetry.status == 'Error' || asInt(lastRetry.exitCode) in [75, 143]"
        " || (asInt(lastRetry.exitCode) == 137 && asInt(retries) == 0)"
    ),
    backoff=Backoff(duration="30s", factor=IntOrString(root="2")),
)

SERVICE_ACCOUNT: Final = "dafab-workflow"
"""As whom pods report their results to Kubernetes; it may do nothing else there."""

REACHES: Final = "dafab.eu/reaches"
"""The label by which network policies let a pod out: ``nothing``, ``catalogue``, or ``archives`` as well."""

USER_ID: Final = 10001
POD_SECURITY: Final = PodSecurityContext(
    run_as_non_root=True,
    run_as_user=USER_ID,
    run_as_group=USER_ID,
    fs_group=USER_ID,
    seccomp_profile=SeccompProfile(type="RuntimeDefault"),
)
CONTAINER_SECURITY: Final = SecurityContext(
    allow_privilege_escalation=False, read_only_root_filesystem=True, capabilities=Capabilities(drop=["ALL"])
)


@dataclass(frozen=True, slots=True)
class Runtime:
    """A kind of place that runs pods.

    Attributes:
        name: the value of the label ``dafab.eu/runtime``, by which a nodeSelector, Karmada or a site's own Argo picks.
        device: that of the label ``dafab.eu/device``: ``cpu`` or ``gpu``.
        annotations: of the pod.
        tolerations: of the pod.
        node_selector: labels that its node has.
        gpus: that Kubernetes is asked for.
        limit: the key of the semaphore that bounds its pods; empty where nothing does.
    """

    name: str
    device: str = CPU
    annotations: Mapping[str, str] = field(default_factory=dict)
    tolerations: Sequence[Toleration] = ()
    node_selector: Mapping[str, str] = field(default_factory=dict)
    gpus: int = 0
    limit: str = ""

    @property
    def suffix(self) -> str:
        """What the names of templates that run there end in."""
        return self.name if self.device == CPU else f"{self.name}-{self.device}"

    @property
    def image(self) -> str:
        """The parameter with the image: that of GPUs has ONNX Runtime with CUDA."""
        return "{{workflow.parameters.image}}" if self.device == CPU else "{{workflow.parameters.gpu_image}}"


KUBERNETES: Final = Runtime("kubernetes")
KUBERNETES_GPU: Final = Runtime(
    "kubernetes",
    GPU,
    # Both are what NVIDIA's device plugin and its feature discovery make of a node with a GPU.
    tolerations=(Toleration(key="nvidia.com/gpu", operator="Exists", effect="NoSchedule"),),
    node_selector={"nvidia.com/gpu.present": "true"},
    gpus=1,
)

# HPK turns a pod into one Slurm job and reads this annotation alone, --key=value forms split on single spaces.
_FLAGS: Final = "slurm.hpk.io/flags"
_PARTITION: Final = "--partition={{inputs.parameters.partition}}"
_TO_HPK: Final = (Toleration(key="virtual-kubelet.io/provider", operator="Equal", value="hpk", effect="NoSchedule"),)
HPK: Final = Runtime("hpk", annotations={_FLAGS: _PARTITION}, tolerations=_TO_HPK, limit="hpk-cpu")
# HPK advertises no nvidia.com/gpu: Slurm is asked.
HPK_GPU: Final = Runtime(
    "hpk", GPU, annotations={_FLAGS: f"{_PARTITION} --gres=gpu:1"}, tolerations=_TO_HPK, limit="hpk-gpu"
)

RUNTIMES: Final = (KUBERNETES, HPK)
VARIANTS: Final = (KUBERNETES, HPK, KUBERNETES_GPU, HPK_GPU)
"""All kinds of places; each has a template of a function that computes."""


def limited_by(key: str) -> Synchronization:
    """Return the semaphore of a key of the config map of limits."""
    return Synchronization(semaphores=[SemaphoreRef(config_map_key_ref=ConfigMapKeySelector(name=LIMITS, key=key))])


def limit_of(runtime: Runtime) -> Synchronization | None:
    """Return the semaphore that bounds the pods of a kind of place: through HPK each is a job in Slurm's queue."""
    return limited_by(runtime.limit) if runtime.limit else None


def archive_accounts() -> list[SecretEnv]:
    """Return the variables with the accounts at archives."""
    return [SecretEnv(name=name, secret_name=ARCHIVES, secret_key=name, optional=True) for name in ACCOUNT_VARIABLES]


def work_volume() -> ExistingVolume:
    """Return the volume of the working folders, which every step has."""
    return ExistingVolume(name="dafab-work", claim_name="dafab-work", mount_path=f"{HOME}/work")


def store_volume() -> ExistingVolume:
    """Return the volume of the rolling store."""
    return ExistingVolume(name="dafab-store", claim_name="dafab-store", mount_path=f"{HOME}/store")


def scenes_volume() -> ExistingVolume:
    """Return the volume of the scenes, which nothing writes."""
    return ExistingVolume(name="dafab-scenes", claim_name="dafab-scenes", mount_path=SCENES, read_only=True)


def results_volume() -> ExistingVolume:
    """Return the volume of what users' containers made."""
    return ExistingVolume(name="dafab-results", claim_name="dafab-results", mount_path=f"{HOME}/results")


def sites_volume() -> ConfigMapVolume:
    """Return the config map of the site catalogue."""
    return ConfigMapVolume(name="dafab-sites", mount_path=SITES)


def policies_volume() -> ConfigMapVolume:
    """Return the config map of policies: ``retention.toml``."""
    return ConfigMapVolume(name="dafab-policies", mount_path=POLICIES)


def seasons_volume() -> ConfigMapVolume:
    """Return the config map of crop seasons: ``seasons.toml``."""
    return ConfigMapVolume(name="dafab-seasons", mount_path=SEASONS)


def sources_volume() -> ConfigMapVolume:
    """Return the config map of archives: ``sources.toml``."""
    return ConfigMapVolume(name="dafab-sources", mount_path=SOURCES)


def scale_volumes() -> list[Any]:
    """Return the volumes of the pod that scales: what it goes by, and Slurm's commands with what they read."""
    folders = {"dafab-slurm": SLURM, "dafab-munge": "/run/munge"}
    claims = [ExistingVolume(name=name, claim_name=name, mount_path=path) for name, path in folders.items()]
    return [ConfigMapVolume(name="dafab-scale", mount_path=SCALE), *claims]


def rse_volume() -> ExistingVolume:
    """Return the volume of the storage elements: the prefix of their protocols in Rucio lies in it."""
    return ExistingVolume(name="dafab-rse", claim_name="dafab-rse", mount_path=f"{HOME}/rse")


def client_volume(account: str) -> SecretVolume:
    """Return the secret that holds the ``rucio.cfg`` of one account, at its place below ``DAFAB_HOME``."""
    name = f"rucio-client-{account.replace('_', '-')}"
    path = f"{HOME}/etc/clients/{account}"
    return SecretVolume(name=name, secret_name=name, mount_path=path, read_only=True, default_mode=0o440)


class StepRunner(RunnerScriptConstructor):
    """Hera's runner in :mod:`argo_templates.pod`, which turns a refusal into one line and its exit status."""

    @override
    def transform_values(self, script: Script) -> None:
        """Set the arguments of the container."""
        super().transform_values(script)
        script.args = ["-m", "argo_templates.pod", *(script.args or [])[2:]]


def _reaches(volumes: Sequence[Any]) -> str:
    """Return what a pod asks over the network, by what it was given to ask with."""
    if any(each.name == "dafab-sources" for each in volumes):
        return "archives"
    return "catalogue" if any(isinstance(each, SecretVolume) for each in volumes) else "nothing"


def labels(runtime: Runtime, reaches: str, placed: Sequence[Parameter]) -> dict[str, str]:
    """Return what of a pod a nodeSelector, Karmada, a site's own Argo and network policies go by."""
    site = "inputs" if any(each.name == "site" for each in placed) else "workflow"
    return {
        "dafab.eu/site": f"{{{{{site}.parameters.site}}}}",
        "dafab.eu/runtime": runtime.name,
        "dafab.eu/device": runtime.device,
        REACHES: reaches,
    }


def of_pod(runtime: Runtime, request: Request) -> dict[str, Any]:
    """Return the members of a template that say where its pod runs, with what, and when it is tried again."""
    return {
        "resources": Resources(
            cpu_request=request.cores,
            memory_request=request.memory,
            memory_limit=request.memory,
            gpus=runtime.gpus or None,
        ),
        "pod_spec_patch": request.patch,
        "retry_strategy": RETRY,
        "security_context": CONTAINER_SECURITY,
        "annotations": dict(runtime.annotations) or None,
        "tolerations": list(runtime.tolerations) or None,
        "node_selector": dict(runtime.node_selector) or None,
    }


def step(
    function: Callable[..., Any],
    *,
    runtime: Runtime = KUBERNETES,
    name: str | None = None,
    volumes: Sequence[Any] = (),
    env: Sequence[Any] = (),
    placed: Sequence[Parameter] = (),
    synchronization: Synchronization | None = None,
    alone: bool = False,
) -> Script:
    """Return the template that runs a step function in a pod; made inside a workflow's context it belongs to that.

    Args:
        function: a plain function of one Hera ``Input`` that returns a Hera ``Output``.
        runtime: the kind of place.
        name: of the template; that of the function when absent.
        volumes: besides the working folders and a ``/tmp``.
        env: variables besides those that every step has.
        placed: inputs that the function does not see: of the pod's labels and annotations.
        synchronization: what it waits for.
        alone: without the working folders, where nothing is kept of it then.
    """
    environment = {key: value for key, value in ENVIRONMENT.items() if key != RUN or not alone}
    environment |= {} if runtime.device == CPU else {DEVICE: runtime.device}
    return Script(
        name=name or function.__name__,
        source=function,
        constructor=StepRunner(),
        image=runtime.image,
        command=["python"],
        env=[*(EnvVar(name=key, value=value) for key, value in environment.items()), *env],
        inputs=list(placed),
        synchronization=synchronization or limit_of(runtime),
        labels=labels(runtime, _reaches(volumes), placed),
        **of_pod(runtime, resource_requests.of(function.__name__)),
        volumes=[*([] if alone else [work_volume()]), EmptyDirVolume(name="tmp", mount_path=TMP), *volumes],
    )
