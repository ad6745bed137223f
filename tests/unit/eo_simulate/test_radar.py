"""The simulator in radar: the places of the optical one, with levels and speckle as Sentinel-1 has them."""

import numpy as np
import pytest

from rucio_dafab.eo.simulate import Options, SimulationError, simulate
from rucio_dafab.eo.simulate.radar import POLARISATIONS, RadarScene, simulate_radar, speckle

FLOODED = Options(size=256, flood=0.8, rivers=1, lakes=6)


@pytest.fixture(scope="module")
def scene() -> RadarScene:
    return simulate_radar(3, FLOODED)


def test_the_same_seed_gives_the_same_scene(scene: RadarScene) -> None:
    again = simulate_radar(3, FLOODED)
    for name in POLARISATIONS:
        assert scene.bands[name].tobytes() == again.bands[name].tobytes()
    assert simulate_radar(4, FLOODED).bands["VV"].tobytes() != scene.bands["VV"].tobytes()


def test_radar_sees_the_place_that_the_optical_simulator_shows(scene: RadarScene) -> None:
    optical = simulate(3, FLOODED, ("B03",))
    np.testing.assert_array_equal(scene.water, optical.water)
    np.testing.assert_array_equal(scene.reference, optical.reference)


def test_bands_are_decibels_on_the_grid(scene: RadarScene) -> None:
    for name in POLARISATIONS:
        band = scene.bands[name]
        assert band.shape == (256, 256)
        assert band.dtype == np.float32
        assert np.isfinite(band).all()
        assert -35 < band.min() < band.max() < 25
    dry = scene.water < 0.01
    assert np.median(scene.bands["VV"][dry]) > np.median(scene.bands["VH"][dry]) + 4


def test_open_water_is_darker_than_land_on_most_days() -> None:
    darker = []
    for seed in range(12):
        scene = simulate_radar(seed, Options(size=192, flood=0.0, rivers=1, lakes=8))
        water = scene.water > 0.99
        if water.sum() > 100:
            darker.append(np.median(scene.bands["VV"][~water]) - np.median(scene.bands["VV"][water]))
    # Wind may hide it: then the difference is small, and that happens too.
    assert np.median(darker) > 4
    assert min(darker) < 5


def test_flooded_stems_are_brighter_than_the_same_stems_dry() -> None:
    brighter = []
    for seed in range(8):
        options = {"size": 192, "rivers": 1, "lakes": 0, "wooded": 0.9, "built": 0.0}
        wet, dry = (simulate_radar(seed, Options(flood=flood, **options)) for flood in (1.2, 0.0))  # type: ignore[arg-type]
        drowned = (wet.water > 0.9) & (dry.water < 0.01)
        if drowned.sum() > 200:
            brighter.append(np.mean(wet.bands["VV"][drowned] - dry.bands["VV"][drowned]))
    assert brighter
    assert np.median(brighter) > 0.5


def test_speckle_has_the_looks_and_the_grain_of_rtc() -> None:
    drawn = speckle(np.random.default_rng(1), (400, 400))
    assert drawn.mean() == pytest.approx(1.0, abs=0.01)
    assert drawn.mean() ** 2 / drawn.var() == pytest.approx(7.3, abs=0.5)
    neighbours = np.corrcoef(drawn[:, 1:].ravel(), drawn[:, :-1].ravel())[0, 1]
    assert neighbours == pytest.approx(0.65, abs=0.04)


def test_a_negative_seed_is_refused() -> None:
    with pytest.raises(SimulationError, match="give a number that is not negative"):
        simulate_radar(-1)
