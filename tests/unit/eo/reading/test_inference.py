"""A net over a scene: values, masks, seams, bounded pieces, refusals. The net is one whose answer can be computed."""

import numpy as np
import pytest

from rucio_dafab.eo.errors import ModelError, SceneError
from rucio_dafab.eo.fitness import Fitness, assess
from rucio_dafab.eo.inference import infer, load_model, missing_bands
from rucio_dafab.eo.scene import Scene, open_scene, read_bands

from .conftest import MakeModel, MakeScene, metadata

RANDOM = np.random.default_rng(11)


def numbers(rows: int, columns: int) -> np.ndarray:
    return RANDOM.integers(1, 8000, (rows, columns)).astype(np.uint16)


def expected(scene: Scene, output: int = 0) -> np.ndarray:
    """Return what the tiny net answers: sigmoid of the mean of the normalised bands, plus the number of the output."""
    values = (read_bands(scene, ["B02", "B03"]) - 0.1) / 0.2
    return 255 / (1 + np.exp(-(values.mean(axis=0) + output)))


@pytest.mark.parametrize("shape", [(1, 1), (10, 10), (256, 256), (257, 30), (300, 700), (700, 300), (1100, 260)])
def test_every_pixel_gets_the_net_s_answer_whatever_the_size(
    make_scene: MakeScene, make_model: MakeModel, shape: tuple[int, int]
) -> None:
    scene = open_scene(make_scene({"B02": numbers(*shape), "B03": numbers(*shape)}))
    prediction = infer(load_model(make_model(metadata(outputs="one,two")), threads=1), scene)
    assert prediction.probabilities.dtype == np.uint8
    assert prediction.probabilities.shape == (2, *shape)
    # A net that looks at single pixels gives every chip the same answer: blending must not change it.
    for output in (0, 1):
        difference = np.abs(prediction.probabilities[output] - expected(scene, output))
        assert difference.max() <= 0.51
    assert prediction.valid.all()
    assert prediction.clear.all()
    assert prediction.scl_missing
    assert prediction.chips_skipped == 0
    assert 0 < prediction.session_seconds < prediction.seconds


def test_the_same_scene_gives_the_same_bytes(make_scene: MakeScene, make_model: MakeModel) -> None:
    scene = open_scene(make_scene({"B02": numbers(500, 500), "B03": numbers(500, 500)}))
    model = load_model(make_model())
    assert infer(model, scene).probabilities.tobytes() == infer(model, scene).probabilities.tobytes()


def test_pixels_without_data_are_not_valid_and_empty_chips_are_skipped(
    make_scene: MakeScene, make_model: MakeModel
) -> None:
    first, second = numbers(700, 700), numbers(700, 700)
    first[:, 200:] = 0
    second[5, 6] = 65535
    scene = open_scene(make_scene({"B02": first, "B03": second}))
    prediction = infer(load_model(make_model()), scene)
    valid = np.zeros((700, 700), bool)
    valid[:, :200] = True
    valid[5, 6] = False
    np.testing.assert_array_equal(prediction.valid, valid)
    assert not prediction.probabilities[:, ~valid].any()
    assert np.abs(prediction.probabilities[0][valid] - expected(scene)[valid]).max() <= 0.51
    # Chips start at 0, 224 and 444: only the first column holds anything.
    assert (prediction.chips, prediction.chips_skipped) == (3, 6)


@pytest.mark.parametrize("empty", [slice(0, 900), slice(256, 900), slice(300, 1200)], ids=["top", "middle", "bottom"])
def test_rows_of_chips_without_data_are_passed_over(make_scene: MakeScene, make_model: MakeModel, empty: slice) -> None:
    band = numbers(1200, 300)
    band[empty] = 0
    scene = open_scene(make_scene({"B02": band, "B03": numbers(1200, 300)}))
    told: list[tuple[int, int]] = []
    prediction = infer(load_model(make_model()), scene, lambda done, total: told.append((done, total)))
    np.testing.assert_array_equal(prediction.valid, band > 0)
    assert not prediction.probabilities[:, band == 0].any()
    assert np.abs(prediction.probabilities[0] - expected(scene))[band > 0].max() <= 0.51
    assert prediction.chips_skipped >= 2
    assert told[-1] == (12, 12)


