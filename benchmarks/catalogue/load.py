"""Writing items beside pgstac, in one run: a file loaded by both commands by turns, then single items one a commit.

    python -m benchmarks.catalogue.load [--items 400000] [--slices 4] [--single 1000]

Both write into the same PostgreSQL server. Ours makes a DID, an attachment and a checked document an item, with the
rows for Rucio's daemons; pgstac, in a database of its own, makes an item. Times are wall times of the whole commands.
Single items come in rounds, one contender after the other, as whoever publishes writes one after the other.
"""

import argparse
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import islice
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any, Final

import orjson
import psycopg

from benchmarks.catalogue import cluster
from rucio_dafab.site import credentials, record
from rucio_dafab.site.home import SCOPE, Home

NAME: Final = "load"
PGSTAC: Final = "pypgstac[psycopg]==0.10.0"
FASTER: Final = 1.2
"""How many times the items a second of pypgstac a load is to write."""

SINGLE: Final = 500.0
"""Checked documents a second that one connection is to write, each in a transaction of its own."""

ROUND: Final = 100
"""Single items that one contender writes before it is the other's turn. The first round does not count: schemas,
ontology and prepared statements are read once a process."""

RENAMED: Final = ("sentinel-2-l2a=sentinel_2_l2a", "water-analysis=water_analysis")
_COLLECTION: Final = "sentinel_2_l2a"


