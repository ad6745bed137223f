"""Staged scenes for the tests of the rolling store."""

import json
from pathlib import Path

import numpy as np
import rasterio
from affine import Affine

BANDS = ("B02", "B03", "B8A")


def make_scene(folder: Path, identifier: str = "scene_a", size: int = 64, seed: int = 0, **properties: object) -> Path:
    """Write a staged scene of three bands with noise for pixels, a reference mask and a metadata file."""
    folder.mkdir(parents=True)
    noise = np.random.default_rng(seed)
    names = {band: f"{band}.tif" for band in BANDS} | {"reference_water": "reference_water.tif"}
    for name in names.values():
        pixels = noise.integers(0, 65535, (size, size), dtype=np.uint16)
        profile = {"driver": "GTiff", "dtype": "uint16", "count": 1, "crs": "EPSG:32632"}
        grid = Affine(20 if name.startswith("B8A") else 10, 0, 600000, 0, -10, 5500000)
        with rasterio.open(folder / name, "w", width=size, height=size, transform=grid, **profile) as raster:
            raster.write(pixels, 1)
    (folder / "safe").mkdir()
    (folder / "safe" / "MTD_MSIL2A.xml").write_text("<xml/>", encoding="utf-8")
    (folder / "safe" / "empty.xml").touch()
    item = {
        "type": "Feature",
        "stac_version": "1.1.0",
        "id": identifier,
        "properties": {"datetime": "2026-06-01T10:20:30Z", "constellation": "sentinel-2", **properties},
        "assets": {key: {"href": f"./{name}", "roles": ["data"]} for key, name in names.items()},
    }
    (folder / "item.json").write_text(json.dumps(item), encoding="utf-8")
    return folder


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}
