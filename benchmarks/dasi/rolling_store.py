"""Archive and retrieve of 13-band products beside raw write + fsync and ``cp`` of the same bytes, in one run.

python benchmarks/dasi/rolling_store.py [folder] [rounds] [MiB a product]
"""

import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from dasi_backend.store import Store

BANDS = ("B01", "B02", "B03", "B04", "B05", "B06", "B07", "B08", "B8A", "B09", "B11", "B12", "SCL")


def make(folder: Path, number: int, mebibytes: int) -> Path:
    """Write a staged scene of 13 bands of random bytes."""
    folder.mkdir()
    for band in BANDS:
        (folder / f"{band}.tif").write_bytes(os.urandom((mebibytes << 20) // len(BANDS)))
    assets = {band: {"href": f"./{band}.tif", "gsd": 10} for band in BANDS}
    properties = {"datetime": "2026-06-01T00:00:00Z", "platform": "sentinel-2a"}
    (folder / "item.json").write_text(json.dumps({"id": f"p{number}", "properties": properties, "assets": assets}))
    return folder


def write_and_sync(source: Path, target: Path) -> None:
    """Write the same bytes to one file and wait for the disk: what any archive must do at least."""
    with target.open("wb") as file:
        for path in sorted(source.iterdir()):
            file.write(path.read_bytes())
        file.flush()
        os.fsync(file.fileno())


def timed(act: Callable[[], object]) -> float:
    """Return the seconds that `act` took."""
    began = time.perf_counter()
    act()
    return time.perf_counter() - began


def measured(store: Store, root: Path, number: int, mebibytes: int) -> dict[str, float]:
    """Return the seconds of each act on one new product, one after the other."""
    scene = make(root / f"in{number}", number, mebibytes)
    taken = {
        "write+fsync": timed(lambda: write_and_sync(scene, root / "raw")),
        "archive": timed(lambda: store.archive(scene)),
        "cp": timed(lambda: subprocess.run(["cp", "-r", str(scene), str(root / "copy")], check=True)),
        "retrieve": timed(lambda: store.retrieve(f"p{number}", root / "out")),
    }
    for path in (scene, root / "copy", root / "out"):
        shutil.rmtree(path)
    return taken


def main(root: Path, rounds: int, mebibytes: int) -> None:
    """Measure, and print medians with their ratios."""
    store = Store(root / "store")
    seconds: dict[str, list[float]] = {"archive": [], "write+fsync": [], "retrieve": [], "cp": []}
    for number in range(rounds):
        for name, taken in measured(store, root, number, mebibytes).items():
            seconds[name].append(taken)
    rate = {name: mebibytes / statistics.median(values) for name, values in seconds.items()}
    print(f"{rounds} products of {len(BANDS)} bands, {mebibytes} MiB each, alternated; medians")
    for ours, theirs in (("archive", "write+fsync"), ("retrieve", "cp")):
        ratio = rate[ours] / rate[theirs]
        print(f"{ours:9} {rate[ours]:7.0f} MiB/s   {theirs:12} {rate[theirs]:7.0f} MiB/s   ratio {ratio:.2f}")


if __name__ == "__main__":
    given = [*sys.argv[1:], *("", "", "")][:3]
    with tempfile.TemporaryDirectory(dir=given[0] or None) as folder:
        main(Path(folder), int(given[1] or 10), int(given[2] or 100))
