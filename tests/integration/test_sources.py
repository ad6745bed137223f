"""A scene in an archive becomes products in the catalogue by one command, and a busy archive is worth another try."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from rucio_dafab.eo.simulate import Options, simulate, write_safe
from tests.unit.eo.sources.archive import Archive, Fault, as_json, running
from tests.unit.eo.sources.conftest import TABLE, node_path, odata_product

pytestmark = [pytest.mark.integration, pytest.mark.timeout(900)]


@pytest.fixture(scope="module")
def safe(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_safe(simulate(2207, Options(size=256, clouds=0.02)), tmp_path_factory.mktemp("safe"))


@pytest.fixture
def archive(safe: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Archive]:
    with running() as server:
        server.route("/odata/v1/Products", lambda _: as_json({"value": [odata_product(safe)]}))
        for path in (path for path in safe.rglob("*") if path.is_file()):
            server.files[node_path(safe, path.relative_to(safe).as_posix())] = path.read_bytes()
        table = tmp_path / "sources.toml"
        table.write_text(TABLE.format(url=server.url, hosts="[]"))
        monkeypatch.setenv("DAFAB_SOURCES", str(table))
        yield server


def run(site: Any, scene: str, *options: str) -> subprocess.CompletedProcess[str]:
    """Run the command with the table of the archive, which a site's own commands are not told."""
    command = [str(Path(sys.executable).parent / "rucio-dafab"), "run", scene, *options]
    environment = os.environ | {"DAFAB_HOME": str(site.home.root)}
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=600, check=False)


def test_a_scene_of_an_archive_becomes_products(site: Any, archive: Archive, safe: Path) -> None:
    scene = f"safe:{safe.stem}"
    # The smallest of the images comes last.
    image = next(path for path in archive.files if path.endswith("_SCL_20m.jp2)/$value"))
    archive.faults[image] = [Fault(429, {"Retry-After": "600"})] * 9
    busy = run(site, scene)
    assert busy.returncode == 75
    assert "answers 429; it asks to come back in 600 s" in busy.stderr
    archive.faults.clear()
    before = len(archive.asked)
    ran = run(site, scene, "--json")
    assert ran.returncode == 0, ran.stderr
    report = json.loads(ran.stdout)
    assert report["scene"] == safe.stem
    assert report["outcome"] == "created"
    assert {item["collection"] for item in report["items"]} == {"sentinel_2_l2a", "water_analysis", "smart_agriculture"}
    # What had come before the archive was busy was not asked for again.
    images = {path for path in archive.files if "IMG_DATA" in path and path in {a.path for a in archive.asked}}
    again = {asked.path for asked in archive.asked[before:] if "IMG_DATA" in asked.path}
    assert image in again
    assert len(again) < len(images)
    same = run(site, scene, "--json")
    assert json.loads(same.stdout)["outcome"] == "unchanged"
