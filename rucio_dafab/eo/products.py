"""Products of a scene: from a prediction to files and the STAC item that describes them.

Everything is encoded before the first file is written, and the item is written last: a folder with an ``item.json``
holds a whole product. The same scene, prediction and model give the same bytes.
"""

import os
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import shapely
from numpy.typing import NDArray

from rucio_dafab.eo import fields, profile, water
from rucio_dafab.eo.bands import Scene
from rucio_dafab.eo.errors import ProductError
from rucio_dafab.eo.inference import Prediction
from rucio_dafab.eo.items import (
    Asset,
    ModelCard,
    attribution,
    derived_id,
    derived_item,
    observed_at,
    tiff_tags,
    version_number,
)
from rucio_dafab.eo.observation import cloud_mask, observe, observed_properties, trust
from rucio_dafab.eo.previews import (
    DIFFERENCE_COLOURS,
    REFERENCE_COLOURS,
    WATER_COLOUR,
    difference_drawing,
    field_drawing,
    overview,
    previews,
    water_drawing,
)
from rucio_dafab.eo.profile import without_none
from rucio_dafab.eo.reference_water import MASKS, MEMBER, ReferenceWater, Source
from rucio_dafab.eo.vectors import components, polygonise
from rucio_dafab.eo.writers import (
    COG_MEDIA_TYPE,
    GEOJSON_MEDIA_TYPE,
    PARQUET_MEDIA_TYPE,
    RasterLegend,
    encode_cog,
    encode_geojson,
    encode_geoparquet,
    hilbert_order,
    write_all,
)

WATER_COLLECTION = "water_analysis"
FIELDS_COLLECTION = "smart_agriculture"
ITEM_NAME = "item.json"
OBSERVED_WATER = "dafab-AI-observed-water"
OBSERVED_WATER_VECTOR = "dafab-observed-water-vector"
DIFFERENCE = "dafab-difference-water-mask"
REFERENCE = "dafab-reference-water-mask"
EXCESS, DEFICIT = "dafab-water-excess", "dafab-water-deficit"
FIELD_BOUNDARIES, FIELD_BOUNDARIES_PARQUET = "dafab-field-boundaries", "dafab-field-boundaries-parquet"

# Smaller patches are left out of the vectors (never out of the numbers): ten pixels of water; half a hectare of excess
# or deficit, which drops the slivers that a shift of the shore by one pixel makes.
WATER_PATCH_KM2 = 0.001
ANOMALY_PATCH_KM2 = 0.005

FIBOA_SCHEMAS = (
    "https://vecorel.org/specification/v0.1.0/schema.yaml",
    "https://fiboa.org/specification/v0.3.0/schema.yaml",
)
CONCEPTS = {
    water.AnomalyType.NORMAL: ("NormalWaterCondition",),
    water.AnomalyType.FLOOD: ("Flood",),
    water.AnomalyType.DROUGHT: ("Drought",),
    water.AnomalyType.BOTH: ("Flood", "Drought"),
}


@dataclass(frozen=True)
class Product:
    """A product on disk.

    Attributes:
        item: Its STAC item; asset hrefs are relative to the folder of its files.
        files: The local file of every asset, by asset key.
    """

    item: dict[str, Any]
    files: Mapping[str, Path]

    @property
    def folder(self) -> Path:
        """Return the folder that holds the files and ``item.json``."""
        return next(iter(self.files.values())).parent


