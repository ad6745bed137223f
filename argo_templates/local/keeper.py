"""``python -m argo_templates.local.keeper``: starts the pods of the process back end and ends them.

One process with one thread, so that it may fork at any time. A pod that runs a Python module is a copy of this process,
which has Hera imported already; any other is a program of its own. Each leads a session of its own and is ended with
all its children. When the executor is gone (its end of the pipe closes, however it died), every pod is ended.

A line of JSON each way: ``{"id", "command", "environment", "folder", "stdout", "stderr", "warm", "limit"}`` starts a
pod and is answered ``{"id", "pid", "started"}`` and, at its end, ``{"id", "status", "peak_bytes", "cpu_seconds"}``;
``{"id", "stop"}`` ends one. A pod that has more memory than its limit (bytes, 0 for none) is ended, and its end says
with ``"used"`` what it had.
"""

import gc
import importlib
import json
import os
import resource
import runpy
import select
import signal
import sys
import time
import traceback
from collections.abc import Mapping
from contextlib import suppress
from typing import Any, Final

from argo_templates.local import memory
from argo_templates.local.state import started
from rucio_dafab.processes import adopt_orphans, end_with_parent

GRACE: Final = 5.0
"""Seconds between asking a pod to end and ending it."""

_CANNOT_START: Final = 127


class Keeper:
    """Keeps the pods by the id that the executor gave them."""

    def __init__(self, requests: int, answers: int) -> None:
        self._requests, self._answers = requests, answers
        self._pods: dict[str, int] = {}
        self._ending: dict[str, float] = {}
        self._limits: dict[str, int] = {}
        self._used: dict[str, int] = {}
        self._looked = 0.0
        self._read = b""
        self._warm = False
        self._woken, waker = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        signal.set_wakeup_fd(waker, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda _number, _frame: None)

    def run(self) -> None:
        """Serve until the executor is gone, then end what is left."""
        while self._serve():
            pass
        for pod in list(self._pods):
            self._stop(pod)
        while self._pods:
            self._wait()

    def _serve(self) -> bool:
        """Answer what there is; return whether the executor is still there."""
        if self._requests not in self._wait(self._requests):
            return True
        read = os.read(self._requests, 1 << 16)
        *lines, self._read = (self._read + read).split(b"\n")
        for line in lines:
            self._answer(json.loads(line))
        return bool(read)

    def _wait(self, *streams: int) -> list[int]:
        due = min([*self._ending.values(), *([self._looked + memory.PAUSE] if self._limits else [])], default=None)
        patience = None if due is None else max(0.0, due - time.monotonic())
        ready, _, _ = select.select([self._woken, *streams], [], [], patience)
        if self._woken in ready:
            os.read(self._woken, 1 << 12)
        self._reap()
        self._look()
        for pod, when in list(self._ending.items()):
            if time.monotonic() >= when:
                _end_group(self._pods[pod], signal.SIGKILL)
                self._ending[pod] = time.monotonic() + GRACE
        return ready

    def _answer(self, request: Mapping[str, Any]) -> None:
        if "stop" in request:
            self._stop(request["id"])
            return
        if request["warm"] and not self._warm:
            self._warm = _warm_up()
        pid = os.fork()
        if pid == 0:
            self._become(request)
        self._pods[request["id"]] = pid
        if request.get("limit"):
            self._limits[request["id"]] = request["limit"]
        self._say({"id": request["id"], "pid": pid, "started": started(pid)})

    def _stop(self, pod: str) -> None:
        if pod in self._pods and pod not in self._ending:
            _end_group(self._pods[pod], signal.SIGTERM)
            self._ending[pod] = time.monotonic() + GRACE

    def _look(self) -> None:
        """End the pods that have more memory than they may."""
        if not self._limits or time.monotonic() < self._looked + memory.PAUSE:
            return
        for pod, limit in list(self._limits.items()):
            used = memory.used(self._pods[pod])
            if used > limit:
                self._used[pod] = used
                del self._limits[pod]
                _end_group(self._pods[pod], signal.SIGKILL)
        self._looked = time.monotonic()

    def _reap(self) -> None:
        """Take the status of every process that has ended, and end what a pod left behind."""
        by_pid = {pid: pod for pod, pid in self._pods.items()}
        with suppress(ChildProcessError):
            while (ended := os.wait4(-1, os.WNOHANG))[0]:
                pid, status, took = ended
                if pid in by_pid:
                    _end_group(pid, signal.SIGKILL)
                    self._ended(by_pid[pid], os.waitstatus_to_exitcode(status), took)

    def _ended(self, pod: str, code: int, took: resource.struct_rusage) -> None:
        """Forget a pod and say how it ended."""
        for known in (self._pods, self._ending, self._limits):
            known.pop(pod, None)
        used = self._used.pop(pod, None)
        answer = {"id": pod, "status": 128 - code if code < 0 else code}
        answer |= {"peak_bytes": took.ru_maxrss * 1024, "cpu_seconds": round(took.ru_utime + took.ru_stime, 3)}
        self._say(answer | ({"used": used} if used is not None and code == -signal.SIGKILL else {}))

    def _say(self, answer: Mapping[str, Any]) -> None:
        with suppress(BrokenPipeError):
            os.write(self._answers, json.dumps(answer).encode() + b"\n")

    def _become(self, request: Mapping[str, Any]) -> None:
        """Turn this copy into a pod; it never returns."""
        status = _CANNOT_START
        try:
            os.setsid()
            end_with_parent()
            signal.set_wakeup_fd(-1)
            for number in (signal.SIGCHLD, signal.SIGINT, signal.SIGTERM):
                signal.signal(number, signal.SIG_DFL)
            _streams(request)
            os.chdir(request["folder"])
            os.environ.clear()
            os.environ.update(request["environment"])
            if not request["warm"]:
                os.execvpe(request["command"][0], request["command"], request["environment"])  # noqa: S606
            status = _run_module(request["command"])
        except OSError as error:
            os.write(2, f"error: cannot start {request['command'][0]}: {error.strerror}\n".encode())
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(status)


