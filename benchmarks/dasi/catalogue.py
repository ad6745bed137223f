"""The catalogue behind DASI, of a site with a million scenes: listing, the first verified byte, and memory.

The catalogue is that of :mod:`benchmarks.catalogue`, in which :data:`OBJECTS` scenes of one band are archived besides
at first; they stay for the next run.
"""

import json
import os
import random
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, timedelta
from pathlib import Path
from typing import Any, Final

from benchmarks.catalogue import cluster
from benchmarks.catalogue.__main__ import filled
from benchmarks.dasi.products import timed
from benchmarks.figures import told
from dasi_backend import accounts, config
from dasi_backend.interface import Rucio
from rucio_dafab.site.home import SCOPE, Home

OBJECTS: Final = 1_000
BYTES: Final = 300_000
"""Of an object: about a mask of a whole tile."""

FASTER: Final = 20.0
"""How many times faster than a call for each object a listing with metadata is to be."""

FIRST_BYTE: Final = 300.0
"""Milliseconds from the request to the first verified byte, at the median."""

MEMORY: Final = 200.0
"""MB of the process that retrieves ten gigabytes."""

FIRST_DAY: Final = date(2031, 1, 1)
"""Day of the first scene, years after those of the generator."""

_LARGE: Final = "benchmark_large"


@contextmanager
def site(items: int) -> Iterator[Path]:
    """Run the site of a catalogue of so many generated scenes; yields its ``dasi.yml``."""
    home = filled(items)
    command = str(Path(sys.executable).with_name("rucio-dafab"))
    environment = cluster.environment(home)
    subprocess.run([command, "up"], env=environment, check=True, stdout=subprocess.DEVNULL)
    try:
        yield home.dasi_config
    finally:
        subprocess.run([command, "down"], env=environment, check=True, stdout=subprocess.DEVNULL)


def measure(folder: Path, items: int, gigabytes: int = 10, requests: int = 200) -> None:
    """Measure in the catalogue of `items` generated scenes; what is retrieved goes to `folder`."""
    print(f"A catalogue of {items} scenes, and {OBJECTS} objects of {BYTES / 1e3:.0f} kB with replicas on this site")
    with site(items) as settings:
        _archive_scenes(settings, folder / "scene")
        _listing(settings)
        _first_byte(settings, folder, requests)
        _memory(settings, folder, gigabytes)


def _archive_scenes(settings: Path, folder: Path) -> None:
    mark = Home(settings.parents[1]).root / f"archived-{OBJECTS}-{BYTES}"
    catalogue = Rucio(settings)
    for number in range(0 if mark.exists() else OBJECTS):
        catalogue.archive_scene(_scene(folder, number, os.urandom(BYTES)))
        shutil.rmtree(folder)
    mark.touch()


def _scene(folder: Path, number: int, data: bytes) -> Path:
    folder.mkdir()
    (folder / "B04.tif").write_bytes(data)
    west, south = 6 + number % 20 / 10, 49 + number // 20 / 50
    item = {
        "type": "Feature",
        "stac_version": "1.1.0",
        "id": f"benchmark_scene_{number}",
        "collection": "sentinel_2_l2a",
        "bbox": [west, south, west + 1, south + 1],
        "geometry": _box(west, south),
        "properties": {
            "datetime": f"{_day(number)}T10:00:00Z",
            "platform": "sentinel-2a",
            "constellation": "sentinel-2",
            "grid:code": "MGRS-32ULV",
            "eo:cloud_cover": float(number % 100),
        },
        "assets": {"B04": {"href": "./B04.tif", "gsd": 10, "roles": ["data"]}},
        "links": [],
    }
    (folder / "item.json").write_text(json.dumps(item))
    return folder


def _box(west: float, south: float) -> dict[str, Any]:
    east, north = west + 1, south + 1
    ring = [[west, south], [east, south], [east, north], [west, north], [west, south]]
    return {"type": "Polygon", "coordinates": [ring]}


def _day(number: int) -> date:
    return FIRST_DAY + timedelta(number)


