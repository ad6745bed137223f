"""The items of real scenes fit the profile of their collection."""

import json
from pathlib import Path

import pytest

from rucio_dafab.eo.readers.safe_item import make_item
from rucio_dafab.eo.readers.safe_xml import read_product, read_tile
from rucio_dafab.stac.report import violations
from rucio_dafab.stac.schemas import load

pytestmark = pytest.mark.shared

COLLECTION = "sentinel_2_l2a"


def test_items_of_real_products_have_the_whole_profile(shared: Path) -> None:
    read = 0
    for path in shared.glob("safe_metadata/*/MTD_MSIL2A.xml"):
        tile = next(path.parent.glob("GRANULE/*/MTD_TL.xml"), None)
        made = make_item(read_product(path), read_tile(tile) if tile else None, path.parent.name)
        item = json.loads(json.dumps(made))
        named = item | {
            "collection": COLLECTION,
            "stac_extensions": [*item["stac_extensions"], load().named(COLLECTION).uri],
        }
        assert violations(named) == (), path.parent.name
        read += 1
    assert read >= 5


def test_items_of_real_scenes_fit(shared: Path) -> None:
    found = list(shared.glob("scenes/*/item.json"))
    assert len(found) == 5
    for path in found:
        assert violations(json.loads(path.read_text()) | {"collection": COLLECTION}) == (), path.parent.name