def _warm_up() -> bool:
    """Import what every Python step of ours needs, once, when the first of them comes."""
    for name in ("hera.workflows._runner.util", "argo_templates.pod"):
        importlib.import_module(name)
    gc.collect()
    gc.freeze()
    return True


def _streams(request: Mapping[str, Any]) -> None:
    """Give a pod its own streams and nothing of the keeper's."""
    for number, path, way in (
        (0, os.devnull, os.O_RDONLY),
        (1, request["stdout"], os.O_WRONLY | os.O_CREAT | os.O_TRUNC),
        (2, request["stderr"], os.O_WRONLY | os.O_CREAT | os.O_TRUNC),
    ):
        opened = os.open(path, way, 0o644)
        os.dup2(opened, number)
        os.close(opened)
    os.closerange(3, 256)
    # Python's own streams may have been made for pipes.
    sys.stdout = open(1, "w", encoding="utf-8", closefd=False)  # noqa: SIM115 - the pod's, until it ends
    sys.stderr = open(2, "w", encoding="utf-8", closefd=False, buffering=1)  # noqa: SIM115


def _run_module(command: list[str]) -> int:
    """Run ``python -m module argument…`` in this process; return its exit status."""
    sys.argv = [command[2], *command[3:]]
    sys.path[0] = os.getcwd()  # noqa: PTH109 - as python -m does
    try:
        runpy.run_module(command[2], run_name="__main__", alter_sys=True)
    except SystemExit as end:
        if end.code is None or isinstance(end.code, int):
            return end.code or 0
        sys.stderr.write(f"{end.code}\n")
        return 1
    except BaseException:  # noqa: BLE001 - what an interpreter does with what nobody caught
        traceback.print_exc()
        return 1
    return 0


def _end_group(pid: int, number: int) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, number)


def main() -> None:
    """Serve the executor at the other end of the standard streams."""
    requests, answers = os.dup(0), os.dup(1)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(2, 1)
    # A terminal's ^C is for the executor, which then says what is to end.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    adopt_orphans()
    Keeper(requests, answers).run()


if __name__ == "__main__":
    main()