def make_water(
    scene: Scene,
    prediction: Prediction,
    model: ModelCard,
    folder: Path,
    threshold: float = 0.5,
    *,
    reference: ReferenceWater | None = None,
) -> Product:
    """Make the water product of a scene: mask, its polygons, and the anomaly where there is reference water.

    Args:
        scene: The scene; its asset ``reference_water``, if any, is the reference where no other is given.
        prediction: Of a model with output ``water``.
        model: The model that made it.
        folder: Where the product's own folder, named by its id, is made.
        threshold: Probability from which a pixel is water, 0…1.
        reference: The reference, which the item then tells, and a file of the product shows; None for that of the
            scene, if any, of which the product says nothing.

    Raises:
        ProductError: if the reference is unusable or a file cannot be written; no item is left then.
    """
    scene = replace(scene, second=prediction.second)
    clear, valid = prediction.clear, prediction.valid
    observation = observe(prediction, threshold)
    observed = observation.water
    # What takes long runs in GDAL and GEOS, which let other threads go on.
    with ThreadPoolExecutor(len(os.sched_getaffinity(0)), thread_name_prefix="assets") as pool:
        # First, while little else is in memory, and by the pool: what the allocator keeps of it serves the next ones.
        compared = pool.submit(_against_reference, scene, model, prediction, observed, reference)
        classes, numbers, usual = compared.result()
        drawing = water_drawing(observed.view(np.uint8)) if classes is None else difference_drawing(classes)
        against = pool.submit(_reference_assets, scene, model, classes, valid)
        seen = pool.submit(_observed_assets, scene, model, observed, clear)
        drawn = pool.submit(overview, scene, drawing)
        assets, (more, excess, deficit) = seen.result(), against.result()
        assets |= usual | more | previews(OBSERVED_WATER, assets[OBSERVED_WATER], drawn.result())
    found = water.anomaly(numbers, str(reference.told.get("reason", "")) if reference else "")
    properties = {
        **profile.water_properties(numbers, found, scene.shape[0] * scene.shape[1]),
        "dafab:water-analysis": {
            **profile.water_analysis(numbers, found, excess, deficit, version_number(model.version)),
            **without_none({"trustworthiness_observed_water_mask": trust(scene, prediction, observation)}),
        },
        **observed_properties(scene, prediction, observation),
        **({MEMBER: dict(reference.told)} if reference else {}),
    }
    concepts = ("WaterMask", *(CONCEPTS[found.type] if found.type else ()))
    item = derived_item(scene, WATER_COLLECTION, model, properties=properties, concepts=concepts, assets=assets)
    return _write(item, assets, folder)


def _against_reference(
    scene: Scene,
    model: ModelCard,
    prediction: Prediction,
    observed: NDArray[np.bool_],
    given: ReferenceWater | None,
) -> tuple[NDArray[np.uint8] | None, water.WaterNumbers, dict[str, Asset]]:
    """Return the classes of the difference to the reference, if there is one, the numbers, and its own asset."""
    valid, clear = prediction.valid, prediction.clear
    reference = _reference(scene, given)
    classes = None if reference is None else water.difference(observed, valid, clear, reference)
    numbers = water.count(observed, valid, clear, _pixel_km2(scene), reference=reference, classes=classes)
    if reference is None or given is None:
        return classes, numbers, {}
    return classes, numbers, {REFERENCE: _reference_asset(scene, model, reference, given.masks)}


def _reference(scene: Scene, given: ReferenceWater | None) -> water.Reference | None:
    if given is None or given.told["source"] == Source.SCENE:
        return water.scene_reference(scene)
    return None if given.path is None else water.read_reference(given.path, scene)


def _reference_asset(scene: Scene, model: ModelCard, reference: water.Reference, masks: Sequence[str]) -> Asset:
    title = "Reference water mask"
    legend = RasterLegend("reference", 2, REFERENCE_COLOURS, tiff_tags(scene, model, title))
    content = encode_cog(reference.codes, reference.known, scene.crs, scene.transform, legend)
    members = _raster_members(scene, legend) | ({MASKS: list(masks)} if masks else {})
    return Asset("reference_water.tif", content, COG_MEDIA_TYPE, title, ("data",), members)


def make_fields(
    scene: Scene, prediction: Prediction, model: ModelCard, folder: Path, rules: fields.FieldRules | None = None
) -> Product:
    """Make the field product of a scene: parcels as GeoJSON and GeoParquet, and the scene's agricultural numbers.

    Args:
        scene: The scene.
        prediction: Of a model with outputs ``extent``, ``boundary`` and ``distance``.
        model: The model that made it.
        folder: Where the product's own folder, named by its id, is made.
        rules: What counts as a parcel; None for the defaults.

    Raises:
        ProductError: if a file cannot be written; no item is left then.
    """
    scene = replace(scene, second=prediction.second)
    parcels = fields.delineate(
        prediction.named(fields.MAPS), prediction.valid, prediction.clear, scene.transform, rules
    )
    valid, clear = int(prediction.valid.sum()), int(prediction.clear.sum())
    numbers = fields.numbers(parcels, valid, scene.transform)
    assets = _parcel_assets(scene, derived_id(scene, FIELDS_COLLECTION, model), parcels)
    drawn = overview(scene, field_drawing(parcels.geometries))
    assets |= previews(FIELD_BOUNDARIES, assets[FIELD_BOUNDARIES], drawn)
    properties = {
        **profile.agriculture_properties(numbers, valid, clear, prediction.valid.size),
        "dafab:smart-agriculture": profile.smart_agriculture(numbers, version_number(model.version)),
        **({"dafab:bands_absent": list(prediction.bands_absent)} if prediction.bands_absent else {}),
        "dafab:cloud_mask": cloud_mask(scene),
    }
    concepts = ("FieldBoundaries", *(("CropField",) if len(parcels) else ()))
    item = derived_item(scene, FIELDS_COLLECTION, model, properties=properties, concepts=concepts, assets=assets)
    return _write(item, assets, folder)


