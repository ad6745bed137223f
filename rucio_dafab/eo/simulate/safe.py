"""Writing a simulated scene as a SAFE L2A product."""

import dataclasses
import json
import shutil
from pathlib import Path
from typing import Any, Final

import numpy as np
import rasterio
from affine import Affine
from numpy.typing import NDArray

from rucio_dafab.eo.simulate.errors import SimulationError
from rucio_dafab.eo.simulate.manifest import manifest
from rucio_dafab.eo.simulate.metadata import percentages, product_metadata, tile_metadata
from rucio_dafab.eo.simulate.noise import Array
from rucio_dafab.eo.simulate.product import EPSG, OFFSET, QUANTIFICATION, Product, describe
from rucio_dafab.eo.simulate.radiometry import coarsen
from rucio_dafab.eo.simulate.scene import SimulatedScene
from rucio_dafab.eo.simulate.spectra import BANDS, RESOLUTION

AT_20 = ("B02", "B03", "B04", "B05", "B06", "B07", "B8A", "B11", "B12")
AT_60 = ("B01", "B02", "B03", "B04", "B05", "B06", "B07", "B8A", "B09", "B11", "B12")
IMAGES: Final = {10: ("B02", "B03", "B04", "B08"), 20: AT_20, 60: AT_60}
"""Bands that a real product carries at each resolution: coarser copies of the fine ones included."""


def write_safe(scene: SimulatedScene, folder: Path, overwrite: bool = False) -> Path:
    """Write a scene with all its bands as ``<folder>/S2B_MSIL2A_….SAFE`` and return that path.

    Beside what real products have, ``GRANULE/*/AUX_DATA`` holds ``reference_water.tif`` (uint8 on the 10 m grid, 0 no
    water, 1 permanent, 2 seasonal), ``land_cover.tif`` (uint8, codes of ESA WorldCover) and ``simulation.json`` (what
    the scene was made from). The product appears under its name only when it is complete. The same scene gives the same
    bytes.

    Args:
        scene: With all of :data:`~rucio_dafab.eo.simulate.spectra.BANDS`.
        folder: Made if absent.
        overwrite: Replace a product of the same name.

    Raises:
        SimulationError: if bands are missing, the product exists already or cannot be written.
    """
    missing = [band for band in BANDS if band not in scene.bands]
    if missing:
        raise SimulationError(f"a product needs all bands, and the scene was made without {', '.join(missing)}")
    product = describe(scene)
    target = folder / f"{product.name}.SAFE"
    if target.exists() and not overwrite:
        raise SimulationError(f"{target} exists already: take another folder or seed, or ask to overwrite it")
    part = folder / f".{product.name}.part"
    try:
        shutil.rmtree(part, ignore_errors=True)
        _write(scene, product, part)
        if target.exists():
            shutil.rmtree(target)
        part.rename(target)
    except (OSError, rasterio.errors.RasterioError) as error:
        shutil.rmtree(part, ignore_errors=True)
        raise SimulationError(f"the product cannot be written to {folder}: {error}") from error
    return target


def write_truth(scene: SimulatedScene, folder: Path) -> dict[str, Path]:
    """Write the truth of a scene as GeoTIFFs on the 10 m grid: ``water`` (uint8, 1 water), ``parcels`` (int32, 0 none).

    Returns:
        Layer → path.

    Raises:
        SimulationError: if they cannot be written.
    """
    product = describe(scene)
    layers: dict[str, NDArray[Any]] = {"water": scene.water_mask.astype(np.uint8), "parcels": scene.parcels}
    paths = {name: folder / f"{product.name}_{name}.tif" for name in layers}
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, values in layers.items():
            _geotiff(paths[name], values, product.transform)
    except (OSError, rasterio.errors.RasterioError) as error:
        raise SimulationError(f"the truth cannot be written to {folder}: {error}") from error
    return paths


def _write(scene: SimulatedScene, product: Product, part: Path) -> None:
    granule = part / "GRANULE" / product.granule
    for name in ("AUX_DATA", "QI_DATA", *(f"IMG_DATA/R{resolution}m" for resolution in IMAGES)):
        (granule / name).mkdir(parents=True)
    images = _write_images(scene, product, part)
    for name, values in (("reference_water", scene.reference), ("land_cover", scene.land_cover)):
        _geotiff(granule / "AUX_DATA" / f"{name}.tif", values, product.transform)
    origin: dict[str, Any] = {"simulated": True, "seed": scene.seed, **dataclasses.asdict(scene.options)}
    (granule / "AUX_DATA" / "simulation.json").write_text(json.dumps(origin, indent=2, default=str) + "\n")
    content = percentages(scene.scl)
    (granule / "MTD_TL.xml").write_bytes(tile_metadata(product, content))
    (part / "MTD_MSIL2A.xml").write_bytes(product_metadata(product, images, content))
    (part / "manifest.safe").write_bytes(manifest(product, part))


def _write_images(scene: SimulatedScene, product: Product, part: Path) -> list[str]:
    """Write every image and return their paths as IMAGE_FILE has them."""
    written = []
    for resolution, bands in IMAGES.items():
        layers: dict[str, NDArray[Any]] = {
            band: numbers(_at(scene.bands[band], RESOLUTION[band], resolution)) for band in bands
        }
        if resolution == 10:
            layers["TCI"] = true_colour(scene)
        if resolution == 20:
            layers["SCL"] = scene.scl
        for band, values in layers.items():
            name = product.image(band, resolution)
            _jp2(part / f"{name}.jp2", values, product.transform @ Affine.scale(resolution // 10))
            written.append(name)
    return written


def _at(values: Array, native: int, resolution: int) -> Array:
    """Return a band at a coarser resolution than its own, or as it is."""
    return coarsen(values, resolution // native) if resolution > native else values


def numbers(reflectance: Array) -> NDArray[np.uint16]:
    """Return reflectance as digital numbers 1…65534 (0 is no data, 65535 saturated)."""
    return (reflectance * QUANTIFICATION - OFFSET).round().clip(1, 65534).astype(np.uint16)


def true_colour(scene: SimulatedScene) -> NDArray[np.uint8]:
    """Return the true-colour image of products, uint8 (3, row, column): saturated at a reflectance of 0.3558."""
    stacked = np.stack([scene.bands[band] for band in ("B04", "B03", "B02")])
    return (stacked / 0.3558 * 254 + 1).clip(1, 255).astype(np.uint8)


def _jp2(path: Path, values: NDArray[Any], transform: Affine) -> None:
    """Write a lossless JPEG 2000 image in tiles of 1,024, (row, column) or (band, row, column)."""
    layers = values if values.ndim == 3 else values[None]
    count, height, width = layers.shape
    with rasterio.open(
        path, "w", driver="JP2OpenJPEG", count=count, height=height, width=width, dtype=layers.dtype,
        crs=f"EPSG:{EPSG}", transform=transform, QUALITY="100", REVERSIBLE="YES", YCBCR420="NO", BLOCKXSIZE=1024,
        BLOCKYSIZE=1024,
    ) as image:  # fmt: skip
        image.write(layers)


def _geotiff(path: Path, values: NDArray[Any], transform: Affine) -> None:
    height, width = values.shape
    with rasterio.open(
        path, "w", driver="GTiff", count=1, height=height, width=width, dtype=values.dtype, crs=f"EPSG:{EPSG}",
        transform=transform, compress="deflate", predictor=2, tiled=True, blockxsize=256, blockysize=256,
    ) as image:  # fmt: skip
        image.write(values, 1)
