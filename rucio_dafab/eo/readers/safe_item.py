"""What a SAFE's metadata says, as a complete STAC 1.1 item."""

import math
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from shapely.geometry import shape

from rucio_dafab.eo.bands import COMMON_NAME_OF, REFLECTANCE_BANDS
from rucio_dafab.eo.errors import SceneError
from rucio_dafab.eo.footprint import bounds, centroid, geojson, outline
from rucio_dafab.eo.ids import DataItemId
from rucio_dafab.eo.readers.safe_xml import ProductMetadata, TileMetadata

EXTENSIONS = {
    name: f"https://stac-extensions.github.io/{place}/schema.json"
    for name, place in {
        "eo": "eo/v2.0.0",
        "grid": "grid/v1.1.0",
        "mgrs": "mgrs/v1.0.0",
        "processing": "processing/v1.2.0",
        "product": "product/v0.1.0",
        "proj": "projection/v2.0.0",
        "raster": "raster/v2.0.0",
        "sat": "sat/v1.0.0",
        "sci": "scientific/v1.0.0",
        "view": "view/v1.0.0",
    }.items()
}
# The percentages and the mean atmosphere of the granule; each is a property s2:<name in lower case>.
_QUALITY_NUMBERS = (
    "CLOUD_SHADOW_PERCENTAGE",
    "DARK_FEATURES_PERCENTAGE",
    "DEGRADED_MSI_DATA_PERCENTAGE",
    "HIGH_PROBA_CLOUDS_PERCENTAGE",
    "MEDIUM_PROBA_CLOUDS_PERCENTAGE",
    "NODATA_PIXEL_PERCENTAGE",
    "NOT_VEGETATED_PERCENTAGE",
    "SATURATED_DEFECTIVE_PIXEL_PERCENTAGE",
    "SNOW_ICE_PERCENTAGE",
    "THIN_CIRRUS_PERCENTAGE",
    "UNCLASSIFIED_PERCENTAGE",
    "VEGETATION_PERCENTAGE",
    "WATER_PERCENTAGE",
    "GRANULE_MEAN_AOT",
    "GRANULE_MEAN_WV",
    "OZONE_VALUE",
)
_TEXTS = {
    "DATATAKE_TYPE": "s2:datatake_type",
    "GENERATION_TIME": "s2:generation_time",
    "PRODUCT_DOI": "sci:doi",
    "PRODUCT_TYPE": "s2:product_type",
    "PRODUCT_URI": "s2:product_uri",
}
_LICENCE = {
    "rel": "license",
    "href": "https://sentinels.copernicus.eu/documents/247904/690755/Sentinel_Data_Legal_Notice",
    "type": "application/pdf",
}


def item_id(product: ProductMetadata, fallback: str) -> str:
    """Return the item's id: the product's own name, else the folder's."""
    return product.name or fallback.removesuffix(".SAFE")


