"""The simulator: the same seed gives the same scene, and the truth is what the pixels show."""

import dataclasses
import datetime as dt
from typing import Any

import numpy as np
import pytest

from rucio_dafab.eo.simulate import Options, SimulatedScene, SimulationError, simulate
from rucio_dafab.eo.simulate.parcels import CROPS, STATES
from rucio_dafab.eo.simulate.spectra import BANDS, NAMES, RESOLUTION, TABLE, spectrum

CLEAR = Options(size=256, clouds=0.0, rivers=2, lakes=8)


@pytest.fixture(scope="module")
def scene() -> SimulatedScene:
    return simulate(3, CLEAR)


def ndwi(scene: SimulatedScene) -> np.ndarray:
    green, infrared = scene.bands["B03"], scene.bands["B08"]
    return (green - infrared) / (green + infrared).clip(1e-6)


def test_the_same_seed_gives_the_same_scene(scene: SimulatedScene) -> None:
    again = simulate(3, CLEAR)
    for band in BANDS:
        np.testing.assert_array_equal(scene.bands[band], again.bands[band])
    for layer in ("scl", "water", "reference", "parcels", "opacity"):
        np.testing.assert_array_equal(getattr(scene, layer), getattr(again, layer))


def test_another_seed_gives_another_scene(scene: SimulatedScene) -> None:
    assert not np.array_equal(scene.parcels, simulate(4, CLEAR, ("B04",)).parcels)


def test_another_date_shows_the_same_place(scene: SimulatedScene) -> None:
    winter = simulate(3, dataclasses.replace(CLEAR, date=dt.date(2026, 12, 10)), ("B04", "B08"))
    np.testing.assert_array_equal(winter.parcels, scene.parcels)
    np.testing.assert_array_equal(winter.reference, scene.reference)
    fields = scene.parcels > 0
    assert winter.bands["B08"][fields].mean() < 0.8 * scene.bands["B08"][fields].mean()


def test_fewer_bands_are_asked_for_and_made() -> None:
    assert tuple(simulate(3, CLEAR, ("B03", "B11")).bands) == ("B03", "B11")


@pytest.mark.parametrize("band", BANDS)
def test_bands_have_their_own_resolution(scene: SimulatedScene, band: str) -> None:
    side = -(-256 * 10 // RESOLUTION[band])
    assert scene.bands[band].shape == (side, side)
    assert scene.bands[band].dtype == np.float32
    assert -0.05 <= scene.bands[band].min() < scene.bands[band].max() <= 1.6


def test_an_odd_number_of_60_metre_pixels_covers_the_scene() -> None:
    assert simulate(1, Options(size=1024 // 4 + 2, clouds=0), ("B01",)).bands["B01"].shape == (43, 43)


def test_open_water_has_a_positive_index_and_land_a_negative_one(scene: SimulatedScene) -> None:
    index = ndwi(scene)
    open_water, dry = scene.water > 0.98, (scene.water == 0) & (scene.parcels > 0)
    assert open_water.sum() > 500
    assert (index[open_water] > 0).mean() > 0.95
    assert (index[dry] < 0).mean() > 0.98


def test_mixed_pixels_lie_between_water_and_land(scene: SimulatedScene) -> None:
    infrared = scene.bands["B08"]
    mixed = (scene.water > 0.3) & (scene.water < 0.7)
    assert mixed.sum() > 50
    assert infrared[scene.water > 0.98].mean() < infrared[mixed].mean() < infrared[scene.water == 0].mean()


def test_a_flood_adds_water_to_the_reference_and_a_drought_takes_some() -> None:
    flood, dry, usual = (
        simulate(8, dataclasses.replace(CLEAR, size=512, flood=high, drought=low), ("B03",))
        for high, low in ((0.9, 0.0), (0.0, 0.9), (0.0, 0.0))
    )
    for other in (flood, dry):
        np.testing.assert_array_equal(other.reference, usual.reference)
    known = usual.reference > 0
    np.testing.assert_array_equal(usual.water_mask, known)
    assert (flood.water_mask & ~known).sum() > 0.05 * known.sum()
    assert (flood.water_mask | ~known).all()
    assert (known & ~dry.water_mask).sum() > 0.05 * known.sum()
    assert not (dry.water_mask & ~known).any()


def test_parcels_are_whole_and_dry_and_not_under_water(scene: SimulatedScene) -> None:
    sizes = np.bincount(scene.parcels.ravel())[1:]
    assert scene.parcels.dtype == np.int32
    assert len(sizes) > 30
    assert sizes.min() >= 8
    assert not (scene.parcels[scene.reference > 0] > 0).any()


def test_pixels_of_one_parcel_are_more_alike_than_parcels_are(scene: SimulatedScene) -> None:
    infrared, inside = scene.bands["B08"], (scene.parcels > 0) & (scene.water == 0)
    labels = scene.parcels[inside]
    sums = np.bincount(labels, infrared[inside])
    counts = np.bincount(labels).clip(1)
    means = sums / counts
    within = (infrared[inside] - means[labels]).std()
    assert within < 0.6 * means[counts > 8].std()


def test_clouds_cover_what_was_asked_and_are_classified() -> None:
    scene = simulate(5, Options(size=512, clouds=0.3), ("B02",))
    hidden = scene.opacity > 0.3
    assert 0.2 < hidden.mean() < 0.4
    cloudy = np.isin(scene.scl, (8, 9))
    assert 0.2 < cloudy.mean() < 0.4
    assert (scene.scl == 3).any()
    assert scene.bands["B02"][hidden].mean() > 3 * scene.bands["B02"][~hidden].mean()
    assert not scene.visible[scene.opacity > 0.9].any()


def test_the_classification_agrees_with_the_water(scene: SimulatedScene) -> None:
    assert scene.scl.shape == (128, 128)
    assert scene.scl.dtype == np.uint8
    coarse = scene.water.reshape(128, 2, 128, 2).mean(axis=(1, 3))
    np.testing.assert_array_equal(scene.scl == 6, coarse > 0.5)
    assert (scene.scl == 4).mean() > 0.4


@pytest.mark.parametrize("clouds", [0.0, 1.0])
def test_all_cloud_and_no_cloud_are_possible(clouds: float) -> None:
    scene = simulate(1, Options(size=128, clouds=clouds), ("B02",))
    assert scene.visible.mean() == 1 - clouds


def test_a_scene_without_water_fields_or_towns_is_possible() -> None:
    options = Options(size=128, flood=0, rivers=0, lakes=0, wooded=1.0, built=0, clouds=0)
    scene = simulate(2, options, ("B08",))
    assert not scene.water.any()
    assert not scene.reference.any()
    assert (scene.parcels > 0).mean() < 0.05


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"size": 63}, "size 63"),
        ({"size": 32}, "size 32"),
        ({"size": 20_000}, "size 20000"),
        ({"clouds": 1.5}, "clouds 1.5"),
        ({"clouds": float("nan")}, "clouds nan"),
        ({"flood": -1.0}, "flood -1.0"),
        ({"parcel_width": 1.0}, "parcel_width 1.0"),
        ({"drought": 0.5, "flood": 0.5}, "a flood or a drought"),
    ],
)
def test_impossible_options_are_refused_by_name(change: dict[str, Any], words: str) -> None:
    with pytest.raises(SimulationError, match=words):
        Options(**change)


