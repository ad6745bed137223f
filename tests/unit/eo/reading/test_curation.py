"""Which scenes are fit: the measures, the rules, and what is decided and recorded."""

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from rucio_dafab.eo.curation import CurationError, Decision, Unfit, judge, load_rules, require_fit
from rucio_dafab.eo.fitness import LOOKED_AT, Fitness, assess
from rucio_dafab.eo.scene import Scene, open_scene
from rucio_dafab.resources import resources

from .conftest import MakeScene

RANDOM = np.random.default_rng(5)
BANDS = ("B02", "B03", "B04", "B08", "B11", "B12")
SIDE = 100


def bright(side: int = SIDE) -> NDArray[np.uint16]:
    return RANDOM.integers(300, 4000, (side, side)).astype(np.uint16)


def judged(folder: Path) -> Decision:
    return judge(open_scene(folder), load_rules())


def classes(*codes: tuple[int, int]) -> NDArray[np.uint8]:
    """Return a classification at 20 m of vegetation (4), whose first pixels have other codes: (code, pixels) each."""
    flat = np.full((SIDE // 2) ** 2, 4, np.uint8)
    first = 0
    for code, count in codes:
        flat[first : first + count] = code
        first += count
    return flat.reshape(SIDE // 2, SIDE // 2)


def test_a_whole_bright_scene_is_fit(make_scene: MakeScene) -> None:
    decision = judged(make_scene({name: bright() for name in BANDS} | {"SCL": (classes((9, 500)), 20.0)}))
    assert decision.outcome == "fit"
    assert decision.document() == {
        "outcome": "fit",
        "rules": load_rules().version,
        "coverage_percent": 100.0,
        "clear_percent": 80.0,
        "saturated_percent": 0.0,
        "dark_percent": 0.0,
    }
    assert decision.line == "fit: 100.0 % with data, 80.0 % of that clear, 0 % saturated, 0 % dark"


def without_data(pixels: int) -> NDArray[np.uint16]:
    band = bright().reshape(-1)
    band[pixels:] = 0
    return band.reshape(SIDE, SIDE)


@pytest.mark.parametrize(
    ("band", "outcome", "reason"),
    [
        (without_data(1), "unfit", "0.01 % with data, less than 1 %"),
        (without_data(99), "unfit", "0.99 % with data, less than 1 %"),
        (without_data(100), "masked", "1.0 % with data, less than 90 %"),
        (without_data(8999), "masked", "90.0 % with data, less than 90 %"),
        (without_data(9000), "fit", ""),
        (np.full((SIDE, SIDE), 3, np.uint16), "unfit", "100.0 % dark, more than 99 %"),
        (np.full((SIDE, SIDE), 50, np.uint16), "fit", ""),
        (np.full((SIDE, SIDE), 65535, np.uint16), "unfit", "100.0 % saturated, more than 50 %"),
    ],
)
def test_scenes_beyond_the_bounds_stop_or_go_on_masked(
    make_scene: MakeScene, band: NDArray[np.uint16], outcome: str, reason: str
) -> None:
    scene = open_scene(make_scene(dict.fromkeys(BANDS, band)))
    decision = judge(scene, load_rules())
    assert (decision.outcome, "; ".join(decision.reasons)) == (outcome, reason)
    assert "clear_percent" not in decision.document()
    if outcome == "unfit":
        with pytest.raises(Unfit, match=rf"^made_scene is unfit: {reason} \(rules 1\.0\.0 of curation\)$"):
            require_fit(scene, decision)
    else:
        require_fit(scene, decision)


def test_a_saturated_part_is_masked_and_is_no_gap(make_scene: MakeScene) -> None:
    band = bright()
    band[:10] = 65535
    decision = judged(make_scene({name: bright() for name in BANDS} | {"B03": band}))
    assert (decision.outcome, decision.reasons) == ("masked", ("10.0 % saturated, more than 1 %",))
    assert decision.measured["coverage"] == 100


def test_pixels_are_dark_where_every_band_is(make_scene: MakeScene) -> None:
    dark = {name: np.full((SIDE, SIDE), 10, np.uint16) for name in BANDS}
    water = dark | {"B03": np.full((SIDE, SIDE), 80, np.uint16)}
    assert assess(open_scene(make_scene(dark, name="dark"))).dark_fraction == 1
    assert assess(open_scene(make_scene(water, name="water"))).dark_fraction == 0


@pytest.mark.parametrize(
    ("covered", "outcome", "reason"),
    [
        (2500, "unfit", ""),
        (2480, "unfit", "0.8 % of that clear, less than 1 %"),
        (2400, "masked", "4.0 % of that clear, less than 40 %"),
        (1500, "fit", ""),
    ],
)
def test_clouds_stop_or_mask(make_scene: MakeScene, covered: int, outcome: str, reason: str) -> None:
    scene = open_scene(make_scene({name: bright() for name in BANDS} | {"SCL": (classes((9, covered)), 20.0)}))
    decision = judge(scene, load_rules())
    assert decision.outcome == outcome
    if reason:
        assert decision.reasons == (reason,)
    if covered == 2500:
        with pytest.raises(Unfit, match="made_scene has no clear pixel: clouds and their shadows cover all of it"):
            require_fit(scene, decision)


def test_absent_bands_are_named_and_go_on(make_scene: MakeScene) -> None:
    decision = judged(make_scene({name: bright() for name in ("B02", "B03", "B04")}))
    assert decision.outcome == "masked"
    assert decision.reasons == ("3 bands absent, more than 0",)
    assert decision.document()["bands_absent"] == ["B08", "B11", "B12"]


def test_radar_has_no_clouds_no_dark_and_bands_of_its_own(make_scene: MakeScene) -> None:
    values = RANDOM.uniform(-20, -5, (SIDE, SIDE)).astype(np.float32)
    decision = judged(make_scene({"VV": values}))
    assert decision.measured == {"coverage": 100.0, "bands_absent": 1}
    assert decision.absent == ("VH",)


def own_table(path: Path, text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    path.write_text(text)
    monkeypatch.setenv("DAFAB_CURATION", str(path))


HEAD = 'version = "site-2"\ndark_reflectance = 0.005\n[bands]\noptical = ["B02", "B11"]\n'


def test_a_table_of_ones_own_decides(make_scene: MakeScene, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = make_scene({"B02": without_data(1)})
    own_table(tmp_path / "own.toml", f'{HEAD}[[rule]]\nof = "coverage"\nleast = 5\non = "mask"\n', monkeypatch)
    decision = judged(folder)
    assert (decision.outcome, decision.version) == ("masked", "site-2")
    own_table(tmp_path / "own.toml", f'{HEAD}[[rule]]\nof = "bands_absent"\nmost = 0\non = "stop"\n', monkeypatch)
    assert (judged(folder).outcome, judged(folder).reasons) == ("unfit", ("1 band absent, more than 0",))


def test_no_table_lets_an_empty_scene_go_on(
    make_scene: MakeScene, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own_table(tmp_path / "own.toml", HEAD, monkeypatch)
    scene = open_scene(make_scene({"B02": without_data(0)}))
    with pytest.raises(Unfit, match="made_scene has no pixel with data"):
        require_fit(scene, judge(scene, load_rules()))


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("version", "is not TOML"),
        (HEAD.replace("0.005", "0"), "dark_reflectance: Input should be greater than 0"),
        (HEAD.replace("B11", "B99"), "bands names no Sentinel band: B99"),
        (HEAD.replace("optical", "thermal"), "bands.thermal"),
        (f'{HEAD}[[rule]]\nof = "haze"\nmost = 1\non = "stop"\n', "rule.0.of: Input should be 'coverage', 'clear'"),
        (f'{HEAD}[[rule]]\nof = "dark"\nmost = 1\non = "go"\n', "rule.0.on: Input should be 'stop' or 'mask'"),
        (f'{HEAD}[[rule]]\nof = "dark"\nmost = 101\non = "stop"\n', "rule.0.most: Input should be less than"),
        (f'{HEAD}[[rule]]\nof = "dark"\nmost = nan\non = "stop"\n', "rule.0.most: Input should be"),
        (f'{HEAD}[[rule]]\nof = "dark"\non = "stop"\n', "the rule of dark takes one of least and most"),
        (f'{HEAD}[[rule]]\nof = "dark"\nabove = 1\non = "stop"\n', "rule.0.above: "),
    ],
)
def test_a_table_that_cannot_be_used_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, reason: str
) -> None:
    own_table(tmp_path / "own.toml", text, monkeypatch)
    with pytest.raises(CurationError, match=reason) as refusal:
        load_rules()
    assert "\n" not in str(refusal.value)
    assert str(tmp_path / "own.toml") in str(refusal.value)


def test_a_table_that_is_not_there_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DAFAB_CURATION", str(tmp_path / "absent.toml"))
    with pytest.raises(CurationError, match=r"absent\.toml cannot be read: No such file"):
        load_rules()


def test_the_table_is_packaged() -> None:
    assert (resources() / "etc" / "curation.toml").is_file()


def test_a_large_scene_is_looked_at_in_small_and_told_nearly_as_exactly(make_scene: MakeScene) -> None:
    side = 4 * LOOKED_AT
    band = bright(side)
    band[: side // 4] = 0
    band[side // 4 : side // 2] = 20
    fitness = assess(open_scene(make_scene(dict.fromkeys(BANDS[:2], band))))
    assert fitness.valid_fraction == pytest.approx(0.75, abs=0.005)
    assert fitness.dark_fraction == pytest.approx(1 / 3, abs=0.005)


def test_a_gap_that_only_the_bands_have_counts(make_scene: MakeScene) -> None:
    scene = open_scene(make_scene({"B03": without_data(2000), "SCL": (classes(), 20.0)}))
    assert assess(scene) == Fitness(0.2, 1.0, scl=True, saturated_fraction=0.0, dark_fraction=0.0)


@pytest.fixture(params=["terramesh_282D_485L_3_3", "terramesh_433D_629L_3_1", "terramesh_637U_59R_1_3"])
def real(request: pytest.FixtureRequest, shared: Path, tmp_path: Path) -> Scene:
    shutil.copytree(shared / "scenes" / request.param, tmp_path / request.param)
    return open_scene(tmp_path / request.param)


@pytest.mark.shared
def test_real_scenes_are_fit(real: Scene) -> None:
    """A coast, a river and crops: what is dark there is little, and nothing is saturated."""
    decision = judge(real, load_rules())
    assert decision.outcome == "fit", decision.line
    assert decision.measured["dark"] < 50
    counted: dict[str, Any] = decision.document()
    assert counted["coverage_percent"] == 100
