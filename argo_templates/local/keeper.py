"""``python -m argo_templates.local.keeper``: starts the pods of the process back end and ends them.

One process with one thread, so that it may fork at any time. A pod that runs a Python module is a copy of this process,
which has Hera imported already; any other is a program of its own. Each leads a session of its own and is ended with
all its children. When the executor is gone (its end of the pipe closes, however it died), every pod is ended.

A line of JSON each way: ``{"id", "command", "environment", "folder", "stdout", "stderr", "warm"}`` starts a pod and is
answered ``{"id", "pid", "started"}`` and, at its end, ``{"id", "status"}``; ``{"id", "stop"}`` ends one.
"""

import ctypes
import gc
import importlib
import json
import os
import runpy
import select
import signal
import sys
import time
import traceback
from collections.abc import Mapping
from contextlib import suppress
from typing import Any, Final

from argo_templates.local.state import started

GRACE: Final = 5.0
"""Seconds between asking a pod to end and ending it."""

_CANNOT_START: Final = 127
_PR_SET_PDEATHSIG: Final = 1
_PR_SET_CHILD_SUBREAPER: Final = 36


class Keeper:
    """Keeps the pods by the id that the executor gave them."""

    def __init__(self, requests: int, answers: int) -> None:
        self._requests, self._answers = requests, answers
        self._pods: dict[str, int] = {}
        self._ending: dict[str, float] = {}
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
        due = min(self._ending.values(), default=None)
        patience = None if due is None else max(0.0, due - time.monotonic())
        ready, _, _ = select.select([self._woken, *streams], [], [], patience)
        if self._woken in ready:
            os.read(self._woken, 1 << 12)
        self._reap()
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
        self._say({"id": request["id"], "pid": pid, "started": started(pid)})

    def _stop(self, pod: str) -> None:
        if pod in self._pods and pod not in self._ending:
            _end_group(self._pods[pod], signal.SIGTERM)
            self._ending[pod] = time.monotonic() + GRACE

    def _reap(self) -> None:
        """Take the status of every process that has ended, and end what a pod left behind."""
        by_pid = {pid: pod for pod, pid in self._pods.items()}
        with suppress(ChildProcessError):
            while (ended := os.waitpid(-1, os.WNOHANG))[0]:
                pod = by_pid.get(ended[0])
                if pod is not None:
                    _end_group(ended[0], signal.SIGKILL)
                    del self._pods[pod]
                    self._ending.pop(pod, None)
                    code = os.waitstatus_to_exitcode(ended[1])
                    self._say({"id": pod, "status": 128 - code if code < 0 else code})

    def _say(self, answer: Mapping[str, Any]) -> None:
        with suppress(BrokenPipeError):
            os.write(self._answers, json.dumps(answer).encode() + b"\n")

    def _become(self, request: Mapping[str, Any]) -> None:
        """Turn this copy into a pod; it never returns."""
        status = _CANNOT_START
        try:
            os.setsid()
            _control(_PR_SET_PDEATHSIG, signal.SIGKILL)
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


def _control(option: int, value: int) -> None:
    ctypes.CDLL(None, use_errno=True).prctl(option, value, 0, 0, 0)


def main() -> None:
    """Serve the executor at the other end of the standard streams."""
    requests, answers = os.dup(0), os.dup(1)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(2, 1)
    # A terminal's ^C is for the executor, which then says what is to end.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    _control(_PR_SET_CHILD_SUBREAPER, 1)
    Keeper(requests, answers).run()


if __name__ == "__main__":
    main()
