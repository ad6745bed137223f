"""What a step took: seconds, processor seconds and memory, left in the run's folder by the pod itself.

No cluster's accounting is needed, so that the record of a run is the same at every site. A pod that is killed leaves
nothing: the sums are of what ended by itself.
"""

import json
import os
import resource
import sys
import time
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from argo_templates.work import RunFolder, write_json
from rucio_dafab.files import FileError, read_json
from rucio_dafab.site.home import Home

RUN: Final = "DAFAB_RUN"
"""The environment variable that names the run of a pod: its folder lies among the working folders of the site."""

EXIT_HOOK: Final = "finish"


@dataclass(frozen=True, slots=True)
class Measure:
    """One try of one step.

    Attributes:
        step: the function, with its model.
        work: the working folder that it was handed; empty where it takes none.
        began: seconds since the epoch.
        seconds: wall time.
        cpu_seconds: of processors, of the processes that it started, too.
        peak_bytes: memory of the largest of its processes.
        status: its exit status.
        reason: why it refused; empty where it did not.
    """

    step: str
    work: str
    began: float
    seconds: float
    cpu_seconds: float
    peak_bytes: int
    status: int = 0
    reason: str = ""


def keep(arguments: Sequence[str], began: float, status: int, reason: str) -> None:
    """Keep what the step of this process took; nothing where no run is named. What cannot be kept is only told.

    Args:
        arguments: of the runner: ``-e module:function parameters.json``.
        began: when it began, seconds since the epoch.
        status: its exit status.
        reason: why it refused.
    """
    name = os.environ.get(RUN)
    step = arguments[arguments.index("-e") + 1].rpartition(":")[2] if "-e" in arguments else ""
    # The exit hook has read what there is and removed the folder.
    if not name or step == EXIT_HOOK:
        return
    given = _given(arguments)
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    measure = Measure(
        step=" ".join(filter(None, (step, given.get("model", "")))),
        work=given.get("work", ""),
        began=began,
        seconds=round(time.time() - began, 3),
        cpu_seconds=round(sum(each.ru_utime + each.ru_stime for each in used), 3),
        peak_bytes=max(each.ru_maxrss for each in used) * 1024,
        status=status,
        reason=reason,
    )
    folder = RunFolder(Home.from_environment().work / Path(name).name).measured
    try:
        write_json(folder / f"{step}-{time.time_ns()}-{os.getpid()}.json", asdict(measure))
    except FileError as error:
        sys.stderr.write(f"note: what the step took is not kept: {error}\n")


def read(run: RunFolder) -> list[Measure]:
    """Return what is kept of a run, in the order of beginning."""
    values = (read_json(path) for path in run.measured.glob("[!.]*.json"))
    return sorted((Measure(**value) for value in values if value), key=lambda each: (each.began, each.step))


def totals(measures: Iterable[Measure]) -> list[dict[str, Any]]:
    """Return what each step took over all its pods, in the order of the first of them."""
    found: dict[str, list[Measure]] = {}
    for each in measures:
        found.setdefault(each.step, []).append(each)
    return [
        {
            "step": step,
            "pods": len(of_step),
            "refused": sum(each.status != 0 for each in of_step),
            "seconds": round(sum(each.seconds for each in of_step), 3),
            "cpu_seconds": round(sum(each.cpu_seconds for each in of_step), 3),
            "peak_bytes": max(each.peak_bytes for each in of_step),
        }
        for step, of_step in found.items()
    ]


def _given(arguments: Sequence[str]) -> dict[str, str]:
    """Return the parameters of a step by name; none where they cannot be read, which the runner refuses itself."""
    try:
        values = json.loads(Path(arguments[-1]).read_text(encoding="utf-8"))
        return {each["name"]: str(each["value"]) for each in values if "value" in each}
    except (OSError, ValueError, TypeError, KeyError, IndexError):
        return {}
