"""What a retrieve holds in memory is bounded, however large the product is."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from dasi_backend.store import Store

pytestmark = pytest.mark.integration

MIB = 1 << 20
MORE = 16 * MIB
"""What a large product may take beyond a small one: pieces of half a MiB a thread, and what Python keeps."""

RETRIEVE = """
import sys
from pathlib import Path
from dasi_backend.language import Request
from dasi_backend.local import LocalBackend
from dasi_backend.store import Store

request = Request("retrieve", {"product": (sys.argv[2],)}, target=f"{sys.argv[3]}/[id]", expect=1)
LocalBackend(Store(Path(sys.argv[1]))).retrieve(request)
print(Path("/proc/self/status").read_text())
"""


def archived(store: Store, folder: Path, name: str, size: int) -> None:
    """Archive a product of three bands of so many bytes."""
    folder.mkdir()
    bands = ("B02", "B03", "B04")
    for band in bands:
        (folder / f"{band}.tif").write_bytes(os.urandom(MIB) * (size // MIB))
    assets = {band: {"href": f"./{band}.tif", "gsd": 10} for band in bands}
    item = {"id": name, "properties": {"datetime": "2026-06-01T00:00:00Z"}, "assets": assets}
    (folder / "item.json").write_text(json.dumps(item))
    store.archive(folder)


def peak_of_a_retrieve(store: Store, name: str, out: Path) -> int:
    """Return the most bytes of memory that a process had which retrieves a product."""
    command = [sys.executable, "-c", RETRIEVE, str(store.root), name, str(out)]
    said = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    # Not what the kernel tells of a child that ended: that is never less than its parent had.
    (kibibytes,) = re.findall(r"VmHWM:\s*(\d+) kB", said)
    return int(kibibytes) * 1024


def test_a_retrieve_of_a_large_product_takes_the_memory_of_a_small_one(store: Store, tmp_path: Path) -> None:
    archived(store, tmp_path / "small", "small", MIB)
    archived(store, tmp_path / "large", "large", 96 * MIB)
    small = peak_of_a_retrieve(store, "small", tmp_path / "out")
    large = peak_of_a_retrieve(store, "large", tmp_path / "out")
    assert sum(path.stat().st_size for path in (tmp_path / "out" / "large").iterdir()) > 288 * MIB
    assert large < small + MORE, f"{large / MIB:.0f} MiB, of a small product {small / MIB:.0f} MiB"
