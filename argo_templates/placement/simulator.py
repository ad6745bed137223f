"""The placement simulator: items come, are placed, brought, computed; event by event, the same for the same seed.

A link carries one file after the other. A queue runs as many items at once as it has slots, in the order in which
their data are there; no slot is held by an item whose data are on the way. Choices know what was predicted and what
has ended, not how long a running item will really take.
"""

import heapq
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from random import Random
from typing import Final

from argo_templates.placement.figures import Figures
from argo_templates.placement.formula import Formula
from argo_templates.placement.scenarios import Scenario, Sizes
from argo_templates.placement.sites import sites_of
from argo_templates.placement.values import File, Load, Prediction, Site, Sites, Task

OURS: Final = "the formula"
DATA: Final = "always where the data are"
FASTEST: Final = "always the fastest site"

Key = tuple[str, str]
Choice = Callable[[Task, Load], Prediction]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a strategy took.

    Attributes:
        strategy: What was done.
        seconds: From the first item's coming to the last one's end.
        bytes_moved: Between RSEs.
        euros: Computing as predicted, and egress.
        items: How many each site ran.
    """

    strategy: str
    seconds: float
    bytes_moved: int
    euros: float
    items: dict[str, int]


@dataclass(frozen=True, slots=True)
class Comparison:
    """The three strategies over one scenario.

    Attributes:
        scenario: Its name.
        ours, data, fastest: The outcomes.
        fastest_site: The site that ends everything soonest when it gets everything.
        below_data, below_fastest: By which share our total time is less.
    """

    scenario: str
    ours: Outcome
    data: Outcome
    fastest: Outcome
    fastest_site: str

    @property
    def below_data(self) -> float:
        """The share by which ours is below the data's place."""
        return 1 - self.ours.seconds / self.data.seconds

    @property
    def below_fastest(self) -> float:
        """The share by which ours is below the fastest site."""
        return 1 - self.ours.seconds / self.fastest.seconds


def compare(scenario: Scenario, sizes: Sizes, figures: Figures) -> Comparison:
    """Run the same items by the formula and by the two rules of thumb.

    ``always the fastest site`` is the best that one site alone can do: each is tried. ``always where the data are``
    takes the best queue of the sites that hold the replica.
    """
    sites = sites_of(scenario.sites)
    formula = Formula(sites, figures, scenario.seconds_per_euro)
    items = items_of(scenario, sizes)

    def run(strategy: str, choice: Choice) -> Outcome:
        return _Run(formula, items, scenario).outcome(strategy, choice)

    alone = {site.name: run(FASTEST, _only(formula, [site])) for site in sites.sites if site.queues}
    fastest = min(alone, key=lambda name: (alone[name].seconds, name))
    return Comparison(
        scenario.name,
        ours=run(OURS, lambda task, load: formula.place(task, load).chosen),
        data=run(DATA, _near(formula)),
        fastest=alone[fastest],
        fastest_site=fastest,
    )


@dataclass(frozen=True, slots=True)
class Item:
    """An item of a scenario: when it comes, what it is, and its compute seconds as a multiple of the predicted."""

    comes: float
    task: Task
    factor: float


def items_of(scenario: Scenario, sizes: Sizes) -> list[Item]:
    """Return the items of a scenario: sizes drawn from the recorded ones, replicas by their shares."""
    chance = Random(scenario.seed)  # noqa: S311 - reproducible, no secret
    recorded = [sizes.bytes[name] for name in sorted(sizes.bytes)]
    places, shares = zip(*sorted(scenario.replicas.items()), strict=True)
    return [
        Item(
            scenario.arrive_seconds * number / scenario.items,
            Task(
                f"item-{number:05}",
                (File("product", chance.choice(recorded), frozenset(chance.choices(places, shares))),),
                scenario.chips,
                scenario.models,
            ),
            1 + scenario.spread * (2 * chance.random() - 1),
        )
        for number in range(scenario.items)
    ]


def _near(formula: Formula) -> Choice:
    """Return the choice among the queues of the sites that have the item's only replica."""
    rses = {site.rse for site in formula.sites.sites}
    at = {rse: _only(formula, [site for site in formula.sites.sites if site.rse == rse]) for rse in rses}
    return lambda task, load: at[min(task.files[0].rses)](task, load)


