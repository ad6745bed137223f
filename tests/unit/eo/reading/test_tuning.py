"""Ways of handing chips to a net: the answer never depends on them, what was found is kept, what fails is left out."""

from dataclasses import replace

import numpy as np
import pytest
from onnxruntime.capi.onnxruntime_pybind11_state import RuntimeException

from rucio_dafab.eo import tuning
from rucio_dafab.eo.inference import infer
from rucio_dafab.eo.models import MOST_CALLS, VARIANTS, Model, Way, load_model
from rucio_dafab.eo.scene import open_scene
from rucio_dafab.eo.tiling import CHIP, side_by_side

from .conftest import MakeModel, MakeScene

NETS = ("water", "fields", *VARIANTS["water"])


@pytest.fixture(autouse=True)
def nothing_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tuning, "_found", {})


@pytest.mark.parametrize("name", NETS)
def test_the_answer_of_a_net_is_the_same_bit_by_bit_in_every_way(name: str) -> None:
    model = load_model(name, threads=2)
    chips = np.random.default_rng(5).normal(size=(4, len(model.bands), CHIP, CHIP)).astype(np.float32)
    answers = []
    for way in (*tuning.ways(model), Way(3, 1, 4)):
        given = [chips[first : first + way.batch] for first in range(0, len(chips), way.batch)]
        answers.append(np.concatenate(list(side_by_side(model.in_way(way).run, given, way.calls))))
    assert len(answers) == 5
    assert all(answer.tobytes() == answers[0].tobytes() for answer in answers)


def test_a_scene_is_the_same_in_every_way(make_scene: MakeScene, make_model: MakeModel) -> None:
    random = np.random.default_rng(6)
    bands = {name: random.integers(0, 8000, (700, 530)).astype(np.uint16) for name in ("B02", "B03")}
    model, scene = load_model(make_model(), threads=2), open_scene(make_scene(bands))
    ways = (*tuning.ways(model), Way(1, 5, 3))
    found = {infer(model.in_way(way), scene).probabilities.tobytes() for way in ways}
    assert len(found) == 1


def test_a_small_scene_is_not_worth_trying(make_model: MakeModel, monkeypatch: pytest.MonkeyPatch) -> None:
    model = load_model(make_model(), threads=4)
    monkeypatch.setattr(tuning, "fastest", lambda *_: pytest.fail("tried"))
    assert tuning.tuned(model, tuning.WORTH - 1).way == model.way == Way(threads=1, calls=4, batch=1)


def test_what_was_found_is_kept_for_the_file_the_provider_and_the_cores(
    make_model: MakeModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried: list[Model] = []
    monkeypatch.setattr(tuning, "fastest", lambda model, ways: tried.append(model) or ways[-1])
    path = make_model()
    model = load_model(path, threads=2)
    first = tuning.tuned(model, tuning.WORTH)
    assert first.way == Way(threads=1, calls=2, batch=2)
    # A small scene takes what a large one found, another instance of the same file too; other cores are other machines.
    assert tuning.tuned(load_model(path, threads=2), 1).way == first.way
    assert len(tried) == 1
    tuning.tuned(load_model(path, threads=1), tuning.WORTH)
    assert len(tried) == 2


def test_a_large_scene_is_begun_by_trying(make_model: MakeModel) -> None:
    model = load_model(make_model(), threads=2)
    assert tuning.tuned(model, tuning.WORTH).way in tuning.ways(model)
    assert list(tuning._found) == [(model.sha256, model.provider, 2)]


def test_the_clearly_faster_way_wins_and_one_without_memory_is_left_out(
    make_model: MakeModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = load_model(make_model(), threads=2)
    ways = tuning.ways(model)
    assert ways == (Way(1, 2, 1), Way(2, 1, 1), Way(2, 1, 2), Way(1, 2, 2))
    rates = dict(zip(ways, (100.0, 109.0, 111.0, 130.0), strict=True))

    def rate(tried: Model, _: np.ndarray) -> float:
        if tried.way == ways[3]:
            raise RuntimeException("Failed to allocate memory for requested buffer")
        return rates[tried.way]

    monkeypatch.setattr(tuning, "_chips_a_second", rate)
    # 109 is not clearly more than 100, 111 is.
    assert tuning.fastest(model, ways) == ways[2]


def test_ways_keep_to_the_cores_and_to_the_memory_of_many_calls(make_model: MakeModel) -> None:
    for cores in (1, 2, 3, 8, 64):
        for way in tuning.ways(replace(load_model(make_model(), threads=1), cores=cores, way=Way.of(cores, cores))):
            assert way.threads * way.calls <= cores
            assert 1 <= way.calls <= MOST_CALLS


def test_a_net_of_a_fixed_batch_is_tried_with_that_alone(make_model: MakeModel) -> None:
    model = load_model(make_model(batch=1), threads=2)
    assert {way.batch for way in tuning.ways(model)} == {1}


def test_an_error_in_one_call_ends_the_others_and_is_told() -> None:
    begun: list[int] = []

    def call(number: int) -> int:
        begun.append(number)
        if number == 3:
            raise ValueError("the third")
        return number

    done = []
    with pytest.raises(ValueError, match="the third"):
        for number in side_by_side(call, iter(range(1000)), calls=2):
            done.append(number)
    assert done == [0, 1, 2]
    assert len(begun) < 20
