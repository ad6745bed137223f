"""The simulator: a run that can be followed by hand, and the committed scenarios against both rules of thumb."""

from dataclasses import replace
from pathlib import Path

import pytest

from argo_templates.placement.errors import SiteFault
from argo_templates.placement.figures import Device, Figure, Figures, load_figures
from argo_templates.placement.scenarios import Scenario, Sizes, committed, load_scenario
from argo_templates.placement.simulator import Comparison, compare, items_of
from argo_templates.placement.values import Link, Queue, Site

FIGURES = Figures({"cpu": Device(False, "")}, {"water": {"cpu": Figure(1.0, "1", "a test", "")}})
SIZES = Sizes("one", "a test", {"product": 100})


def site(name: str, cores: int, other: str, rate: float = 10.0) -> Site:
    queue = Queue("cpu", "cpu", cores=cores, memory_gib=1000.0)
    return Site(name, "slurm", name.upper(), (queue,), {other.upper(): Link(rate)})


def scenario(**changes: object) -> Scenario:
    """Four items of 10 s at a site with one slot, beside one with one slot and a link of 10 s an item."""
    sites = site("here", 2, "there"), site("there", 2, "here")
    plain = Scenario("small", "", "", 4, 1, "one", ("water",), 10, {"HERE": 1.0}, sites)
    return replace(plain, **changes)  # type: ignore[arg-type]


def test_a_run_that_can_be_followed_by_hand() -> None:
    # Three stay (0-10, 10-20, 20-30): what the third would gain by moving, the link would be held. The fourth is
    # brought until 10 and runs until 20.
    found = compare(scenario(), SIZES, FIGURES)
    assert (found.data.seconds, found.data.bytes_moved) == (40, 0)
    assert (found.fastest_site, found.fastest.seconds) == ("here", 40)
    assert (found.ours.seconds, found.ours.bytes_moved, found.ours.items) == (30, 100, {"here": 3, "there": 1})
    assert found.below_data == found.below_fastest == 0.25


def test_a_slow_link_keeps_everything_where_it_is() -> None:
    slow = (site("here", 2, "there", 0.1), site("there", 200, "here", 0.1))
    found = compare(scenario(sites=slow), SIZES, FIGURES)
    assert (found.ours.seconds, found.ours.bytes_moved) == (40, 0)


def test_one_site_alone_may_be_the_fastest() -> None:
    wide = (site("here", 2, "there", 100.0), site("there", 8, "here", 100.0))
    found = compare(scenario(sites=wide), SIZES, FIGURES)
    # One link: at 1, 2, 3 and 4 s; four slots.
    assert (found.fastest_site, found.fastest.seconds) == ("there", 14)
    assert found.ours.seconds == 13


def test_items_that_come_late_end_late() -> None:
    late = compare(scenario(arrive_seconds=400.0), SIZES, FIGURES)
    # They come at 0, 100, 200 and 300, and find everything free.
    assert late.ours.seconds == late.data.seconds == 310
    assert late.ours.bytes_moved == 0


def test_the_seed_alone_decides() -> None:
    given = scenario(items=50, spread=0.5, replicas={"HERE": 1.0, "THERE": 2.0})
    assert compare(given, SIZES, FIGURES) == compare(given, SIZES, FIGURES)
    assert items_of(given, SIZES) != items_of(replace(given, seed=2), SIZES)


@pytest.fixture(scope="module")
def found() -> dict[str, Comparison]:
    """Compare over every committed scenario, once."""
    figures = load_figures()
    return {name: compare(*load_scenario(name, figures), figures) for name in committed()}


@pytest.mark.parametrize("name", ["balanced", "skewed", "scarce-gpus"])
def test_the_formula_is_never_worse_than_the_better_rule_of_thumb(found: dict[str, Comparison], name: str) -> None:
    each = found[name]
    assert each.ours.seconds <= min(each.data.seconds, each.fastest.seconds)
    assert sum(each.ours.items.values()) == sum(each.data.items.values()) == 10_000


def test_where_data_are_skewed_it_is_at_least_30_per_cent_below_both(found: dict[str, Comparison]) -> None:
    assert found["skewed"].below_data >= 0.3
    assert found["skewed"].below_fastest >= 0.3


@pytest.mark.parametrize("name", committed())
def test_committed_scenarios_are_of_the_size_that_is_said(name: str) -> None:
    given, sizes = load_scenario(name, load_figures())
    assert (given.items, len(given.sites)) == (10_000, 3)
    assert {item.task.files[0].bytes for item in items_of(given, sizes)} == set(sizes.bytes.values())
    assert "Assumed" in given.assumptions and "CDSE OData" in sizes.source


@pytest.mark.parametrize(
    ("change", "to", "line"),
    [
        ("items: 10000", "items: 0", "bad.yaml: items: Input should be greater than or equal to 1 (it is 0)"),
        ("NORTH: 1,", "MOON: 1,", "bad.yaml: replicas.MOON: no site computes there"),
        ("runtime: slurm", "runtime: local", "bad.yaml: sites.south: a simulation has no machine"),
        ("models: [water, fields]", "models: [fire]", "bad.yaml: fire was not measured on cpu-2-cores"),
        ("rse: SOUTH", "rse: EAST", "bad.yaml: replicas.SOUTH: no site computes there"),
        ("sizes: sentinel_2_l2a", "sizes: moon", "there are no sizes moon: known are sentinel_2_l2a"),
        ("name: south", "name: north",
         "bad.yaml: sites.north: name: north is the name of the site in bad.yaml: sites.north, too"),
    ],
)  # fmt: skip
def test_faults_of_a_scenario(tmp_path: Path, change: str, to: str, line: str) -> None:
    path = tmp_path / "bad.yaml"
    written = committed()["balanced"].read_text()
    assert change in written
    path.write_text(written.replace(change, to))
    with pytest.raises(SiteFault) as refused:
        load_scenario(str(path), load_figures())
    assert str(refused.value).splitlines()[0] == line


def test_an_unknown_scenario() -> None:
    with pytest.raises(SiteFault, match="there is no scenario nope: known are balanced, scarce-gpus, skewed"):
        load_scenario("nope", load_figures())
