"""Locks of the rolling store: a removal gets in between readers that come and go, and keeps nobody out for long."""

import threading
import time
from pathlib import Path

import pytest

from dasi_backend.errors import StoreError
from dasi_backend.locks import EXCLUSIVE, GATE_SECONDS, SHARED, Locks


def test_readers_that_overlap_without_end_let_a_removal_in(tmp_path: Path) -> None:
    locks, over = Locks(tmp_path, wait_seconds=20.0), threading.Event()
    inside = [0]

    def read(offset: float) -> None:
        time.sleep(offset)
        while not over.is_set():
            with locks.database("day", SHARED):
                inside[0] += 1
                time.sleep(0.1)

    readers = [threading.Thread(target=read, args=(offset / 40,)) for offset in range(4)]
    for reader in readers:
        reader.start()
    try:
        time.sleep(0.3)
        for _ in range(5):
            with locks.database("day", EXCLUSIVE):
                before = inside[0]
                time.sleep(0.05)
                assert inside[0] == before, "nobody reads while it is removed"
            time.sleep(0.05)
    finally:
        over.set()
        for reader in readers:
            reader.join()
    assert inside[0] > 10


def test_who_stays_inside_is_waited_for_and_then_named(tmp_path: Path) -> None:
    locks = Locks(tmp_path, wait_seconds=0.3)
    with (
        locks.database("day", SHARED),
        pytest.raises(StoreError, match=r"database day is in use: not free within 0.3 s"),
    ):
        locks.database("day", EXCLUSIVE).__enter__()
    with locks.database("day", EXCLUSIVE):
        pass


def test_who_is_inside_comes_in_again_while_a_removal_waits(tmp_path: Path) -> None:
    locks = Locks(tmp_path, wait_seconds=10 * GATE_SECONDS)
    done: list[str] = []

    def remove() -> None:
        with locks.database("day", EXCLUSIVE):
            done.append("removed")

    removal = threading.Thread(target=remove)
    with locks.database("day", SHARED):
        removal.start()
        time.sleep(0.1)
        with locks.database("day", SHARED):
            done.append("read twice")
    removal.join()
    assert done == ["read twice", "removed"]


def test_databases_do_not_wait_for_each_other(tmp_path: Path) -> None:
    locks = Locks(tmp_path, wait_seconds=0.2)
    with locks.database("one", EXCLUSIVE), locks.database("other", EXCLUSIVE):
        pass
