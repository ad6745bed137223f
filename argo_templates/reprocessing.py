"""What a new version of a model would gain most from: products of older versions, weighed, with what they would cost.

The gain of a product is ``distrust x step x interest``:

- *distrust* is one minus the intersection over union of its mask and an index (``dafab:trust_iou``), 0 to 1, and a
  half where the product does not tell it;
- *step* is how far its version lies behind: 3 for another major number, 2 for another minor one, 1 for a patch;
- *interest* is 1, doubled where the product tells of an anomaly, and multiplied once more where a question of the
  user's finds it.

The cost is that of the inference alone: the chips of the scene by the measured seconds of ``placement/figures.yaml``.
Products are taken by gain a second until a budget is used up; one that does not fit makes room for smaller ones.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from argo_templates.placement.errors import PlacementError
from argo_templates.placement.figures import Figures
from argo_templates.placement.replicas import chips_of
from argo_templates.placement.values import Queue, Site
from rucio_dafab.client import DafabClient, Found
from rucio_dafab.eo.items import scene_of
from rucio_dafab.site.home import SCOPE

COLLECTIONS: Final = {"water": "water_analysis", "fields": "smart_agriculture"}
UNKNOWN_DISTRUST: Final = 0.5
NORMAL: Final = "normal"
ANOMALY: Final = 2.0
CORES: Final = 2
"""Cores that the measured figures are of, which the pod of an inference asks for."""
_BUDGET: Final = re.compile(r"(\d+(?:\.\d+)?)\s*(s|min|h|d)")
_SECONDS: Final = {"s": 1.0, "min": 60.0, "h": 3600.0, "d": 86_400.0}


@dataclass(frozen=True, slots=True)
class Speed:
    """What a chip costs at a place: seconds, and joules (an estimate; ``None`` where no file states watts)."""

    seconds_per_chip: float
    joules_per_chip: float | None


@dataclass(frozen=True, slots=True)
class Candidate:
    """A product that a newer model would make again.

    Attributes:
        product: Its item.
        scene: The item of its scene.
        version: The number of its version, as in its id.
        trust: Intersection over union of its mask and an index, 0…1; ``None`` where it does not tell.
        anomaly: What its water does; ``None`` where it does not tell.
        wanted: Whether the user's question finds it.
        gain: See above.
        seconds: Of inference, predicted.
        joules: Likewise; ``None`` where no file states watts.
    """

    product: str
    scene: str
    version: int
    trust: float | None
    anomaly: str | None
    wanted: bool
    gain: float
    seconds: float
    joules: float | None


@dataclass(frozen=True, slots=True)
class Plan:
    """What is worth it.

    Attributes:
        model: The model.
        to: The number of its new version.
        chosen: By gain a second, the highest first.
        left_out: How many products of older versions are beyond the budget.
        seconds: Of all that is chosen.
        joules: Likewise; ``None`` where no file states watts.
    """

    model: str
    to: int
    chosen: tuple[Candidate, ...]
    left_out: int
    seconds: float
    joules: float | None

    def question(self) -> str:
        """Return the scenes as CQL2 text, for ``dafab-reprocess`` or any other question."""
        names = ", ".join(f"'{name}'" for name in sorted(each.scene for each in self.chosen))
        return f"id IN ({names})" if names else ""


@dataclass(frozen=True, slots=True)
class Wishes:
    """What the user asks for.

    Attributes:
        model: One of :data:`COLLECTIONS`.
        to: The number of the new version, such as 310 for 3.1.0.
        among: Only products that satisfy this (CQL2 text); empty for all.
        interest: Products that satisfy this (CQL2 text) weigh more; empty for none.
        weight: How much more.
        seconds: Budget of inference; ``None`` for no bound.
        joules: Likewise.
    """

    model: str
    to: int
    among: str = ""
    interest: str = ""
    weight: float = 3.0
    seconds: float | None = None
    joules: float | None = None


def budget_seconds(text: str) -> float:
    """Return the seconds of a budget such as ``4h``, ``90min`` or ``2d``.

    Raises:
        PlacementError: if it is none.
    """
    found = _BUDGET.fullmatch(text.strip())
    if found is None:
        raise PlacementError(f"--budget {text}: write a number and s, min, h or d, such as 4h")
    return float(found[1]) * _SECONDS[found[2]]


def speed_at(site: Site, figures: Figures, model: str) -> Speed:
    """Return what a chip costs in the fastest queue of a site that the model was measured for.

    Raises:
        PlacementError: if there is none.
    """
    known = [(seconds / queue.speed, queue) for queue in site.queues
             if (seconds := figures.seconds_per_chip(model, queue.device)) is not None]  # fmt: skip
    if not known:
        raise PlacementError(f"site {site.name}: nobody has measured {model} on a device of its queues")
    seconds, queue = min(known, key=lambda each: each[0])
    return Speed(seconds, _joules(queue, seconds))


def make_plan(client: DafabClient, wishes: Wishes, speed: Speed) -> Plan:
    """Ask the catalogue for the products of a model, and choose those that gain most within the budget.

    Raises:
        PlacementError: if there is no such model.
        ClientError: if the catalogue does not answer or refuses a question.
    """
    if wishes.model not in COLLECTIONS:
        raise PlacementError(f"--model {wishes.model}: it is none of {', '.join(COLLECTIONS)}")
    wanted = {found.name for found in _products(client, wishes, wishes.interest)} if wishes.interest else set()
    newest: dict[str, tuple[int, Found]] = {}
    for found in _products(client, wishes, wishes.among):
        scene, version = _origin(found.name, COLLECTIONS[wishes.model])
        if scene and version > newest.get(scene, (0, found))[0]:
            newest[scene] = (version, found)
    old = [
        _candidate(found, scene, version, found.name in wanted, wishes, speed)
        for scene, (version, found) in newest.items()
        if version < wishes.to
    ]
    return _within(old, wishes)


def _products(client: DafabClient, wishes: Wishes, question: str) -> Iterator[Found]:
    # All versions: an old product stays beside its successor, and is then none that is to be made again.
    return client.search(
        SCOPE,
        filter=question or None,
        filter_lang="cql2-text",
        collections=[COLLECTIONS[wishes.model]],
        did_type="container",
        versions="all",
    )


def _origin(product: str, collection: str) -> tuple[str, int]:
    """Return the scene and the version in the id of a product; an empty scene where it has another form."""
    number = product.rpartition(f"_{collection}_")[2]
    return (scene_of(product, collection), int(number)) if number.isdigit() else ("", 0)


def _candidate(found: Found, scene: str, version: int, wanted: bool, wishes: Wishes, speed: Speed) -> Candidate:
    document = found.document or {"properties": {}}
    trust, anomaly = _trust(document), document["properties"].get("dafab:anomaly_type")
    distrust = UNKNOWN_DISTRUST if trust is None else 1.0 - trust
    interest = (ANOMALY if anomaly not in (None, NORMAL) else 1.0) * (wishes.weight if wanted else 1.0)
    chips = chips_of(document)
    joules = None if speed.joules_per_chip is None else chips * speed.joules_per_chip
    return Candidate(
        product=found.name,
        scene=scene,
        version=version,
        trust=trust,
        anomaly=anomaly,
        wanted=wanted,
        gain=round(distrust * _step(version, wishes.to) * interest, 4),
        seconds=round(chips * speed.seconds_per_chip, 1),
        joules=None if joules is None else round(joules, 1),
    )


def _trust(document: Mapping[str, Any]) -> float | None:
    analysis = document["properties"].get("dafab:water-analysis", {})
    told = analysis.get("trustworthiness_observed_water_mask", {}).get("ai_noai", {}).get("iou_score_water")
    return float(told) if isinstance(told, int | float) else None


def _step(version: int, to: int) -> float:
    """Return how far a version (213 for 2.1.3) lies behind another."""
    if version // 100 != to // 100:
        return 3.0
    return 2.0 if version // 10 != to // 10 else 1.0


def _within(candidates: Iterable[Candidate], wishes: Wishes) -> Plan:
    # By name where all else is equal: the same catalogue gives the same plan.
    order = sorted(candidates, key=lambda each: (-each.gain / max(each.seconds, 1e-9), each.product))
    chosen: list[Candidate] = []
    seconds = joules = 0.0
    for each in order:
        after = seconds + each.seconds, joules + (each.joules or 0.0)
        if each.gain > 0 and after[0] <= _bound(wishes.seconds) and after[1] <= _bound(wishes.joules):
            chosen.append(each)
            seconds, joules = after
    known = all(each.joules is not None for each in chosen)
    left = len(order) - len(chosen)
    return Plan(wishes.model, wishes.to, tuple(chosen), left, round(seconds, 1), round(joules, 1) if known else None)


def _bound(budget: float | None) -> float:
    return float("inf") if budget is None else budget


def _joules(queue: Queue, seconds: float) -> float | None:
    return None if queue.watts_per_core is None else seconds * CORES * queue.watts_per_core
