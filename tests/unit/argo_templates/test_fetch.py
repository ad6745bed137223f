"""fetch: a scene that lies in an archive is downloaded into the working folder and staged."""

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from argo_templates import progress
from argo_templates.source import source_document
from argo_templates.steps.fetch import FetchInput, fetch, is_remote
from argo_templates.work import Work, read_json
from rucio_dafab.eo.scene import open_scene, read_bands
from rucio_dafab.eo.simulate import Options, simulate, write_safe
from rucio_dafab.eo.sources.errors import SourceBusy, SourceError
from tests.unit.eo.sources.archive import Archive, Fault, as_json, running
from tests.unit.eo.sources.conftest import TABLE, node_path, odata_product, remote_item, stac_api


@pytest.fixture(scope="module")
def safe(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_safe(simulate(11, Options(size=96)), tmp_path_factory.mktemp("safe"))


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


def test_a_scene_of_an_archive_is_staged(archive: Archive, safe: Path, tmp_path: Path) -> None:
    given = FetchInput(scene=f"safe:{safe.stem}", work=str(tmp_path / "work"))
    heard: list[tuple[int, int]] = []
    with progress.heard_by(lambda done, total: heard.append((done, total))):
        output = fetch(given)
    assert output.scene_id == safe.stem
    assert output.bands == "B02,B03,B04,B08,B11,B12,SCL"
    staged = open_scene(Path(output.staged))
    np.testing.assert_array_equal(read_bands(staged, ["B04", "B12"]), read_bands(open_scene(safe), ["B04", "B12"]))
    assert heard[-1][0] == heard[-1][1] > 0
    assert set(read_json(Work(tmp_path / "work").origin)["bands"]) == set(staged.bands)
    before = len(archive.asked)
    assert fetch(given) == output
    assert not any("IMG_DATA" in asked.path for asked in archive.asked[before:])


def test_a_busy_archive_is_worth_another_try_which_goes_on(archive: Archive, safe: Path, tmp_path: Path) -> None:
    given = FetchInput(scene=f"safe:{safe.stem}", work=str(tmp_path / "work"))
    image = next(path for path in archive.files if path.endswith("_B04_10m.jp2)/$value"))
    archive.faults[image] = [Fault(503)] * 50
    with pytest.raises(SourceBusy) as refused:
        fetch(given)
    assert refused.value.exit_code == 75
    assert not Work(tmp_path / "work").staged.exists()
    archive.faults.clear()
    assert fetch(given).scene_id == safe.stem


@pytest.mark.shared
def test_radar_of_an_archive_is_staged_as_rtc(archive: Archive, shared: Path, tmp_path: Path) -> None:
    folder = shared / "scenes" / "terramesh_433D_629L_3_1"
    optical = json.loads((folder / "item.json").read_text())
    name = "S1A_IW_GRDH_1SDV_20200408T094800_20200408T094825_032039_03B3A9_rtc"
    assets = {"vv": {"href": "s1rtc_vv.tif"}, "vh": {"href": "s1rtc_vh.tif"}}
    item = optical | {"id": name, "collection": "sentinel-1-rtc", "assets": assets}
    stac_api(archive, [remote_item(archive, folder, item)])
    address = f"{archive.url}/stac/collections/sentinel-1-rtc/items/{name}"
    output = fetch(FetchInput(scene=address, work=str(tmp_path / "work")))
    assert (output.scene_id, output.bands) == (name, "VH,VV")
    assert source_document(open_scene(Path(output.staged)).item, "")["collection"] == "sentinel_1_rtc"


def test_what_no_archive_has_is_refused(archive: Archive, tmp_path: Path) -> None:
    archive.routes.clear()
    archive.route("/odata/v1/Products", lambda _: as_json({"value": []}))
    with pytest.raises(SourceError, match="safe has no product 'S2B_none'"):
        fetch(FetchInput(scene="safe:S2B_none", work=str(tmp_path / "work")))


def test_a_folder_goes_before_a_name(safe: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert is_remote(safe.name)
    monkeypatch.chdir(safe.parent)
    assert not is_remote(safe.name)
    assert not is_remote(str(tmp_path / "nothing here"))
    assert is_remote("https://host.example/" + "x" * 500)
