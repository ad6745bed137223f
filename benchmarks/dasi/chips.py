"""Random chips of 256 × 256 pixels out of archived bands, read in place."""

import json
import os
import random
import time
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Final

import numpy as np
import rasterio
from affine import Affine
from rasterio.windows import Window

from benchmarks.figures import told
from dasi_backend.interface import Dasi, Item
from dasi_backend.rasters import opened

SIDE: Final = 256
LEAST: Final = 4_000.0
"""Chips a second."""

BANDS: Final = ("B02", "B03", "B04", "B08")
_FORMS: Final = {"plain": {}, "deflate": {"compress": "deflate", "predictor": 2}}


def measure(root: Path, size: int = 4096, count: int = 8_000) -> None:
    """Archive scenes of four bands in tiles of the chips' size, and tell how fast random chips of them are read."""
    print(f"Random chips of {SIDE} × {SIDE} of bands of {size} × {size} pixels (uint16), from the page cache")
    config = _config(root)
    for form in _FORMS:
        Dasi(config).archive_scene(_scene(root / form, form, size))
    for form in _FORMS:
        told(f"{form}: one process", _rate(config, form, count, 1), "chips/s")
        processes = len(os.sched_getaffinity(0))
        rate = _rate(config, form, count, processes)
        least, met = (f">= {LEAST:.0f}", rate >= LEAST) if form == "plain" else ("", None)
        told(f"{form}: {processes} processes", rate, "chips/s", least, met)


def _rate(config: Path, form: str, count: int, processes: int) -> float:
    """Return the chips a second that so many processes read, each as many as the others."""
    with ProcessPoolExecutor(processes) as pool:
        list(pool.map(_read, *zip(*((config, form, 100, seed) for seed in range(processes)), strict=True)))
        shares = [(config, form, count // processes, seed) for seed in range(processes)]
        began = time.perf_counter()
        list(pool.map(_read, *zip(*shares, strict=True)))
        return count / (time.perf_counter() - began)


def _read(config: Path, form: str, count: int, seed: int) -> int:
    """Read chips at random places of random bands, and return their sum, so that they are read."""
    chosen = random.Random(seed)
    items: list[Item] = list(Dasi(config).list({"product": f"chips_{form}", "kind": "band"}))
    total = 0
    with ExitStack() as stack:
        rasters = [stack.enter_context(opened(item)) for item in items]
        for _ in range(count):
            raster = chosen.choice(rasters)
            row, column = (SIDE * chosen.randrange(raster.height // SIDE) for _ in range(2))
            total += int(raster.read(1, window=Window(column, row, SIDE, SIDE))[0, 0])
    return total


def _config(root: Path) -> Path:
    path = root / "dasi.yml"
    path.write_text(json.dumps({"type": "local", "spaces": [{"roots": [{"path": str(root / "store")}]}]}))
    return path


def _scene(folder: Path, form: str, size: int) -> Path:
    """Write a staged scene whose pixels are as smooth as those of a scene, and as noisy in the last bits."""
    folder.mkdir()
    noise = np.random.default_rng(0)
    profile = {"driver": "GTiff", "dtype": "uint16", "count": 1, "width": size, "height": size, "crs": "EPSG:32632"}
    profile |= {"tiled": True, "blockxsize": SIDE, "blockysize": SIDE, "transform": Affine(10, 0, 6e5, 0, -10, 5.5e6)}
    rows, columns = np.indices((size, size), np.float32)
    for band in BANDS:
        pixels = 2000 + 800 * np.sin(rows / 97) * np.cos(columns / 131) + noise.normal(0, 20, (size, size))
        with rasterio.open(folder / f"{band}.tif", "w", **profile, **_FORMS[form]) as raster:
            raster.write(pixels.astype(np.uint16), 1)
    assets = {band: {"href": f"./{band}.tif", "gsd": 10} for band in BANDS}
    properties = {"datetime": "2026-06-01T00:00:00Z", "platform": "sentinel-2a"}
    (folder / "item.json").write_text(json.dumps({"id": f"chips_{form}", "properties": properties, "assets": assets}))
    return folder
