"""Real water products, and the scenes that they name."""

import gzip
import json
from pathlib import Path
from typing import Any

from rucio_dafab.stac.links import named_by

Document = dict[str, Any]


def source(product: Document) -> str:
    """Return the id of the scene that a product names."""
    named = named_by(next(link["href"] for link in product["links"] if link["rel"] == "derived_from"))
    assert named is not None
    return named[1]


def one_a_scene(shared: Path) -> list[Document]:
    """Return the products, one a scene, in the order of the file."""
    with gzip.open(shared / "dafab_items.ndjson.gz") as stream:
        found = [json.loads(line) for line in stream]
    return list({source(product): product for product in found}.values())
