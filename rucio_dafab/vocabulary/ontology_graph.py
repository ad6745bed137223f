"""What lies below what: components and closure of a graph of superclasses, in plain Python.

A class that is its own ancestor means the same as every class on the way round: they form one component.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

Parents = Mapping[str, Iterable[str]]


def below(parents: Parents) -> dict[str, tuple[str, ...]]:
    """Return each node of `parents` with itself and everything below it, sorted.

    Args:
        parents: node → the nodes directly above it; every node is a key.
    """
    components = components_of(parents)
    place = {node: number for number, component in enumerate(components) for node in component}
    children: dict[int, set[int]] = defaultdict(set)
    for node, above in parents.items():
        for each in above:
            if each in place and place[each] != place[node]:
                children[place[each]].add(place[node])
    found: dict[int, set[str]] = {}
    # Components come with those above them first, so that the last one has nothing below it that is not known yet.
    for number in reversed(range(len(components))):
        found[number] = set(components[number]).union(*(found[each] for each in children[number]))
    return {node: tuple(sorted(found[place[node]])) for node in parents}


def cycles(parents: Parents) -> list[tuple[str, ...]]:
    """Return the components of several nodes, each sorted: what no hierarchy should have."""
    return sorted(tuple(sorted(each)) for each in components_of(parents) if len(each) > 1)


def components_of(parents: Parents) -> list[list[str]]:
    """Return the strongly connected components, those above first (Tarjan 1972, without recursion)."""
    search = _Search(parents)
    for node in parents:
        if node not in search.order:
            search.visit(node)
    return search.components


@dataclass
class _Search:
    """Tarjan's search: `low` is the earliest node on the stack that can be reached from a node."""

    parents: Parents
    order: dict[str, int] = field(default_factory=dict)
    low: dict[str, int] = field(default_factory=dict)
    stack: list[str] = field(default_factory=list)
    waiting: set[str] = field(default_factory=set)
    components: list[list[str]] = field(default_factory=list)

    def visit(self, start: str) -> None:
        """Search everything above `start`."""
        path = [(start, self._enter(start))]
        while path:
            node, above = path[-1]
            following = next(above, None)
            if following is None:
                path.pop()
                self._leave(node, path[-1][0] if path else None)
            elif following not in self.order:
                path.append((following, self._enter(following)))
            elif following in self.waiting:
                self.low[node] = min(self.low[node], self.order[following])

    def _enter(self, node: str) -> Iterator[str]:
        self.order[node] = self.low[node] = len(self.order)
        self.stack.append(node)
        self.waiting.add(node)
        return iter([each for each in self.parents.get(node, ()) if each in self.parents])

    def _leave(self, node: str, parent: str | None) -> None:
        if self.low[node] == self.order[node]:
            component: list[str] = []
            while not component or component[-1] != node:
                component.append(self.stack.pop())
            self.waiting.difference_update(component)
            self.components.append(component)
        if parent is not None:
            self.low[parent] = min(self.low[parent], self.low[node])
