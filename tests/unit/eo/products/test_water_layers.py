"""The rasters of a water product: which there are, and that each says what it is called."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pytest
import rasterio
from numpy.typing import NDArray
from PIL import Image

from rucio_dafab.eo import water_layers
from rucio_dafab.eo.errors import ProductError
from rucio_dafab.eo.products import Product, make_water
from rucio_dafab.eo.scene import Scene, open_scene

Make = Callable[..., Any]
SHAPE = (60, 80)
CLOUD, GROUND = 9, 5


def with_land_cover(scene: Scene, values: NDArray[np.uint8]) -> Scene:
    """Return a scene with a land cover on its own grid."""
    assert scene.folder is not None
    profile = {"driver": "GTiff", "dtype": "uint8", "count": 1, "height": SHAPE[0], "width": SHAPE[1]}
    with rasterio.open(
        scene.folder / "land_cover.tif", "w", crs=scene.crs, transform=scene.transform, **profile
    ) as target:
        target.write(values, 1)
    path = scene.folder / "item.json"
    item = orjson.loads(path.read_bytes())
    item["assets"]["land_cover"] = {"href": "./land_cover.tif", "roles": ["reference"]}
    path.write_bytes(orjson.dumps(item))
    return open_scene(scene.folder)


@pytest.fixture
def product(make_scene: Make, predict: Make, card: Any, tmp_path: Path) -> Product:
    """Return a product of all layers: a river, a pond of four pixels, a cloud, an index that sees a little less."""
    reference, water = np.zeros(SHAPE, np.uint8), np.zeros(SHAPE, bool)
    reference[20:30], reference[30:33] = 1, 2
    water[20:35], water[50:52, 70:72] = True, True
    scl = np.full(SHAPE, GROUND, np.uint8)
    scl[:10, :20] = CLOUD
    cover = np.full(SHAPE, 40, np.uint8)
    cover[20:30], cover[0, 0] = 80, 0
    index = water.copy()
    index[34] = False
    prediction = predict(water=water, clear=scl != CLOUD)
    seen = replace(prediction, indices=("mndwi",), index_water=index[None])
    scene = with_land_cover(make_scene(reference=reference, scl=scl), cover)
    return make_water(scene, seen, card, tmp_path / "out")


def classes(product: Product, key: str) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
    with rasterio.open(product.files[key]) as source:
        return source.read(1), source.read_masks(1) > 0


def test_what_the_net_and_the_index_say(product: Product) -> None:
    observed, there = classes(product, water_layers.OBSERVED_WATER)
    assert (observed.sum(), there[:10, :20].any()) == (15 * 80 + 4, False)
    assert classes(product, water_layers.INDEX_WATER)[0].sum() == 14 * 80 + 4


def test_small_patches_are_tidied_away(product: Product) -> None:
    for key, rows in ((water_layers.OBSERVED_WATER_TIDIED, 15), (water_layers.INDEX_WATER_TIDIED, 14)):
        values, _ = classes(product, key)
        assert values[20 : 20 + rows].all()
        assert values.sum() == rows * 80


def test_small_holes_are_filled_but_not_from_under_clouds() -> None:
    water, clear = np.ones((12, 12), bool), np.ones((12, 12), bool)
    water[5, 5] = water[8:, 8:] = False
    clear[8:, 8:] = False
    found = water_layers.tidied(water & clear, clear, 10)
    assert found[5, 5] == 1
    assert not found[8:, 8:].any()
    np.testing.assert_array_equal(water_layers.tidied(water, clear, 1), water)


def test_clouds_reference_and_land_cover(product: Product) -> None:
    clouds, there = classes(product, water_layers.CLOUD_MASK)
    assert there.all()
    assert (clouds[:10, :20].all(), clouds.sum()) == (True, 200)
    reference, _ = classes(product, water_layers.REFERENCE_WATER)
    assert [int((reference == value).sum()) for value in (1, 2)] == [800, 240]
    cover, _ = classes(product, water_layers.LAND_COVER)
    assert (cover[1, 1], cover[25, 5], cover[0, 0]) == (40, 80, 0)
    assert product.item["properties"]["dafab:land_cover"] == 40
    bands = product.item["assets"][water_layers.LAND_COVER]["bands"]
    assert {each["value"]: each["title"] for each in bands[0]["classification:classes"]}[80] == "permanent water bodies"


def test_every_layer_and_anomaly_has_its_pictures(product: Product) -> None:
    data = [key for key, asset in product.item["assets"].items() if asset["roles"] == ["data"]]
    assert len(data) == 10
    for key in data:
        for role, longest in (("thumbnail", 512), ("overview", 1536)):
            preview = product.item["assets"][f"{key}-{role}"]["dafab:preview"]
            assert preview["source_asset"] == key
            assert f"1220{preview['source_sha256']}" == product.item["assets"][key]["file:checksum"]
            with Image.open(product.files[f"{key}-{role}"]) as picture:
                assert max(picture.size) <= longest
    assert len({path.name for path in product.files.values()}) == len(product.files)


def test_excess_and_deficit_are_drawn_apart(product: Product) -> None:
    pictures = [
        np.asarray(Image.open(product.files[f"{key}-overview"]).convert("RGBA"))
        for key in (water_layers.EXCESS, water_layers.DEFICIT, water_layers.DIFFERENCE)
    ]
    assert not np.array_equal(pictures[0], pictures[1])
    assert not np.array_equal(pictures[0], pictures[2])


def test_what_a_scene_does_not_allow_is_left_out(make_scene: Make, predict: Make, card: Any, tmp_path: Path) -> None:
    made = make_water(make_scene(), predict(water=np.ones(SHAPE, bool)), card, tmp_path / "out")
    masks = {water_layers.OBSERVED_WATER, water_layers.OBSERVED_WATER_TIDIED}
    assert {key for key, asset in made.item["assets"].items() if asset["roles"] == ["data"]} == masks
    assert "dafab:land_cover" not in made.item["properties"]


def test_what_is_no_class_of_worldcover_is_refused(make_scene: Make, predict: Make, card: Any, tmp_path: Path) -> None:
    scene = with_land_cover(make_scene(), np.full(SHAPE, 41, np.uint8))
    with pytest.raises(ProductError, match=r"land_cover\.tif holds the value 41, which is no class of ESA WorldCover"):
        make_water(scene, predict(water=np.ones(SHAPE, bool)), card, tmp_path / "out")


def test_a_land_cover_that_is_everywhere_unknown_says_nothing(
    make_scene: Make, predict: Make, card: Any, tmp_path: Path
) -> None:
    scene = with_land_cover(make_scene(), np.zeros(SHAPE, np.uint8))
    made = make_water(scene, predict(water=np.ones(SHAPE, bool)), card, tmp_path / "out")
    assert "dafab:land_cover" not in made.item["properties"]
