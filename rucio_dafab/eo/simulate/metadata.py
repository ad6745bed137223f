"""The XML documents of a product: elements, names and nesting as in real ones of baseline 05.11."""

import xml.etree.ElementTree as ET
from collections.abc import Mapping
from typing import Final

import numpy as np
from numpy.typing import NDArray

from rucio_dafab.eo.simulate.product import BASELINE, EPSG, OFFSET, QUANTIFICATION, RELATIVE_ORBIT, TILE, Product

PSD: Final = "https://psd-14.sentinel2.eo.esa.int/PSD/"
INSTRUMENT: Final = ("B1", "B2", "B3", "B4", "B5", "B6", "B7", "B8", "B8A", "B9", "B10", "B11", "B12")
"""Bands in the order of their band_id."""

RESOLUTIONS: Final = (60, 10, 10, 10, 20, 20, 20, 10, 20, 60, 60, 20, 20)
CENTRAL: Final = (442.2, 492.1, 559.0, 664.9, 703.8, 739.1, 779.7, 832.9, 864.0, 943.2, 1376.9, 1610.4, 2185.7)
WIDTH: Final = (21, 66, 36, 31, 16, 15, 20, 106, 22, 21, 30, 94, 185)
IRRADIANCE: Final = (1874.3, 1959.75, 1824.93, 1512.79, 1425.78, 1291.13, 1175.57, 1041.28, 953.93, 817.58, 365.41,
                     247.08, 87.75)  # fmt: skip
"""Central wavelength and width (nm) and solar irradiance (W/m²/µm) of Sentinel-2B's bands, as its products give."""

CHECKS: Final = ("FORMAT_CORRECTNESS", "GENERAL_QUALITY", "GEOMETRIC_QUALITY", "L2A_QUALITY", "RADIOMETRIC_QUALITY",
                 "SENSOR_QUALITY")  # fmt: skip

SHARES: Final = {
    "NODATA_PIXEL_PERCENTAGE": 0, "SATURATED_DEFECTIVE_PIXEL_PERCENTAGE": 1, "DARK_FEATURES_PERCENTAGE": 2,
    "CLOUD_SHADOW_PERCENTAGE": 3, "VEGETATION_PERCENTAGE": 4, "NOT_VEGETATED_PERCENTAGE": 5, "WATER_PERCENTAGE": 6,
    "UNCLASSIFIED_PERCENTAGE": 7, "MEDIUM_PROBA_CLOUDS_PERCENTAGE": 8, "HIGH_PROBA_CLOUDS_PERCENTAGE": 9,
    "THIN_CIRRUS_PERCENTAGE": 10, "SNOW_ICE_PERCENTAGE": 11,
}  # fmt: skip
"""Element of Image_Content_QI → code of the scene classification that it counts."""

REMARK: Final = " A simulated scene: no instrument measured it. "

Node = ET.Element


def _add(parent: Node, tag: str, text: object = None, **attributes: str) -> Node:
    """Append an element and return it."""
    node = ET.SubElement(parent, tag, attributes)
    if text is not None:
        node.text = str(text)
    return node


def _root(tag: str, schema: str) -> Node:
    root = ET.Element(f"n1:{tag}", {"xmlns:n1": f"{PSD}{schema}"})
    root.append(ET.Comment(REMARK))
    return root


def _bytes(root: Node) -> bytes:
    ET.indent(root)
    text: bytes = ET.tostring(root, encoding="UTF-8", xml_declaration=True)
    return text + b"\n"


def percentages(scl: NDArray[np.uint8]) -> dict[str, float]:
    """Return the content of the scene in per cent, from its classification, by the names of Image_Content_QI."""
    counted = np.bincount(scl.ravel(), minlength=12) * 100 / scl.size
    shares = {name: float(counted[code]) for name, code in SHARES.items()}
    cloudy = float(counted[8:11].sum())
    land = 100 - float(counted[6])
    over_land = 100 * cloudy / max(land, cloudy, 1e-9)
    clouds = {"CLOUDY_PIXEL_PERCENTAGE": cloudy, "CLOUDY_PIXEL_OVER_LAND_PERCENTAGE": over_land}
    return {**clouds, "DEGRADED_MSI_DATA_PERCENTAGE": 0.0, **shares}


