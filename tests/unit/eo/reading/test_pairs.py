"""Two acquisitions of one tile: one scene with the bands of both, what a net is given of them, and refusals."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pytest
from affine import Affine
from rasterio.crs import CRS

from rucio_dafab.eo.bands import of_second, second_name
from rucio_dafab.eo.errors import SceneError
from rucio_dafab.eo.inference import infer, load_model, missing_bands
from rucio_dafab.eo.models import Model
from rucio_dafab.eo.pairs import paired
from rucio_dafab.eo.scene import Scene, open_scene, read_bands

from .conftest import MakeModel, MakeScene, metadata, write_band

RANDOM = np.random.default_rng(23)
SHAPE = (300, 280)
LATER = {"datetime": "2026-06-21T10:00:00Z"}


def numbers(shape: tuple[int, int] = SHAPE) -> np.ndarray:
    return RANDOM.integers(1, 8000, shape).astype(np.uint16)


def opened(folder: Path, name: str) -> Scene:
    """Return the scene in a folder, under another id."""
    item = orjson.loads((folder / "item.json").read_bytes())
    (folder / "item.json").write_bytes(orjson.dumps(item | {"id": name}))
    return open_scene(folder)


@pytest.fixture
def first(make_scene: MakeScene) -> Scene:
    return opened(make_scene({"B02": numbers(), "B03": numbers()}, name="first"), "first")


@pytest.fixture
def second(make_scene: MakeScene) -> Scene:
    """Return a later acquisition, which has no data in a corner, and a saturated pixel in one band."""
    bands = {"B02": numbers(), "B03": numbers(), "SCL": (np.full((150, 140), 9, np.uint8), 20.0)}
    bands["B02"][:40, :50] = bands["B03"][:40, :50] = 0
    bands["B03"][100, 100] = 65535
    return opened(make_scene(bands, name="second", properties=LATER), "second")


@pytest.fixture
def model(make_model: MakeModel) -> Model:
    """Return a net of four bands whose answer is the sigmoid of their mean; two are of a second acquisition."""
    return load_model(make_model(metadata("B02,B03,B02@2,B03@2", "extent", optional_bands="B02@2,B03@2")), threads=1)


def expected(scene: Scene, second: Scene | None) -> np.ndarray:
    """Return what the net answers, with 0 for what there is not of a second acquisition."""
    values = [(read_bands(each, ["B02", "B03"]) - 0.1) / 0.2 for each in (scene, second) if each is not None]
    total = values[0].sum(axis=0) + sum(np.nan_to_num(each).sum(axis=0) for each in values[1:])
    answer: np.ndarray = 255 / (1 + np.exp(-total / 4))
    return answer


def test_names_of_bands_of_a_second_acquisition() -> None:
    assert second_name("B8A") == "B8A@2"
    assert [of_second(name) for name in ("B8A@2", "B8A", "VV@2", "@2", "B02@3")] == ["B8A", None, None, None, None]


def test_a_pair_is_the_first_scene_with_bands_of_both(first: Scene, second: Scene) -> None:
    pair = paired(first, second)
    assert list(pair.bands) == ["B02", "B03", "B02@2", "B03@2"]
    assert (pair.id, pair.item, pair.folder) == (first.id, first.item, first.folder)
    assert pair.second == {"id": "second", "datetime": "2026-06-21T10:00:00Z"}
    np.testing.assert_array_equal(read_bands(pair, ["B03@2"]), read_bands(second, ["B03"]))


def test_one_date_is_as_ever_and_names_no_band_of_another(first: Scene, model: Model, make_model: MakeModel) -> None:
    prediction = infer(model, first)
    assert missing_bands(model, first) == ()
    assert (prediction.bands_absent, prediction.second) == ((), {})
    assert np.abs(prediction.probabilities[0] - expected(first, None)).max() <= 0.51
    alone = load_model(make_model(metadata(outputs="extent"), name="alone"), threads=1)
    assert infer(alone, first).probabilities.any()


def test_two_dates_are_read_together_and_what_the_second_lacks_is_absent_there(
    first: Scene, second: Scene, model: Model
) -> None:
    prediction = infer(model, paired(first, second))
    assert np.abs(prediction.probabilities[0] - expected(first, second)).max() <= 0.51
    # The second one has no data in a corner and is cloudy everywhere: valid and clear are the first one's.
    assert prediction.valid.all()
    assert prediction.clear.all()
    assert prediction.scl_missing
    assert prediction.second["id"] == "second"
    one_date = infer(model, first).probabilities
    assert not np.array_equal(prediction.probabilities, one_date)
    np.testing.assert_array_equal(prediction.probabilities[:, :40, :50], one_date[:, :40, :50])


def test_what_the_first_lacks_is_not_valid(make_scene: MakeScene, second: Scene, model: Model) -> None:
    band = numbers()
    band[7, 9] = 0
    scene = opened(make_scene({"B02": band, "B03": numbers()}, name="gap"), "gap")
    valid = infer(model, paired(scene, second)).valid
    assert not valid[7, 9]
    assert valid.sum() == valid.size - 1


def test_a_band_that_the_second_does_not_have_is_named(first: Scene, make_scene: MakeScene, model: Model) -> None:
    other = opened(make_scene({"B02": numbers()}, name="other"), "other")
    assert infer(model, paired(first, other)).bands_absent == ("B03@2",)


def test_a_model_of_one_date_takes_nothing_of_a_second(first: Scene, second: Scene, make_model: MakeModel) -> None:
    model = load_model(make_model(metadata(outputs="extent"), name="alone"), threads=1)
    prediction = infer(model, paired(first, second))
    assert prediction.second == {}
    np.testing.assert_array_equal(prediction.probabilities, infer(model, first).probabilities)


@pytest.mark.parametrize("rows", [(64, 1024), (1024, 16), (16, 512)])
def test_files_of_any_block_height_give_the_same(make_scene: MakeScene, model: Model, rows: tuple[int, int]) -> None:
    shape = (1200, 270)
    folders = [make_scene({"B02": numbers(shape), "B03": numbers(shape)}, name=name) for name in ("one", "two")]
    expectation = expected(*(opened(folder, folder.name) for folder in folders))
    for folder, height in zip(folders, rows, strict=True):
        for path in folder.glob("*.tif"):
            values = np.rint(read_bands(open_scene(folder), [path.stem])[0] * 10_000).astype(np.uint16)
            write_band(path, values, blockysize=height, blockxsize=16)
    prediction = infer(model, paired(*(open_scene(folder) for folder in folders)))
    assert np.abs(prediction.probabilities[0] - expectation).max() <= 0.51


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"id": "first"}, "scene first cannot be its own second acquisition"),
        ({"crs": CRS.from_epsg(32633)}, "its CRS is EPSG:32633, not EPSG:32632"),
        ({"transform": Affine(10, 0, 600_010, 0, -10, 5_400_000)}, r"its transform is \(10.0, 0.0, 600010.0,"),
        ({"shape": (300, 281)}, r"its shape is \(300, 281\), not \(300, 280\)"),
        ({"bands": {}}, "its kind of platform is radar, not optical"),
        ({"item": {"properties": {"dafab:simulated": True}}}, "its kind of platform is simulated optical, not optical"),
    ],
)
def test_what_does_not_go_with_a_scene_is_refused(
    first: Scene, second: Scene, changes: dict[str, Any], said: str
) -> None:
    with pytest.raises(SceneError, match=said) as refusal:
        paired(first, replace(second, **changes))
    assert "\n" not in str(refusal.value)
