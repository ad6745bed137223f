"""What meaning costs: publishing ten thousand classes, finding what a class means, and asking for a class in a box.

    python -m benchmarks.catalogue.meaning [--items 100000] [--rounds 40]

SWEET itself (``data/vocab/sweet.nt.gz`` of the shared folder) is published beside our ontology, and withdrawn again.
The question for a class is asked beside plain SQL that is given the ids of everything below it.
"""

import argparse
import gzip
import json
import os
import random
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any, Final

from benchmarks.catalogue import cluster
from benchmarks.catalogue.__main__ import Target, filled
from rucio_dafab.errors import DafabError

SEED: Final = 4711
SWEET: Final = "http://sweetontology.net/phen"
"""One of the 225 modules that the file declares; with it all of the file is published."""
ASKED: Final = ("WaterAnomaly", "Flood", "Überschwemmung", "Drought", "Hazard")
WANTED: Final = {"publish": 10.0, "resolve": 1.0, "ratio": 1.3}
"""Seconds of a publication, milliseconds to find what a class means, and times the plain SQL."""

_PLAIN: Final = (
    "SELECT name FROM dafab.document WHERE classes && %s::text[] AND latest AND NOT did_suppressed"
    " AND geometry && ST_GeomFromGeoJSON(%s) AND ST_Intersects(geometry, ST_GeomFromGeoJSON(%s))"
)


@contextmanager
def sweet(home_environment: dict[str, str]) -> Iterator[tuple[float, int]]:
    """Publish SWEET for as long as the block lasts; yield the seconds that took and how many classes it has."""
    packed = cluster.shared() / "data" / "vocab" / "sweet.nt.gz"
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "sweet.nt"
        path.write_bytes(gzip.decompress(packed.read_bytes()))
        began = perf_counter()
        _ontology(home_environment, "publish", str(path), "--foreign", "--iri", SWEET, "--json")
        seconds = perf_counter() - began
    try:
        rows = json.loads(_ontology(home_environment, "versions", "--json"))["published"]
        yield seconds, next(row["classes"] for row in rows if row["iri"] == SWEET and row["current"])
    finally:
        _ontology(home_environment, "withdraw", SWEET)


def _ontology(environment: dict[str, str], *arguments: str) -> str:
    command = [str(Path(sys.executable).with_name("rucio-dafab")), "ontology", *arguments]
    ran = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if ran.returncode:
        raise DafabError(f"ontology {arguments[0]}: {ran.stderr.strip()}")
    return ran.stdout


def ask(rounds: int) -> dict[str, Any]:
    """Time questions in the cluster of this environment."""
    # Only in a process of the cluster may Rucio be imported.
    from sqlalchemy.orm import sessionmaker  # noqa: PLC0415

    from benchmarks.catalogue.fill import connect  # noqa: PLC0415
    from benchmarks.catalogue.measure import alternate, in_plain_sql, through_core  # noqa: PLC0415
    from benchmarks.catalogue.questions import Case, Question, box  # noqa: PLC0415
    from rucio_dafab import vocabulary  # noqa: PLC0415
    from rucio_dafab.catalogue.sessions import engine  # noqa: PLC0415
    from rucio_dafab.plugin import DafabMetadata  # noqa: PLC0415

    plugin = DafabMetadata()
    spent = []
    for number in range(20 * len(ASKED)):
        began = perf_counter()
        words = vocabulary.load().ontology
        words.expand(words.resolve(ASKED[number % len(ASKED)]))
        spent.append((perf_counter() - began) * 1000)
    rng, questions = random.Random(SEED), []
    for number in range(rounds):
        name, area = ASKED[number % len(ASKED)], json.dumps(box(rng))
        below = list(words.expand(words.resolve(name)))
        filters = [{"geometry.intersects": area, "theme.isa": name}]
        questions.append(Question(filters, (_PLAIN, [below, area, area])))
    with connect() as connection:
        connection.autocommit = True
        contenders = {"dafab": through_core(plugin, sessionmaker(engine())), "plain": in_plain_sql(connection)}
        found = alternate(Case("box and class", questions), contenders)
    return {"resolve": median(spent[len(ASKED) :]), "box": found}


def main() -> int:
    """Measure and tell."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.catalogue.meaning", description=__doc__)
    parser.add_argument("--items", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=40)
    parser.add_argument("--ask", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.ask:
        print(json.dumps(ask(arguments.rounds)))
        return 0
    filled(arguments.items)
    with cluster.running(f"read-{arguments.items}") as home:
        environment = cluster.environment(home)
        with sweet(environment) as (seconds, classes):
            command = [sys.executable, "-W", "ignore", "-m", "benchmarks.catalogue.meaning", "--ask"]
            command += ["--rounds", str(arguments.rounds)]
            ran = subprocess.run(command, env=environment, cwd=cluster.ROOT, stdout=subprocess.PIPE, check=True)
    found = json.loads(ran.stdout)
    ours, plain = found["box"]["ms"]["dafab"], found["box"]["ms"]["plain"]
    print(f"load of the machine {os.getloadavg()[0]:.1f}; {found['box']['names']:.0f} names in the median")
    print(f"box and class: ours {ours['p50']} ms (p95 {ours['p95']}), plain {plain['p50']} ms (p95 {plain['p95']})")
    for target in (
        Target(f"publishing SWEET, {classes} classes, the whole command", seconds, "s", WANTED["publish"]),
        Target("resolving and expanding a class, warm", found["resolve"], "ms", WANTED["resolve"]),
        Target("box and class / the same with the classes given", ours["p50"] / plain["p50"], "x", WANTED["ratio"]),
    ):
        verdict = "met" if target.is_met else "NOT MET"
        print(f"{target.name:60} {target.measured:8.2f} {target.unit:2} <= {target.wanted:6.1f}   {verdict}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