def read_product(folder: Path) -> Product:
    """Return the product that :func:`make_water` or :func:`make_fields` left in ``folder``.

    Raises:
        ProductError: if there is no whole product.
    """
    path = folder / ITEM_NAME
    try:
        item = orjson.loads(path.read_bytes())
        files = {key: folder / Path(asset["href"]).name for key, asset in item["assets"].items()}
    except (OSError, orjson.JSONDecodeError, KeyError, TypeError, AttributeError) as error:
        raise ProductError(f"{path}: is no product's item: {error}") from error
    absent = [file.name for file in files.values() if not file.is_file()]
    if absent:
        raise ProductError(f"{folder}: the product lacks {', '.join(absent)}")
    return Product(item, files)


def _observed_assets(
    scene: Scene, model: ModelCard, observed: NDArray[np.bool_], clear: NDArray[np.bool_]
) -> dict[str, Asset]:
    title = "Observed water mask"
    legend = RasterLegend(
        "water", 1, (("no water", (236, 233, 226)), ("water", WATER_COLOUR)), tiff_tags(scene, model, title)
    )
    content = encode_cog(observed.view(np.uint8), clear, scene.crs, scene.transform, legend)
    mask = Asset("observed_water.tif", content, COG_MEDIA_TYPE, title, ("data",), _raster_members(scene, legend))
    vector, _ = _patches(scene, observed, WATER_PATCH_KM2, "observed_water", "Observed water as polygons")
    return {OBSERVED_WATER: mask, OBSERVED_WATER_VECTOR: vector}


def _reference_assets(
    scene: Scene, model: ModelCard, classes: NDArray[np.uint8] | None, valid: NDArray[np.bool_]
) -> tuple[dict[str, Asset], profile.Patches, profile.Patches]:
    """Return what the difference to the reference gives, and the patches of too much and too little water."""
    if classes is None:
        return {}, profile.Patches(np.empty(0)), profile.Patches(np.empty(0))
    gained = (classes == water.Difference.EXCESS) | (classes == water.Difference.SEASONAL_OBSERVED)
    excess, gains = _patches(scene, gained, ANOMALY_PATCH_KM2, "water_excess", "Delineated water excess")
    lost = classes == water.Difference.DEFICIT
    deficit, losses = _patches(scene, lost, ANOMALY_PATCH_KM2, "water_deficit", "Delineated water deficit")
    raster = _difference_asset(scene, model, classes, valid)
    return {EXCESS: excess, DEFICIT: deficit, DIFFERENCE: raster}, gains, losses


def _difference_asset(scene: Scene, model: ModelCard, classes: NDArray[np.uint8], valid: NDArray[np.bool_]) -> Asset:
    title = "Observed water against the reference"
    legend = RasterLegend("difference", 4, DIFFERENCE_COLOURS, tiff_tags(scene, model, title))
    content = encode_cog(classes, valid, scene.crs, scene.transform, legend)
    return Asset("water_difference.tif", content, COG_MEDIA_TYPE, title, ("data",), _raster_members(scene, legend))


