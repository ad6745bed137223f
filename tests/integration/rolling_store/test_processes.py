"""Several products retrieved by processes: the same as one after the other, whatever happens to one of them."""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from dasi_backend import plans, processes
from dasi_backend.errors import ChecksumError, StoreError
from dasi_backend.items import Retrieved
from dasi_backend.language import Request
from dasi_backend.local import LocalBackend
from dasi_backend.plans import Plan, Planned, Way
from dasi_backend.rules import Rule
from dasi_backend.select import Backend, Member, SelectBackend
from dasi_backend.store import Store
from tests.integration.rolling_store import held
from tests.integration.rolling_store.scenes import contents, make_scene
from tests.integration.waiting import eventually

pytestmark = pytest.mark.integration

ROOT = Path(__file__).parents[3]
NAMES = ("one", "two", "three", "four")


@pytest.fixture
def workers(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[subprocess.Popen[bytes]]]:
    """Let two processes be worth any product, and return those that were started; none is left."""
    started: list[subprocess.Popen[bytes]] = []

    class Counted(processes._Worker):
        def __init__(self) -> None:
            super().__init__()
            started.append(self._process)

    monkeypatch.setattr(processes, "BYTES_EACH", 1)
    monkeypatch.setattr(processes, "_Worker", Counted)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1})
    monkeypatch.setenv("PYTHONPATH", str(ROOT), prepend=os.pathsep)
    yield started
    assert all(process.returncode is not None for process in started)


@pytest.fixture
def full(store: Store, tmp_path: Path) -> Store:
    """Return a store of four products."""
    for seed, name in enumerate(NAMES):
        store.archive(make_scene(tmp_path / "in" / name, name, seed=seed, platform=f"sentinel-2{'ab'[seed % 2]}"))
    return store


def request(out: Path, **keys: tuple[str, ...]) -> Request:
    return Request("retrieve", keys, target=f"{out}/[id]")


def no_part_of(out: Path) -> bool:
    return not [path for path in out.rglob("*") if path.name.startswith(".")]


def test_they_write_the_same_in_the_same_order(full: Store, workers: list[Any], tmp_path: Path) -> None:
    backend, told = LocalBackend(full), list[Retrieved]()
    before = {name: full.parts.records.get(name) for name in NAMES}
    for name in NAMES:
        full.parts.records.touch(name, 1_000_000.0)
    written = backend.retrieve(request(tmp_path / "out"), told.append)
    assert len(workers) == 2
    assert [one.name for one in written] == [product.key.id for product in full.products()]
    assert list(written) == told
    assert not any(one.kept for one in written)
    for name in NAMES:
        assert contents(tmp_path / "out" / name) == contents(tmp_path / "in" / name)
        record, first = full.parts.records.get(name), before[name]
        assert record is not None
        assert first is not None
        assert record.accessed >= first.accessed, "its last access is recorded"
    assert no_part_of(tmp_path / "out")
    assert all(one.kept for one in backend.retrieve(request(tmp_path / "out")))


def test_products_of_several_stores_are_written_together(full: Store, workers: list[Any], tmp_path: Path) -> None:
    other = Store(tmp_path / "other")
    other.archive(make_scene(tmp_path / "in" / "five", "five", seed=5))
    members: list[Member[Backend]] = [
        Member(f"fdbs[{place}]", Rule("", {}), LocalBackend(store)) for place, store in enumerate((full, other))
    ]
    written = SelectBackend(members).retrieve(request(tmp_path / "out", id=("two", "five")))
    assert [one.name for one in written] == ["two", "five"]
    assert len(workers) == 2
    for name in ("two", "five"):
        assert contents(tmp_path / "out" / name) == contents(tmp_path / "in" / name)


