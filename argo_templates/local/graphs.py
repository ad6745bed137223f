"""What runs other templates: DAGs, lists of steps, fan-outs, and the hooks of tasks."""

import asyncio
import json
import time
from collections.abc import Mapping
from contextvars import ContextVar
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from argo_templates.local import depends, expressions, outputs, scopes, tags
from argo_templates.local.documents import Key, text
from argo_templates.local.errors import LocalError
from argo_templates.local.nodes import (
    ERROR,
    FAILED,
    OMITTED,
    RUNNING,
    SKIPPED,
    SUCCEEDED,
    UNSUCCESSFUL,
    Node,
    has_result,
)

if TYPE_CHECKING:
    from argo_templates.local.engine import Engine

UNLIMITED: Final = 1 << 30
"""As many at once as there are."""

MOST_DEPTH: Final = 100
"""Templates that call one another, Argo's own limit: one that calls itself for ever has to end."""

_DEPTH: Final = ContextVar("depth of calls", default=0)


@dataclass(frozen=True, slots=True)
class Call:
    """A template that is to be run.

    Attributes:
        path: the step.
        key: the template.
        arguments: of the task, with their tags.
        scope: what they stand for.
    """

    path: str
    key: Key
    arguments: Mapping[str, Any]
    scope: tags.Scope


def kind_of(template: Mapping[str, Any]) -> str:
    """Return the kind of node that runs a template."""
    return "DAG" if "dag" in template else "Steps" if "steps" in template else "Pod"


