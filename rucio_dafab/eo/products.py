"""Products of a scene: from a prediction to files and the STAC item that describes them.

Everything is encoded before the first file is written, and the item is written last: a folder with an ``item.json``
holds a whole product. The same scene, prediction and model give the same bytes.
"""

import os
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import shapely
from numpy.typing import NDArray

from rucio_dafab.eo import fields, land_cover, profile, water
from rucio_dafab.eo.bands import Scene
from rucio_dafab.eo.errors import ProductError
from rucio_dafab.eo.inference import Prediction
from rucio_dafab.eo.items import (
    ALTERNATES,
    Asset,
    ModelCard,
    attribution,
    derived_id,
    derived_item,
    observed_at,
    version_number,
    with_formats,
)
from rucio_dafab.eo.observation import Observation, classification, cloud_mask, observe, observed_properties, trust
from rucio_dafab.eo.previews import drawn_over, field_drawing, ground_of, previews
from rucio_dafab.eo.profile import without_none
from rucio_dafab.eo.reference_water import MEMBER, ReferenceWater, Source
from rucio_dafab.eo.vectors import components, polygonise
from rucio_dafab.eo.water_layers import (
    DEFICIT,
    DIFFERENCE,
    EXCESS,
    Compared,
    Layer,
    layer_assets,
    layers,
    patch_previews,
)
from rucio_dafab.eo.writers import (
    GEOJSON_MEDIA_TYPE,
    PARQUET_MEDIA_TYPE,
    encode_geojson,
    encode_geoparquet,
    hilbert_order,
    write_all,
)

WATER_COLLECTION = "water_analysis"
FIELDS_COLLECTION = "smart_agriculture"
ITEM_NAME = "item.json"
LAND_COVER = "dafab:land_cover"
PARQUET = "parquet"
FIELD_BOUNDARIES = "dafab-field-boundaries"
FIELD_BOUNDARIES_PARQUET = f"{FIELD_BOUNDARIES}-{PARQUET}"

# Smaller patches are left out of the vectors (never out of the numbers): half a hectare of excess or deficit, which
# drops the slivers that a shift of the shore by one pixel makes.
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
        reference: The reference, of which the item then tells; None for that of the scene, if any, without telling.

    Raises:
        ProductError: if the reference is unusable or a file cannot be written; no item is left then.
    """
    scene = replace(scene, second=prediction.second)
    observation, trusted = _observed(scene, prediction, threshold)
    usual = _reference(scene, reference)
    classes, numbers = _against_reference(scene, prediction, observation.water, usual)
    found = water.anomaly(numbers, str(reference.told.get("reason", "")) if reference else "")
    cover = land_cover.read(scene)
    wanted = layers(scene, prediction, observation, _compared(usual, classes, reference), cover)
    assets, excess, deficit = _water_assets(scene, model, wanted, classes)
    properties = {
        **profile.water_properties(numbers, found, scene.shape[0] * scene.shape[1]),
        "dafab:water-analysis": {
            **profile.water_analysis(numbers, found, excess, deficit, version_number(model.version)),
            **without_none({"trustworthiness_observed_water_mask": trusted}),
        },
        **observed_properties(scene, prediction, observation),
        **without_none({LAND_COVER: None if cover is None else land_cover.commonest(cover, prediction.valid)}),
        **({MEMBER: dict(reference.told)} if reference else {}),
    }
    concepts = ("WaterMask", *(CONCEPTS[found.type] if found.type else ()))
    item = derived_item(scene, WATER_COLLECTION, model, properties=properties, concepts=concepts, assets=assets)
    return _write(item, assets, folder)


def _observed(scene: Scene, prediction: Prediction, threshold: float) -> tuple[Observation, dict[str, Any] | None]:
    """Return the water mask and how far it is to be trusted, from one reading of the scene classification."""
    scl = classification(scene)
    observation = observe(prediction, scl, threshold)
    return observation, trust(prediction, observation, scl)


def _compared(
    usual: water.Reference | None, classes: NDArray[np.uint8] | None, told: ReferenceWater | None
) -> Compared | None:
    if usual is None or classes is None:
        return None
    return Compared(usual, classes, told.masks if told else ())


def _water_assets(
    scene: Scene, model: ModelCard, wanted: Iterable[Layer], classes: NDArray[np.uint8] | None
) -> tuple[dict[str, Asset], profile.Patches, profile.Patches]:
    """Return all files of a water product, and the areas of too much and too little water."""
    ground = ground_of(scene)
    # What takes long runs in GDAL and GEOS, which let other threads go on.
    with ThreadPoolExecutor(len(os.sched_getaffinity(0)), thread_name_prefix="assets") as pool:
        # By themselves: the labels of a tile's patches take as much memory as four layers.
        patches, excess, deficit = pool.submit(_anomaly_assets, scene, classes).result()
        drawn = pool.map(partial(layer_assets, scene, model, ground), wanted)
        assets = patches | {key: asset for each in drawn for key, asset in each.items()}
    if patches:
        assets |= patch_previews(scene, ground, patches, assets[DIFFERENCE])
    return assets, excess, deficit


def _against_reference(
    scene: Scene, prediction: Prediction, observed: NDArray[np.bool_], reference: water.Reference | None
) -> tuple[NDArray[np.uint8] | None, water.WaterNumbers]:
    """Return the classes of the difference to the reference, if there is one, and the scene's numbers."""
    valid, clear = prediction.valid, prediction.clear
    classes = None if reference is None else water.difference(observed, valid, clear, reference)
    numbers = water.count(observed, valid, clear, water.pixel_km2(scene), reference=reference, classes=classes)
    return classes, numbers


