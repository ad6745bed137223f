"""The retention policy: what is read, and what is due."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import argo_templates
from dasi_backend import policy
from dasi_backend.accounting import Account, Holding
from dasi_backend.errors import PolicyError
from dasi_backend.keys import ProductKey
from dasi_backend.leases import Lease
from dasi_backend.policy import Policy, Rule, Wanted
from dasi_backend.records import ProductRecord
from dasi_backend.retention import Action, Plan, plan
from rucio_dafab.resources import resources
from rucio_dafab.vocabulary import areas

NOW = 2_000_000_000.0
DAY = 86_400.0
LUXEMBOURG = {"type": "Polygon", "coordinates": [[[6.0, 49.6], [6.2, 49.6], [6.2, 49.8], [6.0, 49.8], [6.0, 49.6]]]}
ELSEWHERE = {"type": "Polygon", "coordinates": [[[60, 49.6], [60.2, 49.6], [60.2, 49.8], [60, 49.8], [60, 49.6]]]}


def holding(name: str, days: float = 10.0, unused: float | None = None, size: int = 100, **more: Any) -> Holding:
    """Return a product that was archived and last used so many days ago."""
    footprint, collection = more.pop("footprint", None), more.pop("collection", "sentinel-2-l2a")
    key = ProductKey(name, "s2a", "l2a", "20260601")
    accessed = NOW - DAY * (days if unused is None else unused)
    record = ProductRecord(key, size, int(NOW - DAY * days), collection, footprint, accessed)
    return Holding(record, size, **more)


def made(said: Policy, *holdings: Holding, disk: int = 10_000, free: int = 5_000) -> Plan:
    ordered = sorted(holdings, key=lambda one: one.record.accessed)
    return plan(Account(tuple(ordered), (), disk, free), said, NOW)


def actions(of: Plan) -> dict[str, str]:
    return {verdict.holding.record.key.id: str(verdict.action) for verdict in of.verdicts}


AT_ONCE = Policy(lag=0.0)
LEASE = Lease("a", "a run", "here", NOW, NOW + 10)


def test_what_is_too_old_goes_and_nothing_else() -> None:
    said = replace(AT_ONCE, rule=Rule(max_age=30 * DAY))
    assert actions(made(said, holding("old", 31, 0), holding("new", 29))) == {"old": "remove", "new": "keep"}


def test_for_space_the_longest_unused_goes_first_and_no_more_than_is_needed() -> None:
    said = replace(AT_ONCE, max_size=250)
    found = made(said, holding("a", 9, 1), holding("b", 3, 3), holding("c", 5, 2), holding("d", 8, 8))
    assert actions(found) == {"d": "remove", "b": "remove", "c": "keep", "a": "keep"}


def test_the_disk_is_kept_free_in_part_or_in_bytes() -> None:
    for said in (replace(AT_ONCE, min_free=0.5, min_free_part=True), replace(AT_ONCE, min_free=5_000)):
        assert actions(made(said, holding("a"), holding("b", 9), free=4_950)) == {"a": "remove", "b": "keep"}


def test_what_goes_for_its_age_counts_for_space_too() -> None:
    said = replace(AT_ONCE, max_size=100, rule=Rule(max_age=30 * DAY))
    assert actions(made(said, holding("unused", 20, 20), holding("old", 40, 1))) == {"unused": "keep", "old": "remove"}


@pytest.mark.parametrize(
    ("more", "rule", "reason"),
    [
        ({"leases": (LEASE,)}, Rule(), "leased by a run"),
        ({"pin": "mine"}, Rule(), "pinned (mine)"),
        ({"days": 0.5}, Rule(), "younger than 1.0 d"),
        ({}, Rule(keep_until_processed=True), "not processed yet"),
    ],
)
def test_what_is_held_stays_however_full_the_disk_is(more: dict[str, Any], rule: Rule, reason: str) -> None:
    found = made(replace(AT_ONCE, rule=rule, max_size=0), holding("a", **more))
    assert [(verdict.action, verdict.reason) for verdict in found.verdicts] == [(Action.KEEP, reason)]
    assert found.lacking == 100


def test_what_was_processed_goes() -> None:
    said = replace(AT_ONCE, rule=Rule(keep_until_processed=True), max_size=0)
    assert actions(made(said, holding("a", processed=True))) == {"a": "remove"}


def test_what_is_wanted_stays_where_and_as_long_as_it_is_wanted() -> None:
    wanted = Wanted("floods", frozenset({"sentinel-2-l2a"}), (areas.geometry("luxembourg"),), 50 * DAY)
    said = replace(AT_ONCE, max_size=0, wanted=(wanted,))
    found = made(
        said,
        holding("there", footprint=LUXEMBOURG),
        holding("nowhere", footprint=None),
        holding("elsewhere", footprint=ELSEWHERE),
        holding("other", footprint=LUXEMBOURG, collection="sentinel-1"),
        holding("late", 51, footprint=LUXEMBOURG),
    )
    gone = {"elsewhere": "remove", "other": "remove", "late": "remove"}
    assert actions(found) == {"there": "keep", "nowhere": "keep"} | gone


def test_a_collection_has_a_rule_of_its_own() -> None:
    said = replace(AT_ONCE, collections={"b": Rule(max_age=5 * DAY)})
    assert actions(made(said, holding("x", collection="a"), holding("y", collection="b"))) == {
        "x": "keep",
        "y": "remove",
    }


@pytest.mark.parametrize(("marked", "action"), [(None, "mark"), (NOW - DAY / 2, "wait"), (NOW - DAY, "remove")])
def test_what_is_due_is_marked_first_and_removed_after_the_lag(marked: float | None, action: str) -> None:
    said = Policy(lag=DAY, max_size=0)
    assert actions(made(said, holding("a", marked=marked))) == {"a": action}


HOLDINGS = st.lists(
    st.builds(
        holding,
        st.uuids().map(str),
        days=st.floats(0, 100),
        unused=st.floats(0, 100),
        size=st.integers(1, 1_000),
        leases=st.sampled_from([(), (LEASE,)]),
        pin=st.sampled_from([None, "mine"]),
        marked=st.sampled_from([None, NOW, NOW - 2 * DAY]),
    ),
    max_size=12,
)


@given(HOLDINGS, st.integers(0, 5_000), st.floats(0, 60))
@settings(max_examples=200, deadline=None)
def test_nothing_that_is_held_is_ever_due_and_enough_goes(found: list[Holding], most: int, days: float) -> None:
    verdicts = made(Policy(lag=0, max_size=most, rule=Rule(DAY, max(days, 1) * DAY)), *found)
    going = [verdict.holding for verdict in verdicts.of(Action.REMOVE)]
    assert not [one for one in going if one.leases or one.pin or NOW - one.record.archived < DAY]
    left = sum(one.bytes for one in found) - sum(one.bytes for one in going)
    assert left <= most + verdicts.lacking
    assert len(verdicts.verdicts) == len(found)


def test_the_policy_that_is_shipped_is_read() -> None:
    said = policy.read()
    assert (said.min_free, said.min_free_part, said.lag, said.rule) == (0.1, True, DAY, Rule())


def written(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "retention.toml"
    path.write_text(text)
    return path


def test_a_policy_says_everything(tmp_path: Path) -> None:
    said = policy.read(
        written(
            tmp_path,
            '[store]\nmin_free = "5 GB"\nmax_size = "2 TiB"\nlag = "12 h"\n[rule]\nmax_age = "10 d"\n'
            "[collection.x]\nkeep_until_processed = true\n"
            '[[wanted]]\nname = "n"\nareas = ["5_49_7_51"]\nmax_age = "90 min"\n',
        )
    )
    assert (said.min_free, said.min_free_part, said.max_size, said.lag) == (5e9, False, 2 * 2**40, 43_200)
    assert said.rule_of(holding("a", collection="x").record) == Rule(DAY, 10 * DAY, True)
    assert (
        said.rule_of(holding("a", collection="y").record)
        == said.rule_of(holding("a", collection=None).record)
        == Rule(DAY, 10 * DAY)
    )
    assert (said.wanted[0].areas[0].bounds, said.wanted[0].max_age) == ((5, 49, 7, 51), 5_400)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("[store", "cannot be read"),
        (f"a = {'[' * 50_000}", "cannot be read"),
        ("[sture]", r"sture is unknown \(known are collection"),
        ('[store]\nmin_fre = "1 GB"', r"store\.min_fre is unknown"),
        ('[store]\nmin_free = "1 GBit"', r"store\.min_free is '1 GBit': write a number and one of B, kB"),
        ('[store]\nmin_free = "100 %"', "nothing could stay"),
        ("[store]\nlag = 5", r"store\.lag is 5: write a number and one of s, min, h, d"),
        ('[store]\nlag = "-1 d"', "store.lag"),
        ('[rule]\nmin_age = "2 d"\nmax_age = "1 d"', "less than min_age"),
        ("[rule]\nkeep_until_processed = 1", "not true or false"),
        ('collection = "x"', "collection is no section"),
        ("[[wanted]]\nname = 'x'", "neither collections nor areas"),
        ('[[wanted]]\nareas = "@luxembourg"', "no list of texts"),
        ('[[wanted]]\nareas = ["@atlantis"]', r"wanted 1\.areas no area is called '@atlantis'"),
        ('[wanted]\nareas = ["@luxembourg"]', "wanted is no list"),
    ],
)
def test_a_policy_that_cannot_be_used_is_refused_in_one_line(tmp_path: Path, text: str, told: str) -> None:
    with pytest.raises(PolicyError, match=told) as refusal:
        policy.read(written(tmp_path, text))
    assert str(tmp_path) in str(refusal.value)
    assert "\n" not in str(refusal.value)


def test_a_policy_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(PolicyError, match=r"none\.toml cannot be read"):
        policy.read(tmp_path / "none.toml")


BANDS = {f"kind=band,band={band},res=10": (0, 1) for band in ("b02", "b8a", "scl")}


@pytest.mark.parametrize(
    ("named", "collection", "objects"),
    [
        ("sentinel_2_l2a", "sentinel-2-l2a", {}),
        ("sentinel-2-l2a", "sentinel_2_l2a", {}),
        ("Sentinel-2-L2A", "sentinel-2-l2a", {}),
        ("sentinel_2_l2a", "sentinel-2-c1-l2a", BANDS),
        ("sentinel_2_l2a", None, BANDS),
        ("sentinel_1_rtc", None, {"kind=band,band=vv,res=10": (0, 1), "kind=part,part=item": (1, 1)}),
    ],
)
def test_a_collection_is_known_by_its_name_in_the_catalogue(
    named: str, collection: str | None, objects: dict[str, Any]
) -> None:
    found = holding("fresh", 31, collection=collection)
    found = replace(found, record=replace(found.record, objects=objects))
    kept = replace(AT_ONCE, rule=Rule(max_age=30 * DAY), collections={named: Rule(keep_until_processed=True)})
    assert actions(made(kept, found)) == {"fresh": "keep"}
    assert kept.unmatched([found.record]) == ()
    wanted = replace(AT_ONCE, rule=Rule(max_age=30 * DAY), wanted=(Wanted("w", frozenset({named})),))
    assert actions(made(wanted, found)) == {"fresh": "keep"}


def test_a_collection_that_no_product_is_of_is_told() -> None:
    said = Policy(collections={"sentinel_2_l2b": Rule()}, wanted=(Wanted("w", frozenset({"sentinel-2-l2a", "x"})),))
    assert said.unmatched([holding("a").record]) == ("sentinel_2_l2b", "x")


def test_a_collection_in_two_spellings_is_refused(tmp_path: Path) -> None:
    (tmp_path / "p.toml").write_text("[collection.a-b]\n[collection.a_b]\n")
    with pytest.raises(PolicyError, match=r"p\.toml: collection\.a_b is there twice, in two spellings"):
        policy.read(tmp_path / "p.toml")


CLOCK = """
kind: CronWorkflow
metadata: {name: nightly}
spec:
  workflowSpec: {arguments: {parameters: [{name: area, value: "@luxembourg"}, {name: most, value: "3"}]}}
