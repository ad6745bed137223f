"""The state of the rolling store as Prometheus reads it: a text file for the node exporter's textfile collector."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Final

from dasi_backend.accounting import Account, Holding
from rucio_dafab.files import write_file

_PREFIX: Final = "dafab_store"


def write(path: Path, account: Account, totals: Mapping[str, int]) -> None:
    """Replace a metrics file at once.

    Args:
        path: The file, whose name ends in ``.prom`` where the node exporter reads it.
        account: What is in the store.
        totals: What all runs of retention removed (:func:`dasi_backend.retention.totals`).

    Raises:
        FileError: if it cannot be written.
    """
    write_file(path, render(account, totals))


def render(account: Account, totals: Mapping[str, int]) -> str:
    """Return the metrics in Prometheus' text format."""
    return "".join(f"{line}\n" for line in _lines(account, totals))


def _lines(account: Account, totals: Mapping[str, int]) -> Iterator[str]:
    by_collection: dict[str, list[Holding]] = defaultdict(list)
    for holding in account.holdings:
        by_collection[holding.record.collection or ""].append(holding)
    yield from _gauge("products", "Products by collection.", _each(by_collection, products=True))
    yield from _gauge("bytes", "Bytes on disk by collection.", _each(by_collection, products=False))
    held = account.holdings
    for name, what, chosen in (
        ("leased", "in use", [one for one in held if one.leases]),
        ("pinned", "pinned", [one for one in held if one.pin is not None]),
        ("marked", "due and marked for removal", [one for one in held if one.marked is not None]),
    ):
        yield from _gauge(f"{name}_products", f"Products that are {what}.", [("", len(chosen))])
        yield from _gauge(f"{name}_bytes", f"Bytes that are {what}.", [("", sum(one.bytes for one in chosen))])
    unfinished = sum(taken for _, _, taken in account.unfinished)
    yield from _gauge("unfinished_bytes", "Bytes of writers and removals at work or interrupted.", [("", unfinished)])
    yield from _gauge("disk_bytes", "Bytes of the disk.", [("", account.disk)])
    yield from _gauge("disk_free_bytes", "Bytes free on the disk.", [("", account.free)])
    yield from _metric("removed_products_total", "Products that retention removed.", "counter", totals["products"])
    yield from _metric("removed_bytes_total", "Bytes that retention removed.", "counter", totals["bytes"])
    yield from _metric("retention_runs_total", "Runs of retention.", "counter", totals["runs"])


def _each(by_collection: Mapping[str, Iterable[Holding]], products: bool) -> list[tuple[str, int]]:
    return [
        (f'{{collection="{_escaped(name)}"}}', sum(1 if products else one.bytes for one in held))
        for name, held in sorted(by_collection.items())
    ]


def _gauge(name: str, what: str, values: Iterable[tuple[str, int]]) -> Iterator[str]:
    yield f"# HELP {_PREFIX}_{name} {what}"
    yield f"# TYPE {_PREFIX}_{name} gauge"
    for labels, value in values:
        yield f"{_PREFIX}_{name}{labels} {value}"


def _metric(name: str, what: str, kind: str, value: int) -> Iterator[str]:
    yield f"# HELP {_PREFIX}_{name} {what}"
    yield f"# TYPE {_PREFIX}_{name} {kind}"
    yield f"{_PREFIX}_{name} {value}"


def _escaped(label: str) -> str:
    return label.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
