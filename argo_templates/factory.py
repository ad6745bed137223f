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

HOME: Final = "/dafab"
"""``DAFAB_HOME`` in a pod: the volumes below lie where :class:`rucio_dafab.site.home.Home` looks for them."""

SCENES: Final = "/scenes"
"""Where the folders of scenes are mounted."""

TMP: Final = "/tmp"  # noqa: S108 - a volume of the pod's own
SITES: Final = f"{HOME}/sites"
"""Where the site catalogue is mounted, in the pods that ask it."""

POLICIES: Final = f"{HOME}/policies"
SEASONS: Final = f"{HOME}/seasons"
SOURCES: Final = f"{HOME}/sources"
"""Where policies, crop seasons and the table of archives are mounted."""

WORK: Final = f"{HOME}/work/{{{{workflow.name}}}}"
"""The folder of one workflow, shared by its pods; results go by path, never as big parameters."""

LIMITS: Final = "dafab-limits"
"""The config map of the semaphores: how many pods may do a thing at once, a key a thing."""

ARCHIVES: Final = "dafab-archives"
"""The secret with the accounts at archives of scenes; each key may be absent."""

ACCOUNT_VARIABLES: Final = ("CDSE_USERNAME", "CDSE_PASSWORD", "CDSE_S3_ACCESS_KEY", "CDSE_S3_SECRET_KEY")
"""Keys of that secret, and the variables that ``etc/sources.toml`` names."""

# The user of the image has no home, and Rucio's client asks for a name.
ENVIRONMENT: Final = {"DAFAB_HOME": HOME, "HOME": TMP, "USER": "dafab", "DAFAB_RUN": "{{workflow.name}}"}
IMAGE: Final = "{{workflow.parameters.image}}"

# 75 is a refusal that another try may mend (EX_TEMPFAIL), 137 a pod killed for memory or moved, 143 one told to end.
RETRY: Final = RetryStrategy(
    limit="3",
    retry_policy="Always",
    expression="lastRetry.status == 'Error' || asInt(lastRetry.exitCode) in [75, 137, 143]",
    backoff=Backoff(duration="30s", factor=IntOrString(root="2"), max_duration="10m"),
)

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
        annotations: of the pod.
        tolerations: of the pod.
    """

    name: str
    annotations: Mapping[str, str] = field(default_factory=dict)
    tolerations: Sequence[Toleration] = ()


KUBERNETES: Final = Runtime("kubernetes")
HPK: Final = Runtime(
    "hpk",
    # HPK turns a pod into one Slurm job and reads this annotation alone, --key=value forms split on single spaces.
    annotations={"slurm.hpk.io/flags": "--partition={{inputs.parameters.partition}}"},
    tolerations=(Toleration(key="virtual-kubelet.io/provider", operator="Equal", value="hpk", effect="NoSchedule"),),
)
RUNTIMES: Final = (KUBERNETES, HPK)


def limited_by(key: str) -> Synchronization:
    """Return the semaphore of a key of the config map of limits."""
    return Synchronization(semaphores=[SemaphoreRef(config_map_key_ref=ConfigMapKeySelector(name=LIMITS, key=key))])


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


def _labels(runtime: Runtime, volumes: Sequence[Any], placed: Sequence[Parameter]) -> dict[str, str]:
    site = "inputs" if any(each.name == "site" for each in placed) else "workflow"
    return {
        "dafab.eu/site": f"{{{{{site}.parameters.site}}}}",
        "dafab.eu/runtime": runtime.name,
        REACHES: _reaches(volumes),
    }


def step(
    function: Callable[..., Any],
    *,
    cpu: int,
    memory: str,
    runtime: Runtime = KUBERNETES,
    name: str | None = None,
    volumes: Sequence[Any] = (),
    env: Sequence[Any] = (),
    placed: Sequence[Parameter] = (),
    synchronization: Synchronization | None = None,
) -> Script:
    """Return the template that runs a step function in a pod; made inside a workflow's context it belongs to that.

    Args:
        function: a plain function of one Hera ``Input`` that returns a Hera ``Output``.
        cpu: cores requested, an integer because HPK knows no other.
        memory: memory requested and at most used, such as ``2Gi``.
        runtime: the kind of place.
        name: of the template; that of the function when absent.
        volumes: besides the working folders and a ``/tmp``.
        env: variables besides those that every step has.
        placed: inputs that the function does not see: of the pod's labels and annotations.
        synchronization: what it waits for.
    """
    return Script(
        name=name or function.__name__,
        source=function,
        constructor=StepRunner(),
        image=IMAGE,
        command=["python"],
        env=[*(EnvVar(name=name, value=value) for name, value in ENVIRONMENT.items()), *env],
        inputs=list(placed),
        synchronization=synchronization,
        resources=Resources(cpu_request=cpu, memory_request=memory, memory_limit=memory),
        retry_strategy=RETRY,
        security_context=CONTAINER_SECURITY,
        labels=_labels(runtime, volumes, placed),
        annotations=dict(runtime.annotations) or None,
        tolerations=list(runtime.tolerations) or None,
        volumes=[work_volume(), EmptyDirVolume(name="tmp", mount_path=TMP), *volumes],
    )
