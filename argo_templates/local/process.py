"""The back end ``process``: pods are processes of this machine, which a keeper ends with the executor."""

import asyncio
import json
import os
import signal
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Protocol

from argo_templates.local.errors import BackEndError
from argo_templates.local.pods import Pod
from argo_templates.local.state import started

WARM_MODULES: Final = ("argo_templates.pod", "hera.workflows.runner")
"""What runs in a copy of the warm keeper, as ``python -m``: the modules that a copy has imported already."""

_LINE_LIMIT: Final = 1 << 20

Began = Callable[[Mapping[str, Any]], None]
"""Is told by what a pod can be found, as soon as it is there."""


@dataclass(frozen=True, slots=True)
class Ended:
    """How a pod ended.

    Attributes:
        status: its exit status; ``None`` where it did not come to one.
        error: what went wrong beside the step itself: Argo's phase ``Error``.
        out_of_memory: whether it was ended because it took more memory than it may.
        used: bytes that it had then; 0 where nobody says.
        peak_bytes: memory of the largest of its processes; 0 where it is not measured.
        cpu_seconds: of processors; likewise.
    """

    status: int | None
    error: str = ""
    out_of_memory: bool = False
    used: int = 0
    peak_bytes: int = 0
    cpu_seconds: float = 0.0


class BackEnd(Protocol):
    """Runs pods."""

    contained: bool
    """Whether its pods are containers."""

    async def run(self, pod: Pod, began: Began) -> Ended:
        """Run a pod to its end; cancelled, end it first."""

    async def close(self) -> None:
        """End everything."""

    def end_left_over(self, where: Mapping[str, Any]) -> None:
        """End a pod that a killed executor may have left, by what was told when it began."""


class ProcessBackEnd:
    """Pods as processes.

    Args:
        fresh: start a fresh interpreter for every Python step.
    """

    contained = False

    def __init__(self, *, fresh: bool = False) -> None:
        self._fresh = fresh
        self._keeper: asyncio.subprocess.Process | None = None
        self._listener: asyncio.Task[None] | None = None
        self._pods: dict[str, tuple[Began, asyncio.Future[Ended]]] = {}
        self._starting = asyncio.Lock()
        self._count = 0

    async def run(self, pod: Pod, began: Began) -> Ended:
        """Run a pod to its end; cancelled, end it first."""
        keeper = await self._started()
        self._count += 1
        name = str(self._count)
        ended = asyncio.get_running_loop().create_future()
        self._pods[name] = (began, ended)
        request = {
            "id": name,
            "command": pod.command,
            "environment": dict(pod.environment),
            "folder": str(pod.working_folder),
            "stdout": str(pod.stdout),
            "stderr": str(pod.stderr),
            "warm": not self._fresh and _is_warm(pod.command),
            "limit": pod.limit,
        }
        try:
            _send(keeper, request)
            return await asyncio.shield(ended)
        except asyncio.CancelledError:
            _send(keeper, {"id": name, "stop": True})
            await asyncio.wait({ended})
            raise
        finally:
            del self._pods[name]

    async def close(self) -> None:
        """End the keeper, which ends every pod."""
        if self._keeper is None or self._listener is None or self._keeper.stdin is None:
            return
        self._keeper.stdin.close()
        await self._keeper.wait()
        await self._listener

    def end_left_over(self, where: Mapping[str, Any]) -> None:
        """End the process group of a pod, if its first process is still the one that was started."""
        pid = int(where.get("pid", 0))
        if pid and where.get("started") and started(pid) == where["started"]:
            os.killpg(pid, signal.SIGKILL)

    async def _started(self) -> asyncio.subprocess.Process:
        async with self._starting:
            if self._keeper is None:
                self._keeper = await asyncio.create_subprocess_exec(
                    sys.executable,
                    "-m",
                    "argo_templates.local.keeper",
                    stdin=asyncio.subprocess.PIPE,
                    stdout=asyncio.subprocess.PIPE,
                    limit=_LINE_LIMIT,
                    start_new_session=True,
                )
                self._listener = asyncio.create_task(self._listen(self._keeper))
        return self._keeper

    async def _listen(self, keeper: asyncio.subprocess.Process) -> None:
        if keeper.stdout is None:  # it was asked for as a pipe
            return
        async for line in keeper.stdout:
            answer = json.loads(line)
            began, ended = self._pods.get(answer["id"], (None, None))
            if began is not None and "pid" in answer:
                began({"pid": answer["pid"], "started": answer["started"]})
            if ended is not None and "status" in answer and not ended.done():
                took = {name: answer[name] for name in ("peak_bytes", "cpu_seconds")}
                ended.set_result(
                    Ended(answer["status"], out_of_memory="used" in answer, used=answer.get("used", 0), **took)
                )
        for _, ended in self._pods.values():
            if not ended.done():
                ended.set_result(Ended(None, "the keeper of the pods was killed"))
        self._keeper = None


def _is_warm(command: tuple[str, ...]) -> bool:
    return command[0] == sys.executable and command[1:2] == ("-m",) and len(command) > 2 and command[2] in WARM_MODULES


def _send(keeper: asyncio.subprocess.Process, request: Mapping[str, Any]) -> None:
    if keeper.stdin is None or keeper.stdin.is_closing():
        raise BackEndError("the keeper of the pods is gone")
    keeper.stdin.write(json.dumps(request).encode() + b"\n")


def command_of(name: str) -> Path:
    """Return the path of a program that a back end needs.

    Raises:
        BackEndError: if it is not installed.
    """
    for folder in os.get_exec_path():
        if (Path(folder) / name).is_file():
            return Path(folder) / name
    raise BackEndError(f"{name} is not installed here")
