"""Listing a day and planning retention in a store of many day-databases, with one product each, beside FDB's list.

python benchmarks/dasi/many_days.py [days] [folder of a store made before]
"""

import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path

from dasi_backend import policy, products, retention, staged, writer
from dasi_backend.store import Store

FIRST = date(2023, 1, 1)


def fill(store: Store, days: int, folder: Path) -> None:
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


def median(act: Callable[[], object], times: int) -> float:
    """Return the median seconds of an act, after one that does not count."""
    act()
    taken = []
    for _ in range(times):
        began = time.perf_counter()
        act()
        taken.append(time.perf_counter() - began)
    return statistics.median(taken)


def main(days: int, root: Path, scratch: Path) -> None:
    """Measure, and print medians."""
    store = Store(root)
    if not root.is_dir():
        fill(store, days, scratch)
    day = {"mission": "s2a", "date": f"{FIRST + timedelta(days // 2):%Y%m%d}"}
    asked = {key: [value] for key, value in day.items()}
    database = store.parts.database
    listed = median(lambda: list(store.products(day)), 50)
    by_fdb = median(lambda: list(products.find(database, asked)), 50)
    inspected = median(lambda: list(store.objects(day)), 50)
    inspected_by_fdb = median(lambda: list(database.objects(asked)), 50)
    scanned = median(lambda: retention.plan(store.account(), policy.read(), time.time()), 5)
    everything = median(lambda: list(store.products()), 3)
    everything_by_fdb = median(lambda: list(products.find(database, {})), 3)
    print(f"{len(store.account().holdings)} day-databases, medians", file=sys.stderr)
    for what, taken, peer in (
        ("list one day", listed, by_fdb),
        ("objects, one day", inspected, inspected_by_fdb),
        ("list all", everything, everything_by_fdb),
        ("retention, all", scanned, everything_by_fdb),
    ):
        print(
            f"{what:18}{taken * 1000:8.1f} ms   FDB's list {peer * 1000:8.1f} ms   ratio {peer / taken:.1f}",
            file=sys.stderr,
        )


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as place:
        given = sys.argv[2] if len(sys.argv) > 2 else f"{place}/store"
        main(int((sys.argv[1:] or ["1000"])[0]), Path(given), Path(place))
