"""What it costs to validate, read and patch documents; each beside the way there was before, in one run.

python benchmarks/catalogue/documents.py [items.ndjson[.gz]]     at the site of DAFAB_HOME, which must be up

The items, of collections that the site has, are loaded into it; a site of your own is best (DAFAB_HOME=$(mktemp -d)).
"""

import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import jsonschema
import orjson

from rucio_dafab.catalogue.lines import read_lines
from rucio_dafab.client import DafabClient
from rucio_dafab.site import accounts
from rucio_dafab.site.home import Home
from rucio_dafab.stac.schemas import load

ROUNDS = 5


def best(act: Callable[[], object], rounds: int = ROUNDS) -> float:
    """Return the seconds of the quickest of some rounds."""
    taken = []
    for _ in range(rounds):
        began = time.perf_counter()
        act()
        taken.append(time.perf_counter() - began)
    return min(taken)


def say(what: str, ours: float, theirs: float, unit: str) -> None:
    """Print a line of the report; both figures are times."""
    print(f"{what:<52} {ours:>10.1f} {unit}  beside {theirs:>10.1f} {unit}: {theirs / ours:>6.1f}×")


def validation(items: list[dict[str, Any]]) -> None:
    """Time the compiled validator beside ``jsonschema``, on the same items."""
    schema = load().named(items[0]["collection"])
    few, reference = items[:20], jsonschema.Draft202012Validator(schema.content)
    ours = best(lambda: [schema.fits(item) for item in items]) / len(items)
    theirs = best(lambda: [reference.is_valid(item) for item in few], 1) / len(few)
    say("one item validated, beside jsonschema", ours * 1e6, theirs * 1e6, "µs")


def reading(client: DafabClient, names: list[str]) -> None:
    """Time documents read in bulk, beside one request a document and beside Rucio's metadata one by one."""
    bulk = best(lambda: list(client.read_documents(names))) / len(names)
    few = names[:50]
    single = best(lambda: [list(client.read_documents([name])) for name in few], 1) / len(few)
    stock = best(lambda: [client.get_metadata("dafab", name, plugin="DAFAB") for name in few], 1) / len(few)
    say("one document of many, beside one request each", bulk * 1e3, single * 1e3, "ms")
    say("one document of many, beside Rucio's get_metadata", bulk * 1e3, stock * 1e3, "ms")
    some = best(lambda: list(client.read_values(names, ["/properties/datetime"]))) / len(names)
    say("one value of many documents, beside the whole ones", some * 1e3, bulk * 1e3, "ms")


def patching(home: Home, names: list[str]) -> None:
    """Time patches of many documents at once, of one by one, and of one by eight clients at once."""
    clients = [accounts.client(home, "dafab_admin") for _ in range(8)]
    mark = [{"op": "upsert", "path": "/properties/mark", "value": 1}]
    few = names[:200]
    bulk = best(lambda: clients[0].patch_documents(few, mark), 3) / len(few)
    single = best(lambda: [clients[0].patch_documents([name], mark) for name in few[:50]], 1) / 50
    say("one patch of many, beside one request each", bulk * 1e3, single * 1e3, "ms")

    def work(client: DafabClient) -> None:
        for _ in range(20):
            client.patch_documents([names[0]], mark)

    with ThreadPoolExecutor(8) as pool:
        together = best(lambda: list(pool.map(work, clients)), 1) / (8 * 20)
    say("one patch of one document by eight, beside by one", together * 1e3, single * 1e3, "ms")


def main(path: Path) -> None:
    """Load the items and measure."""
    home = Home.from_environment()
    subprocess.run([Path(sys.executable).parent / "rucio-dafab", "catalogue", "load", path], check=True)
    items = [orjson.loads(line.text) for line in read_lines(path)][:5000]
    names = [item["id"] for item in items]
    validation(items)
    reading(accounts.client(home, "dafab_admin"), names)
    patching(home, names)


if __name__ == "__main__":
    main(Path(sys.argv[1]) if sys.argv[1:] else Path("../shared/data/dafab_items.ndjson.gz"))
