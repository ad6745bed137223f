"""Several products retrieved by processes, beside one after the other and beside ``cp``: when a process is worth it."""

import shutil
import statistics
import subprocess
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Final

from benchmarks.dasi.products import LEAST, stage, timed
from benchmarks.figures import told
from dasi_backend import processes
from dasi_backend.language import Request
from dasi_backend.local import LocalBackend
from dasi_backend.store import Store

PRODUCTS: Final = 4
MEBIBYTES: Final = (20, 200, 700)
"""What a product has, from a cut-out to a whole one."""

NEVER: Final = 1 << 60


def measure(root: Path, rounds: int = 6) -> None:
    """Measure in a folder, and tell medians with their ratios."""
    for mebibytes in MEBIBYTES:
        print(f"{PRODUCTS} products of 13 bands, {mebibytes} MiB each, {rounds} rounds, alternated; medians")
        _measure_one(root / str(mebibytes), mebibytes, rounds)


def _measure_one(root: Path, mebibytes: int, rounds: int) -> None:
    root.mkdir()
    store = Store(root / "store")
    scenes = [stage(root / f"in{number}", number, mebibytes) for number in range(PRODUCTS)]
    for scene in scenes:
        store.archive(scene)
    out = root / "out"
    ways: dict[str, Callable[[], object]] = {
        "cp": partial(_copy, scenes, out),
        "one after the other": partial(_retrieve, store, out, NEVER),
        "by processes": partial(_retrieve, store, out, 1),
    }
    again = {f"{name}, all there": way for name, way in ways.items() if name != "cp"}
    seconds: dict[str, list[float]] = {name: [] for name in (*ways, *again)}
    for number in range(rounds):
        names = list(ways)
        for name in names[number % 3 :] + names[: number % 3]:  # none is always the first after memory was freed
            shutil.rmtree(out, ignore_errors=True)
            seconds[name].append(timed(ways[name]))
        for name, way in again.items():  # nothing is written: what is there is verified
            seconds[name].append(timed(way))
    shutil.rmtree(root)
    _tell({name: statistics.median(each) for name, each in seconds.items()}, PRODUCTS * mebibytes)


def _tell(median: dict[str, float], mebibytes: int) -> None:
    for name, taken in median.items():
        told(name, mebibytes / taken, "MiB/s")
    for name in ("one after the other", "by processes"):
        told(f"{name} ÷ cp", median["cp"] / median[name], "")
    for kind in ("", ", all there"):
        ratio = median[f"one after the other{kind}"] / median[f"by processes{kind}"]
        told(f"by processes ÷ one after the other{kind}", ratio, "")
    chosen = "by processes" if mebibytes << 20 >= 2 * processes.BYTES_EACH else "one after the other"
    ratio = median["cp"] / median[chosen]
    told(f"what retrieve chooses ({chosen}) ÷ cp", ratio, "", f">= {LEAST}", ratio >= LEAST)


def _retrieve(store: Store, out: Path, bytes_each: int) -> None:
    worth, processes.BYTES_EACH = processes.BYTES_EACH, bytes_each  # type: ignore[misc]
    try:
        LocalBackend(store).retrieve(Request("retrieve", {}, target=f"{out}/[id]", expect=PRODUCTS))
    finally:
        processes.BYTES_EACH = worth  # type: ignore[misc]


def _copy(scenes: list[Path], out: Path) -> None:
    out.mkdir()
    for scene in scenes:
        subprocess.run(["cp", "-r", str(scene), str(out)], check=True)
