"""Writers, readers, an expirer and SIGKILLs on one rolling store at once; what they find must always be whole.

python -m benchmarks.dasi.soak [SECONDS] [--folder FOLDER]

A product of number N holds bytes that N alone decides, so whoever reads it knows them. Every third one is leased
before it is archived and must never leave; each removal is written down before it begins, so that what is missing at
the end and was acknowledged is either there or was lost.
"""

import argparse
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from dasi_backend import retention, writer
from dasi_backend.errors import ChecksumError, NotStored, StoreError
from dasi_backend.holds import Use
from dasi_backend.keys import ProductKey
from dasi_backend.policy import Policy, Rule
from dasi_backend.removal import Check, Remover
from dasi_backend.store import Store

MUST_BE_NONE: Final = ("lost", "partial", "checksum", "error", "aborts", "unfinished")
"""What no run may count: acknowledged products that are gone, products half there, wrong bytes, refused reads,
processes that ended by themselves, and what the last tidying left."""

WRITERS: Final = 4
READERS: Final = 4
BANDS: Final = ("B02", "B03", "B04")
BYTES: Final = 200_000
MOST_BYTES: Final = 4_000_000
"""What all products may take: some five of them, so that they come and go."""

KILLED_PART: Final = 0.25
"""Part of the writers that are killed at some moment of their half second."""


def files(number: int) -> dict[str, bytes]:
    """Return the files of a product."""
    noise = random.Random(number)
    bands = {f"{band}.tif": noise.randbytes(BYTES) for band in BANDS}
    assets = {name.removesuffix(".tif"): {"href": f"./{name}", "gsd": 10} for name in bands}
    properties = {"datetime": f"2026-06-{number % 3 + 1:02}T00:00:00Z", "platform": "sentinel-2a"}
    item = {"id": f"soak_{number}", "properties": properties, "assets": assets}
    return bands | {"item.json": json.dumps(item).encode()}


def is_held(number: int) -> bool:
    """Say whether a product is leased all the time."""
    return number % 3 == 0 and number < 12


class _Noted(Remover):
    """Writes down what it is about to remove."""

    def remove(self, key: ProductKey, check: Check | None = None) -> None:
        with (self.parts.database.roots[0].parent / "removals").open("a") as log:
            log.write(f"{key.id}\n")
            log.flush()
            os.fsync(log.fileno())
        super().remove(key, check)


def expire(root: Path) -> None:
    """Run retention again and again."""
    retention.Remover = _Noted  # type: ignore[misc]
    while True:
        retention.apply(Store(root).parts, Policy(lag=0.0, max_size=MOST_BYTES, rule=Rule(min_age=0.0)))
        time.sleep(0.2)


def read(root: Path, answer: Path) -> None:
    """Retrieve whatever is there and compare every byte; each finding is a line."""
    store = Store(root)
    while True:
        with answer.open("a") as log:
            for product in store.products():
                log.write(f"{_read_one(store, product.key.id, answer.parent)}\n")
                log.flush()
        time.sleep(0.3)  # writers are to have some of the processors, too


def _read_one(store: Store, identifier: str, folder: Path) -> str:
    with tempfile.TemporaryDirectory(dir=folder) as place:
        try:
            out = store.retrieve(identifier, Path(place) / "out")
        except NotStored as refusal:
            return "removed meanwhile" if "has no product" in str(refusal) else f"partial: {refusal}"
        except ChecksumError as refusal:
            return f"checksum: {refusal}"
        except StoreError as refusal:
            return f"error: {refusal}"
        found = {path.name: path.read_bytes() for path in out.iterdir()}
        return "whole" if found == files(int(identifier.rpartition("_")[2])) else "partial"


