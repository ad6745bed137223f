"""A scene: opened from a folder, read as reflectance on its 10 m grid. The public face of the reading half.

The values stand in :mod:`rucio_dafab.eo.bands`, the pixels in :mod:`rucio_dafab.eo.pixels`, the kinds of folder in
:mod:`rucio_dafab.eo.readers`.
"""

from pathlib import Path

from rucio_dafab.eo.bands import BandFile, Scene
from rucio_dafab.eo.errors import SceneError
from rucio_dafab.eo.ids import raw_radar, why_not_raw
from rucio_dafab.eo.pixels import Strip, read_bands, read_scl, strips
from rucio_dafab.eo.readers.safe import product_file, read_safe
from rucio_dafab.eo.readers.stac_folder import ITEM_NAME, read_stac_folder

__all__ = ["BandFile", "Scene", "SceneError", "Strip", "open_scene", "read_bands", "read_scl", "strips"]


def open_scene(folder: Path | str) -> Scene:
    """Return the scene in ``folder``: a STAC folder (``item.json`` and a file a band) or a SAFE folder.

    Every band file's header is read and checked; pixels are not.

    Raises:
        SceneError: if the folder is no scene, or one of its files is unreadable or does not fit the others.
    """
    place = Path(folder)
    if not (place / ITEM_NAME).is_file() and (kind := _raw_radar(place)):
        raise SceneError(why_not_raw(str(folder), kind))
    if not place.is_dir():
        raise SceneError(f"{place}: no such folder")
    if (place / ITEM_NAME).is_file():
        return read_stac_folder(place)
    if product_file(place) is not None:
        return read_safe(place)
    raise SceneError(f"{place}: neither {ITEM_NAME} nor MTD_MSIL2A.xml is there: not a scene folder")


def _raw_radar(folder: Path) -> str:
    """Return the kind of raw Sentinel-1 product that a folder is by its name, or by those of its measurements."""
    # s1a-iw-grd-vv-20200408t094800-….tiff: the products' own naming, in lower case and with hyphens.
    measured = (path.name.replace("-", "_") for path in sorted(folder.glob("measurement/*")))
    return next((kind for name in (folder.name, *measured) if (kind := raw_radar(name))), "")
