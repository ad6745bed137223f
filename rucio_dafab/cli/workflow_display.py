"""A run on the screen: a tree on a terminal, a line an event elsewhere."""

from collections.abc import Iterator
from types import TracebackType
from typing import TYPE_CHECKING, Final, Self

from rich.console import Console
from rich.live import Live
from rich.text import Text
from rich.tree import Tree

if TYPE_CHECKING:
    from argo_templates.local.nodes import Node
    from argo_templates.local.state import Run

_MARKS: Final = {
    "Running": ("●", "cyan"),
    "Succeeded": ("✓", "green"),
    "Failed": ("✗", "red"),
    "Error": ("✗", "red"),
    "Skipped": ("○", "dim"),
    "Omitted": ("○", "dim"),
}
_CHILDREN: Final = 20
"""Items of a fan-out that the tree shows one by one; of more it shows those that run or failed, and counts."""


class Display:
    """Shows the steps of a run as they are told; called with each."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._console = Console(stderr=True)
        self._nodes: dict[str, Node] = {}
        self._live = Live(console=self._console, refresh_per_second=4, get_renderable=self._tree)

    def __enter__(self) -> Self:
        """Begin to show."""
        if self._console.is_terminal:
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Leave the last picture on the screen."""
        if self._console.is_terminal:
            self._live.stop()

    def __call__(self, node: "Node") -> None:
        """Show a step as it stands now."""
        before = self._nodes.get(node.path)
        self._nodes[node.path] = node
        if not self._console.is_terminal and (before is None or _told(before) != _told(node)):
            self._console.print(_line(node), markup=False, highlight=False, soft_wrap=True)

    def _tree(self) -> Tree:
        tree = Tree(Text(self._name, "bold"))
        branches = {"": tree}
        # Steps are told while the picture is drawn, by another thread.
        for path, node in sorted(self._nodes.copy().items()):
            above = next((each for each in _above(path) if each in branches), "")
            if self._is_shown(node, above):
                branches[path] = branches[above].add(_label(node, path[len(above) :].lstrip(".")))
        return tree

    def _is_shown(self, node: "Node", above: str) -> bool:
        group = self._nodes.get(above)
        many = group is not None and len(group.children) > _CHILDREN
        return not many or node.phase not in ("Succeeded", "Skipped")


def lines_of(run: "Run", node: "Node") -> Iterator[str]:
    """Yield what the tries of a pod wrote, standard output first, each line after the path of its step."""
    for attempt in range(max(1, node.attempts)):
        for stream in ("stdout", "stderr"):
            path = run.pod(node.path, attempt) / stream
            if path.is_file():
                for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
                    yield f"{node.path}: {line}"


def _told(node: "Node") -> tuple[str, str]:
    return node.phase, node.message


def _line(node: "Node") -> str:
    seconds = f"{node.seconds:7.2f} s" if node.ended is not None else " " * 9
    return f"{node.phase:<10} {seconds}  {node.path}  {node.message}".rstrip()


def _label(node: "Node", name: str) -> Text:
    mark, style = _MARKS[node.phase]
    seconds = f"  {node.seconds:.1f} s" if node.ended is not None else ""
    done = f"  {sum(each == 'Succeeded' for each in node.children)}/{len(node.children)}" if node.children else ""
    return Text.assemble((f"{mark} ", style), name, (f"{done}{seconds}  {node.message}".rstrip(), "dim"))


def _above(path: str) -> Iterator[str]:
    """Yield the paths above a step, the nearest first; an item of a fan-out hangs on its task."""
    for end in range(len(path) - 1, 0, -1):
        if path[end] in ".(":
            yield path[:end]
    yield ""