def test_a_negative_seed_and_an_unknown_band_are_refused() -> None:
    with pytest.raises(SimulationError, match="seed -1"):
        simulate(-1)
    with pytest.raises(SimulationError, match="no band B10"):
        simulate(1, CLEAR, ("B02", "B10"))


def test_spectra_are_what_their_names_say() -> None:
    green, red, infrared, swir = (BANDS.index(band) for band in ("B03", "B04", "B08", "B11"))
    for name in ("crop", "lush", "grass", "deciduous", "conifer"):
        assert spectrum(name)[infrared] > 4 * spectrum(name)[red], name
    for name in ("deep", "turbid", "algal"):
        assert spectrum(name)[green] > spectrum(name)[infrared] > spectrum(name)[swir], name
    assert spectrum("soil")[swir] > spectrum("soil")[infrared] > spectrum("soil")[red]
    assert TABLE.shape == (len(NAMES), len(BANDS))


@pytest.mark.parametrize("name", list(CROPS))
def test_a_crops_year_is_complete(name: str) -> None:
    crop = CROPS[name]
    assert crop.days[0] == 0
    assert crop.days[-1] == 366
    assert list(crop.days) == sorted(crop.days)
    assert len(crop.states) == len(crop.days)
    assert all(len(state) == len(STATES) and sum(state) == 100 for state in crop.states)
    assert crop.states[0] == crop.states[-1] or np.abs(np.subtract(crop.states[0], crop.states[-1])).max() <= 15


def test_snow_is_bright_in_the_visible_and_dark_beyond(scene: SimulatedScene) -> None:
    snowy = simulate(3, dataclasses.replace(CLEAR, snow=0.6))
    added = (snowy.bands["B03"] - scene.bands["B03"]) > 0.4
    assert 0.2 < added.mean() < 0.6
    open_land = added & ~snowy.water_mask
    # Normalised difference snow index: above 0.4 on snow (Hall et al., 1995).
    short = np.kron(snowy.bands["B11"], np.ones((2, 2), np.float32))
    index = (snowy.bands["B03"] - short) / (snowy.bands["B03"] + short)
    assert np.median(index[open_land]) > 0.7
    assert 0.1 < (snowy.scl == 11).mean() < 0.6
    np.testing.assert_array_equal(snowy.parcels, scene.parcels)
    np.testing.assert_array_equal(snowy.water, scene.water)


def test_trees_stand_out_of_the_snow() -> None:
    options = dataclasses.replace(CLEAR, snow=1.0, wooded=0.5, date=dt.date(2026, 1, 20))
    snowy = simulate(5, options, ("B03",))
    fields, trees = snowy.parcels > 0, snowy.land_cover == 10
    assert snowy.bands["B03"][fields].mean() > 1.5 * snowy.bands["B03"][trees].mean()


def test_glint_brightens_water_alone_and_evenly(scene: SimulatedScene) -> None:
    shining = simulate(3, dataclasses.replace(CLEAR, glint=1.0))
    pure_water, pure_land = scene.water > 0.99, scene.water < 0.01
    for band in ("B02", "B04", "B08"):
        added = shining.bands[band] - scene.bands[band]
        assert 0.1 < added[pure_water].mean() < 0.2
        assert np.abs(added[pure_land]).mean() < 0.005, "but for the blur at the shore"
    assert np.median(ndwi(shining)[pure_water]) < np.median(ndwi(scene)[pure_water]), "what fools an index"


@pytest.mark.parametrize("name", ["snow", "glint"])
@pytest.mark.parametrize("value", [-0.1, 1.1, float("nan")])
def test_weather_out_of_its_range_is_refused(name: str, value: float) -> None:
    with pytest.raises(SimulationError, match=rf"^{name} .* of a simulated scene: give a number from 0 to 1$"):
        Options(**{name: value})  # type: ignore[arg-type]
