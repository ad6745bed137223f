"""``python -m benchmarks.dasi [--items N] [--json FILE] [PART …]``: what DASI costs over both of its backends.

The rolling store: whole products beside the disk, several of them by processes, random chips, a thousand day-databases,
replicas by Rucio's protocol. The catalogue, of ``--items`` scenes (:mod:`benchmarks.catalogue` makes it at first, of a
million in an hour): a listing beside a call for each object, the first verified byte, and the memory of a large
retrieve. Prints each figure with its target and their ratios. The soak is a part of its own:
``python -m benchmarks.dasi.soak``.
"""

import argparse
import json
import os
import platform
import tempfile
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

from benchmarks.catalogue.cluster import folder
from benchmarks.dasi import catalogue, chips, many_days, products, replicas, several
from benchmarks.figures import ROWS


def main() -> None:
    """Measure what is asked and print it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--items", type=int, default=100_000, help="scenes of the catalogue")
    parser.add_argument("--json", type=Path, help="write the figures there, too")
    parser.add_argument(
        "part", nargs="*", help="some of products, several, chips, days, replicas, catalogue; all of them"
    )
    given = parser.parse_args()
    parts: Mapping[str, Callable[[Path], None]] = {
        "products": products.measure,
        "several": several.measure,
        "chips": chips.measure,
        "days": many_days.measure,
        "replicas": replicas.measure,
        "catalogue": partial(catalogue.measure, items=given.items),
    }
    if unknown := set(given.part) - parts.keys():
        parser.error(f"no part {', '.join(sorted(unknown))}: there are {', '.join(parts)}")
    folder().mkdir(parents=True, exist_ok=True)
    machine = f"{platform.machine()}, {len(os.sched_getaffinity(0))} cores"
    print(f"{machine}, load {os.getloadavg()[0]:.1f}")
    for name in given.part or parts:
        with tempfile.TemporaryDirectory(dir=folder()) as place:
            parts[name](Path(place))
    print(f"load {os.getloadavg()[0]:.1f}")
    if given.json:
        given.json.write_text(json.dumps({"machine": machine, "items": given.items, "figures": ROWS}, indent=1))


if __name__ == "__main__":
    main()
