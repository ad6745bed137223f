"""Retrieves that wait in the middle of a product until they are let go: ``python held.py STORE OUT MARKS ID…``.

Each says its process in a file of the folder ``MARKS`` when its first file is written, and goes on when a file
``release`` is there, so that what happens to it meanwhile depends on no clock.
"""

import os
import sys
import threading
import time
from functools import partial
from pathlib import Path

from dasi_backend import processes
from dasi_backend.errors import StoreError
from dasi_backend.items import Retrieved
from dasi_backend.language import Request
from dasi_backend.plans import Plan, Planned, Way
from dasi_backend.store import Store


def retrieve(store: Store, identifier: str, folder: Path, marks: Path) -> Retrieved:
    """Retrieve a product, and stop in the middle of it."""

    def hold(*_: object) -> None:
        mark = marks / f".{identifier}.{threading.get_ident()}"  # files come from several threads
        mark.write_text(str(os.getpid()))
        mark.rename(marks / identifier)
        while not (marks / "release").exists():
            time.sleep(0.01)

    store.retrieve(identifier, folder, progress=hold)
    return Retrieved(folder, identifier, 0)


def refuse(name: str, folder: Path) -> Retrieved:
    """Refuse, as a store that cannot be read does."""
    raise StoreError(f"{name} at {folder} is refused")


def plan_of(store: Store, out: Path, marks: Path, identifiers: list[str]) -> Plan:
    """Return a plan of held retrieves, each in a process of its own."""
    planned = [
        Planned(out / name, name, partial(retrieve, store, name, out / name, marks), way=Way.PROCESS, bytes=1)
        for name in identifiers
    ]
    return Plan(Request("retrieve", {}, target="[id]"), planned, "products", "the store")


if __name__ == "__main__":
    processes.BYTES_EACH = 1  # type: ignore[misc]  # this process only
    from tests.integration.rolling_store import held  # by the name that workers know

    store_root, out_folder, marks_folder = map(Path, sys.argv[1:4])
    held.plan_of(Store(store_root), out_folder, marks_folder, sys.argv[4:]).carry_out()
