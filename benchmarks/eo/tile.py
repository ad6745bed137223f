"""A whole Sentinel-2 tile to measure with: a simulated scene mirrored until it is as wide, as SAFE and COGs.

Mirroring keeps rivers, parcels and clouds continuous, so what is made of the tile has the sizes of a real one; a scene
of that size from the simulator itself takes some ten minutes and more memory than most machines have.
"""

import dataclasses
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import orjson
from numpy.typing import NDArray
from rasterio.shutil import copy

from rucio_dafab.eo import simulate
from rucio_dafab.eo.bands import SCENE_CLASSIFICATION
from rucio_dafab.eo.scene import open_scene
from rucio_dafab.eo.simulate.scene import LARGEST, SimulatedScene
from rucio_dafab.eo.staging import stage

SIDES = 5
"""How often the scene stands beside itself: 10,980 is five times 2,196, which the grids of 20 and 60 m divide."""
BANDS = ("B02", "B03", "B04", "B08", "B11", "B12", SCENE_CLASSIFICATION)
SEED = 7


def whole_tile(folder: Path, size: int = LARGEST) -> tuple[Path, Path]:
    """Return the tile as a SAFE folder and as a STAC folder of COGs, made on the first call.

    Args:
        folder: Where they are kept.
        size: Rows and columns at 10 m; a multiple of :data:`SIDES` times six.
    """
    cogs = folder / f"cogs-{size}"
    safes = folder / f"safe-{size}"
    if not cogs.exists():
        shutil.rmtree(safes, ignore_errors=True)
        scene = mirrored(simulate.simulate(SEED, simulate.Options(size=size // SIDES)), SIDES)
        _as_cogs(simulate.write_safe(scene, safes), cogs)
    return next(safes.glob("*.SAFE")), cogs


def mirrored(scene: SimulatedScene, sides: int) -> SimulatedScene:
    """Return the scene ``sides`` times beside and below itself, every second one mirrored; parcels keep apart."""

    def wide(values: NDArray[Any]) -> NDArray[Any]:
        rows, columns = (_reflected(length, sides) for length in values.shape)
        return values[np.ix_(rows, columns)]

    parcels = wide(scene.parcels)
    size, most = scene.options.size, int(scene.parcels.max(initial=0))
    piece = np.arange(sides * size) // size
    parcels += np.where(parcels > 0, (piece[:, None] * sides + piece[None, :]) * most, 0).astype(parcels.dtype)
    return dataclasses.replace(
        scene,
        options=dataclasses.replace(scene.options, size=sides * size),
        bands={name: wide(values) for name, values in scene.bands.items()},
        scl=wide(scene.scl),
        water=wide(scene.water),
        reference=wide(scene.reference),
        parcels=parcels,
        opacity=wide(scene.opacity),
    )


def _reflected(length: int, sides: int) -> NDArray[np.intp]:
    forth = np.arange(length)
    return np.concatenate([forth[::-1] if side % 2 else forth for side in range(sides)])


def _as_cogs(safe: Path, folder: Path, bands: Sequence[str] = BANDS) -> None:
    """Write the bands as COGs of 512 (as open archives serve them), with the item of the SAFE; visible when whole."""
    part = folder.with_name(f".{folder.name}.part")
    shutil.rmtree(part, ignore_errors=True)
    scene = open_scene(stage(open_scene(safe), part))
    item = orjson.loads((part / "item.json").read_bytes())
    for name, band in scene.bands.items():
        if name in bands:
            path = part / f"{name}.tif"
            copy(band.path, path, driver="COG", compress="DEFLATE", predictor="YES", blocksize=512)
            item["assets"][band.asset]["href"] = f"./{path.name}"
        else:
            del item["assets"][band.asset]
        band.path.unlink()
    (part / "item.json").write_bytes(orjson.dumps(item))
    part.rename(folder)