def _reference(scene: Scene, given: ReferenceWater | None) -> water.Reference | None:
    if given is None or given.told["source"] == Source.SCENE:
        return water.scene_reference(scene)
    return None if given.path is None else water.read_reference(given.path, scene)


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
    drawn = drawn_over(scene, ground_of(scene), field_drawing(parcels.geometries))
    assets |= previews(FIELD_BOUNDARIES, assets[FIELD_BOUNDARIES], drawn, "field_boundaries")
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
        files = {key: folder / Path(href).name for key, href in _hrefs(item["assets"])}
    except (OSError, orjson.JSONDecodeError, KeyError, TypeError, AttributeError) as error:
        raise ProductError(f"{path}: is no product's item: {error}") from error
    absent = [file.name for file in files.values() if not file.is_file()]
    if absent:
        raise ProductError(f"{folder}: the product lacks {', '.join(absent)}")
    return Product(item, files)


def _hrefs(assets: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield key and href of the assets of an item, and of their other formats."""
    for key, asset in assets.items():
        yield key, asset["href"]
        yield from ((f"{key}-{name}", other["href"]) for name, other in asset.get(ALTERNATES, {}).items())


def _anomaly_assets(
    scene: Scene, classes: NDArray[np.uint8] | None
) -> tuple[dict[str, Asset], profile.Patches, profile.Patches]:
    """Return the polygons of too much and too little water, and the areas of both."""
    if classes is None:
        return {}, profile.Patches(np.empty(0)), profile.Patches(np.empty(0))
    gained = (classes == water.Difference.EXCESS) | (classes == water.Difference.SEASONAL_OBSERVED)
    excess, gains = _patches(scene, gained, ANOMALY_PATCH_KM2, "water_excess", "Delineated water excess")
    lost = classes == water.Difference.DEFICIT
    deficit, losses = _patches(scene, lost, ANOMALY_PATCH_KM2, "water_deficit", "Delineated water deficit")
    return {EXCESS: excess, DEFICIT: deficit}, gains, losses


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
    title, roles = "Agricultural field boundaries", ("data",)
    packed = Asset("field_boundaries.parquet", table, PARQUET_MEDIA_TYPE, f"{title} (GeoParquet)", roles)
    formats = {PARQUET: packed}
    return {
        FIELD_BOUNDARIES: Asset("field_boundaries.geojson", text, GEOJSON_MEDIA_TYPE, title, roles, formats=formats)
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


def _write(item: dict[str, Any], assets: Mapping[str, Asset], folder: Path) -> Product:
    place = folder / str(item["id"])
    every = with_formats(assets)
    files = {key: place / asset.file for key, asset in every.items()}
    contents = {files[key]: asset.content for key, asset in every.items()}
    # The item last: whoever finds it finds everything it speaks of.
    contents[place / ITEM_NAME] = orjson.dumps(item, option=orjson.OPT_INDENT_2) + b"\n"
    write_all(contents)
    return Product(item, files)
