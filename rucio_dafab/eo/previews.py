"""Thumbnails and overviews: a product over its paled scene, in Web Mercator, as map viewers lay them out."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from rucio_dafab.eo.bands import Scene
from rucio_dafab.eo.items import Asset
from rucio_dafab.eo.pictures import Backdrop, Colour, Pixels, backdrop, dimmed, on_view, outlined, tinted, web_view
from rucio_dafab.eo.pictures import with_transparency as finished
from rucio_dafab.eo.vectors import Geometries
from rucio_dafab.eo.writers import PNG_MEDIA_TYPE, encode_png

RENDERER_VERSION = 1
# The longest sides that the live catalogue's profile allows; a small scene is enlarged to a thumbnail, else four times.
THUMBNAIL, OVERVIEW, ENLARGEMENT = 512, 1536, 4

WATER_COLOUR: Colour = (24, 107, 214)
FIELD_COLOUR: Colour = (255, 214, 10)
# Classes of rucio_dafab.eo.water.Difference in order.
DIFFERENCE_COLOURS: Sequence[tuple[str, Colour]] = (
    ("no water", (236, 233, 226)),
    ("permanent water", (24, 107, 214)),
    ("seasonal water", (116, 178, 240)),
    ("water excess", (214, 40, 124)),
    ("water deficit", (230, 126, 34)),
    ("dry seasonal water", (199, 178, 128)),
    ("no reference", (190, 190, 190)),
    ("hidden by cloud", (255, 255, 255)),
)
DRAWN_CLASSES = (1, 2, 3, 4)
# Codes of rucio_dafab.eo.reference_water in order.
REFERENCE_COLOURS: Sequence[tuple[str, Colour]] = DIFFERENCE_COLOURS[:3]
SEASONAL_COLOUR = DIFFERENCE_COLOURS[2][1]


@dataclass(frozen=True)
class Drawing:
    """A product to draw: classes of a raster with their colours (0 is not drawn), or polygons, over the scene."""

    classes: Pixels | None = None
    colours: Mapping[int, Colour] | None = None
    outlines: Geometries | None = None
    line: Colour = FIELD_COLOUR


def water_drawing(water: Pixels) -> Drawing:
    """Return the drawing of a water mask, uint8 (row, column), 1 for water."""
    return Drawing(water, {1: WATER_COLOUR})


def difference_drawing(classes: Pixels) -> Drawing:
    """Return the drawing of a difference raster: water as expected, too much and too little."""
    return Drawing(classes, {value: DIFFERENCE_COLOURS[value][1] for value in DRAWN_CLASSES})


def field_drawing(geometries: Geometries) -> Drawing:
    """Return the drawing of parcels in the scene's reference system."""
    return Drawing(outlines=geometries)


def draw(scene: Scene, ground: Backdrop, drawing: Drawing) -> Pixels:
    """Return the drawing over the scene, uint8 (row, column, 3)."""
    colours, view = ground.colours, ground.view
    if drawing.classes is not None:
        classes = on_view(drawing.classes, scene, view)
        colours = dimmed(colours)
        for value, colour in (drawing.colours or {}).items():
            colours = tinted(colours, classes == value, colour)
    if drawing.outlines is not None:
        # Thinner where many parcels share few pixels.
        width = 1.4 if max(scene.shape) <= 2 * max(view.width, view.height) else 0.7
        colours = outlined(colours, drawing.outlines, scene.crs, view, colour=drawing.line, width=width)
    return colours


def ground_of(scene: Scene) -> Backdrop:
    """Return the scene to draw on, at the size of the overview."""
    return backdrop(scene, web_view(scene, min(OVERVIEW, max(THUMBNAIL, ENLARGEMENT * max(scene.shape)))))


def drawn_over(scene: Scene, ground: Backdrop, drawing: Drawing) -> Backdrop:
    """Return the drawing over the scene, see :func:`ground_of`."""
    return replace(ground, colours=draw(scene, ground, drawing))


def previews(key: str, source: Asset, drawn: Backdrop, file: str) -> dict[str, Asset]:
    """Return thumbnail and overview of the asset ``key`` under the keys and with the members of the live profile.

    Args:
        key: Of the asset that is drawn.
        source: That asset.
        drawn: From :func:`drawn_over`.
        file: How the names of their files begin.
    """
    pictures = {"thumbnail": drawn.resized(THUMBNAIL), "overview": drawn}
    return {f"{key}-{role}": _preview(key, source, file, role, picture) for role, picture in pictures.items()}


def _preview(key: str, source: Asset, file: str, role: str, drawn: Backdrop) -> Asset:
    view = drawn.view
    picture = finished(drawn.colours, drawn.there)
    preview = {
        "source_asset": key,
        "source_sha256": source.sha256,
        "renderer_version": RENDERER_VERSION,
        "image_crs": "EPSG:3857",
        "bbox_crs": "EPSG:4326",
        "bbox": [round(value, 6) for value in view.bounds_4326],
        "width": view.width,
        "height": view.height,
    }
    title = f"{role.capitalize()} of {source.title[0].lower()}{source.title[1:]}"
    return Asset(f"{file}_{role}.png", encode_png(picture), PNG_MEDIA_TYPE, title, (role,), {"dafab:preview": preview})