def _only(formula: Formula, sites: Sequence[Site]) -> Choice:
    """Return the choice among the queues of these sites."""
    few = replace(formula, sites=Sites(tuple(sites), formula.sites.links))
    return lambda task, load: few.place(task, load).chosen


@dataclass(slots=True)
class _Queue:
    """A queue at work: what was placed there and has not ended."""

    slots: int
    ready: deque[tuple[Item, float]] = field(default_factory=deque)
    running: int = 0
    placed: int = 0
    waiting_work: float = 0.0
    running_ends: float = 0.0

    def waiting_seconds(self, now: float) -> float:
        """Return when a slot may be free: nothing while some are, else the work left shared by all slots."""
        if self.placed < self.slots:
            return 0.0
        left = max(0.0, self.running_ends - self.running * now)
        return (self.waiting_work + left) / self.slots


class _Run:
    """One strategy over one scenario."""

    def __init__(self, formula: Formula, items: Sequence[Item], scenario: Scenario) -> None:
        self._items = items
        self._start = {(site.name, queue.name): queue.start_seconds for site in scenario.sites for queue in site.queues}
        self._queues: dict[Key, _Queue] = {
            (site.name, queue.name): _Queue(formula.slots(items[0].task, queue))
            for site in scenario.sites
            for queue in site.queues
        }
        self._links: dict[Key, float] = {}
        self._events: list[tuple[float, int, Callable[[], None]]] = []
        self._count = 0
        self._now = 0.0
        self._bytes = 0
        self._euros = 0.0
        self._ran = {site.name: 0 for site in scenario.sites}

    def outcome(self, strategy: str, choice: Choice) -> Outcome:
        """Run to the end."""
        for item in self._items:
            self._at(item.comes, lambda item=item: self._come(item, choice))  # type: ignore[misc]  # bound at once
        while self._events:
            self._now, _, happen = heapq.heappop(self._events)
            happen()
        return Outcome(strategy, self._now, self._bytes, self._euros, self._ran)

    def _at(self, when: float, happen: Callable[[], None]) -> None:
        """Let something happen; what happens at the same moment does so in the order of its being said."""
        heapq.heappush(self._events, (when, self._count, happen))
        self._count += 1

    def _load(self) -> Load:
        return Load(
            {key: queue.waiting_seconds(self._now) for key, queue in self._queues.items()},
            {key: max(0.0, free - self._now) for key, free in self._links.items()},
        )

    def _come(self, item: Item, choice: Choice) -> None:
        """Place an item and send its files."""
        chosen = choice(item.task, self._load())
        key = chosen.site, chosen.queue
        self._bytes += chosen.bytes_moved
        self._euros += chosen.euros
        self._ran[chosen.site] += 1
        queue = self._queues[key]
        queue.placed += 1
        queue.waiting_work += chosen.compute_seconds
        for move in chosen.moves:
            # What the move takes begins when the link is free: the load has said so.
            self._links[move.source, move.target] = self._now + move.seconds
        here = self._now + max(chosen.transfer_seconds, self._start[key])
        self._at(here, lambda: self._ready(key, item, chosen.compute_seconds))

    def _ready(self, key: Key, item: Item, predicted: float) -> None:
        queue = self._queues[key]
        queue.ready.append((item, predicted))
        self._begin(key)

    def _begin(self, key: Key) -> None:
        """Let items that are ready begin while there are slots."""
        queue = self._queues[key]
        while queue.ready and queue.running < queue.slots:
            item, predicted = queue.ready.popleft()
            expected = self._now + predicted
            queue.running += 1
            queue.waiting_work -= predicted
            queue.running_ends += expected
            self._at(self._now + predicted * item.factor, lambda expected=expected: self._end(key, expected))  # type: ignore[misc]

    def _end(self, key: Key, expected: float) -> None:
        queue = self._queues[key]
        queue.running -= 1
        queue.placed -= 1
        queue.running_ends -= expected
        self._begin(key)
