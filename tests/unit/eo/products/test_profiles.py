"""What our own pipeline writes has the whole profile of its collection, and edge cases of it fit."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rucio_dafab.eo.products import Product, make_fields, make_water
from rucio_dafab.stac.report import violations
from rucio_dafab.stac.schemas import load

Make = Callable[..., Any]
SHAPE = (60, 80)


def whole(product: Product) -> dict[str, Any]:
    """Return the item of a product as one that names its schema, which asks for the whole profile."""
    item = product.item
    schema = load().named(item["collection"])
    return item | {"stac_extensions": [*item["stac_extensions"], schema.uri]}


@pytest.mark.parametrize("referenced", [True, False])
@pytest.mark.parametrize("clear", [0.0, 0.5, 1.0])
def test_water_products_have_the_whole_profile(
    make_scene: Make, predict: Make, card: Any, tmp_path: Path, referenced: bool, clear: float
) -> None:
    reference, water = np.zeros(SHAPE, np.uint8), np.zeros(SHAPE, bool)
    reference[20:30], water[25:40] = 1, True
    seen = np.zeros(SHAPE, bool)
    seen[: int(clear * SHAPE[0])] = True
    scene = make_scene(reference=reference) if referenced else make_scene()
    product = make_water(scene, predict(water=water, clear=seen), card, tmp_path / "out")
    assert violations(whole(product)) == ()


@pytest.mark.parametrize("size", [20, 200])
def test_field_products_have_the_whole_profile(
    make_scene: Make, predict: Make, chequered: Make, maps_of: Make, card: Any, tmp_path: Path, size: int
) -> None:
    maps = maps_of(chequered(SHAPE, size))
    product = make_fields(make_scene(), predict(clear=np.ones(SHAPE, bool), **maps), card, tmp_path / "out")
    assert violations(whole(product)) == ()
