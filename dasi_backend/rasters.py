"""Rasters that DASI found: opened where their bytes are, or read as ``xarray`` with the coordinates of the pixels."""

from collections.abc import Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import numpy as np
import rasterio

from dasi_backend.items import Item
from rucio_dafab.eo import raster
from rucio_dafab.eo.scene import open_scene, read_bands


def opened(item: Item) -> AbstractContextManager[Any]:
    """Open an item with ``rasterio`` where its bytes are: also a band inside a data file of the store.

    A window that is read costs what its own blocks do, however large the raster is. Whoever reads for long holds a
    lease on the product.

    Raises:
        StoreError: if it is not on this machine.
        BandUnreadable: if it is no GeoTIFF or JPEG 2000, or breaks off; also while it is read.
    """
    return raster.opened(item.name, item.local_path, (item.offset, item.length) if item.is_part else None)


def dataset_of_raster(path: Path) -> Any:
    """Return a GeoTIFF as an ``xarray.Dataset`` with a variable of dimensions (y, x), or a variable a band.

    Coordinates are those of the pixels' centres in the reference system of the file, which ``attrs`` say (``crs`` as
    WKT or EPSG code, ``transform`` as six numbers of GDAL's affine form); ``nodata`` is an attribute of a variable.

    Raises:
        rasterio.errors.RasterioIOError: if it is no raster.
    """
    with rasterio.open(path) as source:
        names = [name or (f"band_{place}" if source.count > 1 else "data") for place, name in _described(source)]
        values = source.read()
        nodata = [{} if each is None else {"nodata": each} for each in source.nodatavals]
        variables, attributes = dict(zip(names, values, strict=True)), dict(zip(names, nodata, strict=True))
        return _dataset(variables, source.transform, _code(source.crs), attributes)


def dataset_of_scene(folder: Path, bands: Sequence[str] | None = None) -> Any:
    """Return a staged scene as an ``xarray.Dataset``: a float32 variable a band, reflectance on the grid of 10 m.

    NaN is where there is no data.

    Args:
        folder: The scene.
        bands: Names of bands; all by default.

    Raises:
        SceneError: if the folder is no scene, or lacks a band.
    """
    scene = open_scene(folder)
    names = [name.upper() for name in bands] if bands else sorted(scene.bands)
    values = read_bands(scene, names)
    made = _dataset(dict(zip(names, values, strict=True)), scene.transform, _code(scene.crs), {})
    return made.assign_attrs(id=scene.id)


def _described(source: Any) -> list[tuple[int, str | None]]:
    return list(enumerate(source.descriptions, start=1))


def _code(crs: Any) -> str:
    if crs is None:
        return ""
    code = crs.to_epsg()
    return f"EPSG:{code}" if code else str(crs.to_wkt())


def _dataset(variables: dict[str, Any], transform: Any, crs: str, attributes: dict[str, dict[str, Any]]) -> Any:
    import xarray  # noqa: PLC0415

    rows, columns = next(iter(variables.values())).shape
    x = transform.c + (np.arange(columns) + 0.5) * transform.a
    y = transform.f + (np.arange(rows) + 0.5) * transform.e
    return xarray.Dataset(
        {name: (("y", "x"), values, attributes.get(name, {})) for name, values in variables.items()},
        coords={"y": y, "x": x},
        attrs={"crs": crs, "transform": tuple(transform)[:6]},
    )