def _patches(
    scene: Scene, mask: NDArray[np.bool_], least: float, name: str, title: str
) -> tuple[Asset, profile.Patches]:
    """Return the polygons of a mask from ``least`` km² on, along a Hilbert curve, and their areas."""
    geometries = polygonise(components(mask), scene.transform).geometries
    km2 = np.asarray(shapely.area(geometries), np.float64) / water.SQUARE_METRES_PER_KM2
    geometries, km2 = geometries[km2 >= least], km2[km2 >= least]
    order = hilbert_order(geometries)
    geometries, km2 = geometries[order], km2[order]
    rows = [{"area_km2": round(float(area), 6)} for area in km2]
    content = encode_geojson(geometries, scene.crs, rows, {"attribution": attribution(scene)})
    return Asset(f"{name}.geojson", content, GEOJSON_MEDIA_TYPE, title, ("data",)), profile.Patches(km2)


def _parcel_assets(scene: Scene, item_id: str, parcels: fields.Parcels) -> dict[str, Asset]:
    order = hilbert_order(parcels.geometries)
    geometries = parcels.geometries[order]
    moment = observed_at(scene)
    columns: dict[str, list[Any] | NDArray[Any]] = {
        "id": [str(number) for number in range(1, len(order) + 1)],
        "collection": [item_id] * len(order),
        "metrics:area": (parcels.hectares[order] * fields.SQUARE_METRES_PER_HECTARE).astype(np.float32),
        "metrics:perimeter": np.asarray(shapely.length(geometries), np.float32),
        "determination:datetime": [moment] * len(order),
        "determination:method": ["auto-imagery"] * len(order),
        "dafab:cloud_free": parcels.cloud_free[order],
    }
    schemas = {item_id: list(FIBOA_SCHEMAS)}
    notice = attribution(scene)
    rows = _rows(columns, moment.isoformat().replace("+00:00", "Z"))
    text = encode_geojson(geometries, scene.crs, rows, {"schemas": schemas, "attribution": notice})
    table = encode_geoparquet(
        geometries, scene.crs, columns, {"collection": {"schemas": schemas}, "attribution": notice}
    )
    title = "Agricultural field boundaries"
    return {
        FIELD_BOUNDARIES: Asset("field_boundaries.geojson", text, GEOJSON_MEDIA_TYPE, title, ("data",)),
        FIELD_BOUNDARIES_PARQUET: Asset(
            "field_boundaries.parquet", table, PARQUET_MEDIA_TYPE, f"{title} (GeoParquet)", ("data",)
        ),
    }


def _rows(columns: Mapping[str, Any], moment: str) -> list[dict[str, Any]]:
    """Return the columns as GeoJSON properties: times as text, areas and lengths to the decimetre."""
    plain = {key: list(values) for key, values in columns.items()} | {
        "determination:datetime": [moment] * len(columns["id"]),
        "metrics:area": [round(float(value), 1) for value in columns["metrics:area"]],
        "metrics:perimeter": [round(float(value), 1) for value in columns["metrics:perimeter"]],
        "dafab:cloud_free": [bool(value) for value in columns["dafab:cloud_free"]],
    }
    return [dict(zip(plain, values, strict=True)) for values in zip(*plain.values(), strict=True)]


def _raster_members(scene: Scene, legend: RasterLegend) -> dict[str, Any]:
    classes = [
        {
            "value": value,
            "name": name.replace(" ", "-"),
            "title": name,
            "color_hint": "{:02X}{:02X}{:02X}".format(*colour),
        }
        for value, (name, colour) in enumerate(legend.classes)
    ]
    code = scene.crs.to_authority()
    return {
        "proj:code": ":".join(code) if code else None,
        "proj:shape": list(scene.shape),
        "proj:transform": [float(value) for value in tuple(scene.transform)[:6]],
        "bands": [{"name": legend.name, "data_type": "uint8", "classification:classes": classes}],
    }


def _pixel_km2(scene: Scene) -> float:
    return float(abs(scene.transform.a * scene.transform.e)) / water.SQUARE_METRES_PER_KM2


def _write(item: dict[str, Any], assets: Mapping[str, Asset], folder: Path) -> Product:
    place = folder / str(item["id"])
    files = {key: place / asset.file for key, asset in assets.items()}
    contents = {files[key]: asset.content for key, asset in assets.items()}
    # The item last: whoever finds it finds everything it speaks of.
    contents[place / ITEM_NAME] = orjson.dumps(item, option=orjson.OPT_INDENT_2) + b"\n"
    write_all(contents)
    return Product(item, files)
