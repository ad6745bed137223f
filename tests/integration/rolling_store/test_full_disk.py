"""What is delivered to a full disk, and how a full disk is made free again."""

from pathlib import Path

import pytest
import rasterio

from dasi_backend.store import Store
from tests.integration.rolling_store.conftest import Dasi
from tests.integration.rolling_store.scenes import contents

pytestmark = pytest.mark.integration


def fill(disk: Path) -> Path:
    """Write until no byte is left; return the file that takes them."""
    with (disk / "filler").open("wb", buffering=0) as file:
        try:
            while file.write(bytes(1 << 12)):
                continue
        except OSError:
            pass
    return disk / "filler"


def test_what_was_delivered_stays_where_the_disk_is_full(
    store: Store, scene: Path, full_disk: Path, dasi: Dasi
) -> None:
    store.archive(scene)
    request = ("disseminate", "id=scene_a", "grid=20", "target=FULL:d/[id]")
    assert dasi(*request).returncode == 0
    delivered = contents(full_disk / "d")
    filler = fill(full_disk)
    done = dasi(*request)
    assert done.returncode == 1
    assert done.stderr.strip() == f"error: {full_disk / 'd' / 'scene_a'} cannot be written: No space left on device"
    assert contents(full_disk / "d") == delivered
    filler.unlink()
    assert dasi(*request).returncode == 0
    assert contents(full_disk / "d") == delivered
    for path in (full_disk / "d" / "scene_a").iterdir():
        with rasterio.open(path) as raster:
            raster.read()
