"""Measure the listings of one filled cluster. A process of :func:`benchmarks.catalogue.cluster.environment`.

    python -m benchmarks.catalogue.measure ROUNDS [CONFIG OF A SMALLER CLUSTER]

Writes one JSON object to standard output; times are wall milliseconds.
"""

import configparser
import json
import math
import os
import resource
import sys
from collections.abc import Callable, Iterable, Mapping
from contextlib import closing
from statistics import median
from time import perf_counter
from typing import Any, Final

import psycopg
from rucio.common.types import InternalScope
from rucio.core import did as dids  # noqa: TID251
from rucio.core import did_meta_plugins as plugins  # noqa: TID251
from rucio.core.did_meta_plugins.did_column_meta import DidColumnMeta  # noqa: TID251
from rucio.core.did_meta_plugins.json_meta import JSONDidMeta  # noqa: TID251
from sqlalchemy import create_engine
from sqlalchemy.orm import Session, sessionmaker

from benchmarks.catalogue.fill import connect, stock_postgres
from benchmarks.catalogue.questions import Case, Question, spatial_cases, stock_cases
from rucio_dafab.catalogue.sessions import engine
from rucio_dafab.plugin import DafabMetadata
from rucio_dafab.site.home import SCOPE

SEED: Final = 4711
MANY: Final = 100_000
"""DIDs of the long listing whose memory is measured."""

_CLOUD_COVER_OF: Final = """
SELECT eo_cloud_cover FROM dafab.document
WHERE platform = %(platform)s AND sat_relative_orbit = %(relative_orbit)s AND proj_code = %(crs)s
ORDER BY eo_cloud_cover OFFSET %(count)s LIMIT 1
"""

Ask = Callable[[Question], list[str]]
Times = dict[str, list[float]]
Sessions = Callable[[], Session]


def through_core(plugin: Any, sessions: Sessions) -> Ask:
    """Return what lists names by ``list_dids`` of Rucio's core with one metadata plugin, as the REST server does."""
    column_plugin = DidColumnMeta()

    def ask(question: Question) -> list[str]:
        plugins.METADATA_PLUGIN_MODULES[:] = [column_plugin, plugin]
        filters = [dict(group) for group in question.filters]
        with closing(sessions()) as session:
            return list(dids.list_dids(InternalScope(SCOPE), filters, session=session))

    return ask


def in_plain_sql(connection: psycopg.Connection[Any]) -> Ask:
    """Return what asks the plain table, without a limit."""

    def ask(question: Question) -> list[str]:
        assert question.plain is not None
        return [name for (name,) in connection.execute(*question.plain).fetchall()]

    return ask


def alternate(case: Case, contenders: Mapping[str, Ask]) -> dict[str, Any]:
    """Ask each question of all by turns, so that other work on the machine weighs on all alike.

    Raises:
        SystemExit: if two give different names.
    """
    times: Times = {name: [] for name in contenders}
    sizes, order = [], list(contenders)
    for name in order:
        contenders[name](case.questions[0])
    for question in case.questions:
        found = {}
        for name in order:
            began = perf_counter()
            answer = contenders[name](question)
            times[name].append((perf_counter() - began) * 1000)
            found[name] = sorted(answer)
        if any(answer != found[order[0]] for answer in found.values()):
            raise SystemExit(f"{case.name}: the answers differ for {question.filters}")
        sizes.append(len(found[order[0]]))
        order.append(order.pop(0))
    return {"case": case.name, "names": median(sizes), "ms": {name: summary(spent) for name, spent in times.items()}}


def summary(times: Iterable[float]) -> dict[str, float]:
    """Return p50 and p95."""
    ordered = sorted(times)
    return {"p50": round(median(ordered), 2), "p95": round(ordered[math.ceil(0.95 * len(ordered)) - 1], 2)}


