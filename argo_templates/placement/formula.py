"""The formula (``docs/adr/0021-placement.md``): what each queue would take for an item, and which is the cheapest.

    cost = max(transfer, waiting) + compute + link + seconds_per_euro * euros

Pure: the same item, sites, figures and load give the same choice.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from argo_templates.placement.errors import NoPlace, NoReplica, NoRoomNow, PlacementError
from argo_templates.placement.figures import Figures
from argo_templates.placement.values import (
    GIGABYTE,
    SECONDS_OF_AN_HOUR,
    File,
    Load,
    Move,
    Placement,
    Policy,
    Prediction,
    Queue,
    Refusal,
    Site,
    Sites,
    Task,
)

NOTHING_KNOWN = Load()


@dataclass(frozen=True, slots=True)
class Formula:
    """What the formula is applied to.

    Attributes:
        sites: The candidates and the links between their RSEs.
        figures: Measured seconds.
        seconds_per_euro: How long a euro is waited for; 0 takes the fastest whatever it costs.
        policy: What a queue without a free slot means.
    """

    sites: Sites
    figures: Figures
    seconds_per_euro: float = 0.0
    policy: Policy = "queue"

    def place(self, task: Task, load: Load = NOTHING_KNOWN, only: str | None = None) -> Placement:
        """Return the cheapest place for an item.

        Of equal ones the one that moves fewer bytes, then the one whose site and queue come first by name.

        Args:
            task: The item.
            load: What is known of the moment.
            only: The one site that may be chosen, whatever it costs.

        Raises:
            NoReplica: if the item has no file, or one of its files has no replica.
            NoPlace: if every candidate is refused; :class:`NoRoomNow` where one may be taken later.
            PlacementError: if there is no site of the name that is asked for.
        """
        _check_files(task)
        sites = self._asked(only)
        found = sorted((self.predict(task, site, queue, load) for site in sites for queue in site.queues), key=_rank)
        if not found or found[0].refusal is not None:
            raise _nowhere(task, found)
        return Placement(task.item, found[0], tuple(found))

    def _asked(self, only: str | None) -> Sequence[Site]:
        sites = self.sites.sites
        chosen = [site for site in sites if only in (None, site.name)]
        if not chosen:
            raise PlacementError(f"there is no site {only}: known are {', '.join(site.name for site in sites)}")
        return chosen

    def predict(self, task: Task, site: Site, queue: Queue, load: Load = NOTHING_KNOWN) -> Prediction:
        """Return what one queue would take, or why it is refused."""
        moves = self._moves(task, site, load)
        refusal = self._refusal(task, site, queue, moves, load)
        if refusal is not None or moves is None:
            return Prediction(site.name, queue.name, site.runtime, site.rse, refusal=refusal)
        compute = self.compute_seconds(task, queue)
        transfer = sum(move.seconds for move in moves)
        waiting = self._waiting_seconds(task, site, queue, load)
        euros = self._computing_euros(task, queue, compute) + sum(map(self._egress_euros, moves))
        held = sum(move.link_seconds for move in moves)
        cost = max(transfer, waiting) + compute + held + self.seconds_per_euro * euros
        place = (site.name, queue.name, site.runtime, site.rse)
        return Prediction(*place, moves, transfer, waiting, compute, euros, cost)

    def compute_seconds(self, task: Task, queue: Queue) -> float:
        """Return the seconds of all models over all chips: measured on the queue's device, divided by its speed.

        Raises:
            PlacementError: if a model was never measured on the device.
        """
        each = [self.figures.seconds_per_chip(model, queue.device) for model in task.models]
        if None in each:
            raise PlacementError(f"{', '.join(task.models)} were not measured on {queue.device}")
        return task.chips * sum(filter(None, each)) / queue.speed

    def slots(self, task: Task, queue: Queue) -> int:
        """Return how many such items the queue could run at once if nobody else used it."""
        return self._fits(task, queue, queue.cores or 0, queue.memory_gib or 0.0, queue.gpus)

    def _free_slots(self, task: Task, queue: Queue) -> int:
        cores, memory, gpus = queue.free_cores, queue.free_memory_gib, queue.free_gpus
        return self._fits(
            task,
            queue,
            queue.cores or 0 if cores is None else cores,
            queue.memory_gib or 0.0 if memory is None else memory,
            queue.gpus if gpus is None else gpus,
        )

    def _fits(self, task: Task, queue: Queue, cores: float, memory_gib: float, gpus: int) -> int:
        by_cores = min(cores // task.cores, memory_gib // task.memory_gib)
        return int(min(by_cores, gpus) if self.figures.is_gpu(queue.device) else by_cores)

    def _moves(self, task: Task, site: Site, load: Load) -> tuple[Move, ...] | None:
        """Return how the files come to the site that are not there; ``None`` where one cannot."""
        moves = []
        for file in task.files:
            if site.rse in file.rses:
                continue
            ways = [self._move(file, rse, site.rse, load) for rse in file.rses if (rse, site.rse) in self.sites.links]
            if not ways:
                return None
            moves.append(min(ways, key=lambda way: (way.seconds, self._egress_euros(way), way.source)))
        return tuple(moves)

    def _move(self, file: File, source: str, target: str, load: Load) -> Move:
        link = self.sites.links[source, target]
        held = link.latency_seconds + file.bytes / link.bytes_per_second
        return Move(file.name, source, target, file.bytes, load.link_seconds.get((source, target), 0.0) + held, held)

    def _egress_euros(self, move: Move) -> float:
        link = self.sites.links[move.source, move.target]
        return move.bytes / GIGABYTE * link.egress_euros_per_gigabyte

    def _computing_euros(self, task: Task, queue: Queue, seconds: float) -> float:
        gpus = 1 if self.figures.is_gpu(queue.device) else 0
        return seconds / SECONDS_OF_AN_HOUR * (task.cores * queue.euros_per_core_hour + gpus * queue.euros_per_gpu_hour)

    def _waiting_seconds(self, task: Task, site: Site, queue: Queue, load: Load) -> float:
        known = load.waiting_seconds.get((site.name, queue.name))
        if known is None:
            known = 0.0 if self._free_slots(task, queue) else queue.waiting_seconds
        return queue.start_seconds + known

    def _refusal(
        self, task: Task, site: Site, queue: Queue, moves: tuple[Move, ...] | None, load: Load
    ) -> Refusal | None:
        if site.name in self.sites.closed:
            return Refusal(self.sites.closed[site.name], for_now=True)
        unsuited = self._unsuited(task, queue)
        if unsuited:
            return Refusal(unsuited)
        if moves is None:
            return Refusal(f"no replica within reach: nothing leads from {_where(task, site)} to {site.rse}")
        free = load.free_bytes.get(site.rse, site.rse_free_bytes)
        wanted = sum(move.bytes for move in moves)
        if free is not None and wanted > free:
            return Refusal(f"RSE {site.rse} is full: {wanted:,} bytes to bring, {free:,} free", for_now=True)
        if self.policy == "refuse" and not self._free_slots(task, queue):
            return Refusal("no free slot now", for_now=True)
        return None

    def _unsuited(self, task: Task, queue: Queue) -> str:
        """Return why no such item could ever run in a queue; nothing where it could."""
        if task.needs_gpu and not self.figures.is_gpu(queue.device):
            return f"no GPU: its device is {queue.device}"
        unknown = [name for name in task.models if self.figures.seconds_per_chip(name, queue.device) is None]
        if unknown:
            return f"no measured seconds of {', '.join(unknown)} on {queue.device}"
        if not self.slots(task, queue):
            return f"no room: {_asked_for(task)} asked for, {_had(queue)} there are"
        return ""


def _check_files(task: Task) -> None:
    if not task.files:
        raise NoReplica(f"{task.item} has no files in Rucio")
    lost = [file.name for file in task.files if not file.rses]
    if lost:
        more = f" and {len(lost) - 1} more of its files have" if lost[1:] else " has"
        raise NoReplica(f"{task.item}: {lost[0]}{more} no replica")


def _rank(found: Prediction) -> tuple[bool, float, int, str, str]:
    return found.refusal is not None, found.cost, found.bytes_moved, found.site, found.queue


def _nowhere(task: Task, found: Iterable[Prediction]) -> NoPlace:
    reasons = [(f"{each.site}/{each.queue}", each.refusal) for each in found if each.refusal is not None]
    kind = NoRoomNow if any(refusal.for_now for _, refusal in reasons) else NoPlace
    said = "; ".join(f"{where}: {refusal.reason}" for where, refusal in reasons) or "no site has a queue"
    return kind(f"{task.item} can be placed nowhere: {said}")


def _where(task: Task, site: Site) -> str:
    away = sorted({rse for file in task.files if site.rse not in file.rses for rse in file.rses})
    return ", ".join(away)


def _asked_for(task: Task) -> str:
    return f"{task.cores} cores and {task.memory_gib:g} GiB"


def _had(queue: Queue) -> str:
    return f"{queue.cores} cores, {queue.memory_gib or 0:.1f} GiB and {queue.gpus} GPUs"
