"""A run holds its scene in the rolling store from the step archive to the step clean."""

import os
import shutil
from pathlib import Path

import pytest

from argo_templates.steps.archive import ArchiveInput, archive, one_process, withdraw
from argo_templates.steps.clean import CleanInput, clean
from argo_templates.work import Work, whole, write_json
from dasi_backend.errors import Held
from dasi_backend.holds import Use
from dasi_backend.store import Store
from rucio_dafab.site.home import Home
from tests.integration.rolling_store.scenes import make_scene

pytestmark = pytest.mark.integration


@pytest.fixture
def work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Work:
    monkeypatch.setenv("DAFAB_HOME", str(tmp_path / "home"))
    work = Work(Home.from_environment().work / "run-1")
    make_scene(tmp_path / "made", "scene_a")
    with whole(work.staged, "made") as folder:
        shutil.copytree(tmp_path / "made", folder, dirs_exist_ok=True)
    return work


def store() -> Store:
    return Store(Home.from_environment().store)


def test_the_scene_is_held_until_clean_and_is_noted_as_processed(work: Work) -> None:
    archive(ArchiveInput(work=str(work.root)))
    (lease,) = store().holds.leases("scene_a")
    assert (lease.holder, lease.process) == ("run run-1", None)
    with pytest.raises(Held, match="scene_a is leased by run run-1"):
        store().wipe({"product": "scene_a"}, doit=True)
    write_json(work.published, {})
    clean(CleanInput(work=str(work.root)))
    assert store().holds.leases() == []
    assert [holding.processed for holding in store().account().holdings] == [True]
    store().wipe({"product": "scene_a"}, doit=True)


def test_a_run_that_published_nothing_has_processed_nothing(work: Work) -> None:
    archive(ArchiveInput(work=str(work.root)))
    clean(CleanInput(work=str(work.root)))
    assert store().holds.leases() == []
    assert [holding.processed for holding in store().account().holdings] == [False]


def test_where_all_steps_are_one_process_the_hold_ends_with_it(work: Work) -> None:
    with one_process():
        archive(ArchiveInput(work=str(work.root)))
    (lease,) = store().holds.leases("scene_a")
    assert lease.process is not None
    assert lease.process.pid == os.getpid()


def test_a_refused_scene_is_withdrawn_unless_another_run_uses_it(work: Work) -> None:
    archive(ArchiveInput(work=str(work.root)))
    store().holds.lease("scene_a", Use("another run"))
    withdraw(work)
    assert store().contains("scene_a")
    store().holds.release("scene_a", "another run")
    withdraw(work)
    assert not store().contains("scene_a")