class Soak:
    """One run of it."""

    def __init__(self, folder: Path, seconds: float) -> None:
        self.folder, self.root = folder, folder / "store"
        self.store = Store(self.root)
        self.until = time.monotonic() + seconds
        self.acknowledged: set[str] = set()
        self.counts: Counter[str] = Counter()
        self._numbers = iter(range(1_000_000))
        self._lock = threading.Lock()

    def run(self) -> dict[str, Any]:
        """Return what was counted; :func:`faults` judges it."""
        self.store._make()
        threads = [threading.Thread(target=self._write) for _ in range(WRITERS)]
        threads += [threading.Thread(target=self._keep, args=("read", number)) for number in range(READERS)]
        threads += [threading.Thread(target=self._keep, args=("expire", 0))]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return self._judged()

    def _write(self) -> None:
        dice = random.Random()
        while time.monotonic() < self.until:
            with self._lock:
                number = next(self._numbers)
            scene = self.folder / f"in-{number}"
            scene.mkdir()
            for name, data in files(number).items():
                (scene / name).write_bytes(data)
            if is_held(number):
                self.store.holds.take(f"soak_{number}", Use("soak"))
            while not self._archived(scene, dice):
                self.counts["writers killed"] += 1
            self.acknowledged.add(f"soak_{number}")
            shutil.rmtree(scene)

    def _archived(self, scene: Path, dice: random.Random) -> bool:
        """Archive in a process that may be killed; say whether it acknowledged."""
        process = subprocess.Popen(
            [sys.executable, "-P", "-m", "dasi_backend.writer"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        timer = threading.Timer(dice.uniform(0.2, 1.5), process.kill) if dice.random() < KILLED_PART else None
        if timer:
            timer.start()
        said, why = process.communicate(writer.job(scene, self.store.parts).encode())
        if timer:
            timer.cancel()
        if process.returncode not in {0, -signal.SIGKILL}:
            self.counts["aborts"] += 1
            self.counts[f"{said.decode()} {why.decode()[-300:]}"] += 1
            return True
        return bool(said) and "outcome" in json.loads(said)

    def _keep(self, role: str, number: int) -> None:
        """Run a process, kill it now and then, and start it again."""
        dice = random.Random()
        while time.monotonic() < self.until:
            arguments = [role, str(self.root), str(self.folder / f"{role}-{number}")]
            log = (self.folder / f"{role}.log").open("ab")
            process = subprocess.Popen(
                [sys.executable, str(Path(__file__)), *arguments], stdout=subprocess.DEVNULL, stderr=log
            )
            try:
                process.wait(min(dice.uniform(5.0, 15.0), max(self.until - time.monotonic(), 0.1)))
                self.counts["aborts"] += 1  # none of them ends by itself
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
                self.counts[f"{role}ers killed"] += 1
            log.close()

    def _judged(self) -> dict[str, Any]:
        # Killed runs left something: one that is not killed tidies it, and removes nothing.
        retention.apply(self.store.parts, Policy(rule=Rule(min_age=0.0)))
        there = {product.key.id for product in self.store.products()}
        log = self.folder / "removals"
        removals = set(log.read_text().split()) if log.exists() else set()
        held = {name for name in self.acknowledged if is_held(int(name.rpartition("_")[2]))}
        reads = Counter(
            line.split(":")[0] for path in self.folder.glob("read-*") for line in path.read_text().splitlines()
        )
        final = Counter(_read_one(self.store, name, self.folder).split(":")[0] for name in there)
        return {
            "acknowledged": len(self.acknowledged),
            "removals": len(removals),
            "there": len(there),
            "lost": len((self.acknowledged - there) - (removals - held)),
            "unfinished": len(self.store.account().unfinished),
            "read": reads["whole"] + final["whole"],
            **{name: reads[name] + final[name] for name in ("partial", "checksum", "error")},
            "aborts": self.counts.pop("aborts", 0),
            "killed": {name: count for name, count in self.counts.items() if name.endswith("killed")},
            "said": [name for name in self.counts if not name.endswith("killed")],
        }


def faults(found: Mapping[str, Any]) -> list[str]:
    """Return what a run found that must not be, and what it did not do and so says nothing of; none where it passed."""
    wrong = [f"{name} {found[name]}" for name in MUST_BE_NONE if found[name]]
    tried = {name: found[name] for name in ("acknowledged", "removals", "read")} | found["killed"]
    idle = [name for name in (*tried, "writers killed") if not tried.get(name)]
    return wrong + [f"none: {name}" for name in dict.fromkeys(idle)]


def _seconds(text: str) -> float:
    seconds = float(text)
    if not 0 < seconds <= 86_400:  # nor NaN
        raise ValueError(text)
    return seconds


_seconds.__name__ = "number of seconds up to 86400"  # as argparse names what a value is not


def main() -> int:
    """Run it, print what was counted and the verdict, and return the exit status."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("seconds", nargs="?", type=_seconds, default=300.0, help="how long (300)")
    parser.add_argument("--folder", type=Path, help="where the store is made; by default among temporary files")
    given = parser.parse_args()
    if given.folder is not None:
        given.folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=given.folder) as place:
        found = Soak(Path(place), given.seconds).run()
    print(json.dumps(found, indent=1))
    wrong = faults(found)
    print(f"FAILED: {', '.join(wrong)}" if wrong else "passed: nothing lost, partial, damaged or aborted")
    return 1 if wrong else 0


if __name__ == "__main__":
    if sys.argv[1:2] == ["expire"]:
        expire(Path(sys.argv[2]))
    elif sys.argv[1:2] == ["read"]:
        read(Path(sys.argv[2]), Path(sys.argv[3]))
    else:
        sys.exit(main())
