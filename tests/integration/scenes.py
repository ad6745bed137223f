"""Real scenes under other ids, the command that processes them, and what came of it."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from rucio_dafab.client import Found
from rucio_dafab.stac.asset_names import every_asset
from rucio_dafab.storage import checksums

CopyScene = Callable[[str, str], Path]


@pytest.fixture
def copied(tmp_path: Path, shared: Path) -> CopyScene:
    """Return a function that copies a real scene under another id, so that a test may publish and spoil it."""

    def copy(name: str, identifier: str) -> Path:
        folder = tmp_path / identifier
        shutil.copytree(shared / "scenes" / name, folder)
        rewrite(folder, id=identifier)
        return folder

    return copy


def rewrite(folder: Path, **members: Any) -> None:
    """Change members of a scene's item."""
    item = json.loads((folder / "item.json").read_text())
    (folder / "item.json").write_text(json.dumps(item | members))


def run(site: Any, scene: Path, *options: str) -> Any:
    """Run the command and return its report."""
    ran = site.run_dafab("run", str(scene), "--json", *options)
    assert ran.returncode == 0, ran.stderr
    return json.loads(ran.stdout)


def refused(site: Any, scene: Path, *options: str) -> str:
    """Run the command, which must refuse, and return its one line."""
    ran = site.run_dafab("run", str(scene), *options)
    assert ran.returncode != 0
    assert ran.stdout == ""
    line: str = ran.stderr.splitlines()[-1]
    assert line.startswith("error: ")
    assert "Traceback" not in ran.stderr
    return line.removeprefix("error: ")


def of_scene(site: Any, identifier: str) -> dict[str, Found]:
    """Return the published items of a scene by name, the source included."""
    every = site.client("user_dafab").search(did_type="container")
    return {found.name: found for found in every if found.document and found.name.startswith(identifier)}


def check_whole(site: Any, items: dict[str, Found]) -> None:
    """Check that every asset of every item is registered with the bytes that are on the RSE."""
    for found in items.values():
        assert found.document is not None
        assert set(found.assets) == set(every_asset(found.document))
        for asset in found.assets.values():
            (replica,) = asset.replicas
            sums = checksums(Path(replica.pfn.removeprefix("file://localhost")))
            assert (asset.bytes, asset.adler32, asset.md5) == (sums.bytes, sums.adler32, sums.md5)
