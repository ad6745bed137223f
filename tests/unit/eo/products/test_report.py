"""The page over many products: self-contained, escaped, with a map of where they are."""

import re
from html.parser import HTMLParser
from typing import Any

import pytest
import shapely

from rucio_dafab.eo.report import Entry, page

LAND = [shapely.box(0, 40, 20, 60)]


def item(name: str, collection: str = "water_analysis", **properties: Any) -> dict[str, Any]:
    west = 6.0 + len(name) / 10
    ring = [[west, 49.0], [west + 1, 49.0], [west + 1, 50.0], [west, 50.0], [west, 49.0]]
    return {
        "id": name,
        "collection": collection,
        "geometry": {"type": "Polygon", "coordinates": [ring]},
        "properties": {"datetime": "2026-06-01T10:30:31Z", "attribution": "a notice"} | properties,
    }


class Checked(HTMLParser):
    """Counts elements and refuses what is not closed."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, dict(attrs)))
        if tag not in {"meta", "img"}:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def parsed(text: str) -> list[tuple[str, dict[str, str | None]]]:
    checked = Checked()
    checked.feed(text)
    assert checked.open == []
    return checked.seen


def test_every_product_has_a_card_and_a_place() -> None:
    entries = [
        Entry(item("flood", **{"dafab:anomaly_type": "flood", "dafab:anomaly_score": 12.34}), b"png"),
        Entry(
            item(
                "parcels",
                "smart_agriculture",
                **{"dafab:smart-agriculture": {"number_of_fields": 1234}, "dafab:agricultural_coverage": 43.21},
            )
        ),
    ]
    text = page(entries, LAND, title="June", question="geometry.within=@luxembourg")
    seen = parsed(text)
    assert [attributes["id"] for tag, attributes in seen if tag == "article"] == ["flood", "parcels"]
    assert [attributes["src"] for tag, attributes in seen if tag == "img"] == ["data:image/png;base64,cG5n"]
    assert len([tag for tag, attributes in seen if tag == "path" and attributes["class"] == "item"]) == 2
    for told in ("12.3 %", "1,234", "43.2 %", "1 flood", "1 smart_agriculture, 1 water_analysis", "a notice"):
        assert told.replace("+", "&#43;") in text, told
    assert "http" not in re.sub(r'xmlns="[^"]*"', "", text)


def test_what_items_say_is_text() -> None:
    text = page([Entry(item("<script>alert(1)</script>"))], [], title="<b>", question='"><img src=x>')
    assert "script" not in {tag for tag, _ in parsed(text)}
    assert "img" not in {tag for tag, _ in parsed(text)}


def test_the_map_lies_around_the_products() -> None:
    text = page([Entry(item("one"))], LAND, title="t", question="")
    (view,) = [attributes["viewbox"] for tag, attributes in parsed(text) if tag == "svg"]
    left, top, width, height = map(float, str(view).split())
    # 6.3 to 7.3 degrees east with half a degree around, as wide as they are at 49.5 degrees north.
    assert left == pytest.approx(5.8 * 0.6494, abs=0.01)
    assert (top, height) == (-50.5, 2.0)
    assert width == pytest.approx(2.0 * 0.6494, abs=0.01)


def test_products_without_a_place_have_no_map() -> None:
    text = page([Entry(item("one") | {"geometry": None})], LAND, title="t", question="")
    assert "svg" not in {tag for tag, _ in parsed(text)}