def _listing(settings: Path, rounds: int = 5) -> None:
    """All objects with their keys, sizes and replicas, beside a metadata call for each of them."""
    catalogue = Rucio(settings)
    period = f"{_day(0):%Y%m%d}/to/{_day(OBJECTS - 1):%Y%m%d}".split("/")
    asked = {"collection": "sentinel_2_l2a", "date": period}
    names = [item.name.partition(":")[2] for item in catalogue.list(asked)]
    if len(names) != OBJECTS:
        raise SystemExit(f"{len(names)} objects were listed, {OBJECTS} are there")
    client = accounts.reader(_catalogue(settings))

    def by_call() -> None:
        for name in names:
            client.get_metadata(SCOPE, name, plugin="ALL")

    ours = statistics.median(timed(lambda: list(catalogue.list(asked))) for _ in range(rounds))
    theirs = timed(by_call)
    told("list all objects", ours * 1000, "ms")
    told("one metadata call an object", theirs * 1000, "ms")
    told("calls ÷ list", theirs / ours, "×", f">= {FASTER:g}", theirs / ours >= FASTER)


def _first_byte(settings: Path, folder: Path, requests: int) -> None:
    """Requests by place, day, tile and cloud cover that one object answers, until its bytes are there and verified."""
    chosen = random.Random(1)
    catalogue = Rucio(settings)
    taken = []
    for number in chosen.sample(range(OBJECTS), requests):
        west, south = 6 + number % 20 / 10, 49 + number // 20 / 50
        asked = {
            "collection": "sentinel_2_l2a",
            "date": f"{_day(number):%Y%m%d}",
            "tile": "32ulv",
            "cloud_cover": f"<={number % 100}",
            "geometry": f"{west}/{south}/{west + 1}/{south + 1}",
            "asset": "B04",
        }
        began = time.perf_counter()
        catalogue.retrieve(asked, target=str(folder / "first" / "[id].tif"), expect=1)
        taken.append((time.perf_counter() - began) * 1000)
    middle = statistics.median(taken[1:])
    told("first request of a process", taken[0], "ms")
    told("from the request to verified bytes: p50", middle, "ms", f"<= {FIRST_BYTE:g}", middle <= FIRST_BYTE)
    told("from the request to verified bytes: p95", statistics.quantiles(taken[1:], n=20)[-1], "ms")


def _memory(settings: Path, folder: Path, gigabytes: int) -> None:
    """One request for files of a gigabyte each, by the command; what was archived for it is wiped afterwards."""
    catalogue = Rucio(settings)
    staged = folder / "large"
    _large_scene(staged, gigabytes)
    catalogue.archive_scene(staged)
    shutil.rmtree(staged)
    bands = "/".join(f"B{number:02}" for number in range(1, gigabytes + 1))
    command = [str(Path(sys.executable).with_name("dasi")), "retrieve", "--config", str(settings)]
    command += [f"id={_LARGE}", f"asset={bands}", f"target={folder}/out/[name]"]
    began = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    _, status, used = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - began
    process.returncode = os.waitstatus_to_exitcode(status)
    size = sum(path.stat().st_size for path in (folder / "out").iterdir())
    shutil.rmtree(folder / "out")
    catalogue.wipe({"id": _LARGE}, doit=True)
    if process.returncode or size != gigabytes * 10**9:
        raise SystemExit(f"the retrieve ended with {process.returncode} and wrote {size} bytes")
    peak = used.ru_maxrss * 1024 / 1e6
    told(f"retrieve of {gigabytes} GB: peak memory", peak, "MB", f"<= {MEMORY:g}", peak <= MEMORY)
    told(f"retrieve of {gigabytes} GB", size / seconds / 1e6, "MB/s")


def _large_scene(folder: Path, gigabytes: int) -> None:
    """Write a scene of bands of a gigabyte each, which take no room before they are copied."""
    _scene(folder, OBJECTS, b"")
    (folder / "B04.tif").unlink()
    item = json.loads((folder / "item.json").read_text()) | {"id": _LARGE, "assets": {}}
    for number in range(1, gigabytes + 1):
        name = f"B{number:02}"
        with (folder / f"{name}.tif").open("wb") as band:
            band.truncate(10**9)
        item["assets"][name] = {"href": f"./{name}.tif", "gsd": 10, "roles": ["data"]}
    (folder / "item.json").write_text(json.dumps(item))


def _catalogue(settings: Path) -> config.Catalogue:
    found = config.read(settings).catalogue
    assert found is not None
    return found
