"""``python -m benchmarks.workflows [--width N]``: what the local executor costs beyond the steps themselves.

In one run, on one machine: a trivial step of ours as its pod runs it (``python -m argo_templates.pod``), alone, and the
same step as a chain and as a fan-out through the executor, warm and with fresh interpreters. Prints seconds a step,
their ratio, the most memory that the executor and its keeper had, and what rendering all templates takes.
"""

import argparse
import json
import os
import platform
import resource
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from statistics import median
from typing import Any

from argo_templates.local import runs
from rucio_dafab.site.home import Home

CHAIN = 10


def step() -> dict[str, Any]:
    """Return the template of a step that does next to nothing: it removes a folder that is not there."""
    return {
        "name": "trivial",
        "inputs": {"parameters": [{"name": "work"}]},
        "outputs": {"parameters": [{"name": "removed", "valueFrom": {"path": "/tmp/hera-outputs/parameters/removed"}}]},
        "script": {
            "image": "none",
            "command": ["python"],
            "args": ["-m", "argo_templates.pod", "-e", "argo_templates.steps.clean:clean"],
            "source": "{{inputs.parameters}}",
            "env": [
                {"name": "DAFAB_HOME", "value": "/dafab"},
                {"name": "hera__outputs_directory", "value": "/tmp/hera-outputs"},
            ],
            "volumeMounts": [{"name": "work", "mountPath": "/dafab/work"}],
        },
        "volumes": [{"name": "work", "persistentVolumeClaim": {"claimName": "dafab-work"}}],
    }


def document(tasks: list[dict[str, Any]]) -> dict[str, Any]:
    """Return a workflow of such steps."""
    templates = [{"name": "main", "dag": {"tasks": tasks}}, step()]
    return {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "Workflow",
        "metadata": {"name": "benchmark"},
        "spec": {"entrypoint": "main", "templates": templates},
    }


def chain(length: int) -> dict[str, Any]:
    """Return a workflow of one step after the other."""
    work = {"parameters": [{"name": "work", "value": "/dafab/work/none"}]}
    return document(
        [
            {"name": f"s{number}", "template": "trivial", "arguments": work}
            | ({"depends": f"s{number - 1}"} if number else {})
            for number in range(length)
        ]
    )


def fan_out(width: int) -> dict[str, Any]:
    """Return a workflow of one step for many items."""
    work = {"parameters": [{"name": "work", "value": "/dafab/work/{{item}}"}]}
    return document([{"name": "all", "template": "trivial", "arguments": work, "withSequence": {"count": str(width)}}])


def run(home: Home, what: dict[str, Any], **options: Any) -> float:
    """Run a workflow; return the seconds of it."""
    made = runs.prepare(home, what, {}, **options)
    began = time.perf_counter()
    status = runs.execute(home, made)
    seconds = time.perf_counter() - began
    if status.phase != "Succeeded":
        raise SystemExit(f"the benchmark failed: {status.message}")
    return seconds


def alone(home: Home, times: int) -> float:
    """Return the median seconds of the same command without any executor."""
    script = home.root / "script.json"
    script.write_text(json.dumps([{"name": "work", "value": str(home.work / "none")}]))
    command = [sys.executable, "-m", "argo_templates.pod", "-e", "argo_templates.steps.clean:clean", str(script)]
    environment = os.environ | {"DAFAB_HOME": str(home.root), "hera__outputs_directory": str(home.root / "out")}
    seconds = []
    for _ in range(times):
        began = time.perf_counter()
        subprocess.run(command, check=True, capture_output=True, env=environment)
        seconds.append(time.perf_counter() - began)
    return median(seconds)


class Memory(threading.Thread):
    """Watches the resident memory of this process and all below it, in MB."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.most = 0.0
        self._end = threading.Event()

    def run(self) -> None:
        """Look until told to end."""
        while not self._end.wait(0.1):
            self.most = max(self.most, sum(_proportional(pid) for pid in _family(os.getpid())) / 1e6)

    def end(self) -> float:
        """Return the most that was seen."""
        self._end.set()
        self.join()
        return self.most


def _family(pid: int) -> list[int]:
    try:
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except OSError:
        return []
    return [pid, *(each for child in children for each in _family(int(child)))]


def _proportional(pid: int) -> float:
    """Return the memory of a process, what it shares counted in parts (PSS), in bytes."""
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0.0
    return next((float(line.split()[1]) * 1024 for line in lines if line.startswith("Pss:")), 0.0)


def rendering(times: int) -> tuple[float, float]:
    """Return the least wall seconds and the least processor seconds of rendering all templates, imports included."""
    seconds, processor = [], []
    for _ in range(times):
        before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
        subprocess.run([sys.executable, "-m", "argo_templates.render", "--check"], check=True)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        seconds.append(time.perf_counter() - began)
        processor.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    return min(seconds), min(processor)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="What the local executor costs beyond the steps.")
    parser.add_argument("--width", type=int, default=500, help="items of the fan-out")
    width = parser.parse_args().width
    print(f"{platform.machine()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}")
    seconds, processor = rendering(5)
    print(f"rendering all templates, least of 5    {seconds:7.2f} s  {processor:.2f} s of a processor")
    with tempfile.TemporaryDirectory() as folder:
        home = Home(Path(folder))
        (home.root / "rse").mkdir()
        os.environ["DAFAB_HOME"] = folder
        compare(home)
        spread(home, width)


def compare(home: Home) -> None:
    """Measure a step alone and in a chain; the first keeper's start is in the warm chain."""
    own = alone(home, 5)
    print(f"the step alone, a fresh interpreter    {own:7.3f} s")
    for name, fresh in (("fresh", True), ("warm", False)):
        each = run(home, chain(CHAIN), fresh=fresh) / CHAIN
        print(f"a step of a chain, {name:<5}               {each:7.3f} s  {each - own:+.3f} s, ratio {each / own:.2f}")


def spread(home: Home, width: int) -> None:
    """Measure a fan-out and what memory it takes."""
    memory = Memory()
    memory.start()
    seconds = run(home, fan_out(width))
    most, own = memory.end(), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3
    print(f"a fan-out of {width:<5}                     {seconds:7.1f} s  {seconds / width:.3f} s an item")
    print(f"all of it, at most                     {most:7.0f} MB  the executor itself {own:.0f} MB")


if __name__ == "__main__":
    main()
