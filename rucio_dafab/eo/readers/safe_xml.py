"""The two metadata files of a SAFE: what they say, by local names, whatever baseline wrote them.

Product: ``MTD_MSIL2A.xml``, tile: ``MTD_TL.xml`` (Sentinel-2 Products Specification Document). Namespaces changed with
the versions, so that only local names are looked at.
"""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from statistics import fmean
from xml.etree.ElementTree import Element

from rucio_dafab.eo.bands import REFLECTANCE_BANDS
from rucio_dafab.eo.digital_numbers import has_offset, is_offset, is_scale
from rucio_dafab.eo.errors import SceneError
from rucio_dafab.eo.readers.document import Document, local

_IMAGE = re.compile(r"_(?P<band>B\d[\dA]|SCL|AOT|WVP|TCI)(?:_(?P<resolution>10|20|60)m)?$")


@dataclass(frozen=True)
class ImageFile:
    """An image the product lists: band, pixel size in metres (None where the name has none), path without suffix."""

    band: str
    resolution: int | None
    path: str


@dataclass(frozen=True)
class ProductMetadata:
    """What the product's file says.

    Attributes:
        name: The product's name without ``.SAFE``; empty where the file has none.
        product_type: ``S2MSI2A``.
        baseline: ``05.09``.
        start: Sensing start, UTC.
        stop: Sensing stop, UTC.
        generated: Time of processing, UTC.
        spacecraft: ``Sentinel-2A``.
        relative_orbit: 1…143, or None.
        orbit_state: ``descending`` or ``ascending``, or None.
        datatake: The datatake's id, or None.
        quantification: Digital numbers to a reflectance of 1.
        offsets: Digital numbers to add before dividing, by band; empty where the product has none.
        nodata: The digital number without data.
        saturated: The digital number of saturated pixels.
        footprint: (longitude, latitude) ring, degrees; empty where the file has none.
        images: The image files it lists.
        texts: Every other leaf that is used as it stands, by local name.
        wavelengths: Central wavelength by band, micrometres.
        irradiances: Solar irradiance by band, W/m²/µm.
    """

    name: str
    product_type: str
    baseline: str
    start: datetime
    stop: datetime
    generated: datetime | None
    spacecraft: str
    relative_orbit: int | None
    orbit_state: str | None
    datatake: str | None
    quantification: float
    offsets: Mapping[str, float]
    nodata: float
    saturated: float
    footprint: tuple[tuple[float, float], ...]
    images: tuple[ImageFile, ...]
    texts: Mapping[str, str]
    wavelengths: Mapping[str, float]
    irradiances: Mapping[str, float]


@dataclass(frozen=True)
class TileMetadata:
    """What the tile's file says.

    Attributes:
        tile_id: The granule's name.
        level: ``L2A`` or ``L1C``.
        sensed: Sensing time of the tile, UTC.
        crs: ``EPSG:32632``.
        origin: Upper left corner (easting, northing) in metres.
        shapes: Rows and columns by pixel size in metres.
        sun: Mean (zenith, azimuth), degrees; None where the file has none.
        view: Mean (zenith, azimuth) over the bands, degrees; None where the file has none.
        texts: The quality indicators, by local name.
    """

    tile_id: str
    level: str
    sensed: datetime
    crs: str
    origin: tuple[float, float]
    shapes: Mapping[int, tuple[int, int]]
    sun: tuple[float, float] | None
    view: tuple[float, float] | None
    texts: Mapping[str, str]