def product_metadata(product: Product, images: list[str], content: Mapping[str, float]) -> bytes:
    """Return MTD_MSIL2A.xml."""
    root = _root("Level-2A_User_Product", "User_Product_Level-2A.xsd")
    general = _add(root, "n1:General_Info")
    _product_info(_add(general, "Product_Info"), product, images)
    _characteristics(_add(general, "Product_Image_Characteristics"), product)
    geometric = _add(root, "n1:Geometric_Info")
    outline = _add(_add(_add(geometric, "Product_Footprint"), "Product_Footprint"), "Global_Footprint")
    corners = " ".join(f"{latitude:.9f} {longitude:.9f}" for longitude, latitude in product.footprint())
    _add(outline, "EXT_POS_LIST", corners)
    quality = _add(root, "n1:Quality_Indicators_Info")
    _add(quality, "Cloud_Coverage_Assessment", f"{content['CLOUDY_PIXEL_PERCENTAGE']:.6f}")
    technical = _add(quality, "Technical_Quality_Assessment")
    _add(technical, "DEGRADED_ANC_DATA_PERCENTAGE", "0.0")
    _add(technical, "DEGRADED_MSI_DATA_PERCENTAGE", "0")
    inspections = _add(_add(quality, "Quality_Control_Checks"), "Quality_Inspections")
    for check in CHECKS:
        _add(inspections, "quality_check", "PASSED", checkType=check)
    _content(quality, {name: share for name, share in content.items() if name not in
                       ("CLOUDY_PIXEL_PERCENTAGE", "DEGRADED_MSI_DATA_PERCENTAGE")})  # fmt: skip
    return _bytes(root)


def _iso(product: Product) -> str:
    return product.sensing.strftime("%Y-%m-%dT%H:%M:%S.024Z")


def _identifiers(product: Product) -> tuple[str, str]:
    """Return the identifiers of the datastrip and of the granule."""
    made, sensed = product.compact(product.generation), product.compact(product.sensing)
    return (f"S2B_OPER_MSI_L2A_DS_2BPS_{made}_S{sensed}_N{BASELINE}",
            f"S2B_OPER_MSI_L2A_TL_2BPS_{made}_A{product.orbit:06d}_T{TILE}_N{BASELINE}")  # fmt: skip


def _product_info(info: Node, product: Product, images: list[str]) -> None:
    for tag, text in (
        ("PRODUCT_START_TIME", _iso(product)), ("PRODUCT_STOP_TIME", _iso(product)),
        ("PRODUCT_URI", f"{product.name}.SAFE"), ("PROCESSING_LEVEL", "Level-2A"), ("PRODUCT_TYPE", "S2MSI2A"),
        ("PROCESSING_BASELINE", BASELINE),
        ("GENERATION_TIME", product.generation.strftime("%Y-%m-%dT%H:%M:%S.000000Z")),
        ("PREVIEW_IMAGE_URL", "Not applicable"), ("PREVIEW_GEO_INFO", "Not applicable"),
    ):  # fmt: skip
        _add(info, tag, text)
    identifier = f"GS2B_{product.compact(product.sensing)}_{product.orbit:06d}_N{BASELINE}"
    datatake = _add(info, "Datatake", datatakeIdentifier=identifier)
    for tag, text in (("SPACECRAFT_NAME", "Sentinel-2B"), ("DATATAKE_TYPE", "INS-NOBS"),
                      ("DATATAKE_SENSING_START", _iso(product)), ("SENSING_ORBIT_NUMBER", str(RELATIVE_ORBIT)),
                      ("SENSING_ORBIT_DIRECTION", "DESCENDING")):  # fmt: skip
        _add(datatake, tag, text)
    _add(_add(info, "Query_Options", completeSingleTile="true"), "PRODUCT_FORMAT", "SAFE_COMPACT")
    strip, tile = _identifiers(product)
    granule = _add(_add(_add(info, "Product_Organisation"), "Granule_List"), "Granule",
                   datastripIdentifier=strip, granuleIdentifier=tile, imageFormat="JPEG2000")  # fmt: skip
    for image in images:
        _add(granule, "IMAGE_FILE", image)


