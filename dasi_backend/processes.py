"""Processes that carry out tasks of this one, and never outlive it.

A worker is a new interpreter (``python -m dasi_backend.processes``), as the store's writers are: FDB bears neither
threads nor a fork after its first use, and a caller's script need not be fit to be imported again, as it would for
:mod:`multiprocessing`. Tasks come by its standard input, answers go by its standard output. When its input ends, by
whatever end of its parent, a task that runs is interrupted and tidies up after itself.
"""

import os
import signal
import subprocess
import sys
import threading
import time
import traceback
from collections.abc import Callable, Sequence
from multiprocessing.connection import Connection
from queue import Empty, SimpleQueue
from tempfile import TemporaryFile
from typing import Any, Final, NoReturn, Self, TypeVar

from dasi_backend.errors import StoreError
from rucio_dafab.errors import DafabError

BYTES_EACH: Final = 1 << 30
"""Bytes for which a process is worth the tenth of a second that it takes to begin (``benchmarks/dasi`` measures it)."""

GRACE_SECONDS: Final = 30.0
"""How long a worker whose parent is gone may take to tidy up."""

Result = TypeVar("Result")


class Ended(StoreError):
    """A worker ended before its task did."""


def worth(sizes: Sequence[int]) -> int:
    """Return how many processes are worth their beginning for tasks of so many bytes: at most a core each.

    None for one task, or for little: this process does it sooner by itself.
    """
    count = min(len(os.sched_getaffinity(0)), len(sizes), sum(sizes) // BYTES_EACH)
    return count if count > 1 else 0


class Workers:
    """Workers that are started when a task has none, and end with the block. Threads share one of these."""

    def __init__(self) -> None:
        self._idle: SimpleQueue[_Worker] = SimpleQueue()
        self._all: list[_Worker] = []

    def carry_out(self, task: Callable[[], Result], name: str) -> Result:
        """Carry out a task in a worker and return its result, or raise what it refuses.

        Args:
            task: Can be pickled, as its result.
            name: What it is about, for errors.

        Raises:
            Ended: if the worker ends before the task does.
            DafabError: as the task refuses.
        """
        try:
            worker = self._idle.get_nowait()
        except Empty:
            worker = _Worker()
            self._all.append(worker)
        result: Result = worker.ask(task, name)
        self._idle.put(worker)
        return result

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """End all workers."""
        self.leave()
        for worker in self._all:
            worker.wait()

    def leave(self) -> None:
        """Let all workers end; one that is at work is interrupted, and its task refused."""
        for worker in self._all:
            worker.leave()


class _Worker:
    """One worker, as its parent sees it."""

    def __init__(self) -> None:
        from rucio_dafab.terminal import DEBUG  # noqa: PLC0415  # a worker need not load it

        self._said = TemporaryFile()  # noqa: SIM115  # closed with the worker
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", "dasi_backend.processes"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=None if os.environ.get(DEBUG) else self._said,
            process_group=0,  # an interrupt from the terminal is its parent's to pass on
        )
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._tasks = Connection(os.dup(self._process.stdin.fileno()), readable=False)
        self._answers = Connection(os.dup(self._process.stdout.fileno()), writable=False)
        self._process.stdin.close()
        self._process.stdout.close()

    def ask(self, task: Callable[[], Any], name: str) -> Any:
        try:
            self._tasks.send(task)
            result, refusal, fault = self._answers.recv()
        except (EOFError, OSError) as error:
            raise Ended(f"{name} was not written: the process that wrote it ended early ({self._why()})") from error
        if refusal is not None:
            kind, text = refusal
            raised: DafabError = kind.__new__(kind, text)  # not by the class, which may make its text of other things
            raise raised
        if fault is not None:
            raise RuntimeError(f"a worker failed:\n{fault}")
        return result

    def leave(self) -> None:
        self._tasks.close()

    def wait(self) -> None:
        try:
            self._process.wait(GRACE_SECONDS + 1.0)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._answers.close()
        self._said.close()

    def _why(self) -> str:
        self._process.kill()  # it is gone, or does not speak our language any more
        status = self._process.wait()
        self._said.seek(0)
        said = self._said.read().decode(errors="replace").strip().splitlines()
        return ", ".join([f"signal {-status}" if status < 0 else f"status {status}", *said[-1:]])


def main() -> NoReturn:
    """Carry out tasks until the parent has no more of them, or is gone."""
    answers = Connection(os.dup(1), readable=False)
    os.dup2(2, 1)  # FDB prints there
    signal.signal(signal.SIGINT, signal.default_int_handler)  # whoever runs in the background has it ignored
    tasks: SimpleQueue[Callable[[], Any]] = SimpleQueue()
    threading.Thread(target=_receive, args=(tasks, threading.get_ident()), daemon=True).start()
    try:
        while True:
            answers.send(_answer(tasks.get()))
    except (KeyboardInterrupt, OSError):
        os._exit(0)


def _receive(tasks: "SimpleQueue[Callable[[], Any]]", worker: int) -> NoReturn:
    """Pass on tasks; when there will be no more, interrupt what runs."""
    coming = Connection(os.dup(0), writable=False)
    try:
        while True:
            tasks.put(coming.recv())
    except (EOFError, OSError):
        signal.pthread_kill(worker, signal.SIGINT)
    except Exception:  # noqa: BLE001  # a task that cannot be understood; nobody else would say so
        traceback.print_exc()
        os._exit(1)
    time.sleep(GRACE_SECONDS)  # until the other thread has left
    os._exit(1)


def _answer(task: Callable[[], Any]) -> tuple[Any, tuple[type[DafabError], str] | None, str | None]:
    """Return the result of a task, or what it refuses, or where it failed."""
    try:
        return task(), None, None
    except DafabError as refusal:
        return None, (type(refusal), str(refusal)), None
    except Exception:  # noqa: BLE001  # said, and raised, in the parent
        return None, None, traceback.format_exc()


if __name__ == "__main__":
    main()