def test_one_product_and_little_data_need_no_process(
    full: Store, workers: list[Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    LocalBackend(full).retrieve(request(tmp_path / "one", id=("one",)))
    monkeypatch.setattr(processes, "BYTES_EACH", 1 << 30)
    LocalBackend(full).retrieve(request(tmp_path / "all"))
    assert workers == []


def test_a_damaged_product_is_refused_as_by_one_process(full: Store, workers: list[Any], tmp_path: Path) -> None:
    (element,) = (each for each in full.objects({"product": "two", "band": "b03"}))
    with element.path.open("r+b") as file:
        file.seek(element.offset + 100)
        file.write(b"\xff\x00\xff")
    with pytest.raises(ChecksumError, match=r"two/B03\.tif: the data file .* is damaged"):
        LocalBackend(full).retrieve(request(tmp_path / "out"))
    assert workers
    assert no_part_of(tmp_path / "out")
    for path in (tmp_path / "out").iterdir():
        assert contents(path) == contents(tmp_path / "in" / path.name)


def test_after_a_refusal_those_at_work_finish_and_none_is_begun(
    full: Store, workers: list[Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out, marks, begun, refusals = tmp_path / "out", tmp_path / "marks", list[str](), list[BaseException]()
    marks.mkdir()
    by_process = plans._by_process

    def watched(workers: processes.Workers, one: Planned) -> Retrieved:
        begun.append(one.name)
        try:
            return by_process(workers, one)
        except StoreError as refusal:
            refusals.append(refusal)
            raise

    monkeypatch.setattr(plans, "_by_process", watched)
    first, *others = held.plan_of(full, out, marks, list(NAMES)).files
    refused = Planned(out / "refused", "refused", partial(held.refuse, "refused", out), way=Way.PROCESS, bytes=1)
    plan = Plan(Request("retrieve", {}, target="[id]"), [first, refused, *others], "products", "the store")
    with ThreadPoolExecutor(1) as thread:
        done = thread.submit(plan.carry_out)
        assert eventually(lambda: (marks / "one").exists() and bool(refusals))
        (marks / "release").touch()
        with pytest.raises(StoreError, match=r"refused at .* is refused"):
            done.result()
    assert contents(out / "one") == contents(tmp_path / "in" / "one")
    assert begun == ["one", "refused"]


def test_a_killed_worker_is_said_and_leaves_nothing(full: Store, workers: list[Any], tmp_path: Path) -> None:
    out, marks = tmp_path / "out", tmp_path / "marks"
    marks.mkdir()
    with ThreadPoolExecutor(1) as thread:
        done = thread.submit(held.plan_of(full, out, marks, list(NAMES)).carry_out)
        assert eventually(lambda: (marks / "one").exists() and (marks / "two").exists())
        os.kill(int((marks / "two").read_text()), signal.SIGKILL)
        assert eventually(lambda: not (out / ".two.part").exists())
        (marks / "release").touch()
        with pytest.raises(processes.Ended, match=r"two was not written: .* ended early \(signal 9\)"):
            done.result()
    assert [path.name for path in out.iterdir()] == ["one"]
    assert contents(out / "one") == contents(tmp_path / "in" / "one")
    assert sorted(path.name for path in marks.iterdir()) == ["one", "release", "two"]


def is_gone(process: int) -> bool:
    """Say whether a process has ended; whoever has inherited it may not have noticed yet."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except (FileNotFoundError, ProcessLookupError):
        return True


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_workers_end_with_their_parent_and_leave_nothing(full: Store, tmp_path: Path, how: signal.Signals) -> None:
    out, marks = tmp_path / "out", tmp_path / "marks"
    marks.mkdir()
    command = [sys.executable, "-m", "tests.integration.rolling_store.held", str(full.root), str(out), str(marks)]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    parent = subprocess.Popen(
        [*command, *NAMES], env=environment, cwd=ROOT, stderr=subprocess.PIPE, restore_signals=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # noqa: PLW1509  # as at a terminal
    )  # fmt: skip
    assert eventually(lambda: (marks / "one").exists() and (marks / "two").exists())
    ids = [int((marks / name).read_text()) for name in ("one", "two")]
    assert all((out / f".{name}.part").is_dir() for name in ("one", "two"))
    parent.send_signal(how)
    (marks / "release").touch()
    _, said = parent.communicate(timeout=60)
    assert parent.returncode
    assert eventually(lambda: all(map(is_gone, ids)))
    assert no_part_of(out), said.decode()
    for path in out.iterdir():
        assert contents(path) == contents(tmp_path / "in" / path.name)


def test_a_disk_that_is_full_for_one_leaves_the_others(full: Store, workers: list[Any], tmp_path: Path) -> None:
    disk = tmp_path / "out" / "s2b"
    disk.mkdir(parents=True)
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=16k", "tmpfs", str(disk)], check=False, capture_output=True
    )
    if mounted.returncode:
        pytest.skip("a small disk cannot be mounted here")
    try:
        with pytest.raises(StoreError, match=rf"{disk}.*: No space left on device"):
            LocalBackend(full).retrieve(Request("retrieve", {}, target=f"{tmp_path}/out/[mission]/[id]"))
        assert list(disk.iterdir()) == []
    finally:
        subprocess.run(["umount", str(disk)], check=True)
    assert workers
    for path in (tmp_path / "out" / "s2a").iterdir():
        assert contents(path) == contents(tmp_path / "in" / path.name)
    written = LocalBackend(full).retrieve(Request("retrieve", {}, target=f"{tmp_path}/out/[mission]/[id]"))
    assert {one.path.parent.name: contents(one.path) == contents(tmp_path / "in" / one.name) for one in written} == {
        "s2a": True,
        "s2b": True,
    }


def test_two_that_retrieve_the_same_to_one_folder_both_succeed(full: Store, workers: list[Any], tmp_path: Path) -> None:
    both = [LocalBackend(full).plan(request(tmp_path / "out")) for _ in range(2)]
    together = threading.Barrier(2)

    def carry_out(plan: Plan) -> tuple[Retrieved, ...]:
        together.wait()
        return plan.carry_out()

    with ThreadPoolExecutor(2) as threads:
        for written in threads.map(carry_out, both):
            assert [one.name for one in written] == [product.key.id for product in full.products()]
    assert {path.name for path in (tmp_path / "out").iterdir()} == set(NAMES)
    for name in NAMES:
        assert contents(tmp_path / "out" / name) == contents(tmp_path / "in" / name)
    assert workers