class Graph:
    """A DAG or a list of steps, while it runs.

    Args:
        engine: runs the templates.
        path: of the node.
        document: the document of the template, whose templates its tasks name.
        template: with ``dag`` or ``steps``.
        scope: tags of the workflow and of the template's inputs.
    """

    def __init__(
        self, engine: "Engine", path: str, document: str, template: Mapping[str, Any], scope: tags.Scope
    ) -> None:
        self._engine, self._path, self._document, self._template = engine, path, document, template
        self._scope = dict(scope)
        self._prefix = "tasks" if "dag" in template else "steps"
        self._nodes: dict[str, Node] = {}
        self._slots = asyncio.Semaphore(int(template.get("parallelism", UNLIMITED)))
        self._taken_up: list[Node] = []

    async def run(self, node: Node) -> Node:
        """Run all of it; return the node with its outcome and outputs."""
        depth = _DEPTH.get() + 1
        if depth > MOST_DEPTH:
            return replace(node, phase=ERROR, message=f"templates call one another more than {MOST_DEPTH} deep")
        # What is begun from here has it, as each task of asyncio has the context in which it was made.
        before = _DEPTH.set(depth)
        try:
            return await self._run(node)
        finally:
            _DEPTH.reset(before)

    async def _run(self, node: Node) -> Node:
        failed = await (self._dag() if "dag" in self._template else self._steps())
        if failed is not None:
            return replace(node, phase=failed.phase, message="; ".join(map(_told, [*self._taken_up, failed])))
        try:
            parameters, artifacts = outputs.of_graph(self._template, self._scope)
        except LocalError as refusal:
            return replace(node, phase=ERROR, message=str(refusal))
        return replace(node, phase=SUCCEEDED, parameters=parameters, artifacts=artifacts)

    async def _steps(self) -> Node | None:
        """Run one row after the other; return what failed."""
        for row in self._template["steps"]:
            async with asyncio.TaskGroup() as group:
                running = [(step, group.create_task(self._task(step))) for step in row]
            for step, task in running:
                self._ended(step["name"], task.result())
            for step, task in running:
                if _failed(task.result(), step):
                    return task.result()
        return None

    async def _dag(self) -> Node | None:
        """Run tasks as what they depend on ends; return what failed a branch of it.

        With ``failFast``, Argo's default, nothing new begins once a branch has failed; what runs comes to its end.
        """
        dag = self._template["dag"]
        tasks = {task["name"]: task for task in dag["tasks"]}
        needs = {name: _with_continued(depends.of_task(task), tasks) for name, task in tasks.items()}
        waiting, running = dict(tasks), dict[asyncio.Task[Node], str]()
        async with asyncio.TaskGroup() as group:
            while True:
                for name in self._ready(waiting, needs):
                    running[group.create_task(self._task(waiting.pop(name)))] = name
                failed = self._failed_branch(tasks, needs)
                if failed is not None and dag.get("failFast", True):
                    waiting.clear()
                if not running:
                    self._taken_up = self._failures_before(failed, needs)
                    return failed
                done, _ = await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
                for each in done:
                    self._ended(running.pop(each), each.result())

    def _ready(self, waiting: dict[str, Mapping[str, Any]], needs: Mapping[str, depends.Depends]) -> list[str]:
        """Return the tasks that may begin; those that never will are omitted, and what waits for them looked at."""
        ready: list[str] = []
        again = True
        while again:
            again = False
            for name in [each for each in waiting if each not in ready]:
                if not depends.names(needs[name]) <= self._nodes.keys():
                    continue
                if depends.holds(needs[name], lambda task, result: has_result(self._nodes[task], result)):
                    ready.append(name)
                else:
                    del waiting[name]
                    self._ended(name, self._left_out(f"{self._path}.{name}", OMITTED, "its depends does not hold"))
                    again = True
        return ready

    def _failed_branch(
        self, tasks: Mapping[str, Mapping[str, Any]], needs: Mapping[str, depends.Depends]
    ) -> Node | None:
        """Return what failed a branch.

        A branch has failed when what is at its end has, or was left out because of a failure. A failure that another
        task takes up, as ``depends: a.Failed`` does, has not failed it.
        """
        inner = frozenset().union(*map(depends.names, needs.values())) if needs else frozenset()
        for name in (each for each in tasks if each not in inner):
            found = self._failure_of(name, tasks, needs)
            if found is not None:
                return found
        return None

    def _failures_before(self, failed: Node | None, needs: Mapping[str, depends.Depends]) -> list[Node]:
        """Return the failures that a pod took up before it failed itself: they are the reason for what it says."""
        name = next((name for name, node in self._nodes.items() if node is failed), None)
        if failed is None or name is None or failed.kind != "Pod":
            return []
        before = (self._nodes.get(other) for other in sorted(depends.names(needs[name])))
        return [node for node in before if node is not None and node.phase in UNSUCCESSFUL]

    def _failure_of(
        self, name: str, tasks: Mapping[str, Mapping[str, Any]], needs: Mapping[str, depends.Depends]
    ) -> Node | None:
        node = self._nodes.get(name)
        if node is None or node.phase == SUCCEEDED:
            return None
        if node.phase in UNSUCCESSFUL:
            return node if _failed(node, tasks[name]) else None
        found = (self._failure_of(other, tasks, needs) for other in sorted(depends.names(needs[name])))
        return next((each for each in found if each is not None), None)

    def _ended(self, name: str, node: Node) -> None:
        self._nodes[name] = node
        self._scope |= scopes.of_node(self._prefix, name, node)

    def _left_out(self, path: str, phase: str, message: str) -> Node:
        node = Node(path, "", "Task", phase, message, began=time.time(), ended=time.time())
        self._engine.keep(node)
        return node

    async def _task(self, task: Mapping[str, Any]) -> Node:
        """Run a task or step, once or once an item, then its exit hook."""
        path = f"{self._path}.{task['name']}"
        async with self._slots:
            try:
                items = _items(task, self._scope)
                node = await (self._once(path, task, {}) if items is None else self._group(path, task, items))
            except LocalError as refusal:
                node = self._left_out(path, ERROR, str(refusal))
            await self._hooks(path, task, node)
        return node

    async def _once(self, path: str, task: Mapping[str, Any], item: tags.Scope) -> Node:
        scope = {**self._scope, **item}
        condition = tags.put_in(str(task.get("when", "true")), scope)
        if not expressions.is_true(condition, expressions.WHEN):
            return self._left_out(path, SKIPPED, f"when {condition}")
        key = self._engine.program.of(self._document, task)
        return await self._engine.node(Call(path, key, task.get("arguments", {}), scope))

    async def _group(self, path: str, task: Mapping[str, Any], items: list[Any]) -> Node:
        """Run a task for every item; its outputs are lists of theirs, in the order of the items."""
        if not items:
            return self._left_out(path, SKIPPED, "there is no item")
        node = Node(path, str(task.get("template", "")), "Group", RUNNING, began=time.time())
        self._engine.keep(node)
        async with asyncio.TaskGroup() as group:
            running = [
                group.create_task(self._item(f"{path}({number}:{text(item)[:40]})", task, item))
                for number, item in enumerate(items)
            ]
        node = _joined(node, [each.result() for each in running])
        self._engine.keep(node)
        return node

    async def _item(self, path: str, task: Mapping[str, Any], item: Any) -> Node:
        try:
            return await self._once(path, task, scopes.of_item(item))
        except LocalError as refusal:
            return self._left_out(path, ERROR, str(refusal))

    async def _hooks(self, path: str, task: Mapping[str, Any], node: Node) -> None:
        """Run the exit hook of a task that ran; what comes of it stands beside the task and does not change it."""
        if node.phase in (SKIPPED, OMITTED):
            return
        hooks = [*task.get("hooks", {}).values(), *([{"template": task["onExit"]}] if "onExit" in task else [])]
        scope = {**self._scope, **scopes.of_node(self._prefix, task["name"], node)}
        for hook in hooks:
            key = self._engine.program.of(self._document, hook)
            await self._engine.node(Call(f"{path}.onExit", key, hook.get("arguments", {}), scope))


