"""The examples of the pages by the stock command line: of the real items they find those that plain Python finds."""

import gzip
import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from shapely import within
from shapely.geometry import shape
from shapely.geometry.base import BaseGeometry

from rucio_dafab.vocabulary import load

pytestmark = [pytest.mark.integration, pytest.mark.shared]

ROOT = Path(__file__).resolve().parents[3]
SCOPE = "examples"
AREAS = ("luxembourg", "laos", "vietnam", "france")
Item = dict[str, Any]


def example(page: str) -> str:
    """Return the first filter that a page shows."""
    found = re.search(r"rucio did list 'dafab:\*' --filter '([^']+)'", (ROOT / page).read_text())
    assert found is not None
    return found[1]


@pytest.fixture(scope="module")
def items(site: Any, shared: Path, make_scopes: Any) -> Iterator[list[Item]]:
    make_scopes(SCOPE, collections=("water_analysis",))
    file = shared / "dafab_items.ndjson.gz"
    site.dafab("catalogue", "load", str(file), "--scope", SCOPE)
    with gzip.open(file) as lines:
        yield [json.loads(line) for line in lines]


def lies_within(item: Item, area: BaseGeometry) -> bool:
    return item["geometry"] is not None and bool(within(shape(item["geometry"]), area))


def is_anomaly(item: Item) -> bool:
    """Tell of a product whether water is missing, or too much, by a tenth of what was to be seen of it."""
    water = item["properties"]["dafab:water-analysis"]
    visible, difference = water["reference_permanent_water_visible"], water["difference_water_mask"]
    changed = max(difference["water_excess_observed"], difference["water_deficit_observed"])
    return bool(visible) and 2 * visible >= water["reference_permanent_water"] and 10 * changed > visible


Judge = Callable[[Item], bool]
PARTS: dict[str, Judge] = {
    "theme.isa=WaterAnomaly": is_anomaly,
    "datetime.gte=2026-06-01": lambda item: item["properties"]["datetime"] >= "2026-06-01",
    "datetime.gte=2021-06-01": lambda item: item["properties"]["datetime"] >= "2021-06-01",
    # No real item tells of clouds, so none passes.
    "eo:cloud_cover.lt=60": lambda item: item["properties"].get("eo:cloud_cover", 100) < 60,
    "cloud_cover.lt=20": lambda item: item["properties"].get("eo:cloud_cover", 100) < 20,
    "observed_water.lt=5": lambda item: item["properties"]["dafab:water-analysis"]["observed_water"] < 5,
}


@pytest.mark.parametrize("page", ["README.md", "docs/query.md"])
def test_an_example_as_it_stands(page: str, site: Any, items: list[Item]) -> None:
    check(example(page), site, items)


@pytest.mark.parametrize("area", AREAS)
def test_an_example_with_what_the_real_items_tell_of(area: str, site: Any, items: list[Item]) -> None:
    shown = example("docs/query.md").replace("@luxembourg", f"@{area}")
    asked = shown.replace("2026", "2021").replace("cloud_cover.lt=20", "observed_water.lt=5")
    assert len(asked.split(",")) == 4
    found = check(asked, site, items)
    assert bool(found) == (area != "luxembourg")


def check(asked: str, site: Any, items: list[Item]) -> set[str]:
    """Put a question to the stock command line, compare with plain Python, and return what was found."""
    place, *others = asked.split(",")
    area = load().areas.geometry(place.partition("@")[2])
    wanted = {item["id"] for item in items if lies_within(item, area) and all(PARTS[each](item) for each in others)}
    listed = site.rucio("user_dafab", "did", "list", f"{SCOPE}:*", "--short", "--filter", asked)
    found = {line.partition(":")[2].strip() for line in listed.splitlines() if line.startswith(f"{SCOPE}:")}
    assert found == wanted
    return found
