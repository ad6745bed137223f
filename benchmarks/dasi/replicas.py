"""Replicas in the rolling store read as Rucio's protocol does, beside copies of plain files of the same bytes."""

import json
import os
import shutil
import statistics
from pathlib import Path

from rucio.rse import rsemanager

from benchmarks.dasi.products import timed
from benchmarks.figures import told
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


def measure(folder: Path, mebibytes: int = 8, rounds: int = 7) -> None:
    """Measure, alternated, and tell medians and their ratios."""
    print(f"Replicas in the store by Rucio's protocol: {BANDS} bands of {mebibytes} MiB, medians of {rounds}")
    size = mebibytes << 20
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
            measured[name].append(timed(act))
    megabytes = BANDS * size / 1e6
    for name, seconds in measured.items():
        told(name, megabytes / statistics.median(seconds), "MB/s")
    told("protocol ÷ copy", statistics.median(measured["copy"]) / statistics.median(measured["protocol"]), "")
