"""Runs a workflow: templates as coroutines, pods through a back end, every step kept in the run's folder.

A step that the folder says has succeeded is not run again, so that a run that was killed is taken up where it was.
"""

import asyncio
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from typing import Any

from argo_templates.local import documents, graphs, memos, outputs, pods, retries, scopes, tags
from argo_templates.local.documents import Key, Program
from argo_templates.local.errors import PodRefused
from argo_templates.local.graphs import Call
from argo_templates.local.nodes import ERROR, FAILED, RUNNING, SUCCEEDED, UNSUCCESSFUL, Node
from argo_templates.local.process import BackEnd
from argo_templates.local.state import STOPPED, Run, Status
from argo_templates.local.synchronization import Gate
from rucio_dafab.errors import DafabError
from rucio_dafab.site.home import Home

Watcher = Callable[[Node], None]
"""Is told of every step that begins, is tried again, or ends."""


class Engine:
    """Runs one workflow once."""

    def __init__(self, run: Run, program: Program, back_end: BackEnd, watch: Watcher) -> None:
        self.run, self.program = run, program
        self.options = run.options()
        self._back_end, self._watch = back_end, watch
        limit = int(program.spec.get("parallelism", graphs.UNLIMITED))
        self._slots = asyncio.Semaphore(min(self.options.jobs, limit))
        home = Home.from_environment()
        self._gate = Gate(home.run, self.options.volumes)
        self._memos = home.root / "memo"
        self._began = time.time()

    async def execute(self) -> Status:
        """Run the workflow and its exit handler; return how it ended, which is kept in the run's folder."""
        self.run.begin()
        scope = scopes.of_workflow(self.run, self.options.parameters, self.run.document())
        try:
            phase, message = await self._main(scope)
            phase, message = await self._exit(scope, phase, message)
        except asyncio.CancelledError:
            phase, message = STOPPED, "stopped"
        finally:
            await self._back_end.close()
        status = replace(self.run.status(), phase=phase, message=message, ended=time.time())
        self.run.set_status(status)
        return status

    async def _main(self, scope: tags.Scope) -> tuple[str, str]:
        deadline = self.program.spec.get("activeDeadlineSeconds")
        call = Call(self.program.entry[1], self.program.entry, self.program.spec.get("arguments", {}), scope)
        # The parameters of a workflow are inputs of its entry point.
        given = [{"name": name, "value": f"{{{{workflow.parameters.{name}}}}}"} for name in self.options.parameters]
        try:
            async with (
                asyncio.timeout(None if deadline is None else float(deadline)),
                self._gate.hold(tags.put_in(self.program.spec.get("synchronization", {}), scope)),
            ):
                node = await self.node(replace(call, arguments={**call.arguments, "parameters": given}))
        except TimeoutError:
            return FAILED, f"the workflow came to its deadline of {deadline} s"
        return node.phase, node.message

    async def _exit(self, scope: tags.Scope, phase: str, message: str) -> tuple[str, str]:
        """Run the exit handler; a workflow whose exit handler fails has failed, as with Argo.

        What failed before stays the reason that is told first: a handler fails beside it where the catalogue is away.
        """
        # Of a run that is taken up it runs again: what it said before was of another end.
        self.run.forget("onExit")
        for hook in documents.hooks_of(self.program.spec):
            outcome = scopes.of_outcome(phase, self._began, self.run.nodes())
            key = self.program.of(self.program.name, hook)
            node = await self.node(Call("onExit", key, hook.get("arguments", {}), {**scope, **outcome}))
            if node.phase in UNSUCCESSFUL and phase in UNSUCCESSFUL:
                message = f"{message}; and its exit hook failed: {node.message}"
            elif node.phase in UNSUCCESSFUL:
                phase, message = node.phase, f"its exit hook failed: {node.message}"
        return phase, message

    async def node(self, call: Call) -> Node:
        """Run a template with its retries; return how it ended. Nothing is raised but an end from outside."""
        before = self.run.node(call.path)
        if before is not None:
            if before.phase == SUCCEEDED:
                self._watch(before)
                return before
            self._back_end.end_left_over(before.where)
        template = self.program.templates[call.key]
        kind = graphs.kind_of(template)
        node = Node(call.path, call.key[1], kind, RUNNING, began=time.time())
        # A pod is kept once it is there, with what it can be found by.
        (self._watch if kind == "Pod" else self.keep)(node)
        try:
            inputs, artifacts = scopes.of_inputs(call.path, template, call.arguments, call.scope)
            whole = {name: value for name, value in call.scope.items() if name.startswith("workflow.")}
            scope = {**whole, **inputs}
            memo = memos.Memo.of(template, scope, self._memos)
            async with self._gate.hold(tags.put_in(template.get("synchronization", {}), scope)):
                # Looked for once the mutex is held: whoever held it before may have made it.
                ended = _remembered(node, memo)
                if ended is None:
                    ended = await self._tries(node, call.key, template, scope, artifacts)
                    if memo is not None and ended.phase == SUCCEEDED:
                        memo.keep(self.run.name, ended.parameters)
        except (DafabError, OSError) as refusal:
            ended = replace(node, phase=ERROR, message=str(refusal))
        except asyncio.CancelledError:
            self.keep(replace(node, phase=FAILED, message="stopped", ended=time.time()))
            raise
        ended = replace(ended, ended=time.time())
        self.keep(ended)
        return ended

    def keep(self, node: Node) -> None:
        """Keep how a step stands, and tell it."""
        self.run.keep(node)
        self._watch(node)

    async def _tries(
        self, node: Node, key: Key, template: Mapping[str, Any], scope: tags.Scope, artifacts: Mapping[str, str]
    ) -> Node:
        strategy = template.get("retryStrategy")
        if strategy is None and node.kind == "Pod":
            strategy = self.program.spec.get("retryStrategy")
        policy = retries.NEVER if strategy is None else retries.parse(strategy)
        attempt = 0
        while True:
            tried = await self._try(node, key, template, {**scope, "retries": str(attempt)}, artifacts, attempt)
            attempt += 1
            tried = replace(tried, attempts=attempt)
            pause = policy.again(tried, attempt, time.time() - node.began) if tried.phase in UNSUCCESSFUL else None
            if pause is None:
                return tried
            self.keep(replace(tried, phase=RUNNING, message=f"{tried.message}; tried again in {pause:g} s"))
            await asyncio.sleep(pause)

    async def _try(
        self,
        node: Node,
        key: Key,
        template: Mapping[str, Any],
        scope: tags.Scope,
        artifacts: Mapping[str, str],
        attempt: int,
    ) -> Node:
        if node.kind == "Pod":
            return await self._pod(node, template, scope, artifacts, attempt)
        path = node.path if attempt == 0 else f"{node.path}({attempt})"
        graph = graphs.Graph(self, path, key[0], template, scope)
        return await graph.run(node)

    async def _pod(
        self,
        node: Node,
        template: Mapping[str, Any],
        scope: tags.Scope,
        artifacts: Mapping[str, str],
        attempt: int,
    ) -> Node:
        folder = self.run.pod(node.path, attempt)
        pod_scope = {**scope, "pod.name": node.path, "node.name": node.path}
        deadline = tags.put_in(str(template.get("activeDeadlineSeconds", "")), scope)
        async with self._slots:
            shared = self.program.spec.get("volumes", [])
            volumes, contained = self.options.volumes, self._back_end.contained
            pod = pods.make(node.path, template, pod_scope, artifacts, folder, shared, volumes, contained=contained)
            began = time.time()

            held: dict[str, Any] = {}

            def found(where: Mapping[str, Any]) -> None:
                held.update(where)
                self.keep(replace(node, began=began, where=where, attempts=attempt + 1))

            try:
                async with asyncio.timeout(float(deadline) if deadline else None):
                    ended = await self._back_end.run(pod, found)
            except TimeoutError:
                pod.tidy()
                return replace(node, began=began, phase=FAILED, message=f"came to its deadline of {deadline} s")
            except PodRefused:
                # It goes past what would try it again.
                pod.tidy()
                raise
            tried = replace(node, began=began, where=held, attempts=attempt + 1)
            finished = outputs.of_pod(tried, template, pod, ended, self.run.artifact)
            # Removing takes the disk's time, which others need not wait for.
            await asyncio.to_thread(pod.tidy)
            return finished


def _remembered(node: Node, memo: memos.Memo | None) -> Node | None:
    """Return the node of a step whose result is kept; ``None`` where it has to run."""
    kept = None if memo is None else memo.recall()
    if kept is None:
        return None
    return replace(node, phase=SUCCEEDED, message=f"remembered from {kept.run}", parameters=kept.parameters)


def run_to_end(engine: Engine, stops: tuple[int, ...]) -> Status:
    """Run a workflow in this process; a signal of ``stops`` ends it and everything that it started."""

    async def whole() -> Status:
        task = asyncio.current_task()
        loop = asyncio.get_running_loop()
        for number in stops if task is not None else ():
            loop.add_signal_handler(number, _once(task))
        return await engine.execute()

    return asyncio.run(whole())


def _once(task: "asyncio.Task[Any] | None") -> Callable[[], None]:
    """Return what cancels a task the first time: a second signal must not cut the tidying short."""
    asked: list[bool] = []

    def stop() -> None:
        if task is not None and not asked:
            asked.append(True)
            with suppress(RuntimeError):
                task.cancel()

    return stop