def memory(sessions: Sessions) -> dict[str, float]:
    """Return what a long listing of :data:`MANY` DIDs adds to the memory of the process, and its peak, in MB."""
    plugins.METADATA_PLUGIN_MODULES[:] = [DidColumnMeta(), DafabMetadata()]
    with closing(sessions()) as session:
        list(dids.list_dids(InternalScope(SCOPE), [{"tile": "none"}], long=True, session=session))
        before, count = _peak(), 0
        found = dids.list_dids(InternalScope(SCOPE), [{"cloud_cover.gte": 0}], long=True, limit=MANY, session=session)
        for _ in found:
            count += 1
    return {"DIDs": count, "added": round(_peak() - before, 1), "peak": round(_peak(), 1)}


def _peak() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def growth(rounds: int, smaller: str) -> list[dict[str, Any]]:
    """Return what answers of one size cost here and in a smaller cluster, by turns; `smaller` is its rucio.cfg.

    Of four attributes the larger catalogue has more: there the last one, cloud cover, asks for less.
    """
    parser = configparser.ConfigParser(interpolation=None)
    parser.read(smaller, encoding="utf-8")
    address = parser["database"]["default"]
    plugin, sides = DafabMetadata(), {}
    for name, bind in (("larger", engine()), ("smaller", create_engine(address))):
        sides[name] = through_core(plugin, sessionmaker(bind))
    with connect() as large, psycopg.connect(address.replace("+psycopg", "")) as small:
        attributes, tile, pair, _ = zip(stock_cases(large, rounds, SEED), stock_cases(small, rounds, SEED), strict=True)
        attributes = (_as_large(attributes, sides["smaller"], large), attributes[1])
        return [_grown(one, other, sides) for one, other in (attributes, tile, pair)]


def _as_large(cases: tuple[Case, Case], ask: Ask, larger: psycopg.Connection[Any]) -> Case:
    """Return the questions of four attributes to the larger catalogue, asking for as many scenes as the smaller has."""
    asked = []
    for question, other in zip(cases[0].questions, cases[1].questions, strict=True):
        (filters,) = question.filters
        (limit,) = larger.execute(_CLOUD_COVER_OF, {**filters, "count": len(ask(other))}).fetchone() or (101.0,)
        asked.append(Question([filters | {"cloud_cover.lt": limit}]))
    return Case(cases[0].name, asked)


def _grown(larger: Case, smaller: Case, sides: Mapping[str, Ask]) -> dict[str, Any]:
    times: Times = {name: [] for name in sides}
    sizes: dict[str, list[int]] = {name: [] for name in sides}
    for pair in zip(larger.questions, smaller.questions, strict=True):
        for (name, ask), question in zip(sides.items(), pair, strict=True):
            began = perf_counter()
            sizes[name].append(len(ask(question)))
            times[name].append((perf_counter() - began) * 1000)
    names = {name: median(found) for name, found in sizes.items()}
    return {"case": larger.name, "names": names, "ms": {name: summary(spent) for name, spent in times.items()}}


def main() -> int:
    """Measure, and write what was found."""
    rounds = int(sys.argv[1])
    sessions = sessionmaker(engine())
    ours = through_core(DafabMetadata(), sessions)
    # First, while the peak of the process is that of this listing.
    found: dict[str, Any] = {"load": [os.getloadavg()], "memory": memory(sessions)}
    stock = {"json": through_core(JSONDidMeta(), sessions), "postgres": through_core(stock_postgres(), sessions)}
    with connect() as connection:
        found["count"] = connection.execute("SELECT count(*) FROM dafab.document").fetchone()[0]  # type: ignore[index]
        cases = list(stock_cases(connection, rounds, SEED))
        connection.rollback()
        connection.autocommit = True
        found["stock"] = [alternate(case, {"dafab": ours, **stock}) for case in cases]
        plain = {"dafab": ours, "plain": in_plain_sql(connection)}
        found["spatial"] = [alternate(case, plain) for case in spatial_cases(4 * rounds, SEED)]
    if len(sys.argv) > 2:
        found["growth"] = growth(rounds, sys.argv[2])
    found["load"].append(os.getloadavg())
    print(json.dumps(found))
    return 0


if __name__ == "__main__":
    sys.exit(main())
