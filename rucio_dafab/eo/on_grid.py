"""Class rasters from elsewhere on the grid of a scene."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import rasterio
from numpy.typing import NDArray
from rasterio.enums import Resampling
from rasterio.errors import RasterioError
from rasterio.vrt import WarpedVRT

from rucio_dafab.eo.bands import Scene
from rucio_dafab.eo.errors import ProductError
from rucio_dafab.eo.raster import reason
from rucio_dafab.eo.readers.stac_folder import local_file


def scene_file(scene: Scene, key: str) -> Path | None:
    """Return the file of an asset of a scene; None where the scene has no such asset.

    Raises:
        ProductError: if the file is missing.
        SceneError: if the asset's href leaves the scene's folder.
    """
    asset = scene.item["assets"].get(key)
    if asset is None:
        return None
    path = local_file(scene.folder, key, asset)
    if path is None:
        raise ProductError(f"scene {scene.id}: the file of its asset {key} is missing: {asset['href']}")
    return path


def class_raster(path: Path, scene: Scene, unknown: int, what: str) -> NDArray[np.uint8]:
    """Return a GeoTIFF of classes on the grid of a scene by nearest neighbour, uint8 (row, column).

    Args:
        path: The file, uint8.
        scene: The scene whose grid is meant.
        unknown: What stands outside of the file; its nodata value becomes this, too.
        what: What it is, for errors.

    Raises:
        ProductError: if the file is missing or unreadable.
    """
    try:
        with on_grid(path, scene, unknown) as view:
            values: NDArray[np.uint8] = view.read(1)
    except RasterioError as error:
        raise ProductError(f"{what} {path} cannot be read: {reason(error)}") from error
    return values


@contextmanager
def on_grid(path: Path, scene: Scene, unknown: int, *, declared: bool = True) -> Iterator[WarpedVRT]:
    """Yield a GeoTIFF as it lies on the grid of a scene, by nearest neighbour.

    Args:
        path: The file.
        scene: The scene whose grid is meant.
        unknown: What stands outside of the file.
        declared: Whether the file's own nodata value becomes that, too; else only what is that already is unknown.

    Raises:
        RasterioError: if the file is missing or unreadable, also while the view is read.
    """
    height, width = scene.shape
    with (
        rasterio.open(path, driver="GTiff") as source,
        WarpedVRT(
            source,
            crs=scene.crs,
            transform=scene.transform,
            width=width,
            height=height,
            resampling=Resampling.nearest,
            src_nodata=source.nodata if declared and source.nodata is not None else unknown,
            nodata=unknown,
        ) as view,
    ):
        yield view
