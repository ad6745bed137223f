"""The rasters and pictures of a water product, under the keys of the live catalogue's profile ``water_analysis``.

Each layer is computed only when it is encoded, and forgotten then: of a tile every one has 120 MB.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rasterio.features import sieve

from rucio_dafab.eo import land_cover
from rucio_dafab.eo.bands import SCENE_CLASSIFICATION, Scene
from rucio_dafab.eo.inference import Prediction
from rucio_dafab.eo.items import Asset, ModelCard, raster_members, tiff_tags
from rucio_dafab.eo.observation import Observation
from rucio_dafab.eo.pictures import Backdrop, Colour
from rucio_dafab.eo.previews import (
    DIFFERENCE_COLOURS,
    REFERENCE_COLOURS,
    SEASONAL_COLOUR,
    WATER_COLOUR,
    Drawing,
    difference_drawing,
    drawn_over,
    previews,
    water_drawing,
)
from rucio_dafab.eo.reference_water import MASKS
from rucio_dafab.eo.water import Difference, Reference, pixel_km2
from rucio_dafab.eo.writers import COG_MEDIA_TYPE, RasterLegend, encode_cog, shrunk_cog

OBSERVED_WATER = "dafab-AI-observed-water"
OBSERVED_WATER_TIDIED = "dafab-AI-postprocessed-observed-water"
INDEX_WATER = "dafab-no-AI-observed-water"
INDEX_WATER_TIDIED = "dafab-no-AI-postprocessed-observed-water"
CLOUD_MASK = "dafab-AI-cloud-mask"
REFERENCE_WATER = "dafab-GFM-reference-water-mask"
LAND_COVER = "dafab-ESA-worldcover"
DIFFERENCE = "dafab-difference-water-mask"
EXCESS, DEFICIT = "dafab-water-excess", "dafab-water-deficit"

# Ten pixels of Sentinel-2: smaller patches of water, and smaller holes in it, are what surrounds them.
TIDIED_PATCH_KM2 = 0.001

_LAND: Colour = (236, 233, 226)
_CLOUD: Colour = (150, 90, 170)
_WATER_CLASSES = (("no water", _LAND), ("water", WATER_COLOUR))
_CLOUD_CLASSES = (("clear", _LAND), ("cloud or shadow", _CLOUD))

Mask = NDArray[np.bool_]
Pixels = NDArray[np.uint8]


@dataclass(frozen=True, eq=False)
class Layer:
    """A class raster of a product.

    Attributes:
        key: Of its asset.
        file: Name of its file, without the ending.
        title: What it is, for people.
        legend: What its values mean.
        values: Gives them, uint8 (row, column).
        there: bool (row, column), where there is data.
        drawing: Of these values.
        members: Further members of the asset.
    """

    key: str
    file: str
    title: str
    legend: RasterLegend
    values: Callable[[], Pixels]
    there: Mask
    drawing: Callable[[Pixels], Drawing] = water_drawing
    members: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class Compared:
    """What observed water was compared to.

    Attributes:
        reference: The usual water.
        classes: The difference of the observed water to it, see :func:`rucio_dafab.eo.water.difference`.
        masks: The ids of the products whose masks the reference was counted from.
    """

    reference: Reference
    classes: Pixels
    masks: Sequence[str] = ()


def layers(
    scene: Scene,
    prediction: Prediction,
    observed: Observation,
    compared: Compared | None,
    cover: Pixels | None,
) -> Iterator[Layer]:
    """Yield the layers that the scene allows: by indices, against a reference, of clouds and of land cover.

    Args:
        scene: The scene.
        prediction: Of the net.
        observed: The water in it.
        compared: What it was compared to, if there is reference water.
        cover: Land cover, if it is known, see :func:`rucio_dafab.eo.land_cover.read`.
    """
    clear, valid = prediction.clear, prediction.valid
    yield _water(OBSERVED_WATER, "observed_water", "Observed water mask", lambda: observed.water, clear)
    yield _tidied(scene, OBSERVED_WATER_TIDIED, "observed_water", "Observed water mask", lambda: observed.water, clear)
    if prediction.indices:
        name = prediction.indices[0]
        title = f"Water mask by {name}"
        yield _water(INDEX_WATER, "index_water", title, lambda: prediction.by_index(name) & clear, clear)
        yield _tidied(scene, INDEX_WATER_TIDIED, "index_water", title, lambda: prediction.by_index(name) & clear, clear)
    if SCENE_CLASSIFICATION in scene.bands:
        legend = RasterLegend("cloud", 1, _CLOUD_CLASSES)
        title = "Cloud and shadow mask (by the scene classification)"
        hidden = _drawing({1: _CLOUD})
        yield Layer(CLOUD_MASK, "cloud_mask", title, legend, lambda: (valid & ~clear).view(np.uint8), valid, hidden)
    if compared is not None:
        yield from _against(compared, valid)
    if cover is not None:
        title, drawing = "Land cover (ESA WorldCover)", _drawing(land_cover.COLOURS)
        yield Layer(LAND_COVER, "land_cover", title, land_cover.LEGEND, lambda: cover, valid, drawing)


def layer_assets(scene: Scene, model: ModelCard, ground: Backdrop, layer: Layer) -> dict[str, Asset]:
    """Return a layer as a GeoTIFF, its thumbnail and its overview, by the keys of their assets.

    Args:
        scene: The scene.
        model: What made the product.
        ground: The scene to draw on, see :func:`rucio_dafab.eo.previews.ground_of`.
        layer: The layer.
    """
    values, legend = layer.values(), layer.legend
    tags = tiff_tags(scene, model, layer.title)
    content = encode_cog(values, layer.there, scene.crs, scene.transform, legend, tags)
    members = {**raster_members(scene, legend.name, legend.entries), **layer.members}
    asset = Asset(f"{layer.file}.tif", content, COG_MEDIA_TYPE, layer.title, ("data",), members)
    del values
    # A picture shows one pixel of fifty: it is drawn from what the file has for such views.
    small = shrunk_cog(content, max(ground.colours.shape))
    drawn = drawn_over(scene, ground, layer.drawing(small))
    return {layer.key: asset, **previews(layer.key, asset, drawn, layer.file)}


def patch_previews(scene: Scene, ground: Backdrop, patches: Mapping[str, Asset], difference: Asset) -> dict[str, Asset]:
    """Return the pictures of excess and deficit water, drawn from the difference raster.

    Args:
        scene: The scene.
        ground: The scene to draw on.
        patches: The polygons, by the keys :data:`EXCESS` and :data:`DEFICIT`.
        difference: The asset :data:`DIFFERENCE`.
    """
    classes = shrunk_cog(difference.content, max(ground.colours.shape))
    made: dict[str, Asset] = {}
    for key, asset in patches.items():
        drawn = (Difference.DEFICIT,) if key == DEFICIT else (Difference.EXCESS, Difference.SEASONAL_OBSERVED)
        drawing = Drawing(classes, {value: DIFFERENCE_COLOURS[value][1] for value in drawn})
        file = asset.file.removesuffix(".geojson")
        made |= previews(key, asset, drawn_over(scene, ground, drawing), file)
    return made


def tidied(water: Mask, clear: Mask, pixels: int) -> Pixels:
    """Return a mask, uint8 (row, column), in which patches and holes of fewer pixels are what surrounds them.

    Args:
        water: bool (row, column).
        clear: bool (row, column): what is not clear is no water, and surrounds nothing.
        pixels: From so many pixels on a patch stays; they touch by their sides.
    """
    values = water.view(np.uint8)
    return np.asarray(sieve(values, pixels, mask=clear), np.uint8) if pixels > 1 else values


def _against(compared: Compared, valid: Mask) -> Iterator[Layer]:
    reference, classes = compared.reference, compared.classes
    known = RasterLegend("reference water", 2, REFERENCE_COLOURS)
    title = "Reference water: permanent and seasonal"
    drawing = _drawing({1: WATER_COLOUR, 2: SEASONAL_COLOUR})
    yield Layer(
        REFERENCE_WATER, "reference_water", title, known,
        lambda: reference.codes, reference.known, drawing, {MASKS: list(compared.masks)} if compared.masks else {},
    )  # fmt: skip
    legend = RasterLegend("difference", 4, DIFFERENCE_COLOURS)
    title = "Observed water against the reference"
    yield Layer(DIFFERENCE, "water_difference", title, legend, lambda: classes, valid, difference_drawing)


def _water(key: str, file: str, title: str, values: Callable[[], Mask], clear: Mask) -> Layer:
    return Layer(key, file, title, RasterLegend("water", 1, _WATER_CLASSES), lambda: values().view(np.uint8), clear)


def _tidied(scene: Scene, key: str, file: str, title: str, values: Callable[[], Mask], clear: Mask) -> Layer:
    least = round(TIDIED_PATCH_KM2 / pixel_km2(scene))
    legend = RasterLegend("water", 1, _WATER_CLASSES)
    title = f"{title}, without patches below {TIDIED_PATCH_KM2:g} km²"
    return Layer(key, f"{file}_tidied", title, legend, lambda: tidied(values(), clear, least), clear)


def _drawing(colours: dict[int, Colour]) -> Callable[[Pixels], Drawing]:
    return lambda values: Drawing(values, colours)
