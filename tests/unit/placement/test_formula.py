"""The formula: what is predicted, what is chosen, what is refused and why."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from argo_templates.placement.errors import NoPlace, NoReplica, NoRoomNow, PlacementError
from argo_templates.placement.figures import Device, Figure, Figures
from argo_templates.placement.formula import Formula
from argo_templates.placement.sites import sites_of
from argo_templates.placement.values import File, Link, Load, Queue, Site, Task

SECONDS_PER_CHIP = 0.5
FIGURES = Figures(
    {"cpu": Device(False, ""), "gpu": Device(True, ""), "unmeasured": Device(True, "")},
    {"water": {device: Figure(SECONDS_PER_CHIP, "1", "a test", "") for device in ("cpu", "gpu")}},
)
QUEUE = Queue("main", "cpu", cores=4, memory_gib=16.0)
HERE = Site("here", "slurm", "HERE", (QUEUE,), {"THERE": Link(1e6)})
THERE = Site("there", "kubernetes", "THERE", (QUEUE,), {"HERE": Link(1e6)})
TASK = Task("item", (File("a", 10_000_000, frozenset({"HERE"})),), 100, ("water",))


def formula(*sites: Site, **options: object) -> Formula:
    return Formula(sites_of(sites), FIGURES, **options)  # type: ignore[arg-type]


def test_each_number_of_a_prediction() -> None:
    link = Link(2e6, latency_seconds=3, egress_euros_per_gigabyte=0.1)
    queue = replace(QUEUE, speed=2.0, start_seconds=4, euros_per_core_hour=0.9)
    known = formula(replace(HERE, links={"THERE": link}), replace(THERE, queues=(queue,)), seconds_per_euro=60)
    found = known.predict(TASK, *at(known, "there"))
    assert found.transfer_seconds == 3 + 10_000_000 / 2e6
    assert found.waiting_seconds == 4
    assert found.compute_seconds == 100 * SECONDS_PER_CHIP / 2
    assert found.euros == pytest.approx(25 / 3600 * 2 * 0.9 + 0.01 * 0.1)
    assert found.cost == pytest.approx(8 + 25 + 8 + 60 * found.euros)
    assert found.seconds == 33
    assert [(move.source, move.target, move.bytes) for move in found.moves] == [("HERE", "THERE", 10_000_000)]


def at(known: Formula, name: str) -> tuple[Site, Queue]:
    site = next(site for site in known.sites.sites if site.name == name)
    return site, site.queues[0]


def test_it_runs_where_the_data_are_unless_moving_is_faster() -> None:
    assert formula(HERE, THERE).place(TASK).chosen.site == "here"
    faster = replace(THERE, queues=(replace(QUEUE, speed=2.0),))
    chosen = formula(HERE, faster).place(TASK).chosen
    assert (chosen.site, chosen.bytes_moved, chosen.seconds) == ("there", 10_000_000, 35)
    assert formula(HERE, replace(THERE, queues=(replace(QUEUE, speed=1.2),))).place(TASK).chosen.site == "here"


def test_files_are_brought_while_the_job_waits() -> None:
    busy = replace(HERE, queues=(replace(QUEUE, free_cores=1, waiting_seconds=30),))
    waits = replace(THERE, queues=(replace(QUEUE, start_seconds=10),))
    assert formula(busy, waits).place(TASK).chosen.seconds == 10 + 50


def test_a_link_that_is_held_counts_even_where_the_job_waits_longer() -> None:
    busy = replace(HERE, queues=(replace(QUEUE, free_cores=1, waiting_seconds=29),))
    waits = replace(THERE, queues=(replace(QUEUE, start_seconds=20),))
    # 29 + 50 here; there 20 + 50, and 10 of the link.
    assert formula(busy, waits).place(TASK).chosen.site == "here"
    backlog = Load(link_seconds={("HERE", "THERE"): 15})
    found = formula(HERE, THERE).place(TASK, backlog, only="there").chosen
    assert (found.transfer_seconds, found.cost) == (25, 25 + 50 + 10)


def test_equal_costs_are_decided_by_bytes_then_by_name() -> None:
    alike = replace(HERE, name="alike")
    assert formula(HERE, alike).place(TASK).chosen.site == "alike"
    at_once = replace(TASK, files=(File("a", 0, frozenset({"HERE"})), File("b", 7, frozenset({"HERE"}))))
    quick = Link(1e30)
    away = replace(THERE, name="a")
    assert formula(replace(HERE, links={"THERE": quick}), away).place(at_once).chosen.site == "here"


def test_a_euro_is_waited_for_as_long_as_is_said() -> None:
    dear = replace(HERE, queues=(replace(QUEUE, euros_per_core_hour=36.0),))
    assert formula(dear, THERE).place(TASK).chosen.site == "here"
    assert formula(dear, THERE, seconds_per_euro=19).place(TASK).chosen.site == "here"
    assert formula(dear, THERE, seconds_per_euro=21).place(TASK).chosen.site == "there"


def test_one_may_be_told_where() -> None:
    known = formula(HERE, THERE)
    assert known.place(TASK, only="there").chosen.site == "there"
    with pytest.raises(PlacementError, match="there is no site mars: known are here, there"):
        known.place(TASK, only="mars")


def test_the_nearest_of_several_replicas_is_brought() -> None:
    file = File("a", 10_000_000, frozenset({"THERE", "FAR"}))
    far = Site("far", "slurm", "FAR", (), {"HERE": Link(9e6)})
    chosen = formula(HERE, replace(THERE, queues=()), far).place(replace(TASK, files=(file,))).chosen
    assert chosen.moves[0].source == "FAR"


@pytest.mark.parametrize(
    ("task", "queue", "reason"),
    [
        (TASK, replace(QUEUE, device="unmeasured"), "no measured seconds of water on unmeasured"),
        (replace(TASK, needs_gpu=True), QUEUE, "no GPU: its device is cpu"),
        (TASK, replace(QUEUE, cores=1), "no room: 2 cores and 6 GiB asked for, 1 cores, 16.0 GiB and 0 GPUs there are"),
        (TASK, replace(QUEUE, memory_gib=5.0), "no room"),
        (TASK, replace(QUEUE, device="gpu"), "no room"),
    ],
)
def test_what_can_never_run_is_refused_for_good(task: Task, queue: Queue, reason: str) -> None:
    with pytest.raises(NoPlace, match=f"^item can be placed nowhere: here/main: {reason}") as refused:
        formula(replace(HERE, queues=(queue,))).place(task)
    assert refused.value.exit_code == 1


def test_without_a_way_there_is_no_replica_within_reach() -> None:
    with pytest.raises(NoPlace, match="no replica within reach: nothing leads from HERE to THERE"):
        formula(replace(HERE, links={}, queues=()), THERE).place(TASK)


def test_a_full_rse_is_refused_for_now() -> None:
    full = replace(THERE, rse_free_bytes=9_999_999)
    with pytest.raises(NoRoomNow, match="RSE THERE is full: 10,000,000 bytes to bring, 9,999,999 free") as refused:
        formula(HERE, full).place(TASK, only="there")
    assert refused.value.exit_code == 75
    assert formula(HERE, full).place(TASK, Load(free_bytes={"THERE": 10_000_000}), only="there").chosen.site == "there"


def test_no_free_slot_waits_or_is_refused() -> None:
    busy = replace(HERE, queues=(replace(QUEUE, free_memory_gib=5.9, waiting_seconds=70),))
    assert formula(busy).place(TASK).chosen.waiting_seconds == 70
    with pytest.raises(NoRoomNow, match="here/main: no free slot now"):
        formula(busy, policy="refuse").place(TASK)
    placement = formula(busy, THERE, policy="refuse").place(TASK)
    assert placement.chosen.site == "there"
    assert [each.refusal is None for each in placement.candidates] == [True, False]


def test_items_without_replicas_or_files_are_named() -> None:
    lost = (File("a", 1, frozenset()), File("b", 1, frozenset({"HERE"})), File("c", 1, frozenset()))
    with pytest.raises(NoReplica, match=r"^item: a and 1 more of its files have no replica$"):
        formula(HERE).place(replace(TASK, files=lost))
    with pytest.raises(NoReplica, match=r"^item: a has no replica$"):
        formula(HERE).place(replace(TASK, files=lost[:1]))
    with pytest.raises(NoReplica, match=r"^item has no files in Rucio$"):
        formula(HERE).place(replace(TASK, files=()))


def test_sites_that_only_keep_data_are_no_candidates() -> None:
    with pytest.raises(NoPlace, match="no site has a queue"):
        formula(replace(HERE, queues=())).place(TASK)


numbers = st.floats(min_value=0, max_value=1e4)
rates = st.floats(min_value=1e3, max_value=1e10)
rse_names = st.sampled_from(["HERE", "THERE", "FAR"])


@st.composite
def problems(draw: st.DrawFn) -> tuple[list[Site], Task]:
    """Three sites with links between all of them, and an item with a replica of each file somewhere."""
    sites = []
    for name in ("HERE", "THERE", "FAR"):
        queue = Queue(
            "main", "cpu", cores=draw(st.integers(2, 8)), memory_gib=32.0, speed=draw(st.floats(0.1, 20)),
            start_seconds=draw(numbers), euros_per_core_hour=draw(numbers), free_cores=draw(st.sampled_from([0, 2])),
            waiting_seconds=draw(numbers),
        )  # fmt: skip
        links = {to: Link(draw(rates), draw(numbers)) for to in ("HERE", "THERE", "FAR") if to != name}
        sites.append(Site(name.lower(), "slurm", name, (queue,), links))
    files = draw(
        st.lists(st.tuples(st.integers(0, 10**10), st.frozensets(rse_names, min_size=1)), min_size=1, max_size=4)
    )
    named = tuple(File(f"file-{number}", size, rses) for number, (size, rses) in enumerate(files))
    return sites, Task("item", named, draw(st.integers(1, 3000)), ("water",))


@settings(deadline=None)
@given(problems())
def test_data_are_never_moved_where_that_is_slower(problem: tuple[list[Site], Task]) -> None:
    sites, task = problem
    placement = formula(*sites).place(task)
    staying = [each for each in placement.candidates if not each.moves]
    if placement.chosen.bytes_moved:
        assert all(placement.chosen.seconds < each.seconds for each in staying)
    assert all(placement.chosen.cost <= each.cost for each in placement.candidates)


@settings(deadline=None)
@given(problems(), st.floats(1, 1e4), rse_names, rse_names)
def test_a_faster_link_makes_nothing_slower(
    problem: tuple[list[Site], Task], times: float, source: str, target: str
) -> None:
    sites, task = problem
    if source == target:
        return
    before = formula(*sites).place(task)
    quicker = [faster(site, target, times) if site.rse == source else site for site in sites]
    after = formula(*quicker).place(task)
    slower = {each.site: each.transfer_seconds for each in before.candidates}
    assert all(each.transfer_seconds <= slower[each.site] * (1 + 1e-12) for each in after.candidates)
    assert after.chosen.cost <= before.chosen.cost * (1 + 1e-12)


def faster(site: Site, target: str, times: float) -> Site:
    link = site.links[target]
    quick = replace(link, bytes_per_second=link.bytes_per_second * times)
    return replace(site, links={**site.links, target: quick})


@settings(deadline=None)
@given(problems(), st.floats(0, 1e3), st.floats(0, 1e3))
def test_the_more_money_weighs_the_less_is_spent(problem: tuple[list[Site], Task], first: float, second: float) -> None:
    sites, task = problem
    low, high = sorted((first, second))
    spent = [formula(*sites, seconds_per_euro=weight).place(task).chosen.euros for weight in (low, high)]
    assert spent[1] <= spent[0] * (1 + 1e-9)


@settings(deadline=None)
@given(problems(), st.randoms(use_true_random=False))
def test_the_order_of_sites_and_files_changes_nothing(problem: tuple[list[Site], Task], chance: object) -> None:
    sites, task = problem
    shuffled, files = list(sites), list(task.files)
    chance.shuffle(shuffled)  # type: ignore[attr-defined]
    chance.shuffle(files)  # type: ignore[attr-defined]
    one, other = formula(*sites).place(task), formula(*shuffled).place(replace(task, files=tuple(files)))
    assert other.chosen.cost == pytest.approx(one.chosen.cost)


@settings(deadline=None)
@given(problems(), numbers)
def test_waiting_longer_at_a_site_never_makes_it_the_choice(problem: tuple[list[Site], Task], seconds: float) -> None:
    sites, task = problem
    known = formula(*sites)
    chosen = known.place(task).chosen
    for site in sites:
        if site.name != chosen.site:
            stated = known.predict(task, site, site.queues[0]).waiting_seconds
            load = Load(waiting_seconds={(site.name, "main"): stated + seconds})
            assert known.place(task, load).chosen.site == chosen.site