"""


def subscribed(folder: Path, text: str, name: str = "clock.yaml") -> Policy:
    (folder / name).write_text(text)
    (folder / "p.toml").write_text(f"[subscribed]\nfiles = ['{name}']\nmax_age = '50 d'\n")
    return replace(policy.read(folder / "p.toml"), lag=0.0, rule=Rule(max_age=30 * DAY))


def test_what_a_subscription_wants_stays(tmp_path: Path) -> None:
    said = subscribed(tmp_path, CLOCK)
    assert [each.name for each in said.wanted] == ["nightly"]
    found = made(
        said,
        holding("in", 40, footprint=LUXEMBOURG),
        holding("out", 40, footprint=ELSEWHERE),
        holding("old", 51, footprint=LUXEMBOURG),
    )
    assert actions(found) == {"in": "keep", "out": "remove", "old": "remove"}


def test_the_clocks_and_seasons_that_ship_are_subscriptions(tmp_path: Path) -> None:
    clock = Path(argo_templates.__file__).parent / "rendered" / "dafab-update-cron.yaml"
    assert [each.name for each in subscribed(tmp_path, clock.read_text()).wanted] == ["dafab-update-cron"]
    seasons = (resources() / "etc" / "seasons.toml").read_text()
    assert len(subscribed(tmp_path, seasons, "seasons.toml").wanted) == seasons.count("[[season]]")


@pytest.mark.parametrize(
    "text",
    [
        CLOCK.replace("spec:", "spec:\n  suspend: true"),
        CLOCK.replace("name: area", "name: other"),
        "kind: List\nitems: []",
        "kind: CronWorkflow\nmetadata: {name: a}\nspec: {workflowSpec: {}}",
    ],
)
def test_a_clock_that_asks_for_no_area_wants_nothing(tmp_path: Path, text: str) -> None:
    assert subscribed(tmp_path, text).wanted == ()


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("clock.yaml", "", "it holds no CronWorkflow"),
        ("clock.yaml", "kind: List\nitems: [{kind: Pod}]", "it holds no CronWorkflow"),
        ("clock.yaml", "a: [", "cannot be read as subscriptions"),
        ("clock.yaml", "3", "cannot be read as subscriptions"),
        ("clock.yaml", CLOCK.replace('"@luxembourg"', "3"), "area is 3, not a text"),
        ("clock.yaml", CLOCK.replace("@luxembourg", "@nowhere"), r"subscribed: nightly in clock\.yaml.*nowhere"),
        ("seasons.toml", "[[season]]\nname = 'a'", "cannot be read as subscriptions"),
        ("seasons.toml", "[", "cannot be read as subscriptions"),
    ],
)
def test_subscriptions_that_cannot_be_read_stop_the_run(tmp_path: Path, name: str, text: str, said: str) -> None:
    with pytest.raises(PolicyError, match=said) as refusal:
        subscribed(tmp_path, text, name)
    assert "\n" not in str(refusal.value)


def test_subscriptions_name_their_files(tmp_path: Path) -> None:
    for text, said in (
        ("[subscribed]\nmax_age = '1 d'", r"subscribed\.files names no file"),
        ("[subscribed]\nfiles = 'a'", r"subscribed\.files is no list of texts"),
        ("[subscribed]\nfiles = ['nowhere.yaml']", r"nowhere\.yaml cannot be read"),
        ("[subscribed]\nareas = ['a']", r"subscribed\.areas is unknown"),
    ):
        (tmp_path / "p.toml").write_text(text)
        with pytest.raises(PolicyError, match=said):
            policy.read(tmp_path / "p.toml")
