"""Measured parts, each in a process of its own: its seconds, its processor time and the most memory it had."""

import json
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Measured:
    """What a part cost.

    Attributes:
        seconds: Wall time of the process, its imports included.
        cpu_seconds: Processor time of the process and its threads.
        peak_gb: Most resident memory, GB (10⁹ bytes).
        found: What the part printed: a JSON object.
    """

    seconds: float
    cpu_seconds: float
    peak_gb: float
    found: dict[str, Any]


def apart(*arguments: object) -> Measured:
    """Run ``python -m benchmarks.eo.parts`` with the arguments in a process of its own and measure it.

    Raises:
        SystemExit: if it fails.
    """
    return together(arguments)[0]


def together(*parts: Sequence[object]) -> list[Measured]:
    """Run several parts at the same time, each in a process of its own.

    Raises:
        SystemExit: if one fails.
    """
    command = [sys.executable, "-m", "benchmarks.eo.parts"]
    running = [subprocess.Popen([*command, *map(str, part)], stdout=subprocess.PIPE) for part in parts]
    measured = []
    for process in running:
        assert process.stdout is not None
        said = process.stdout.read()
        if process.wait():
            raise SystemExit(f"the benchmark failed: {' '.join(map(str, process.args))}")
        measured.append(Measured(**json.loads(said)))
    return measured


def print_measured(work: Callable[[], dict[str, Any]]) -> None:
    """Do the work of a part in this process and print what it cost, as :func:`apart` reads it."""
    began = time.perf_counter()
    found = work()
    seconds = time.perf_counter() - began
    used = resource.getrusage(resource.RUSAGE_SELF)
    record = {
        "seconds": seconds,
        "cpu_seconds": used.ru_utime + used.ru_stime,
        "peak_gb": used.ru_maxrss * 1024 / 1e9,
        "found": found,
    }
    sys.stdout.write(json.dumps(record))
