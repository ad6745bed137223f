"""What placement calculates with: sites, queues and links; items; what is predicted and chosen."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, ClassVar, Final, Literal

from pydantic import ConfigDict, Field

_STRICT: Final = ConfigDict(extra="forbid")
GIGABYTE: Final = 1e9
SECONDS_OF_AN_HOUR: Final = 3600.0

Amount = Annotated[float, Field(ge=0, strict=True, allow_inf_nan=False)]
"""A number that is not negative."""

Rate = Annotated[float, Field(gt=0, strict=True, allow_inf_nan=False)]
"""A number above 0."""

Count = Annotated[int, Field(ge=0, strict=True)]
Name = Annotated[str, Field(pattern=r"^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$")]
"""What is also the value of a label of Kubernetes."""

Rse = Annotated[str, Field(pattern=r"^[A-Z0-9]+([_-][A-Z0-9]+)*$", max_length=256)]
"""What Rucio's generic schema takes for an RSE."""

Runtime = Literal["kubernetes", "hpk", "slurm", "local"]


def of_pods(runtime: str) -> str:
    """Return which templates run at a site of a runtime: jobs of a Slurm take partition and flags of those for HPK."""
    return "hpk" if runtime == "slurm" else runtime


Policy = Literal["queue", "refuse"]
"""What happens where no slot is free now: the item waits in the queue, or the site is refused."""


@dataclass(frozen=True, slots=True)
class Link:
    """The way from one RSE to another.

    Attributes:
        bytes_per_second: What it carries.
        latency_seconds: Before the first byte of a file.
        egress_euros_per_gigabyte: What leaving the first RSE costs, a gigabyte (10⁹ bytes).
    """

    __pydantic_config__: ClassVar[ConfigDict] = _STRICT
    bytes_per_second: Rate
    latency_seconds: Amount = 0.0
    egress_euros_per_gigabyte: Amount = 0.0


@dataclass(frozen=True, slots=True)
class Queue:
    """A partition, node pool or machine whose slots are alike.

    Attributes:
        name: Of the queue; of Slurm's partition.
        device: What computes, by its name in the measured figures.
        cores: All of it; ``None`` for this machine's (runtime local alone).
        memory_gib: All of it, GiB; ``None`` for this machine's.
        gpus: All of it.
        free_cores, free_memory_gib, free_gpus: What nobody uses now; all of it where absent.
        speed: How many times as fast as the measured device, as the operator has measured it.
        start_seconds: From submission to the first instruction where a slot is free.
        waiting_seconds: What waits before that where no slot is free.
        euros_per_core_hour, euros_per_gpu_hour: What an hour costs.
        watts_per_core: What a busy core takes, by which the energy of a run is estimated; ``None`` where nobody says.
    """

    __pydantic_config__: ClassVar[ConfigDict] = _STRICT
    name: Name
    device: str
    cores: Count | None = None
    memory_gib: Amount | None = None
    gpus: Count = 0
    free_cores: Amount | None = None
    free_memory_gib: Amount | None = None
    free_gpus: Count | None = None
    speed: Rate = 1.0
    start_seconds: Amount = 0.0
    waiting_seconds: Amount = 0.0
    euros_per_core_hour: Amount = 0.0
    euros_per_gpu_hour: Amount = 0.0
    watts_per_core: Amount | None = None


@dataclass(frozen=True, slots=True)
class Site:
    """A place that keeps data and may compute.

    Attributes:
        name: The value of the label ``dafab.eu/site``.
        runtime: What runs its pods.
        rse: The RSE whose files its jobs read.
        queues: Where its jobs wait; none where it only keeps data.
        links: From its RSE to others, by their names.
        title: For people.
        rse_free_bytes: Room on the RSE; ``None`` where nobody says.
        asked: What is asked what is free now: the Slurm, or the Kubernetes, at hand; empty for nobody.
    """

    __pydantic_config__: ClassVar[ConfigDict] = _STRICT
    name: Name
    runtime: Runtime
    rse: Rse
    queues: tuple[Queue, ...] = ()
    links: Mapping[Rse, Link] = field(default_factory=dict)
    title: str = ""
    rse_free_bytes: Count | None = None
    asked: Literal["", "slurm", "kubernetes"] = ""


@dataclass(frozen=True, slots=True)
class Sites:
    """All sites by name, the links between RSEs by (from, to), and why sites are no candidates now, by their names."""

    sites: tuple[Site, ...]
    links: Mapping[tuple[str, str], Link]
    closed: Mapping[str, str] = field(default_factory=dict)

    def named(self, name: str) -> Site | None:
        """Return a site, ``None`` where no file is of it."""
        return next((site for site in self.sites if site.name == name), None)


@dataclass(frozen=True, slots=True)
class File:
    """A file that a step reads: its bytes and the RSEs that have it."""

    name: str
    bytes: int
    rses: frozenset[str]


@dataclass(frozen=True, slots=True)
class Task:
    """A step over one item.

    Attributes:
        item: Its name.
        files: What has to lie on the RSE of the site.
        chips: 256×256 chips that each model runs on.
        models: The models that run, one after the other.
        cores: What it asks for.
        memory_gib: What it asks for, GiB.
        needs_gpu: Whether it runs on GPUs alone; it takes one GPU wherever the device is one.
    """

    item: str
    files: tuple[File, ...]
    chips: int
    models: tuple[str, ...]
    cores: int = 2
    memory_gib: float = 6.0
    needs_gpu: bool = False


@dataclass(frozen=True, slots=True)
class Load:
    """What is known of the moment beyond the site's own statement; what is absent here is as stated.

    Attributes:
        waiting_seconds: Until a slot is free, by (site, queue).
        link_seconds: Until a link is free, by (from, to).
        free_bytes: Room on an RSE.
    """

    waiting_seconds: Mapping[tuple[str, str], float] = field(default_factory=dict)
    link_seconds: Mapping[tuple[str, str], float] = field(default_factory=dict)
    free_bytes: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Move:
    """A file brought from one RSE to another.

    Attributes:
        seconds: From now until it is there, what the link has to carry before included.
        link_seconds: Of them, those in which it holds the link.
    """

    file: str
    source: str
    target: str
    bytes: int
    seconds: float
    link_seconds: float


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a candidate is none, and whether only for now."""

    reason: str
    for_now: bool = False


@dataclass(frozen=True, slots=True)
class Prediction:
    """What one queue of one site would take.

    Attributes:
        moves: The files that are not there, and the way each takes.
        transfer_seconds, waiting_seconds, compute_seconds: See ``docs/adr/0021-placement.md``.
        euros: Computing and egress.
        cost: Seconds until the end, what links are held for it, and the money in seconds: the least one is chosen.
        refusal: Why it is no candidate; the other numbers are 0 then.
    """

    site: str
    queue: str
    runtime: str
    rse: str
    moves: tuple[Move, ...] = ()
    transfer_seconds: float = 0.0
    waiting_seconds: float = 0.0
    compute_seconds: float = 0.0
    euros: float = 0.0
    cost: float = 0.0
    refusal: Refusal | None = None

    @property
    def bytes_moved(self) -> int:
        """Bytes that are not there yet."""
        return sum(move.bytes for move in self.moves)

    @property
    def seconds(self) -> float:
        """From now to the end: files are brought while the job waits, so the longer of both counts."""
        return max(self.transfer_seconds, self.waiting_seconds) + self.compute_seconds


@dataclass(frozen=True, slots=True)
class Placement:
    """The choice for one item, and everything that it was chosen among, the best first and what is refused last."""

    item: str
    chosen: Prediction
    candidates: tuple[Prediction, ...]
