"""The read speed of the catalogue beside that of its peers, in one run; each target is said to be met or not.

    python -m benchmarks.catalogue [--items 100000] [--rounds 20] [--json]

Peers are stock Rucio's JSON and Postgres metadata plugins, all asked through ``list_dids`` of Rucio's core, and plain
SQL on a table of PostGIS. With more than 100,000 items a catalogue of 100,000 is asked beside it, to see what growth
costs. The first run fills the clusters, which takes minutes (of a million items an hour); they are kept.
"""

import argparse
import json
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from typing import Any, Final

from benchmarks.catalogue import cluster
from rucio_dafab.errors import DafabError
from rucio_dafab.site.home import Home

SMALL: Final = 100_000
"""Items of the catalogue that growth is measured from."""

FASTER: Final = {"4 attributes": 15.0, "tile": 15.0, "or of two": 15.0, "broad 5 %": 5.0}
"""How many times faster than the faster stock plugin the median is to be, at a million items."""

MEDIAN, PERCENTILE_95 = 40.0, 100.0
"""Milliseconds for place, time and cloud cover, on a quiet machine, at a million items."""

GROWTH: Final = 2.0
"""How many times the median may grow from 100,000 items to a million where the answer does not."""

MEMORY: Final = 200.0
"""MB of a process that streams 100,000 DIDs."""


@dataclass(frozen=True, slots=True)
class Target:
    """What is asked, what was measured, in what unit, and what it may be (at least or at most)."""

    name: str
    measured: float
    unit: str
    wanted: float
    at_least: bool = False

    @property
    def is_met(self) -> bool:
        """Whether the target is met."""
        return self.measured >= self.wanted if self.at_least else self.measured <= self.wanted


def filled(items: int) -> Home:
    """Return the home of a cluster that holds so many scenes; one that was left half filled is made anew."""
    name = f"read-{items}"
    folder = cluster.folder() / name
    mark = folder / "filled"
    if not mark.exists():
        shutil.rmtree(folder, ignore_errors=True)
        with cluster.running(name) as home:
            _python("benchmarks.catalogue.fill", str(items), home=home)
        mark.touch()
    return Home(folder)


def measure(items: int, rounds: int) -> dict[str, Any]:
    """Return what :mod:`benchmarks.catalogue.measure` finds in a cluster, beside a smaller one where there is one."""
    sizes = sorted({items, min(items, SMALL)}, reverse=True)
    for size in sizes:
        filled(size)
    with ExitStack() as stack:
        home, *smaller = [stack.enter_context(cluster.running(f"read-{size}")) for size in sizes]
        others = [str(each.server_config) for each in smaller]
        found: dict[str, Any] = json.loads(
            _python("benchmarks.catalogue.measure", str(rounds), *others, home=home, capture=True)
        )
    return found


def _python(module: str, *arguments: str, home: Home, capture: bool = False) -> str:
    command = [sys.executable, "-W", "ignore", "-m", module, *arguments]
    pipe = subprocess.PIPE if capture else None
    ran = subprocess.run(command, env=cluster.environment(home), cwd=cluster.ROOT, stdout=pipe, text=True, check=False)
    if ran.returncode:
        raise DafabError(f"{module} ended with {ran.returncode}")
    return ran.stdout or ""


def targets(found: dict[str, Any]) -> Iterator[Target]:
    """Yield the targets with what was measured."""
    for each in found["stock"]:
        best = min(each["ms"][plugin]["p50"] for plugin in ("json", "postgres"))
        ratio = best / each["ms"]["dafab"]["p50"]
        yield Target(f"{each['case']}: stock / ours", ratio, "x", FASTER[each["case"]], at_least=True)
    for each in found["spatial"]:
        ours, plain = each["ms"]["dafab"], each["ms"]["plain"]
        yield Target(f"{each['case']}: p50", ours["p50"], "ms", MEDIAN)
        yield Target(f"{each['case']}: p95", ours["p95"], "ms", PERCENTILE_95)
        yield Target(f"{each['case']}: p50 beside plain SQL", ours["p50"], "ms", 1.5 * plain["p50"] + 5)
    for each in found.get("growth", ()):
        grown = each["ms"]["larger"]["p50"] / each["ms"]["smaller"]["p50"]
        yield Target(f"{each['case']}: growth from {SMALL}", grown, "x", GROWTH)
    yield Target(
        f"memory of {found['memory']['DIDs']} DIDs: peak of the process", found["memory"]["peak"], "MB", MEMORY
    )


def tell(found: dict[str, Any], reached: Sequence[Target]) -> None:
    """Print tables of what was measured."""
    print(f"{found['count']} documents; load of the machine {found['load'][0][0]:.1f} … {found['load'][1][0]:.1f}")
    for each in (*found["stock"], *found["spatial"], *found.get("growth", ())):
        names = each["names"]
        sizes = " / ".join(f"{size:.0f}" for size in names.values()) if isinstance(names, dict) else f"{names:.0f}"
        times = "   ".join(f"{who} {ms['p50']:8.1f} (p95 {ms['p95']:8.1f})" for who, ms in each["ms"].items())
        print(f"{each['case']:34} {sizes:>11} names   {times}   ms")
    for target in reached:
        sign = ">=" if target.at_least else "<="
        verdict = "met" if target.is_met else "NOT MET"
        print(f"{target.name:60} {target.measured:8.1f} {target.unit:2} {sign} {target.wanted:6.1f}   {verdict}")


def main() -> int:
    """Measure and tell."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.catalogue", description=__doc__)
    parser.add_argument("--items", type=int, default=SMALL, help="scenes of the catalogue (a tenth more are products)")
    parser.add_argument("--rounds", type=int, default=20, help="questions of a kind; four times as many of place")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    arguments = parser.parse_args()
    try:
        found = measure(arguments.items, arguments.rounds)
    except DafabError as refusal:
        print(f"error: {refusal}", file=sys.stderr)
        return refusal.exit_code
    reached = list(targets(found))
    if arguments.json:
        print(json.dumps(found | {"targets": [asdict(each) | {"met": each.is_met} for each in reached]}))
    else:
        tell(found, reached)
    return 0


if __name__ == "__main__":
    sys.exit(main())
