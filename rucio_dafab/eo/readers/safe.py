"""Scenes that are a SAFE folder of a Sentinel-2 Level-2A product: JPEG 2000 bands and two metadata files.

Only the finest file of each band is used. Bands whose files are not there (a download of some bands) are bands that the
scene does not have.
"""

from pathlib import Path, PurePosixPath
from typing import Any

from rasterio.warp import transform_geom

from rucio_dafab.eo.bands import REFLECTANCE_BANDS, SCENE_CLASSIFICATION, BandFile, Scene
from rucio_dafab.eo.errors import SceneError
from rucio_dafab.eo.raster import Grid, common_grid, read_grid
from rucio_dafab.eo.readers.paths import inside
from rucio_dafab.eo.readers.safe_item import band_asset, make_item, offset_of
from rucio_dafab.eo.readers.safe_xml import ImageFile, ProductMetadata, read_product, read_tile

AUXILIARY_RASTERS = ("reference_water", "land_cover")
"""Class rasters that whoever has them puts into the granule's folder AUX_DATA."""
# A product of the simulator says so in all that is made from it.
SIMULATED = "dafab:simulated"
_USED = (*REFLECTANCE_BANDS, SCENE_CLASSIFICATION)
_XML = "application/xml"


def product_file(folder: Path) -> Path | None:
    """Return the product's metadata file, or None when the folder is no SAFE.

    Its name is written ``MTD_MSIL2A.xml`` or ``MTD_MSIL2a.xml``.

    Raises:
        SceneError: if the folder holds a Level-1C product instead.
    """
    names = {path.name.lower(): path for path in sorted(folder.iterdir())}
    found = names.get("mtd_msil2a.xml")
    if found is None and "mtd_msil1c.xml" in names:
        raise SceneError(f"{folder}: is a Level-1C product; only Level-2A (surface reflectance) can be read")
    return found


def read_safe(folder: Path) -> Scene:
    """Return the scene of a SAFE folder, with a complete STAC item made from its metadata.

    Raises:
        SceneError: if the metadata is unusable, a path in it leaves the folder, no band file is there, or a band file
            is unreadable or does not fit the others.
    """
    path = product_file(folder)
    if path is None:
        raise SceneError(f"{folder}: no MTD_MSIL2A.xml")
    product = read_product(path)
    tile_path = tile_file(folder, product)
    tile = read_tile(tile_path) if tile_path else None
    images = finest(product.images)
    found = [
        (band, read_grid(band))
        for image in images
        if (file := _image_path(folder, image)) and (band := _band_file(product, image, file))
    ]
    if not found:
        raise SceneError(f"{path}: none of the {len(product.images)} images it lists is there")
    grid = common_grid(found)
    item = make_item(product, tile, folder.name, _outline(grid))
    _add_grid(item, grid)
    if any(folder.glob("GRANULE/*/AUX_DATA/simulation.json")):
        _say_simulated(item)
    for band, own in found:
        item["assets"][band.name] = _asset(folder, product, band, own)
    metadata = _metadata_files(folder, path, tile_path)
    for key, file in metadata.items():
        item["assets"][key] = _metadata_asset(folder, key, file)
    bands = {band.name: band for band, _ in found}
    absent = {image.band: f"{image.path}.jp2" for image in images if image.band not in bands}
    return Scene(item["id"], item, bands, grid.crs, grid.transform, grid.shape, folder, metadata, absent)


def finest(images: tuple[ImageFile, ...]) -> list[ImageFile]:
    """Return the finest image of each band that is used, in the bands' order."""
    chosen: dict[str, ImageFile] = {}
    for image in images:
        known = chosen.get(image.band)
        if known is None or (image.resolution or 0) < (known.resolution or 0):
            chosen[image.band] = image
    return [chosen[band] for band in _USED if band in chosen]


def tile_file(folder: Path, product: ProductMetadata) -> Path | None:
    """Return the tile's metadata file: in the granule that the images are in, else the only one below the folder."""
    granule = PurePosixPath(product.images[0].path.partition("/IMG_DATA")[0])
    named = inside(folder, str(granule / "MTD_TL.xml"), f"{folder}: its metadata")
    if named.is_file():
        return named
    others = [*sorted(folder.glob("GRANULE/*/MTD_TL.xml")), *sorted(folder.glob("MTD_TL.xml"))]
    return others[0] if others else None


def _image_path(folder: Path, image: ImageFile) -> Path | None:
    path = inside(folder, f"{image.path}.jp2", f"{folder}: its metadata")
    return path if path.is_file() else None


def _band_file(product: ProductMetadata, image: ImageFile, path: Path) -> BandFile:
    if image.band not in REFLECTANCE_BANDS:
        return BandFile(image.band, path, nodata=0.0, asset=image.band)
    return BandFile(
        image.band,
        path,
        1 / product.quantification,
        offset_of(product, image.band),
        product.nodata,
        product.saturated,
        image.band,
    )


def _outline(grid: Grid) -> dict[str, Any]:
    """Return the grid's outline in WGS 84: the footprint of a product that states none."""
    west, south, east, north = grid.bounds
    corners = [(west, north), (west, south), (east, south), (east, north), (west, north)]
    outline: dict[str, Any] = transform_geom(grid.crs, "EPSG:4326", {"type": "Polygon", "coordinates": [corners]})
    return outline


def _place(grid: Grid) -> dict[str, Any]:
    return {"proj:shape": list(grid.shape), "proj:transform": [*grid.transform][:6]}


def _add_grid(item: dict[str, Any], grid: Grid) -> None:
    """State the grid as the files have it, which is what is read."""
    code = grid.crs.to_epsg()
    stated = item["properties"].get("proj:code")
    if code is None or (stated and stated != f"EPSG:{code}"):
        raise SceneError(f"scene {item['id']}: its bands are in {grid.crs.to_string()}, its metadata says {stated}")
    item["properties"] |= {"proj:code": f"EPSG:{code}", "proj:bbox": list(grid.bounds), **_place(grid)}


def _asset(folder: Path, product: ProductMetadata, band: BandFile, grid: Grid) -> dict[str, Any]:
    described = band_asset(product, band.name, grid.transform.a)
    return {"href": _href(folder, band.path), **described, "data_type": grid.dtype, **_place(grid)}


def _say_simulated(item: dict[str, Any]) -> None:
    """Take back what an item says of ESA: nobody observed this scene."""
    item["properties"] |= {SIMULATED: True, "providers": [{"name": "rucio-dafab", "roles": ["producer"]}]}
    item["links"] = [link for link in item["links"] if link["rel"] != "license"]


def _href(folder: Path, path: Path) -> str:
    return f"./{path.relative_to(folder).as_posix()}"


def _metadata_files(folder: Path, product: Path, tile: Path | None) -> dict[str, Path]:
    """Return the files that belong to the product and are no bands, by asset key."""
    files: dict[str, Path | None] = {
        "product_metadata": product,
        "granule_metadata": tile,
        "safe_manifest": folder / "manifest.safe",
        **{key: next(iter(sorted(folder.glob(f"GRANULE/*/AUX_DATA/{key}.tif"))), None) for key in AUXILIARY_RASTERS},
    }
    return {key: path for key, path in files.items() if path is not None and path.is_file()}


def _metadata_asset(folder: Path, key: str, path: Path) -> dict[str, Any]:
    if key in AUXILIARY_RASTERS:
        return {"href": _href(folder, path), "type": "image/tiff; application=geotiff", "roles": ["reference"]}
    return {"href": _href(folder, path), "type": _XML, "roles": ["metadata"]}
