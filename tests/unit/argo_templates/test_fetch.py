"""fetch: a scene that lies in an archive is downloaded into the working folder and staged."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from numpy.typing import NDArray

from argo_templates import curated, progress
from argo_templates.source import source_document
from argo_templates.steps.fetch import FetchInput, fetch, is_remote
from argo_templates.work import Work, read_json
from rucio_dafab.eo.scene import SceneError, open_scene, read_bands
from rucio_dafab.eo.simulate import Options, simulate, write_safe
from rucio_dafab.eo.sources.errors import SourceBusy, SourceError
from rucio_dafab.eo.staging import stage
from rucio_dafab.resources import resources
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


def staged_numbers(safe: Path, tmp_path: Path, change: Callable[[NDArray[Any]], NDArray[Any]]) -> Path:
    """Return the scene as a STAC folder of GeoTIFFs whose numbers of reflectance were changed."""
    folder = stage(open_scene(safe), tmp_path / "changed")
    scene = open_scene(folder)
    item = json.loads((folder / "item.json").read_text())
    for name, band in scene.bands.items():
        with rasterio.open(band.path) as source:
            profile, numbers = source.profile | {"driver": "GTiff"}, source.read(1)
        band.path.unlink()
        with rasterio.open(folder / f"{name}.tif", "w", **profile) as file:
            file.write(numbers if name == "SCL" else change(numbers), 1)
        item["assets"][band.asset]["href"] = f"./{name}.tif"
    (folder / "item.json").write_text(json.dumps(item))
    return folder


def test_how_a_scene_was_judged_is_kept(safe: Path, tmp_path: Path) -> None:
    work = Work(tmp_path / "work")
    fetch(FetchInput(scene=str(safe), work=str(work.root)))
    said = curated.properties(work)["dafab:curation"]
    assert (said["outcome"], said["coverage_percent"], said["dark_percent"]) == ("fit", 100.0, 0.0)
    assert curated.said(work).startswith("fit: 100.0 % with data, ")
    item = json.loads((work.staged / "item.json").read_text())
    assert "dafab:curation" not in item["properties"], "another table would make it another scene to the store"


@pytest.mark.parametrize(
    ("number", "reason"),
    [
        (1003, "is unfit: 100.0 % dark, more than 99 % "),
        (65535, "is unfit: 100.0 % saturated, more than 50 % "),
        (0, "has no pixel with data"),
    ],
)
def test_an_unfit_scene_stops_before_anything_is_staged(safe: Path, tmp_path: Path, number: int, reason: str) -> None:
    folder = staged_numbers(safe, tmp_path, lambda numbers: np.full_like(numbers, number))
    with pytest.raises(SceneError, match=f"{safe.stem} {reason}") as refusal:
        fetch(FetchInput(scene=str(folder), work=str(tmp_path / "work")))
    assert refusal.value.exit_code == 1
    assert not Work(tmp_path / "work").staged.exists()


def test_one_pixel_with_data_is_no_scene(safe: Path, tmp_path: Path) -> None:
    def one(numbers: NDArray[Any]) -> NDArray[Any]:
        left = np.zeros_like(numbers)
        left[0, 0] = numbers[0, 0]
        return left

    folder = staged_numbers(safe, tmp_path, one)
    with pytest.raises(SceneError, match=r"is unfit: 0\.011 % with data, less than 1 %"):
        fetch(FetchInput(scene=str(folder), work=str(tmp_path / "work")))


def test_an_incomplete_scene_goes_on_by_a_table_or_stops(
    safe: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def half(numbers: NDArray[Any]) -> NDArray[Any]:
        left = numbers.copy()
        left[: len(left) // 2] = 0
        return left

    given = FetchInput(scene=str(staged_numbers(safe, tmp_path, half)), work=str(tmp_path / "work"))
    fetch(given)
    said = curated.properties(Work(tmp_path / "work"))["dafab:curation"]
    assert (said["outcome"], said["reasons"]) == ("masked", ["50.0 % with data, less than 90 %"])
    strict = (resources() / "etc" / "curation.toml").read_text().replace('"mask"', '"stop"')
    (tmp_path / "strict.toml").write_text(strict)
    monkeypatch.setenv("DAFAB_CURATION", str(tmp_path / "strict.toml"))
    with pytest.raises(SceneError, match=r"is unfit: 50\.0 % with data, less than 90 %"):
        fetch(given)


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