def make_item(
    product: ProductMetadata, tile: TileMetadata | None, fallback_id: str, geometry: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """Return the item without assets.

    Args:
        product: From ``MTD_MSIL2A.xml``.
        tile: From ``MTD_TL.xml``; None where the product came without it, which leaves out angles and grid.
        fallback_id: The id of a product that does not name itself.
        geometry: GeoJSON footprint in WGS 84 for a product that states none.

    Raises:
        SceneError: if neither the product nor the caller has a footprint, or it is no valid polygon.
    """
    if not product.footprint and geometry is None:
        raise SceneError(f"product {item_id(product, fallback_id)} states no footprint")
    area = outline(product.footprint or shape(geometry).exterior.coords)
    properties = {**_product_properties(product), **_tile_properties(product, tile), "proj:centroid": centroid(area)}
    return {
        "type": "Feature",
        "stac_version": "1.1.0",
        "stac_extensions": _extensions(properties),
        "id": item_id(product, fallback_id),
        "geometry": geojson(area),
        "bbox": bounds(area),
        "properties": dict(sorted(properties.items())),
        "links": [dict(_LICENCE)],
        "assets": {},
    }


def _extensions(properties: Mapping[str, Any]) -> list[str]:
    """Return the extensions whose prefixes are used; the assets use eo, proj and raster."""
    used = {"eo", "proj", "raster", *(key.partition(":")[0] for key in properties)}
    return [address for prefix, address in EXTENSIONS.items() if prefix in used]


def utc(time: datetime) -> str:
    """Return an RFC 3339 time ending in Z."""
    return time.isoformat(timespec="microseconds").replace("+00:00", "Z")


def _product_properties(product: ProductMetadata) -> dict[str, Any]:
    properties: dict[str, Any] = {
        "datetime": utc(product.start),
        "platform": product.spacecraft.lower(),
        "constellation": "sentinel-2",
        "instruments": ["msi"],
        "gsd": 10,
        "license": "other",
        "providers": [{"name": "ESA", "roles": ["producer", "processor", "licensor"], "url": "https://www.esa.int"}],
        "product:type": product.product_type,
        "processing:level": "L2",
        "processing:version": product.baseline,
        "s2:processing_baseline": product.baseline,
    }
    if product.stop > product.start:
        properties |= {"start_datetime": utc(product.start), "end_datetime": utc(product.stop)}
    if product.generated:
        properties["processing:datetime"] = utc(product.generated)
    if product.relative_orbit is not None:
        properties["sat:relative_orbit"] = product.relative_orbit
    if product.datatake:
        properties["s2:datatake_id"] = product.datatake
    if product.orbit_state:
        properties["sat:orbit_state"] = product.orbit_state
    cloud = product.texts.get("Cloud_Coverage_Assessment")
    if cloud is not None:
        properties["eo:cloud_cover"] = _percentage(product, cloud)
    if _is_number(product.texts.get("U")):
        properties["s2:reflectance_conversion_factor"] = float(product.texts["U"])
    for element, key in _TEXTS.items():
        if element in product.texts:
            properties[key] = product.texts[element].removeprefix("https://doi.org/")
    return properties


def _percentage(product: ProductMetadata, text: str) -> float:
    if not _is_number(text):
        raise SceneError(f"product {product.name}: Cloud_Coverage_Assessment is not a number: {text}")
    return round(float(text), 6)


def _tile_properties(product: ProductMetadata, tile: TileMetadata | None) -> dict[str, Any]:
    texts = tile.texts if tile else product.texts
    properties: dict[str, Any] = {
        f"s2:{name.lower()}": round(float(texts[name]), 6) for name in _QUALITY_NUMBERS if _is_number(texts.get(name))
    }
    snow = properties.get("s2:snow_ice_percentage")
    if snow is not None:
        properties["eo:snow_cover"] = snow
    if tile is None:
        return properties
    name = DataItemId.parse(tile.tile_id).tile
    if name is None:
        raise SceneError(f"granule {tile.tile_id} names no tile")
    properties |= {
        "grid:code": f"MGRS-{name}",
        "mgrs:utm_zone": int(name[:2]),
        "mgrs:latitude_band": name[2],
        "mgrs:grid_square": name[3:],
        "proj:code": tile.crs,
        "s2:tile_id": tile.tile_id,
    }
    if "DATASTRIP_ID" in tile.texts:
        properties["s2:datastrip_id"] = tile.texts["DATASTRIP_ID"]
    if tile.sun:
        properties |= {"view:sun_azimuth": tile.sun[1], "view:sun_elevation": 90 - tile.sun[0]}
    if tile.view:
        properties |= {"view:incidence_angle": tile.view[0], "view:azimuth": tile.view[1]}
    return properties


def _is_number(text: str | None) -> bool:
    try:
        return text is not None and math.isfinite(float(text))
    except ValueError:
        return False


def band_asset(product: ProductMetadata, band: str, resolution: float) -> dict[str, Any]:
    """Return what a band's asset says besides its href, place and size."""
    if band not in REFLECTANCE_BANDS:
        return {"type": "image/jp2", "roles": ["data"], "gsd": resolution, "nodata": 0, "data_type": "uint8"}
    described: dict[str, Any] = {"name": band, "eo:common_name": COMMON_NAME_OF[band]}
    if band in product.wavelengths:
        described["eo:center_wavelength"] = product.wavelengths[band]
    if band in product.irradiances:
        described["eo:solar_illumination"] = product.irradiances[band]
    return {
        "type": "image/jp2",
        "roles": ["data", "reflectance"],
        "gsd": resolution,
        "bands": [described],
        "data_type": "uint16",
        "nodata": product.nodata,
        "raster:scale": 1 / product.quantification,
        "raster:offset": offset_of(product, band),
    }


def offset_of(product: ProductMetadata, band: str) -> float:
    """Return what is added to a band's scaled numbers, reflectance.

    Raises:
        SceneError: if the product has offsets but none for this band.
    """
    if not product.offsets:
        return 0.0
    if band not in product.offsets:
        raise SceneError(f"product {product.name} has no BOA_ADD_OFFSET for band {band}")
    return product.offsets[band] / product.quantification
