"""What is worth making again: the gain, the cost, and what fits into a budget."""

from collections.abc import Iterator
from typing import Any

import pytest

from argo_templates import reprocessing
from argo_templates.placement.errors import PlacementError
from argo_templates.placement.figures import Figure, Figures
from argo_templates.placement.values import Queue, Site
from argo_templates.reprocessing import Candidate, Speed, Wishes, budget_seconds
from rucio_dafab.client import Found

SPEED = Speed(0.5, 20.0)


def product(name: str, *, trust: float | None = None, anomaly: str | None = None, side: int = 256) -> Found:
    properties: dict[str, Any] = {"proj:shape": [side, side]}
    if anomaly:
        properties["dafab:anomaly_type"] = anomaly
    if trust is not None:
        agreement = {"ai_noai": {"iou_score_water": trust}}
        properties["dafab:water-analysis"] = {"trustworthiness_observed_water_mask": agreement}
    return Found("dafab", name, "container", {"properties": properties}, {})


class Catalogue:
    """What a client answers: products by the question; everything without one."""

    def __init__(self, products: list[Found], by_question: dict[str, list[str]] | None = None) -> None:
        self.products, self.by_question = products, by_question or {}

    def search(self, _scope: str, **question: Any) -> Iterator[Found]:
        wanted = self.by_question.get(question.get("filter", ""))
        assert question["versions"] == "all"
        return (each for each in self.products if wanted is None or each.name in wanted)


def plan(catalogue: Catalogue, **wishes: Any) -> reprocessing.Plan:
    return reprocessing.make_plan(catalogue, Wishes(**({"model": "water", "to": 310} | wishes)), SPEED)  # type: ignore[arg-type]


def chosen(made: reprocessing.Plan) -> list[tuple[str, float]]:
    return [(each.scene, each.gain) for each in made.chosen]


def test_what_is_least_trusted_comes_first() -> None:
    made = plan(Catalogue([product(f"s{n}_water_analysis_300", trust=n / 10) for n in (9, 2, 5)]))
    assert chosen(made) == [("s2", pytest.approx(0.8 * 2)), ("s5", pytest.approx(1.0)), ("s9", pytest.approx(0.2))]
    assert made.question() == "id IN ('s2', 's5', 's9')"
    assert (made.seconds, made.joules, made.left_out) == (1.5, 60.0, 0)


def test_what_was_made_of_two_acquisitions_is_of_the_first() -> None:
    found = [product("s1_with_20260501T103000_water_analysis_300", trust=0.5), product("s1_water_analysis_290")]
    assert chosen(plan(Catalogue(found))) == [("s1", pytest.approx(1.0))]


def test_how_far_behind_what_is_told_and_what_is_asked_for_weigh() -> None:
    found = [
        product("patch_water_analysis_309"),
        product("minor_water_analysis_290"),
        product("flood_water_analysis_309", anomaly="flood"),
        product("usual_water_analysis_309", anomaly="normal"),
        product("asked_water_analysis_309"),
    ]
    made = plan(Catalogue(found, {"mine": ["asked_water_analysis_309"]}), interest="mine", weight=4.0)
    gains = dict(chosen(made))
    assert gains == {"patch": 1.0, "minor": 1.5, "flood": 2.0, "usual": 1.0, "asked": 4.0}
    assert [each.scene for each in made.chosen if each.wanted] == ["asked"]


def test_what_the_new_version_made_already_is_left_alone() -> None:
    found = [
        product("done_water_analysis_300"),
        product("done_water_analysis_310"),
        product("newer_water_analysis_320"),
        product("old_water_analysis_300"),
        product("of_another_form"),
    ]
    assert [scene for scene, _ in chosen(plan(Catalogue(found)))] == ["old"]


def test_a_budget_takes_what_gains_most_a_second_and_fills_up() -> None:
    found = [
        product("large_water_analysis_300", trust=0.0, side=1024),
        product("small_water_analysis_300", trust=0.5),
        product("other_water_analysis_300", trust=0.6),
    ]
    # 25 chips against one: the large scene gains twice as much and costs 25 times.
    made = plan(Catalogue(found), seconds=1.2)
    assert [scene for scene, _ in chosen(made)] == ["small", "other"]
    assert made.left_out == 1
    assert [scene for scene, _ in chosen(plan(Catalogue(found), joules=30.0))] == ["small"]
    assert len(plan(Catalogue(found)).chosen) == 3


def test_nothing_to_gain_is_not_made_again() -> None:
    assert plan(Catalogue([product("sure_water_analysis_300", trust=1.0)])).chosen == ()


def test_of_nothing_is_asked_nothing() -> None:
    made = plan(Catalogue([]))
    assert (made.chosen, made.question(), made.seconds, made.joules) == ((), "", 0.0, 0.0)


@pytest.mark.parametrize(("text", "seconds"), [("4h", 14_400), ("90 min", 5400), ("1.5d", 129_600), ("30s", 30)])
def test_budgets(text: str, seconds: float) -> None:
    assert budget_seconds(text) == seconds


@pytest.mark.parametrize("text", ["4", "h", "-4h", "4 weeks", ""])
def test_no_budgets(text: str) -> None:
    with pytest.raises(PlacementError, match="--budget"):
        budget_seconds(text)


def test_the_speed_is_that_of_the_fastest_queue_that_was_measured() -> None:
    figures = Figures({}, {"water": {"slow": Figure(2.0, "1", "s", "d"), "fast": Figure(0.5, "1", "s", "d")}})
    queues = (Queue("a", "slow"), Queue("b", "fast", speed=2.0, watts_per_core=10.0), Queue("c", "unknown"))
    site = Site("here", "local", "CLOUD", queues)
    assert reprocessing.speed_at(site, figures, "water") == Speed(0.25, 0.25 * reprocessing.CORES * 10.0)
    with pytest.raises(PlacementError, match="here: nobody has measured fields"):
        reprocessing.speed_at(site, figures, "fields")


def test_without_watts_no_energy_is_told() -> None:
    made = reprocessing.make_plan(
        Catalogue([product("s_water_analysis_300")]),  # type: ignore[arg-type]
        Wishes("water", 310),
        Speed(0.5, None),
    )
    assert made.joules is None
    assert isinstance(made.chosen[0], Candidate) and made.chosen[0].joules is None


def test_a_model_without_products_is_refused() -> None:
    with pytest.raises(PlacementError, match="--model clouds"):
        plan(Catalogue([]), model="clouds")
