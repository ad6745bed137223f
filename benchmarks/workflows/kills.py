"""``python -m benchmarks.workflows.kills``: steps killed at random moments, and what is left once a rerun has ended.

Each of the runs makes products of a simulated scene of its own by ``dafab-process`` and the local executor. At a random
moment of the time that the executor takes undisturbed, either a pod or the executor itself is ended by SIGKILL; the
executor tries a pod again by itself, a killed executor is taken up by another. A run that ends before its moment does
not count, and another one is made in its place.
Needs a running site: ``DAFAB_HOME``.
"""

import argparse
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from argo_templates.local import documents, runs
from argo_templates.local.nodes import RUNNING
from argo_templates.local.state import Run
from dasi_backend.store import Store
from rucio_dafab.client import DafabClient
from rucio_dafab.eo.simulate import Options, simulate, write_safe
from rucio_dafab.site.home import SCOPE, Home

FIRST = 0.3
"""Seconds before which nothing is killed: the executor has not begun."""

PATIENCE = 300.0
"""Seconds that an undisturbed run may take."""

HALF = 0.5
TOO_LATE = "nothing: it had ended"
"""What is said of a run, or a pod, that was sooner than its moment."""

SPARE = 3
"""Runs that are made for one that counts, at most."""

ITEMS = 3
"""The scene and a product a model."""


@dataclass(frozen=True)
class Outcome:
    """What came of one run.

    Attributes:
        killed: What was killed, and when.
        phase: How the run ended after all.
        items: Items of the scene, in all versions.
        doubled: DIDs that hang on more than one of its items, or files on more than one of its assets.
        loose: Assets that hang on no item, and files that are registered and hang on no asset.
        leases: Leases of the scene that are in force.
        left: Whether the working folder is still there.
        seconds: How long the executor ran until it ended, of itself or killed.
    """

    killed: str
    phase: str
    items: int
    doubled: int
    loose: int
    leases: int
    left: bool
    seconds: float = 0.0

    @property
    def good(self) -> bool:
        """Whether it is as if nothing had been killed."""
        nothing_left = not (self.doubled or self.loose or self.leases or self.left)
        return (self.phase, self.items) == ("Succeeded", ITEMS) and nothing_left


def one(home: Home, scene: Path, moment: float, *, pod: bool) -> Outcome:
    """Run the workflow over a scene, kill a pod or the executor at a moment (seconds), and complete it."""
    run = runs.prepare(
        home, documents.find("dafab-process"), {"scene": scene.name}, mapping={"dafab-scenes": scene.parent}
    )
    began = time.monotonic()
    killed = _disturbed(run, moment, pod)
    seconds = time.monotonic() - began
    phase = run.status().phase
    if phase != "Succeeded":
        phase = runs.execute(home, run).phase
    return replace(look(home, scene.stem, run.name, killed, phase), seconds=seconds)


def look(home: Home, scene: str, run: str, killed: str = "", phase: str = "Succeeded") -> Outcome:
    """Return what there is of a scene at a site once everything has ended.

    Args:
        home: The site.
        scene: The id of the scene, with which the names of all its DIDs begin.
        run: The run whose working folder has to be gone.
        killed: What was killed.
        phase: How the run ended.
    """
    client = DafabClient.of_account("user_dafab", home)
    names = [found.name for found in client.search(versions="all") if found.name.startswith(scene)]
    # An item is a container: of datasets, of which each has the file of one asset, and of items made from it.
    children = [child["name"] for name in names for child in client.list_content(SCOPE, name)]
    datasets = set(client.list_dids(SCOPE, [{"name": f"{scene}*"}], did_type="dataset"))
    held = [file["name"] for name in datasets for file in client.list_content(SCOPE, name)]
    files = set(client.list_dids(SCOPE, [{"name": f"{scene}*"}], did_type="file"))
    leases = [lease for lease in Store(home.store).holds.leases() if lease.product == scene.lower()]
    return Outcome(
        killed,
        phase,
        items=len(names),
        doubled=len(children) - len(set(children)) + len(held) - len(set(held)),
        loose=len(datasets - set(children)) + len(files - set(held)),
        leases=len(leases),
        left=(home.work / run).exists(),
    )


def _disturbed(run: Run, moment: float, pod: bool) -> str:
    """Start the executor, kill a pod of it or itself at a moment, and wait for its end; return what was killed."""
    executor = subprocess.Popen([sys.executable, "-m", "argo_templates.local", run.name], stderr=subprocess.DEVNULL)
    try:
        executor.wait(moment)
        return TOO_LATE
    except subprocess.TimeoutExpired:
        pass
    alive = [node for node in run.nodes() if node.kind == "Pod" and node.phase == RUNNING and node.where.get("pid")]
    if pod and alive:
        killed = f"{alive[0].path} at {moment:.1f} s"
        try:
            os.kill(int(alive[0].where["pid"]), signal.SIGKILL)
        except ProcessLookupError:
            killed = TOO_LATE
        executor.wait()
        return killed
    executor.kill()
    executor.wait()
    return f"the executor at {moment:.1f} s"


def killed(outcomes: Sequence[Outcome]) -> int:
    """Return in how many runs something was killed: these count."""
    return sum(outcome.killed not in {"", TOO_LATE} for outcome in outcomes)


def suffices(outcomes: Sequence[Outcome], runs: int) -> bool:
    """Return whether enough runs count, or so many do not that the machine is no longer as quick as it was."""
    return killed(outcomes) >= runs or len(outcomes) >= SPARE * runs


def main() -> int:
    """Do it, print a line a run and the sums; return 0 if all runs are good, and enough of them count."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=20)
    parser.add_argument("--seed", type=int, default=7)
    given = parser.parse_args()
    home, chance = Home.from_environment(), random.Random(given.seed)
    outcomes: list[Outcome] = []
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        first = one(home, _scene(chance, folder), PATIENCE, pod=False)
        print(f"undisturbed, {first.seconds:.1f} s: {'good' if first.good else 'BAD '}", flush=True)
        while not suffices(outcomes, given.runs):
            moment = chance.uniform(FIRST, first.seconds)
            outcomes.append(one(home, _scene(chance, folder), moment, pod=chance.random() < HALF))
            print(f"{len(outcomes):3} {'good' if outcomes[-1].good else 'BAD '} {outcomes[-1]}", flush=True)
    good = sum(outcome.good for outcome in (first, *outcomes))
    seconds, load = time.monotonic() - began, os.getloadavg()[0]
    print(
        f"{killed(outcomes)} killed, {good} of {len(outcomes) + 1} runs as if nothing had been;"
        f" {seconds:.0f} s, load {load:.1f}"
    )
    return int(good != len(outcomes) + 1 or killed(outcomes) < given.runs)


def _scene(chance: random.Random, folder: str) -> Path:
    """Write a scene of its own below a folder."""
    seed = chance.randrange(10_000, 60_000)
    return write_safe(simulate(seed, Options(size=256, clouds=0.02)), Path(folder) / str(seed))


if __name__ == "__main__":
    sys.exit(main())
