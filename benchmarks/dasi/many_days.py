"""Listing a day and planning retention in a store of many day-databases, with one product each, beside FDB's list."""

import json
import os
import statistics
import time
from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path
from typing import Final

from benchmarks.figures import told
from dasi_backend import policy, products, retention, staged, writer
from dasi_backend.store import Store

FIRST: Final = date(2023, 1, 1)
LIST: Final = 5.0
"""Milliseconds that listing one day may take."""

RETENTION: Final = 1_000.0
"""Milliseconds that planning retention of all products may take."""


def measure(root: Path, days: int = 1_000) -> None:
    """Fill a store and tell medians, with those of FDB's own list."""
    print(f"A store of {days} day-databases; medians")
    store = Store(root / "store")
    _fill(store, days, root)
    day = {"mission": "s2a", "date": f"{FIRST + timedelta(days // 2):%Y%m%d}"}
    asked = {key: [value] for key, value in day.items()}
    database = store.parts.database
    listed = _median(lambda: list(store.products(day)), 50)
    told("list one day", listed, "ms", f"<= {LIST:g}", listed <= LIST)
    told("list one day: FDB's list", _median(lambda: list(products.find(database, asked)), 50), "ms")
    told("objects of one day", _median(lambda: list(store.objects(day)), 50), "ms")
    told("objects of one day: FDB's list", _median(lambda: list(database.objects(asked)), 50), "ms")
    told("list all", _median(lambda: list(store.products()), 3), "ms")
    told("list all: FDB's list", _median(lambda: list(products.find(database, {})), 3), "ms")
    scanned = _median(lambda: retention.plan(store.account(), policy.read(), time.time()), 5)
    told("retention of all", scanned, "ms", f"<= {RETENTION:g}", scanned <= RETENTION)


def _fill(store: Store, days: int, folder: Path) -> None:
    """Archive a product a day, all in one process: it ends by the door that a writer uses."""
    store._make()
    child = os.fork()
    if not child:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        (folder / "B02.tif").write_bytes(os.urandom(1000))
        for number in range(days):
            properties = {"datetime": f"{FIRST + timedelta(number)}T00:00:00Z", "platform": "sentinel-2a"}
            item = {"id": f"p{number}", "properties": properties, "assets": {"B02": {"href": "./B02.tif", "gsd": 10}}}
            (folder / "item.json").write_text(json.dumps(item))
            writer.write(staged.read(folder), store.parts)
        os._exit(0)
    if os.waitpid(child, 0)[1]:
        raise SystemExit("the store could not be filled")


def _median(act: Callable[[], object], times: int) -> float:
    """Return the median milliseconds of an act, after one that does not count."""
    act()
    taken = []
    for _ in range(times):
        began = time.perf_counter()
        act()
        taken.append(time.perf_counter() - began)
    return statistics.median(taken) * 1000