def slices(items: Path, count: int, parts: int) -> list[Path]:
    """Return files with the lines of `items`, `count` lines in all."""
    folder = items.parent / f"slices-{count}-{parts}"
    found = [folder / f"{number}.ndjson" for number in range(parts)]
    if not all(each.exists() for each in found):
        folder.mkdir(exist_ok=True)
        with items.open("rb") as lines:
            for each in found:
                each.write_bytes(b"".join(islice(lines, count // parts)))
    return found


def pgstac_command() -> Path:
    """Return pypgstac in an environment of its own, made at first."""
    folder = cluster.folder() / "pgstac"
    command = folder / "bin" / "pypgstac"
    if not command.exists():
        uv = str(Path(sys.executable).with_name("uv"))
        subprocess.run([uv, "venv", "--quiet", "--python", sys.executable, str(folder)], check=True)
        python = str(folder / "bin" / "python")
        subprocess.run([uv, "pip", "install", "--quiet", "--python", python, PGSTAC], check=True)
    return command


def timed(command: Sequence[str | Path], environment: dict[str, str]) -> float:
    """Return the wall seconds of a command that must succeed."""
    began = perf_counter()
    ran = subprocess.run(command, env=environment, cwd=cluster.ROOT, capture_output=True, text=True, check=False)
    if ran.returncode:
        raise SystemExit(f"{command[0]} ended with {ran.returncode}: {(ran.stderr or ran.stdout)[-2000:]}")
    return perf_counter() - began


def peer(home: Home, collections: Path) -> tuple[dict[str, str], str]:
    """Make the database of pgstac; return the environment that reaches it and its address without the password."""
    known, passwords = record.load(home), credentials.load_or_make(home)
    assert known is not None
    environment = os.environ | {
        "PGPASSWORD": passwords.database[credentials.SUPERUSER],
        "PGHOST": "127.0.0.1",
        "PGPORT": str(known.postgres_port),
        "PGUSER": credentials.SUPERUSER,
        "PGDATABASE": "pgstac",
    }
    address = {"host": "127.0.0.1", "port": known.postgres_port, "user": credentials.SUPERUSER}
    with psycopg.connect(**address, password=environment["PGPASSWORD"], dbname="postgres", autocommit=True) as admin:
        admin.execute("CREATE DATABASE pgstac")
    pypgstac = pgstac_command()
    timed([pypgstac, "migrate"], environment)
    timed([pypgstac, "load", "collections", collections, "--method", "insert_ignore"], environment)
    return environment, f"postgresql://{credentials.SUPERUSER}@127.0.0.1:{known.postgres_port}/pgstac"


def loads(files: Iterable[Path], home: Home, theirs: dict[str, str]) -> list[tuple[float, float]]:
    """Return the seconds of both for each file, by turns."""
    command = str(Path(sys.executable).with_name("rucio-dafab"))
    names = [part for each in RENAMED for part in ("--collection", each)]
    contenders = {
        "ours": lambda file: timed([command, "catalogue", "load", file, *names], cluster.environment(home)),
        "theirs": lambda file: timed([pgstac_command(), "load", "items", file, "--method", "insert"], theirs),
    }
    found = []
    order = list(contenders)
    for file in files:
        spent = {name: contenders[name](file) for name in order}
        order.reverse()
        found.append((spent["ours"], spent["theirs"]))
    return found


def single(count: int, file: str, address: str) -> None:
    """Write so many items one a commit with both, by turns. A process of :func:`cluster.environment`."""
    # Only in that process may Rucio be imported.
    from rucio.common.types import InternalAccount, InternalScope  # noqa: PLC0415
    from rucio.core.did import add_dids  # noqa: PLC0415, TID251

    from rucio_dafab.catalogue import documents, sessions  # noqa: PLC0415

    with Path(file).open("rb") as lines:
        items = [orjson.loads(line) for line in islice(lines, count + ROUND)]
    for number, item in enumerate(items):
        item["id"] = f"single-{number}"
    scope = InternalScope(SCOPE)
    with sessions.writing() as session:
        dids = [{"scope": scope, "name": item["id"], "type": "CONTAINER"} for item in items]
        add_dids(dids, InternalAccount("dafab_admin"), session=session)
    with psycopg.connect(address, autocommit=True) as connection:
        connection.execute("SET search_path TO pgstac, public")

        def ours(item: dict[str, Any]) -> None:
            with sessions.writing() as session:
                documents.put(scope, item["id"], item | {"collection": _COLLECTION}, session=session)

        def theirs(item: dict[str, Any]) -> None:
            connection.execute("SELECT pgstac.create_item(%s::jsonb)", [orjson.dumps(item).decode()])

        rounds = [items[start : start + ROUND] for start in range(0, len(items), ROUND)]
        spent = [{"ours": _spent(ours, each), "theirs": _spent(theirs, each)} for each in rounds]
    print(orjson.dumps(spent[1:]).decode())


def _spent(write: Callable[[dict[str, Any]], None], items: Iterable[dict[str, Any]]) -> float:
    """Return the seconds an item."""
    began, count = perf_counter(), 0
    for item in items:
        write(item)
        count += 1
    return (perf_counter() - began) / count


def rest(environment: Mapping[str, str]) -> None:
    """Do for both databases what autovacuum would do beside the next thing that is measured."""
    names = {"host": "PGHOST", "port": "PGPORT", "user": "PGUSER", "password": "PGPASSWORD"}
    address = {name: environment[variable] for name, variable in names.items()}
    for database in (credentials.OWNER, environment["PGDATABASE"]):
        with psycopg.connect(psycopg.conninfo.make_conninfo(**address, dbname=database), autocommit=True) as connection:
            connection.execute("VACUUM (ANALYZE)")


def tell_loads(found: Sequence[tuple[float, float]], lines: int) -> None:
    """Print what loads took."""
    for ours, theirs in found:
        print(f"load of {lines} items: ours {lines / ours:7.0f} items/s, pypgstac {lines / theirs:7.0f} items/s")
    ratio = median(theirs / ours for ours, theirs in found)
    verdict = "met" if ratio >= FASTER else "NOT MET"
    print(f"ours / pypgstac, median of {len(found)}: {ratio:.2f}x >= {FASTER}x   {verdict}")


def tell_single(spent: Sequence[dict[str, float]]) -> None:
    """Print what single items took: the median round of each."""
    rate = {name: 1 / median(each[name] for each in spent) for name in ("ours", "theirs")}
    verdict = "met" if rate["ours"] >= SINGLE else "NOT MET"
    print(f"one item a commit: ours {rate['ours']:.0f}/s >= {SINGLE:.0f}/s   {verdict}; pgstac {rate['theirs']:.0f}/s")


def main() -> int:
    """Measure and tell."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.catalogue.load", description=__doc__)
    parser.add_argument("--items", type=int, default=400_000)
    parser.add_argument("--slices", type=int, default=4, help="files that the items are loaded from")
    parser.add_argument("--single", type=int, default=1000)
    parser.add_argument("--measure-single", nargs=2, metavar=("FILE", "ADDRESS"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.measure_single:
        single(arguments.single, *arguments.measure_single)
        return 0
    made = cluster.generated(arguments.items)
    files = slices(made / "items.ndjson", arguments.items, arguments.slices)
    shutil.rmtree(cluster.folder() / NAME, ignore_errors=True)
    with cluster.running(NAME) as home:
        theirs, address = peer(home, made / "collections.ndjson")
        print(f"load of the machine {os.getloadavg()[0]:.1f}")
        tell_loads(loads(files, home, theirs), arguments.items // arguments.slices)
        rest(theirs)
        command: list[Any] = [sys.executable, "-W", "ignore", "-m", "benchmarks.catalogue.load"]
        command += ["--single", str(arguments.single), "--measure-single", str(files[0]), address]
        environment = cluster.environment(home) | {"PGPASSWORD": theirs["PGPASSWORD"]}
        ran = subprocess.run(command, env=environment, cwd=cluster.ROOT, stdout=subprocess.PIPE, check=True)
        tell_single(orjson.loads(ran.stdout))
        print(f"load of the machine {os.getloadavg()[0]:.1f}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