def read_product(path: Path) -> ProductMetadata:
    """Return what ``MTD_MSIL2A.xml`` says.

    Raises:
        SceneError: if it is not the metadata of a Level-2A product, lacks what cannot be done without, or has a value
            of the wrong kind.
    """
    document = Document(path)
    if local(document.root) != "Level-2A_User_Product":
        raise SceneError(f"{path}: is a {local(document.root)}, not a Level-2A_User_Product")
    baseline = document.required("PROCESSING_BASELINE")
    orbit = document.text("SENSING_ORBIT_NUMBER")
    state = document.text("SENSING_ORBIT_DIRECTION")
    generated = document.text("GENERATION_TIME")
    special = _special_values(document)
    return ProductMetadata(
        name=(document.text("PRODUCT_URI", "PRODUCT_URI_2A") or "").removesuffix(".SAFE"),
        product_type=document.text("PRODUCT_TYPE") or "S2MSI2A",
        baseline=baseline,
        start=document.time(document.required("PRODUCT_START_TIME"), "PRODUCT_START_TIME"),
        stop=document.time(document.required("PRODUCT_STOP_TIME"), "PRODUCT_STOP_TIME"),
        generated=document.time(generated, "GENERATION_TIME") if generated else None,
        spacecraft=document.required("SPACECRAFT_NAME"),
        relative_orbit=int(document.number(orbit, "SENSING_ORBIT_NUMBER")) if orbit else None,
        orbit_state=state.lower() if state else None,
        datatake=next((element.get("datatakeIdentifier") for element in document.elements("Datatake")), None),
        quantification=_quantification(document),
        offsets=_offsets(document, baseline),
        nodata=special.get("NODATA", 0.0),
        saturated=special.get("SATURATED", 65535.0),
        footprint=_footprint(document),
        images=_images(document),
        texts=document.leaves(),
        wavelengths=_wavelengths(document),
        irradiances=_by_band(document, "SOLAR_IRRADIANCE", "bandId"),
    )


def _quantification(document: Document) -> float:
    name = "BOA_QUANTIFICATION_VALUE"
    value = document.number(document.required(name, f"L2A_{name}"), name)
    if value <= 0 or not is_scale(1 / value):
        raise SceneError(f"{document.path}: {name} is {value:g}: no number that reflectance is divided by")
    return value


def _offsets(document: Document, baseline: str) -> dict[str, float]:
    """Return the offsets by band; a product that must have them and has not would be wrong by 0.1 in reflectance."""
    offsets = _by_band(document, "BOA_ADD_OFFSET", "band_id")
    strange = next((value for value in offsets.values() if not is_offset(value)), None)
    if strange is not None:
        raise SceneError(f"{document.path}: BOA_ADD_OFFSET is {strange:g}: no offset of reflectance")
    if not offsets and has_offset(document.number(baseline, "PROCESSING_BASELINE")):
        raise SceneError(f"{document.path}: has no BOA_ADD_OFFSET, which products of baseline {baseline} have")
    return offsets


def _by_band(document: Document, name: str, attribute: str) -> dict[str, float]:
    found: dict[str, float] = {}
    for element in document.elements(name):
        index = element.get(attribute, "")
        if not index.isdecimal() or int(index) >= len(REFLECTANCE_BANDS):
            raise SceneError(f"{document.path}: {name} of an unknown band {index!r}")
        found[REFLECTANCE_BANDS[int(index)]] = document.number(element.text or "", name)
    return found


def _special_values(document: Document) -> dict[str, float]:
    found: dict[str, float] = {}
    for element in document.elements("Special_Values"):
        texts = {local(child): (child.text or "").strip() for child in element}
        index = texts.get("SPECIAL_VALUE_INDEX", "")
        found[texts.get("SPECIAL_VALUE_TEXT", "")] = document.number(index, "SPECIAL_VALUE_INDEX")
    return found


def _footprint(document: Document) -> tuple[tuple[float, float], ...]:
    text = document.text("EXT_POS_LIST")
    if text is None:
        return ()
    numbers = [document.number(part, "EXT_POS_LIST") for part in text.split()]
    # Some old products give an altitude, always 0, after each position but the last.
    step = 2 if any(numbers[2::3]) else 3
    latitudes, longitudes = numbers[::step], numbers[1::step]
    known = all(abs(latitude) <= 90 for latitude in latitudes) and all(
        abs(longitude) <= 180 for longitude in longitudes
    )
    if not known or len(latitudes) != len(longitudes) or len(latitudes) < 4:
        raise SceneError(f"{document.path}: EXT_POS_LIST is no ring of latitudes and longitudes")
    return tuple(zip(longitudes, latitudes, strict=True))


