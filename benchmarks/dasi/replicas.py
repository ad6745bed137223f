"""Reading replicas out of the rolling store as Rucio's protocol does, beside copies of plain files of the same bytes.

python -m benchmarks.dasi.replicas [megabytes a band] [rounds]
"""

import json
import os
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from rucio.rse import rsemanager

from dasi_backend import finding
from dasi_backend.addresses import address_of
from dasi_backend.copying import Extent, sums_of
from dasi_backend.store import Store

BANDS = 13


def stage(folder: Path, size: int) -> Path:
    """Write a scene of 13 bands of noise."""
    folder.mkdir()
    names = [f"B{number:02}" for number in range(1, BANDS + 1)]
    for name in names:
        (folder / f"{name}.tif").write_bytes(os.urandom(size))
    assets = {name: {"href": f"./{name}.tif", "gsd": 10} for name in names}
    properties = {"datetime": "2026-06-01T00:00:00Z", "platform": "sentinel-2a"}
    (folder / "item.json").write_text(json.dumps({"id": "measured", "properties": properties, "assets": assets}))
    return folder


def protocol_of(store: Store) -> object:
    """Return the protocol that Rucio's client makes of the RSE."""
    domains = {"wan": {"read": 1}, "lan": {"read": 1}}
    said = {"scheme": "file", "hostname": "localhost", "port": 0, "prefix": f"{store.root}/", "domains": domains}
    said |= {"impl": "dasi_backend.rse_protocol.Default", "extended_attributes": None}
    settings = {"rse": "STORE", "id": "0", "deterministic": False, "protocols": [said]}
    return rsemanager.create_protocol(settings, "read", scheme="file")


def fresh(folder: Path) -> None:
    """Make an empty folder."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()


def taken(act: Callable[[], object]) -> float:
    """Return the seconds of an act."""
    began = time.perf_counter()
    act()
    return time.perf_counter() - began


def main(size: int, rounds: int, folder: Path) -> None:
    """Measure, alternated, and print medians and their ratio."""
    scene, store, out = stage(folder / "scene", size), Store(folder / "store"), folder / "out"
    key = store.archive(scene)
    protocol, product = protocol_of(store), store.get(key.id)
    files = [file for file in product.manifest.files if file.band]
    found = finding.objects_of(store.parts, key)
    prefix = f"file://localhost{store.root}/"

    def by_protocol() -> None:
        for file in files:
            protocol.get(f"{prefix}{address_of(key, file.key)}", str(out / file.path))  # type: ignore[attr-defined]

    def by_copy() -> None:
        for file in files:
            shutil.copy(scene / file.path, out / file.path)  # what Rucio's own protocol for files does

    def by_sums() -> None:
        for element in found.values():
            sums_of(Extent(element.path, element.offset, element.length), "")

    measured: dict[str, list[float]] = {"protocol": [], "copy": [], "checksums": []}
    for _ in range(rounds):
        for name, act in (("protocol", by_protocol), ("copy", by_copy), ("checksums", by_sums)):
            fresh(out)
            measured[name].append(taken(act))
    say(measured, BANDS * size / 1e6)


def say(measured: dict[str, list[float]], megabytes: float) -> None:
    """Print medians and how they compare."""
    for name, seconds in measured.items():
        middle = statistics.median(seconds)
        ratio = statistics.median(measured["copy"]) / middle
        print(f"{name:10}{megabytes / middle:9.0f} MB/s   {ratio:5.2f} of a copy of plain files", file=sys.stderr)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as place:
        given = [int(each) for each in sys.argv[1:]] + [8, 7][len(sys.argv[1:]) :]
        main(given[0] << 20, given[1], Path(place))
