"""Archive and retrieve of 13-band products beside raw write + fsync and ``cp`` of the same bytes, alternated."""

import json
import os
import shutil
import statistics
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from benchmarks.figures import told
from dasi_backend.store import Store

BANDS: Final = ("B01", "B02", "B03", "B04", "B05", "B06", "B07", "B08", "B8A", "B09", "B11", "B12", "SCL")
LEAST: Final = 0.7
"""Part of the speed of the plain way that ours is to reach."""


def measure(root: Path, rounds: int = 10, mebibytes: int = 700) -> None:
    """Measure in a folder, and tell medians with their ratios.

    A product of Sentinel-2 L2A has 700 MB, more or less by its clouds.
    """
    print(f"Products of {len(BANDS)} bands, {mebibytes} MiB each, {rounds} rounds, alternated; medians")
    store = Store(root / "store")
    seconds: dict[str, list[float]] = {"archive": [], "write + fsync": [], "retrieve": [], "cp": []}
    for number in range(rounds):
        for name, taken in _round(store, root, number, mebibytes).items():
            seconds[name].append(taken)
    for ours, theirs in (("archive", "write + fsync"), ("retrieve", "cp")):
        for name in (theirs, ours):
            told(name, mebibytes / statistics.median(seconds[name]), "MiB/s")
        ratio = statistics.median(seconds[theirs]) / statistics.median(seconds[ours])
        told(f"{ours} ÷ {theirs}", ratio, "", f">= {LEAST}", ratio >= LEAST)


def _round(store: Store, root: Path, number: int, mebibytes: int) -> dict[str, float]:
    """Return the seconds of each act on one new product, one after the other."""
    scene = stage(root / f"in{number}", number, mebibytes)
    taken = {
        # What the store has written stays, and so does this: memory of a file that is gone is written to faster.
        "write + fsync": timed(lambda: _write_and_sync(scene, root / f"raw{number}")),
        "archive": timed(lambda: store.archive(scene)),
        "cp": timed(lambda: subprocess.run(["cp", "-r", str(scene), str(root / "copy")], check=True)),
        "retrieve": timed(lambda: store.retrieve(f"p{number}", root / "out")),
    }
    for path in (scene, root / "copy", root / "out"):
        shutil.rmtree(path)
    return taken


def timed(act: Callable[[], object]) -> float:
    """Return the seconds that `act` took; what was written before it is on the disk, and in nobody's way."""
    os.sync()
    began = time.perf_counter()
    act()
    return time.perf_counter() - began


def stage(folder: Path, number: int, mebibytes: int) -> Path:
    """Write a staged scene of 13 bands of random bytes, product ``p<number>``."""
    folder.mkdir()
    for band in BANDS:
        (folder / f"{band}.tif").write_bytes(os.urandom((mebibytes << 20) // len(BANDS)))
    assets = {band: {"href": f"./{band}.tif", "gsd": 10} for band in BANDS}
    properties = {"datetime": "2026-06-01T00:00:00Z", "platform": "sentinel-2a"}
    (folder / "item.json").write_text(json.dumps({"id": f"p{number}", "properties": properties, "assets": assets}))
    return folder


def _write_and_sync(source: Path, target: Path) -> None:
    """Write the same bytes to one file and wait for the disk: what any archive must do at least."""
    with target.open("wb") as file:
        for path in sorted(source.iterdir()):
            file.write(path.read_bytes())
        file.flush()
        os.fsync(file.fileno())