def _images(document: Document) -> tuple[ImageFile, ...]:
    found = []
    for element in (*document.elements("IMAGE_FILE"), *document.elements("IMAGE_FILE_2A")):
        image = image_file((element.text or "").strip())
        if image:
            found.append(image)
    if not found:
        raise SceneError(f"{document.path}: lists no IMAGE_FILE of a band")
    return tuple(found)


def image_file(path: str) -> ImageFile | None:
    """Return which image a path without suffix is of, or None where it is no image of a band."""
    match = _IMAGE.search(path)
    if match is None:
        return None
    resolution = match["resolution"]
    return ImageFile(match["band"], int(resolution) if resolution else None, path)


def _wavelengths(document: Document) -> dict[str, float]:
    """Return the central wavelengths in micrometres (the file has nanometres)."""
    found: dict[str, float] = {}
    for element in document.elements("Spectral_Information"):
        index = element.get("bandId", "")
        central = document.elements("CENTRAL", element)
        if index.isdecimal() and int(index) < len(REFLECTANCE_BANDS) and central:
            nanometres = document.number(central[0].text or "", "CENTRAL")
            found[REFLECTANCE_BANDS[int(index)]] = round(nanometres / 1000, 6)
    return found


def read_tile(path: Path) -> TileMetadata:
    """Return what ``MTD_TL.xml`` says.

    Raises:
        SceneError: if it is no tile metadata, or lacks the tile's grid.
    """
    document = Document(path)
    level = {"Level-2A_Tile_ID": "L2A", "Level-1C_Tile_ID": "L1C"}.get(local(document.root))
    if level is None:
        raise SceneError(f"{path}: is a {local(document.root)}, not a Level-2A_Tile_ID")
    origins = {
        tuple(document.number(_child(document, element, name), name) for name in ("ULX", "ULY"))
        for element in document.elements("Geoposition")
    }
    if len(origins) != 1:
        raise SceneError(f"{path}: has {len(origins)} upper left corners, not one")
    easting, northing = origins.pop()
    return TileMetadata(
        tile_id=document.required("TILE_ID", "TILE_ID_2A"),
        level=level,
        sensed=document.time(document.required("SENSING_TIME"), "SENSING_TIME"),
        crs=document.required("HORIZONTAL_CS_CODE").upper(),
        origin=(easting, northing),
        shapes={
            int(document.number(element.get("resolution", ""), "resolution")): (
                int(document.number(_child(document, element, "NROWS"), "NROWS")),
                int(document.number(_child(document, element, "NCOLS"), "NCOLS")),
            )
            for element in document.elements("Size")
        },
        sun=_mean_angles(document, "Mean_Sun_Angle"),
        view=_mean_angles(document, "Mean_Viewing_Incidence_Angle"),
        texts=document.leaves(),
    )


def _child(document: Document, element: Element, name: str) -> str:
    for child in element:
        if local(child) == name and child.text:
            return child.text.strip()
    raise SceneError(f"{document.path}: {local(element)} has no {name}")


def _mean_angles(document: Document, name: str) -> tuple[float, float] | None:
    """Return the mean zenith and azimuth over all elements of that name, degrees; real files have NaN in some."""
    pairs = [
        tuple(
            document.number_or_nan(_child(document, element, f"{angle}_ANGLE"), name) for angle in ("ZENITH", "AZIMUTH")
        )
        for element in document.elements(name)
    ]
    known = [pair for pair in pairs if all(math.isfinite(angle) for angle in pair)]
    if not known:
        return None
    zeniths, azimuths = zip(*known, strict=True)
    return fmean(zeniths), _mean_azimuth(azimuths)


def _mean_azimuth(azimuths: tuple[float, ...]) -> float:
    """Return the mean of directions, which may lie on both sides of north."""
    if max(azimuths) - min(azimuths) <= 180:
        return fmean(azimuths)
    return fmean(azimuth + 360 if azimuth < 180 else azimuth for azimuth in azimuths) % 360