def test_clear_is_valid_without_cloud_and_shadow(make_scene: MakeScene, make_model: MakeModel) -> None:
    classes = np.arange(12, dtype=np.uint8).repeat(2).reshape(4, 6)
    band = numbers(8, 12)
    band[0, 11] = 0
    scene = open_scene(make_scene({"B02": band, "B03": numbers(8, 12), "SCL": (classes, 20.0)}))
    prediction = infer(load_model(make_model()), scene)
    clear = np.isin(classes, (2, 4, 5, 6, 7, 11)).repeat(2, 0).repeat(2, 1)
    clear[0, 11] = False
    np.testing.assert_array_equal(prediction.clear, clear)
    assert not prediction.scl_missing
    assert assess(scene) == Fitness(11 / 12, clear_fraction=6 / 11, scl=True, dark_fraction=0.0)


def test_fitness_without_a_scene_classification_counts_data(make_scene: MakeScene) -> None:
    band = numbers(10, 10)
    band[:3] = 0
    assert assess(open_scene(make_scene({"B03": band}))) == Fitness(0.7, 1.0, scl=False, dark_fraction=0.0)


def test_a_scene_with_no_clear_pixel_is_refused_by_name(make_scene: MakeScene, make_model: MakeModel) -> None:
    model = load_model(make_model())
    cloud = np.full((5, 5), 9, np.uint8)
    covered = make_scene({"B02": numbers(10, 10), "B03": numbers(10, 10), "SCL": (cloud, 20.0)}, name="covered")
    empty = make_scene({"B02": np.zeros((10, 10), np.uint16), "B03": numbers(10, 10)}, name="empty")
    full = np.full((10, 10), 65535, np.uint16)
    saturated = make_scene({"B02": full, "B03": full}, name="saturated")
    reasons = {covered: "has no clear pixel: cloud", empty: "has no pixel with data", saturated: "or saturated everywh"}
    for folder, reason in reasons.items():
        with pytest.raises(SceneError, match=f"scene made_scene .*{reason}"):
            infer(model, open_scene(folder))
    assert assess(open_scene(covered)).clear_fraction == 0
    assert assess(open_scene(empty)).valid_fraction == 0


@pytest.mark.filterwarnings("error")
def test_a_pixel_that_is_infinite_is_without_data_and_changes_no_other(
    make_scene: MakeScene, make_model: MakeModel
) -> None:
    bands = {name: RANDOM.uniform(0.01, 0.5, (300, 300)).astype(np.float32) for name in ("B02", "B03", "B11")}
    strange = {name: values.copy() for name, values in bands.items()}
    for values in strange.values():
        values[100, 120] = np.inf
    plain = {name: {"raster:scale": 1.0} for name in bands}
    model = load_model(make_model(metadata("B02,B03,B11")))
    whole = infer(model, open_scene(make_scene(bands, plain, name="whole")))
    holed = infer(model, open_scene(make_scene(strange, plain, name="holed")))
    assert np.argwhere(~holed.valid).tolist() == [[100, 120]]
    changed = np.argwhere(whole.probabilities[0] != holed.probabilities[0]).tolist()
    assert changed == [[100, 120]]
    assert np.argwhere(whole.index_water[0] != holed.index_water[0]).tolist() in ([], [[100, 120]])


def test_bands_that_are_missing_are_named(make_scene: MakeScene, make_model: MakeModel) -> None:
    scene = open_scene(make_scene({"B03": numbers(10, 10)}))
    model = load_model(make_model(metadata("B02,B03,B11")))
    assert missing_bands(model, scene) == ("B02", "B11")
    with pytest.raises(SceneError, match="scene made_scene lacks B02, B11, which model tiny takes"):
        infer(model, scene)