def _characteristics(node: Node, product: Product) -> None:
    for text, index in (("NODATA", 0), ("SATURATED", 65535)):
        special = _add(node, "Special_Values")
        _add(special, "SPECIAL_VALUE_TEXT", text)
        _add(special, "SPECIAL_VALUE_INDEX", index)
    display = _add(node, "Image_Display_Order")
    for tag, channel in (("RED_CHANNEL", 3), ("GREEN_CHANNEL", 2), ("BLUE_CHANNEL", 1)):
        _add(display, tag, channel)
    values = _add(node, "QUANTIFICATION_VALUES_LIST")
    _add(values, "BOA_QUANTIFICATION_VALUE", QUANTIFICATION, unit="none")
    _add(values, "AOT_QUANTIFICATION_VALUE", "1000.0", unit="none")
    _add(values, "WVP_QUANTIFICATION_VALUE", "1000.0", unit="cm")
    offsets = _add(node, "BOA_ADD_OFFSET_VALUES_LIST")
    conversion = _add(node, "Reflectance_Conversion")
    _add(conversion, "U", f"{product.conversion():.14f}")
    irradiances = _add(conversion, "Solar_Irradiance_List")
    spectral = _add(node, "Spectral_Information_List")
    rows = zip(INSTRUMENT, RESOLUTIONS, CENTRAL, WIDTH, IRRADIANCE, strict=True)
    for band_id, (band, resolution, central, width, irradiance) in enumerate(rows):
        _add(offsets, "BOA_ADD_OFFSET", OFFSET, band_id=str(band_id))
        _add(irradiances, "SOLAR_IRRADIANCE", irradiance, bandId=str(band_id), unit="W/m²/µm")
        information = _add(spectral, "Spectral_Information", bandId=str(band_id), physicalBand=band)
        _add(information, "RESOLUTION", resolution)
        wavelength = _add(information, "Wavelength")
        _add(wavelength, "MIN", round(central - width / 2), unit="nm")
        _add(wavelength, "MAX", round(central + width / 2), unit="nm")
        _add(wavelength, "CENTRAL", central, unit="nm")


def _content(parent: Node, content: Mapping[str, float]) -> None:
    node = _add(parent, "Image_Content_QI")
    for name, share in content.items():
        _add(node, name, f"{share:.6f}")
    for name, text in (("RADIATIVE_TRANSFER_ACCURACY", "0.0"), ("WATER_VAPOUR_RETRIEVAL_ACCURACY", "0.0"),
                       ("AOT_RETRIEVAL_ACCURACY", "0.0"), ("AOT_RETRIEVAL_METHOD", "CAMS"),
                       ("GRANULE_MEAN_AOT", "0.120000"), ("GRANULE_MEAN_WV", "1.800000"),
                       ("OZONE_SOURCE", "AUX_ECMWFT"), ("OZONE_VALUE", "330.000000")):  # fmt: skip
        _add(node, name, text)


def tile_metadata(product: Product, content: Mapping[str, float]) -> bytes:
    """Return MTD_TL.xml."""
    root = _root("Level-2A_Tile_ID", "S2_PDI_Level-2A_Tile_Metadata.xsd")
    general = _add(root, "n1:General_Info")
    strip, tile = _identifiers(product)
    _add(general, "L1C_TILE_ID", tile.replace("L2A", "L1C"), metadataLevel="Brief")
    _add(general, "TILE_ID", tile, metadataLevel="Brief")
    _add(general, "DATASTRIP_ID", strip, metadataLevel="Standard")
    _add(general, "DOWNLINK_PRIORITY", "NOMINAL", metadataLevel="Standard")
    _add(general, "SENSING_TIME", _iso(product), metadataLevel="Standard")
    geometric = _add(root, "n1:Geometric_Info")
    geocoding = _add(geometric, "Tile_Geocoding", metadataLevel="Brief")
    _add(geocoding, "HORIZONTAL_CS_NAME", f"WGS84 / UTM zone {EPSG % 100}N")
    _add(geocoding, "HORIZONTAL_CS_CODE", f"EPSG:{EPSG}")
    for resolution in (10, 20, 60):
        size = _add(geocoding, "Size", resolution=str(resolution))
        for tag in ("NROWS", "NCOLS"):
            _add(size, tag, -(-product.size * 10 // resolution))
    for resolution in (10, 20, 60):
        position = _add(geocoding, "Geoposition", resolution=str(resolution))
        corner = {"ULX": product.transform.c, "ULY": product.transform.f, "XDIM": resolution, "YDIM": -resolution}
        for name, number in corner.items():
            _add(position, name, int(number))
    _angles(_add(geometric, "Tile_Angles", metadataLevel="Standard"), product)
    _content(_add(root, "n1:Quality_Indicators_Info", metadataLevel="Standard"), content)
    return _bytes(root)


def _angles(node: Node, product: Product) -> None:
    """Write the mean angles of the sun and of each band's line of sight; the scene is small, so grids say no more."""
    zenith, azimuth = product.sun()
    sun = _add(node, "Mean_Sun_Angle")
    _add(sun, "ZENITH_ANGLE", f"{zenith:.9f}", unit="deg")
    _add(sun, "AZIMUTH_ANGLE", f"{azimuth:.9f}", unit="deg")
    views = _add(node, "Mean_Viewing_Incidence_Angle_List")
    for band_id in range(len(INSTRUMENT)):
        view = _add(views, "Mean_Viewing_Incidence_Angle", bandId=str(band_id))
        _add(view, "ZENITH_ANGLE", f"{5.1 + 0.06 * band_id:.9f}", unit="deg")
        _add(view, "AZIMUTH_ANGLE", f"{288.0 - 0.2 * band_id:.9f}", unit="deg")
