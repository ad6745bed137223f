"""Retention on a real FDB: what is due goes whole, what somebody holds stays, whoever is killed."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from dasi_backend import cli, metrics, retention, writer
from dasi_backend.errors import ContentDiffers, Held, NotStored, StoreError
from dasi_backend.holds import Use
from dasi_backend.leases import Process
from dasi_backend.locks import SHARED
from dasi_backend.policy import Policy, Rule
from dasi_backend.records import Note
from dasi_backend.retention import Action
from dasi_backend.store import Store
from tests.integration.rolling_store.scenes import contents, make_scene

pytestmark = pytest.mark.integration

ALL = Policy(lag=0.0, max_size=0.0, rule=Rule(min_age=0.0))
"""Everything goes that nobody holds."""


def fill(store: Store, folder: Path, *names: str) -> dict[str, Path]:
    scenes = {name: make_scene(folder / f"in-{name}", name, seed=place) for place, name in enumerate(names)}
    for scene in scenes.values():
        store.archive(scene)
    return scenes


def identifiers(store: Store) -> list[str]:
    return [product.key.id for product in store.products()]


def used(store: Store) -> list[str]:
    return [holding.record.key.id for holding in store.account().holdings]


def test_an_account_says_what_is_there_and_what_it_takes(store: Store, tmp_path: Path) -> None:
    assert store.account().holdings == ()
    assert not store.root.exists()
    fill(store, tmp_path, "a", "b")
    account = store.account()
    files = [path for path in store.root.rglob("*") if path.suffix in {".data", ".index"}]
    assert account.bytes == sum(path.stat().st_size for path in files)
    assert {one.record.key.id: one.record.size for one in account.holdings} == {
        product.key.id: product.manifest.size for product in store.products()
    }
    assert account.unfinished == ()
    assert 0 < account.free < account.disk


def test_a_retrieve_is_the_last_use_also_in_another_process(store: Store, tmp_path: Path) -> None:
    fill(store, tmp_path, "a", "b", "c")
    assert used(store) == ["a", "b", "c"]
    store.retrieve("a", tmp_path / "out")
    assert used(store) == ["b", "c", "a"]
    code = "import sys; from pathlib import Path; from dasi_backend.store import Store\n"
    code += "Store(Path(sys.argv[1])).retrieve('b', Path(sys.argv[2]))"
    subprocess.run([sys.executable, "-c", code, str(store.root), str(tmp_path / "out-b")], check=True)
    assert used(store) == ["c", "a", "b"]


def test_a_store_without_records_is_accounted_for(store: Store, tmp_path: Path) -> None:
    fill(store, tmp_path, "a", "b")
    before = store.account()
    for path in (store.root / ".records" / "products").iterdir():
        path.unlink()
    (store.root / ".records" / "products" / "a.json").write_text("damaged")
    after = store.account()
    assert {one.record.key.id: (one.record.size, one.bytes) for one in after.holdings} == {
        one.record.key.id: (one.record.size, one.bytes) for one in before.holdings
    }
    store.holds.pin("a")


def test_what_is_held_stays_and_the_rest_goes(store: Store, tmp_path: Path) -> None:
    scenes = fill(store, tmp_path, "leased", "pinned", "free")
    store.holds.lease("leased", Use("a run"))
    store.holds.pin("pinned", "mine")
    made, done = retention.apply(store.parts, ALL)
    assert [verdict.holding.record.key.id for verdict in done.removed] == ["free"]
    assert {verdict.holding.record.key.id for verdict in made.of(Action.KEEP)} == {"leased", "pinned"}
    assert identifiers(store) == ["leased", "pinned"]
    store.holds.release("leased", "a run")
    store.holds.unpin("pinned")
    retention.apply(store.parts, ALL)
    assert identifiers(store) == []
    assert not list(store.root.glob("s2:*")), "the last product of a day takes the day along"
    assert store.put(scenes["leased"]).outcome == writer.STORED
    assert contents(store.retrieve("leased", tmp_path / "again")) == contents(scenes["leased"])


def test_a_plan_changes_nothing(store: Store, tmp_path: Path) -> None:
    fill(store, tmp_path, "a")
    before = contents(store.root)
    made = retention.plan(store.account(), ALL, time.time())
    assert [verdict.action for verdict in made.verdicts] == [Action.REMOVE]
    assert contents(store.root) == before


def test_what_is_due_is_marked_and_goes_in_a_later_run_unless_it_is_used(store: Store, tmp_path: Path) -> None:
    fill(store, tmp_path, "a", "b")
    one_too_many = replace(ALL, max_size=store.account().bytes - 1, lag=0.3)
    retention.apply(store.parts, one_too_many)
    assert store.parts.records.names(Note.MARKED) == {"a"}
    store.retrieve("a", tmp_path / "out")
    retention.apply(store.parts, one_too_many)
    assert store.parts.records.names(Note.MARKED) == {"b"}, "a was used meanwhile"
    assert identifiers(store) == ["a", "b"]
    time.sleep(0.4)
    retention.apply(store.parts, one_too_many)
    assert identifiers(store) == ["a"]


def test_a_lease_that_is_taken_after_the_plan_is_respected(store: Store, tmp_path: Path) -> None:
    fill(store, tmp_path, "a", "b")
    made = retention.plan(store.account(), ALL, time.time())
    store.holds.lease("a", Use("late"))
    store.retrieve("b", tmp_path / "out")
    removed, left = retention._remove(store.parts, made.of(Action.REMOVE))
    assert removed == []
    assert [why for _, why in left] == [
        f"a is leased by {store.holds.leases('a')[0]}: not removed",
        "b was used meanwhile: not removed",
    ]


def test_a_lease_ends_with_its_time_and_with_its_process(store: Store, tmp_path: Path) -> None:
    fill(store, tmp_path, "a")
    store.holds.lease("a", Use("short", seconds=0.2))
    process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    store.holds.lease("a", Use("process", process=Process.current(process.pid)))
    assert {lease.holder for lease in store.holds.leases("a")} == {"short", "process"}
    time.sleep(0.3)
    assert {lease.holder for lease in store.holds.leases("a")} == {"process"}
    with pytest.raises(Held, match=rf"a is leased by process \(.*, process {process.pid}, until"):
        store.wipe({"product": "a"})
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert store.holds.leases("a") == []
    retention.apply(store.parts, ALL)
    assert identifiers(store) == []
    assert list((store.root / ".records" / "leases").iterdir()) == []


def test_another_process_with_the_number_of_the_dead_one_does_not_hold(store: Store, tmp_path: Path) -> None:
    fill(store, tmp_path, "a")
    store.holds.lease("a", Use("reborn", process=replace(Process.current(), started=1)))
    assert store.holds.leases("a") == []
    elsewhere = replace(Process.current(), started=1, machine="another")
    store.holds.lease("a", Use("elsewhere", process=elsewhere))
    assert [lease.holder for lease in store.holds.leases("a")] == ["elsewhere"]


def test_a_lease_is_there_before_its_product(store: Store, scene: Path) -> None:
    store.put(scene, Use("a run"))
    assert [lease.holder for lease in store.holds.leases("scene_a")] == ["a run"]
    with pytest.raises(ContentDiffers):
        store.put(make_scene(scene.parent / "other", seed=9), Use("another run"))
    assert [lease.holder for lease in store.holds.leases("scene_a")] == ["a run"]


def test_what_is_not_stored_is_not_held(store: Store, tmp_path: Path) -> None:
    fill(store, tmp_path, "a")
    for hold in (store.holds.pin, store.holds.processed, lambda product: store.holds.lease(product, Use("x"))):
        with pytest.raises(NotStored, match="no product b"):
            hold("b")
    for holder, seconds in ((" ", 60.0), ("a\nb", 60.0), ("a", 0), ("a", 1e9)):
        with pytest.raises(StoreError):
            Use(holder, seconds)


def test_a_damaged_pin_keeps_and_says_so(store: Store, tmp_path: Path) -> None:
    fill(store, tmp_path, "a")
    store.holds.pin("a")
    (store.root / ".records" / "pins" / "a.json").write_text("{")
    with pytest.raises(StoreError, match=r"pins/a\.json cannot be read"):
        retention.apply(store.parts, ALL)
    assert identifiers(store) == ["a"]


def test_what_is_being_read_is_left_for_the_next_run(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(store, tmp_path, "a")
    monkeypatch.setattr(retention, "WAIT_SECONDS", 0.2)
    name = store.get("a").key.database_name
    with store.parts.locks.database(name, SHARED):
        _, done = retention.apply(store.parts, ALL)
        assert [why for _, why in done.left] == [f"database {name} is in use: not free within 0.2 s"]
        assert identifiers(store) == ["a"]
    retention.apply(store.parts, ALL)
    assert identifiers(store) == []


def test_one_run_at_a_time(store: Store, tmp_path: Path) -> None:
    fill(store, tmp_path, "a")
    with store.parts.locks.retention(), pytest.raises(StoreError, match="retention is in use"):
        retention.apply(store.parts, ALL)


KILLED = """
import sys
from dataclasses import replace
from pathlib import Path
from dasi_backend import retention
from dasi_backend.policy import Policy, Rule
from dasi_backend.store import Store
store = Store(Path(sys.argv[1]))
print("ready", flush=True)
retention.apply(store.parts, Policy(lag=0.0, max_size=0.0, rule=Rule(min_age=0.0)))
"""


def killed_retention(store: Store, after_seconds: float | None) -> int:
    """Kill a retention so long after it began, or as soon as it notes what it removes."""
    process = subprocess.Popen(
        [sys.executable, "-c", KILLED, str(store.root)], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    )
    assert process.stdout is not None
    process.stdout.readline()
    if after_seconds is None:
        while process.poll() is None and not store.parts.records.names(Note.REMOVING):
            time.sleep(0.001)
    else:
        time.sleep(after_seconds)
    process.send_signal(signal.SIGKILL)
    process.stdout.close()
    return process.wait()


def test_a_removal_killed_anywhere_leaves_products_whole_or_absent(store: Store, tmp_path: Path) -> None:
    names = [f"p{number}" for number in range(5)]
    scenes = fill(store, tmp_path, *names)
    half_way = 0
    for number, moment in enumerate((0.03, 0.06, 0.12, 0.25, 0.45, None, None)):
        killed_retention(store, moment)
        left = identifiers(store)
        half_way += 0 < len(left) < len(names) or bool(store.parts.records.names(Note.REMOVING))
        for name in left:
            assert contents(store.retrieve(name, tmp_path / f"out-{number}" / name)) == contents(scenes[name])
        for scene in scenes.values():
            store.put(scene)
        assert identifiers(store) == names
    assert half_way, "no run was met while it removed"
    retention.apply(store.parts, ALL)
    assert identifiers(store) == []
    assert not [path for path in store.root.rglob("*") if path.suffix in {".data", ".index"}], "something was left"
    assert store.account().unfinished == ()


def test_what_a_removal_left_is_invisible_and_is_tidied(store: Store, tmp_path: Path) -> None:
    scenes = fill(store, tmp_path, "a", "b")
    key = store.get("a").key
    store.parts.records.note(Note.REMOVING, "a", {"key": str(key)})  # as if it had been killed right after that
    assert identifiers(store) == ["b"]
    assert not store.contains("a")
    assert {element.key["product"] for element in store.objects()} == {"b"}
    with pytest.raises(NotStored):
        store.retrieve(key, tmp_path / "out")
    assert [product for _, product, _ in store.account().unfinished] == ["a"]
    retention.apply(store.parts, replace(ALL, max_size=None))
    assert store.account().unfinished == ()
    assert identifiers(store) == ["b"]
    store.parts.records.note(Note.REMOVING, "b", {"key": str(store.get("b").key)})
    assert store.put(scenes["b"]).outcome == writer.STORED, "a writer finishes the removal before it writes"
    assert identifiers(store) == ["b"]


def test_what_a_killed_writer_left_is_tidied(store: Store, tmp_path: Path) -> None:
    fill(store, tmp_path, "a")
    (folder,) = store.root.glob("s2:*")
    left = folder / "b:unknown:0:000000:unknown.20260101.000000.host.1.data"
    left.write_bytes(b"x" * 1000)
    (store.root / ".records" / "products" / "gone.json").write_bytes(
        (store.root / ".records" / "products" / "a.json").read_bytes().replace(b'"a"', b'"gone"')
    )
    old = store.root / ".records" / "products" / ".a.json.half"
    old.touch()
    os.utime(old, (0, 0))
    assert [(product, taken) for _, product, taken in store.account().unfinished] == [("b", 1000)]
    with store.parts.locks.product("b"):  # its writer is at work
        impatient = replace(store.parts, locks=replace(store.parts.locks, wait_seconds=0.1))
        assert retention.tidying.tidy(impatient) == 0
    assert left.exists()
    _, done = retention.apply(store.parts, replace(ALL, max_size=None))
    assert done.tidied == 1000
    assert not left.exists()
    assert not old.exists()
    assert set(store.parts.records.all()) == {"a"}
    assert identifiers(store) == ["a"]


def test_metrics_are_what_prometheus_reads(store: Store, tmp_path: Path) -> None:
    fill(store, tmp_path, "a", "b", "c")
    store.holds.lease("a", Use("x"))
    store.holds.pin("b")
    retention.apply(store.parts, ALL)
    metrics.write(tmp_path / "store.prom", store.account(), retention.totals(store.parts))
    lines = (tmp_path / "store.prom").read_text().splitlines()
    values = dict(line.rsplit(" ", 1) for line in lines if not line.startswith("#"))
    assert values['dafab_store_products{collection=""}'] == "2"
    assert values["dafab_store_leased_products"] == values["dafab_store_pinned_products"] == "1"
    assert values["dafab_store_removed_products_total"] == values["dafab_store_retention_runs_total"] == "1"
    assert int(values["dafab_store_removed_bytes_total"]) > 0


def command(arguments: Sequence[str], capfd: pytest.CaptureFixture[str]) -> tuple[int, str, str]:
    try:
        cli.run(list(arguments))
        status = 0
    except SystemExit as ended:
        status = int(ended.code or 0)
    said = capfd.readouterr()
    return status, said.out, said.err


@pytest.fixture
def configured(store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    policy = tmp_path / "retention.toml"
    policy.write_text('[store]\nlag = "0 s"\nmax_size = "1 B"\n[rule]\nmin_age = "0 s"\n')
    (tmp_path / "dasi.yml").write_text(f"spaces: [{{roots: [{{path: {store.root}}}]}}]\nretention: retention.toml\n")
    monkeypatch.setenv("DASI_CONFIG", str(tmp_path / "dasi.yml"))
    return store


def test_the_commands_pin_lease_wipe_and_retain(
    configured: Store, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    fill(configured, tmp_path, "a", "b", "c")
    assert command(["pin", "id=a", "--reason", "mine"], capfd)[:2] == (0, "pinned a\n")
    assert command(["lease", "id=b", "--holder", "me", "--hours", "1"], capfd)[:2] == (0, "leased b\n")
    status, _, said = command(["wipe", "mission=s2", "--apply"], capfd)
    assert (status, said) == (1, "error: a is pinned (mine) (and 1 more): nothing was removed\n")
    space = json.loads(command(["inspect", "--space", "--json"], capfd)[1])
    assert {one["id"]: (one["pinned"], len(one["leases"])) for one in space["products"]} == {
        "a": ("mine", 0),
        "b": (None, 1),
        "c": (None, 0),
    }
    dry = json.loads(command(["retention", "--json"], capfd)[1])
    assert (dry["applied"], dry["counts"]) == (False, {"keep": 2, "remove": 1})
    assert "nothing was removed" in command(["wipe", "product=c"], capfd)[1]
    assert identifiers(configured) == ["a", "b", "c"]
    done = json.loads(command(["retention", "--apply", "--json", "--metrics", str(tmp_path / "m.prom")], capfd)[1])
    assert (done["removed"], identifiers(configured)) == (["c"], ["a", "b"])
    assert (tmp_path / "m.prom").is_file()
    command(["release", "id=b", "--holder", "me"], capfd)
    command(["unpin", "id=a"], capfd)
    assert command(["wipe", "wipe, product=a/b", "--apply"], capfd)[1] == "removed a\nremoved b\n"
    assert identifiers(configured) == []


def test_a_policy_for_a_collection_that_is_not_there_is_told(
    configured: Store, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    make_scene(tmp_path / "in", "a")
    item = json.loads((tmp_path / "in" / "item.json").read_text())
    (tmp_path / "in" / "item.json").write_text(json.dumps(item | {"collection": "sentinel-2-c1-l2a"}))
    configured.archive(tmp_path / "in")
    with (tmp_path / "retention.toml").open("a") as file:
        file.write("[collection.sentinel_2_l2a]\nkeep_until_processed = true\n[collection.sentinel-2-l2b]\n")
    status, said, warned = command(["retention", "--apply", "--json"], capfd)
    assert (status, json.loads(said)["removed"]) == (0, [])
    (line,) = warned.splitlines()
    assert line == "warning: no product in the store is of the collection sentinel-2-l2b, which the policy names"
    assert identifiers(configured) == ["a"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["wipe"], "a wipe names at least one key"),
        (["wipe", "band=b02"], "band: a product is not chosen by what is in it"),
        (["wipe", "collection=x"], "collection"),
        (["pin"], "pin needs to know which products"),
        (["pin", "id=nope"], "nothing in the rolling store answers"),
        (["lease", "id=a", "--holder", "x", "--hours", "0"], "a lease lasts"),
        (["lease", "id=a", "--holder", "x", "--process", "99999999"], "no process 99999999"),
        (["retention", "--policy", "nowhere.toml"], "nowhere.toml cannot be read"),
        (["pin", 'retrieve, id=a, target="x"'], "the request says retrieve, not list"),
    ],
)
def test_the_commands_refuse_in_one_line(
    configured: Store, capfd: pytest.CaptureFixture[str], arguments: list[str], said: str
) -> None:
    status, out, err = command(arguments, capfd)
    assert (status, out) == (1, "")
    assert said in err
    assert len(err.strip().splitlines()) == 1