def test_a_band_that_breaks_off_ends_the_run(make_scene: MakeScene, make_model: MakeModel) -> None:
    folder = make_scene({"B02": numbers(1500, 300), "B03": numbers(1500, 300)})
    band = folder / "B03.tif"
    # The directory of a GeoTIFF stands before its pixels: the file opens, and breaks off on the way down.
    band.write_bytes(band.read_bytes()[: band.stat().st_size // 2])
    with pytest.raises(SceneError, match=f"band B03: {band} cannot be read in rows"):
        infer(load_model(make_model()), open_scene(folder))


def test_progress_tells_every_row_of_chips(make_scene: MakeScene, make_model: MakeModel) -> None:
    scene = open_scene(make_scene({"B02": numbers(500, 300), "B03": numbers(500, 300)}))
    told: list[tuple[int, int]] = []
    infer(load_model(make_model()), scene, lambda done, total: told.append((done, total)))
    assert told == [(2, 6), (4, 6), (6, 6)]


def test_a_net_of_a_fixed_batch_runs_too(make_scene: MakeScene, make_model: MakeModel) -> None:
    scene = open_scene(make_scene({"B02": numbers(300, 300), "B03": numbers(300, 300)}))
    prediction = infer(load_model(make_model(batch=1)), scene)
    assert np.abs(prediction.output("water") - expected(scene)).max() <= 0.51
    with pytest.raises(ModelError, match=r"no output ice \(it has water\)"):
        prediction.output("ice")


def test_a_band_it_can_do_without_is_zero_to_the_net_and_named(make_scene: MakeScene, make_model: MakeModel) -> None:
    first = numbers(300, 280)
    first[7, 9] = 0
    scene = open_scene(make_scene({"B02": first}))
    model = load_model(make_model(metadata(optional_bands="B03")))
    prediction = infer(model, scene)
    assert (missing_bands(model, scene), prediction.bands_absent) == ((), ("B03",))
    values = (read_bands(scene, ["B02"])[0] - 0.1) / 0.2
    answer = 255 / (1 + np.exp(-values / 2))
    assert np.nanmax(np.abs(prediction.probabilities[0] - answer)[prediction.valid]) <= 0.51
    assert not prediction.valid[7, 9]
    assert prediction.valid.sum() == 300 * 280 - 1


@pytest.mark.parametrize("shape", [(300, 30), (1100, 260)])
def test_the_indices_are_of_the_same_numbers_in_every_strip(
    make_scene: MakeScene, make_model: MakeModel, shape: tuple[int, int]
) -> None:
    bands = {name: numbers(*shape) for name in ("B03", "B08", "B11")}
    bands["B11"][3, 4] = 0
    scene = open_scene(make_scene(bands))
    model = load_model(make_model(metadata("B03,B08,B11", guard="ndwi,mndwi")))
    prediction = infer(model, scene)
    green, near, short = (bands[name].astype(int) for name in ("B03", "B08", "B11"))
    assert (prediction.indices, prediction.guard) == (("mndwi", "ndwi"), ("ndwi", "mndwi"))
    np.testing.assert_array_equal(prediction.by_index("mndwi"), (green > short) & prediction.valid)
    np.testing.assert_array_equal(prediction.by_index("ndwi"), (green > near) & prediction.valid)
    assert not prediction.index_water[:, 3, 4].any()


def test_a_guard_is_of_the_indices_that_the_bands_allow(make_scene: MakeScene, make_model: MakeModel) -> None:
    scene = open_scene(make_scene({"B03": numbers(20, 20), "B08": numbers(20, 20)}))
    model = load_model(make_model(metadata("B03,B08,B11", guard="ndwi,mndwi", optional_bands="B11")))
    prediction = infer(model, scene)
    assert (prediction.indices, prediction.guard, prediction.bands_absent) == (("ndwi",), ("ndwi",), ("B11",))


def test_indices_stand_beside_nets_of_water_alone(make_scene: MakeScene, make_model: MakeModel) -> None:
    scene = open_scene(make_scene({"B03": numbers(20, 20), "B08": numbers(20, 20)}))
    prediction = infer(load_model(make_model(metadata("B03,B08", outputs="extent"))), scene)
    assert prediction.indices == ()
    assert prediction.index_water.shape == (0, 20, 20)