def _items(task: Mapping[str, Any], scope: tags.Scope) -> list[Any] | None:
    """Return what a task is run for; ``None`` where it is run once.

    Raises:
        LocalError: if ``withParam`` is no JSON list, or a sequence has no numbers.
    """
    if "withItems" in task:
        return list(tags.put_in(task["withItems"], scope))
    if "withParam" in task:
        written = tags.put_in(task["withParam"], scope)
        try:
            found = json.loads(written)
        except ValueError as error:
            raise LocalError(f"withParam of {task['name']} is no JSON: {written[:60]!r}") from error
        if not isinstance(found, list):
            raise LocalError(f"withParam of {task['name']} is no list: {written[:60]!r}")
        return found
    return _sequence(task["name"], tags.put_in(task["withSequence"], scope)) if "withSequence" in task else None


def _sequence(name: str, sequence: Mapping[str, Any]) -> list[Any]:
    try:
        start = int(sequence.get("start", 0))
        if "count" in sequence:
            return [str(number) for number in range(start, start + int(sequence["count"]))]
        end = int(sequence["end"])
    except (KeyError, ValueError) as error:
        raise LocalError(f"withSequence of {name} needs count or end, as numbers") from error
    return [str(number) for number in (range(start, end + 1) if end >= start else range(start, end - 1, -1))]


def _joined(group: Node, nodes: list[Node]) -> Node:
    phases = tuple(node.phase for node in nodes)
    bad = next((node for phase in (ERROR, FAILED) for node in nodes if node.phase == phase), None)
    ran = [node for node in nodes if node.phase == SUCCEEDED]
    names = {name for node in ran for name in node.parameters}
    parameters = {name: json.dumps([node.parameters.get(name) for node in ran]) for name in sorted(names)}
    return replace(
        group,
        phase=SUCCEEDED if bad is None else bad.phase,
        message="" if bad is None else _told(bad),
        ended=time.time(),
        children=phases,
        parameters=parameters | {"": json.dumps([dict(node.parameters) for node in ran])},
        result=json.dumps([node.result for node in ran if node.result is not None]),
    )


def _told(failed: Node) -> str:
    """Return why a step failed, with the path of what failed in it."""
    below = failed.message.startswith((f"{failed.path}.", f"{failed.path}("))
    return failed.message if below else f"{failed.path}: {failed.message}"


def _failed(node: Node, task: Mapping[str, Any]) -> bool:
    """Tell whether a task's failure counts: ``continueOn`` may say that it does not."""
    continued = task.get("continueOn", {})
    allowed = {phase for member, phase in (("failed", FAILED), ("error", ERROR)) if continued.get(member)}
    return node.phase in UNSUCCESSFUL and node.phase not in allowed


def _with_continued(needs: depends.Depends, tasks: Mapping[str, Mapping[str, Any]]) -> depends.Depends:
    """Let a task's name alone ask for failure, too, where its ``continueOn`` says so."""
    match needs:
        case depends.Task(name, depends.BARE):
            continued = tasks[name].get("continueOn", {})
            more = [result for member, result in (("failed", "Failed"), ("error", "Errored")) if continued.get(member)]
            return depends.Task(name, (*depends.BARE, *more))
        case depends.Not(operand):
            return depends.Not(_with_continued(operand, tasks))
        case depends.And(operands):
            return depends.And(tuple(_with_continued(each, tasks) for each in operands))
        case depends.Or(operands):
            return depends.Or(tuple(_with_continued(each, tasks) for each in operands))
    return needs
