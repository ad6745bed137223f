"""One picture of a scene and its products, for people: panels side by side, each with its legend and its numbers."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import geopandas
import numpy as np
import rasterio
from PIL import Image, ImageDraw, ImageFont

from rucio_dafab.eo.bands import Scene
from rucio_dafab.eo.errors import ProductError
from rucio_dafab.eo.items import attribution, observed_at
from rucio_dafab.eo.pictures import Backdrop, Colour, Pixels, View, backdrop, native_view
from rucio_dafab.eo.previews import (
    DIFFERENCE_COLOURS,
    DRAWN_CLASSES,
    FIELD_COLOUR,
    WATER_COLOUR,
    Drawing,
    difference_drawing,
    draw,
    field_drawing,
    water_drawing,
)
from rucio_dafab.eo.products import FIELD_BOUNDARIES_PARQUET, WATER_COLLECTION, Product
from rucio_dafab.eo.water_layers import DIFFERENCE, OBSERVED_WATER
from rucio_dafab.eo.writers import encode_png, write_all

PANEL = 560
GAP = 28
TITLE_HEIGHT = 84
CAPTION_HEIGHT = 150
LINE = 25
PAPER: Colour = (252, 251, 248)
INK: Colour = (32, 36, 42)
PALE_INK: Colour = (104, 110, 118)
# Round lengths of a scale bar, in metres.
BAR_LENGTHS = (100, 200, 500, 1_000, 2_000, 5_000, 10_000, 20_000)


@dataclass(frozen=True, eq=False)
class Panel:
    """One picture of a collage.

    Attributes:
        title: What it shows.
        colours: uint8 (row, column, 3).
        legend: Names and colours.
        lines: The numbers, a line each.
    """

    title: str
    colours: Pixels
    legend: Sequence[tuple[str, Colour]] = field(default=())
    lines: Sequence[str] = field(default=())


def collage(scene: Scene, products: Sequence[Product], path: Path) -> Path:
    """Write a PNG with the scene in true colour and each product over it.

    Args:
        scene: The source of all the products.
        products: Water and field products in the order wanted.
        path: The PNG to write.

    Raises:
        ProductError: if a file of a product is unreadable or ``path`` cannot be written.
    """
    ground = backdrop(scene, native_view(scene, PANEL))
    panels = [_scene_panel(scene, ground), *(_product_panel(scene, ground, product) for product in products)]
    write_all({path: encode_png(_composed(scene, ground.view, panels))})
    return path


def _scene_panel(scene: Scene, ground: Backdrop) -> Panel:
    rows, columns = scene.shape
    width, height = (side * abs(scene.transform.a) / 1000 for side in (columns, rows))
    lines = [f"{width:.1f} by {height:.1f} km, {scene.crs.to_string()}"]
    if "eo:cloud_cover" in scene.item["properties"]:
        lines.append(f"cloud cover {scene.item['properties']['eo:cloud_cover']:.1f} %")
    return Panel("True colour", _on_paper(ground.colours, ground), (), lines)


def _product_panel(scene: Scene, ground: Backdrop, product: Product) -> Panel:
    make = _water_panel if product.item["collection"] == WATER_COLLECTION else _fields_panel
    title, drawing, legend, lines = make(product)
    return Panel(title, _on_paper(draw(scene, ground, drawing), ground), legend, lines)


def _water_panel(product: Product) -> tuple[str, Drawing, Sequence[tuple[str, Colour]], list[str]]:
    properties = product.item["properties"]
    lines = [
        f"observed water {100 * properties['dafab:observed_water_km2']:,.1f} ha, "
        f"{properties.get('dafab:observed_water_percent', 0.0):.1f} % of the clear area"
    ]
    if "dafab:anomaly_score" in properties:
        lines.append(
            f"anomaly {_signed(properties['dafab:anomaly_score'])} % (gain {properties['dafab:anomaly_gain']:.1f} %, "
            f"loss {properties['dafab:anomaly_loss']:.1f} %)"
        )
    lines.append(properties.get("dafab:anomaly_type") or f"no anomaly type: {properties['dafab:anomaly_reason']}")
    if DIFFERENCE not in product.files:
        drawing = water_drawing(_classes(product.files[OBSERVED_WATER]))
        return "Observed water", drawing, [("water", WATER_COLOUR)], lines
    classes = _classes(product.files[DIFFERENCE])
    legend = [DIFFERENCE_COLOURS[value] for value in DRAWN_CLASSES if (classes == value).any()]
    return "Water against the reference", difference_drawing(classes), legend, lines


def _fields_panel(product: Product) -> tuple[str, Drawing, Sequence[tuple[str, Colour]], list[str]]:
    properties = product.item["properties"]
    numbers = properties["dafab:smart-agriculture"]
    lines = [
        f"{numbers['number_of_fields']} parcels, mean {numbers['mean_area_of_fields(ha)']:.2f} ha, "
        f"total {numbers['total_field_area(ha)']:,.0f} ha",
        f"agricultural coverage {properties['dafab:agricultural_coverage']:.1f} %, "
        f"cloud-free {properties['dafab:cloud_free_agricultural_coverage']:.1f} %",
    ]
    drawing = field_drawing(_polygons(product.files[FIELD_BOUNDARIES_PARQUET]))
    return "Field boundaries", drawing, [("parcel", FIELD_COLOUR)], lines


def _classes(path: Path) -> Pixels:
    try:
        with rasterio.open(path) as source:
            values: Pixels = source.read(1)
    except rasterio.errors.RasterioError as error:
        raise ProductError(f"{path}: cannot be read: {' '.join(str(error).split())}") from error
    return values


def _polygons(path: Path) -> Any:
    try:
        return geopandas.read_parquet(path).geometry.to_numpy()
    except (OSError, ValueError) as error:
        raise ProductError(f"{path}: cannot be read: {' '.join(str(error).split())}") from error


def _composed(scene: Scene, view: View, panels: Sequence[Panel]) -> Image.Image:
    columns = len(panels)
    width = GAP + columns * (view.width + GAP)
    height = TITLE_HEIGHT + view.height + CAPTION_HEIGHT
    sheet = Image.new("RGB", (width, height), PAPER)
    pen = ImageDraw.Draw(sheet)
    constellation = str(scene.item["properties"].get("constellation", "scene")).replace("sentinel", "Sentinel")
    pen.text((GAP, 18), _shortened(scene.id, width - 2 * GAP, _font(26)), INK, _font(26))
    notice = attribution(scene).replace("–", " to ")
    pen.text((GAP, 52), f"{constellation} · {_when(scene)} · {notice}", PALE_INK, _font(16))
    for number, panel in enumerate(panels):
        left = GAP + number * (view.width + GAP)
        sheet.paste(Image.fromarray(panel.colours), (left, TITLE_HEIGHT))
        pen.rectangle((left - 1, TITLE_HEIGHT - 1, left + view.width, TITLE_HEIGHT + view.height), outline=PALE_INK)
        _caption(pen, panel, left, TITLE_HEIGHT + view.height + 12, view.width)
    _scale_bar(pen, view, GAP + 16, TITLE_HEIGHT + view.height - 18)
    return sheet


def _caption(pen: ImageDraw.ImageDraw, panel: Panel, left: int, top: int, width: int) -> None:
    pen.text((left, top), panel.title, INK, _font(20))
    x, y = left, top + 32
    for name, colour in panel.legend:
        length = int(pen.textlength(name, _font(15)))
        if x + length + 22 > left + width:
            x, y = left, y + LINE
        pen.rectangle((x, y + 2, x + 14, y + 16), fill=colour, outline=PALE_INK)
        pen.text((x + 20, y), name, INK, _font(15))
        x += length + 38
    y += LINE if panel.legend else 0
    for line in panel.lines:
        pen.text((left, y), _shortened(line, width, _font(15)), PALE_INK, _font(15))
        y += LINE - 4


def _scale_bar(pen: ImageDraw.ImageDraw, view: View, left: int, bottom: int) -> None:
    """Draw the longest round bar within a third of the panel."""
    metres = abs(view.transform.a)
    fitting = [length for length in BAR_LENGTHS if length / metres <= view.width / 3]
    if not fitting:
        return
    length = fitting[-1]
    pixels = round(length / metres)
    text = f"{length} m" if length < 1000 else f"{length // 1000} km"
    pen.rectangle((left - 8, bottom - 30, left + pixels + 8, bottom + 8), fill=PAPER)
    pen.rectangle((left, bottom - 4, left + pixels, bottom), fill=INK)
    pen.text((left, bottom - 26), text, INK, _font(15))


def _on_paper(colours: Pixels, ground: Backdrop) -> Pixels:
    paper: Pixels = np.where(ground.there[..., None], colours, np.array(PAPER, np.uint8)).astype(np.uint8)
    return paper


def _when(scene: Scene) -> str:
    if scene.item["properties"].get("datetime"):
        return f"{observed_at(scene):%Y-%m-%d %H:%M} UTC"
    start, end = (str(scene.item["properties"].get(key, ""))[:10] for key in ("start_datetime", "end_datetime"))
    return f"{start} to {end}"


def _signed(value: float) -> str:
    return f"{value:+.1f}".replace("-", "−")


def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    """Return Pillow's own font, the same on every machine; it lacks superscripts, times sign and dash."""
    return ImageFont.load_default(size)


def _shortened(text: str, width: int, font: ImageFont.FreeTypeFont | ImageFont.ImageFont) -> str:
    while len(text) > 8 and font.getlength(text) > width:
        text = f"{text[:-2]}…"
    return text
