"""The pipeline on real scenes at a running site: products registered whole, at their place, harmless to repeat."""

import json
import os
import shutil
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio

from argo_templates.pipeline import TRY_AGAIN, Event, process, work_folder
from argo_templates.steps.archive import ArchiveInput, archive
from argo_templates.steps.fetch import FetchInput, fetch
from argo_templates.steps.infer import InferInput, infer
from argo_templates.steps.make import PRODUCT, MakeInput, make
from argo_templates.work import Work
from dasi_backend.store import Store
from rucio_dafab.client import Found, NotPermitted, PublishRequest, Refused
from rucio_dafab.errors import DafabError
from rucio_dafab.site.home import Home
from rucio_dafab.storage import checksums

pytestmark = [pytest.mark.integration, pytest.mark.shared, pytest.mark.timeout(900)]

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
        assert set(found.assets) == set(found.document["assets"])
        for asset in found.assets.values():
            (replica,) = asset.replicas
            sums = checksums(Path(replica.pfn.removeprefix("file://localhost")))
            assert (asset.bytes, asset.adler32, asset.md5) == (sums.bytes, sums.adler32, sums.md5)


def test_a_real_scene_becomes_products_found_at_their_place(site: Any, shared: Path) -> None:
    report = run(site, shared / "scenes" / "terramesh_433D_629L_3_1")
    assert report["outcome"] in ("created", "unchanged")
    assert [item["collection"] for item in report["items"]] == [
        "sentinel_2_l2a",
        "water_analysis",
        "smart_agriculture",
    ]
    check_whole(site, of_scene(site, "terramesh_433D_629L_3_1"))
    here = site.rucio("user_dafab", "did", "list", "dafab:*", "--filter", "geometry.intersects=-73_-39_-72_-38")
    there = site.rucio("user_dafab", "did", "list", "dafab:*", "--filter", "geometry.intersects=10_40_11_41")
    for item in report["items"]:
        assert item["did"] in here
        assert item["did"] not in there


def test_a_model_whose_bands_are_absent_is_skipped_and_the_item_says_why(site: Any, copied: CopyScene) -> None:
    scene = copied("ftw_austria_a", "no-infrared")
    (scene / "B08.tif").unlink()
    report = run(site, scene)
    assert report["record"]["water"]["outcome"] == "skipped"
    assert report["record"]["water"]["reason"] == "bands absent: B08 (./B08.tif is not there)"
    items = of_scene(site, "no-infrared")
    check_whole(site, items)
    source = items["no-infrared"].document
    assert source is not None
    assert source["properties"]["dafab:processing"] == report["record"]
    assert source["properties"]["datetime"] is None
    assert source["properties"]["start_datetime"] == "2015-06-23T00:00:00Z"
    fields = items[report["record"]["fields"]["item"]].document
    assert fields is not None
    assert fields["properties"]["dafab:bands_absent"] == ["B08"]
    assert len(items) == 2


def test_water_is_told_without_the_shortwave_bands(site: Any, shared: Path) -> None:
    report = run(site, shared / "scenes" / "ftw_austria_a")
    items = of_scene(site, "ftw_austria_a")
    check_whole(site, items)
    water = items[report["record"]["water"]["item"]].document
    assert water is not None
    assert water["properties"]["dafab:bands_absent"] == ["B11", "B12"]
    assert len(items) == 3


def test_water_is_told_by_radar_alone(site: Any, copied: CopyScene) -> None:
    scene = copied("terramesh_282D_485L_3_3", "by-radar")
    radar = {name: {"href": f"./s1rtc_{name}.tif", "unit": "dB"} for name in ("vv", "vh")}
    rewrite(scene, assets=radar)
    report = run(site, scene)
    assert [item["collection"] for item in report["items"]] == ["sentinel_1_rtc", "water_analysis"]
    assert report["record"]["fields"]["reason"] == "bands absent: B02, B03, B04"
    items = of_scene(site, "by-radar")
    check_whole(site, items)
    water = items[report["record"]["water"]["item"]].document
    assert water is not None
    assert water["properties"]["dafab:model"] == "water_radar"
    assert 20 < water["properties"]["dafab:observed_water_percent"] < 80
    found = site.client("user_dafab").search(filter="trust_kappa.gt=-1", filter_lang="rucio", did_type="container")
    assert report["record"]["water"]["item"] in {each.name for each in found}


def test_again_changes_nothing(site: Any, copied: CopyScene) -> None:
    scene = copied("ftw_austria_a", "again")
    first = run(site, scene)
    before = of_scene(site, "again")
    second = run(site, scene)
    assert (first["outcome"], second["outcome"]) == ("created", "unchanged")
    assert {item["outcome"] for item in second["items"]} == {"unchanged"}
    assert second["record"] == first["record"]
    assert of_scene(site, "again") == before


def test_models_may_run_one_after_the_other(site: Any, copied: CopyScene) -> None:
    scene = copied("terramesh_433D_629L_3_1", "one-by-one")
    assert set(run(site, scene, "--model", "water")["record"]) == {"water"}
    report = run(site, scene, "--model", "fields", "--rse", "CLOUD")
    assert set(report["record"]) == {"water", "fields"}
    assert report["outcome"] == "created"
    items = of_scene(site, "one-by-one")
    assert len(items) == 3
    fields = items[report["record"]["fields"]["item"]]
    assert {replica.rse for asset in fields.assets.values() for replica in asset.replicas} == {"CLOUD"}


def test_a_simulated_scene_with_clouds_is_processed(site: Any, tmp_path: Path) -> None:
    site.dafab("simulate", str(tmp_path), "--seed", "11", "--size", "512")
    (safe,) = tmp_path.glob("*.SAFE")
    report = run(site, safe)
    water = next(item for item in report["items"] if item["collection"] == "water_analysis")
    assert 50 < water["properties"]["dafab:clear_percent"] < 100
    assert water["properties"]["dafab:observed_water_km2"] > 0
    check_whole(site, of_scene(site, report["scene"]))


@pytest.fixture
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[Path], dict[str, str]]:
    """Return a function that makes the products of a scene without any site: checksums by DID of the file."""

    def reference(scene: Path) -> dict[str, str]:
        monkeypatch.setenv("DAFAB_HOME", str(tmp_path / "elsewhere"))
        work = str(tmp_path / "elsewhere" / "work" / "run")
        fetch(FetchInput(scene=str(scene), work=work))
        archive(ArchiveInput(work=work))
        found = {}
        for model in ("water", "fields"):
            infer(InferInput(work=work, model=model))
            item = make(MakeInput(work=work, model=model)).item
            folder = Work(Path(work)).product(model)
            files = json.loads((folder / PRODUCT).read_text())["files"]
            found |= {f"dafab:{item}.{Path(path).name}": checksums(folder / path).sha256 for path in files.values()}
        return found

    return reference


WATER, FIELDS = "killed_water_analysis", "killed_smart_agriculture"
# When the process dies, and what is registered then; each run takes up where the one before was killed. The first run
# that publishes sends the source item, then both products, then what the source says of them; later ones begin with
# the products.
MOMENTS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("fetch began", ()),
    ("fetch ended", ()),
    ("archive ended", ()),
    ("infer water ended", ()),
    ("make water ended", ()),
    ("infer fields ended", ()),
    ("make fields ended", ()),
    ("publish before 1", ()),
    ("publish after 1", ("killed",)),
    ("publish before 1", ("killed",)),
    ("publish after 1", ("killed", WATER)),
    ("publish after 2", ("killed", FIELDS, WATER)),
    ("publish before 3", ("killed", FIELDS, WATER)),
    ("publish after 3", ("killed", FIELDS, WATER)),
)


def test_killed_at_every_boundary_the_rerun_completes_with_identical_products(
    site: Any, copied: CopyScene, elsewhere: Callable[[Path], dict[str, str]]
) -> None:
    scene = copied("terramesh_433D_629L_3_1", "killed")
    script = str(Path(__file__).with_name("killed_run.py"))
    for moment, registered in MOMENTS:
        ran = site.run([sys.executable, script, str(scene), moment])
        assert ran.returncode == -signal.SIGKILL, f"{moment}: {ran.stderr}"
        items = of_scene(site, "killed")
        assert tuple(sorted(name.rpartition("_")[0] or name for name in items)) == registered, moment
        check_whole(site, items)
        assert claimed(items) <= set(items), moment
    report = run(site, scene)
    assert report["outcome"] == "unchanged"
    items = of_scene(site, "killed")
    assert {*claimed(items), "killed"} == set(items)
    made = {file["did"]: file["sha256"] for item in report["items"] for file in item["files"]}
    assert made == elsewhere(scene)


def claimed(items: dict[str, Found]) -> set[str]:
    """Return the derived items of which the source item says that they were made."""
    source = items.get("killed")
    records = (source.document or {})["properties"].get("dafab:processing", {}) if source else {}
    return {record["item"] for record in records.values()}


class TestBadInput:
    """One line, a status, nothing registered."""

    @pytest.fixture(autouse=True)
    def nothing_is_registered(self, site: Any) -> Iterator[None]:
        """Check that a refusal leaves the catalogue as it was, and no working folder."""
        before = {found.name for found in site.client().search(did_type="all")}
        yield
        assert {found.name for found in site.client().search(did_type="all")} == before
        assert not [path for path in site.home.work.glob("*") if path.is_dir()]

    def test_no_folder(self, site: Any, tmp_path: Path) -> None:
        assert refused(site, tmp_path / "absent") == f"{tmp_path / 'absent'}: no such folder"

    def test_no_clear_pixel(self, site: Any, copied: CopyScene) -> None:
        scene = copied("ftw_austria_a", "nothing-there")
        for path in scene.glob("*.tif"):
            with rasterio.open(path) as band:
                profile = band.profile | {"driver": "GTiff", "nodata": 0}
                zeros = np.zeros(band.shape, band.dtypes[0])
            with rasterio.open(path, "w", **profile) as band:
                band.write(zeros, 1)
        line = refused(site, scene)
        assert "nothing-there" in line
        assert "no pixel with data" in line

    def test_a_scene_under_cloud(self, site: Any, copied: CopyScene) -> None:
        scene = copied("ftw_austria_a", "overcast")
        with rasterio.open(scene / "B04.tif") as band:
            profile = band.profile | {"driver": "GTiff", "dtype": "uint8", "nodata": 0, "count": 1}
            cloud = np.full((1, *band.shape), 9, np.uint8)
        with rasterio.open(scene / "SCL.tif", "w", **profile) as classes:
            classes.write(cloud)
        item = json.loads((scene / "item.json").read_text())
        item["assets"]["SCL"] = {"href": "SCL.tif", "type": "image/tiff; application=geotiff"}
        (scene / "item.json").write_text(json.dumps(item))
        line = refused(site, scene)
        assert line == "overcast has no clear pixel: clouds and their shadows cover all of it"
        assert of_scene(site, "overcast") == {}

    def test_an_unreadable_band(self, site: Any, copied: CopyScene) -> None:
        scene = copied("ftw_austria_a", "half-a-band")
        band = scene / "B08.tif"
        band.write_bytes(band.read_bytes()[: band.stat().st_size // 2])
        assert refused(site, scene).startswith(f"band B08: {band} cannot be read in rows ")

    def test_a_band_that_is_a_link_to_itself(self, site: Any, copied: CopyScene) -> None:
        scene = copied("ftw_austria_a", "a-circle")
        (scene / "B08.tif").unlink()
        (scene / "B08.tif").symlink_to("B08.tif")
        assert refused(site, scene).startswith(f"{scene / 'item.json'}: asset B08 names './B08.tif', which cannot")

    def test_a_band_whose_file_is_not_there(self, site: Any, copied: CopyScene) -> None:
        scene = copied("ftw_austria_a", "promised")
        (scene / "B03.tif").unlink()
        assert "fields: bands absent: B03 (./B03.tif is not there)" in refused(site, scene)

    def test_the_bands_of_no_model(self, site: Any, copied: CopyScene) -> None:
        scene = copied("ftw_austria_a", "too-few-bands")
        (scene / "B03.tif").unlink()
        item = json.loads((scene / "item.json").read_text())
        del item["assets"]["B03"]
        (scene / "item.json").write_text(json.dumps(item))
        line = refused(site, scene)
        assert "too-few-bands: no model can run" in line
        assert "water: bands absent: B03" in line
        assert "fields: bands absent: B03" in line

    @pytest.mark.parametrize("identifier", ["two words", "a:b", "ä", "x" * 151])
    def test_an_id_that_cannot_be_kept(self, site: Any, copied: CopyScene, identifier: str) -> None:
        scene = copied("ftw_austria_a", "badly-called")
        rewrite(scene, id=identifier)
        assert identifier in refused(site, scene)

    def test_a_model_that_there_is_not(self, site: Any, shared: Path) -> None:
        line = refused(site, shared / "scenes" / "ftw_austria_a", "--model", "snow")
        assert line == "no model snow: known are water, fields"

    def test_a_storage_element_that_there_is_not(self, site: Any, copied: CopyScene) -> None:
        assert "RSE MARS" in refused(site, copied("ftw_austria_a", "to-mars"), "--rse", "MARS")

    def test_a_storage_element_that_takes_no_writes(self, site: Any, copied: CopyScene) -> None:
        site.rucio_client().update_rse("CLOUD", {"availability_write": False})
        try:
            line = refused(site, copied("ftw_austria_a", "to-cloud"), "--rse", "CLOUD")
        finally:
            site.rucio_client().update_rse("CLOUD", {"availability_write": True})
        assert line == "RSE CLOUD takes no writes at present"

    def test_an_id_that_is_a_stored_one_but_for_case(self, site: Any, shared: Path, copied: CopyScene) -> None:
        Store(site.home.store).put(shared / "scenes" / "ftw_austria_b")
        scene = copied("ftw_austria_a", "upper-case")
        rewrite(scene, id="FTW_AUSTRIA_B")
        assert refused(site, scene).startswith("the id 'FTW_AUSTRIA_B' is the stored 'ftw_austria_b' but for case")


def test_another_scene_under_a_published_id_is_refused(site: Any, shared: Path, copied: CopyScene) -> None:
    scene = copied("ftw_austria_b", "imposter")
    rewrite(scene, id="ftw_austria_a")
    run(site, shared / "scenes" / "ftw_austria_a")
    published = site.client().search(did_type="all")
    before = {found.name: found.document for found in published}
    assert "ftw_austria_a" in refused(site, scene)
    assert {found.name: found.document for found in site.client().search(did_type="all")} == before


def test_one_run_at_a_time_over_a_scene(site: Any, copied: CopyScene, monkeypatch: pytest.MonkeyPatch) -> None:
    scene = copied("ftw_austria_a", "held")
    monkeypatch.setenv("DAFAB_HOME", str(site.home.root))
    held: list[str] = []

    def try_beside(_event: Event) -> None:
        if not held:
            held.append(refused(site, scene))

    process(scene, "MELUXINA", ["fields"], watch=try_beside)
    assert held == [
        f"rucio-dafab run {scene} (process {os.getpid()}) is at work on {site.home.root}: wait until it ends"
    ]
    assert not work_folder(scene).exists()


class Interrupted(DafabError):
    """What another try may mend."""

    exit_code = TRY_AGAIN


def test_a_run_that_is_taken_up_makes_nothing_twice_and_can_still_withdraw(
    site: Any, copied: CopyScene, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene = copied("ftw_austria_a", "taken-up")
    monkeypatch.setenv("DAFAB_HOME", str(site.home.root))
    work, store = Work(work_folder(scene)), Store(site.home.store)

    def attempt(refusal: DafabError) -> dict[Path, int]:
        def stop(event: Event) -> None:
            if (event.step, event.state) == ("publish", "began"):
                raise refusal

        with pytest.raises(type(refusal)):
            process(scene, "MELUXINA", ["fields"], watch=stop)
        made = (work.staged, work.prediction("fields"), work.product("fields"))
        return {path: path.stat().st_ino for path in made if path.exists()}

    first = attempt(Interrupted("the network is away"))
    assert len(first) == 3
    assert attempt(Interrupted("the network is still away")) == first
    assert "taken-up" in {product.key.id for product in store.products()}
    assert attempt(DafabError("refused for good")) == {}
    assert "taken-up" not in {product.key.id for product in store.products()}


def test_a_site_that_is_not_up_is_one_line(dafab_at: Callable[..., Any], tmp_path: Path, shared: Path) -> None:
    ran = dafab_at(Home(tmp_path), "run", str(shared / "scenes" / "ftw_austria_a"))
    assert ran.returncode == 1
    assert ran.stderr.startswith("error: the site is not up, start it with: rucio-dafab up")
    assert len(ran.stderr.splitlines()) == 1


class TestClient:
    """What only a server can show of the client."""

    def test_pages_follow_one_another(self, site: Any) -> None:
        client = site.client("user_dafab")
        every = [found.name for found in client.search(did_type="all")]
        assert len(every) == len(set(every))
        assert [found.name for found in client.search(did_type="all", limit=3)] == every[:3]
        assert list(client.search(limit=0)) == []

    def test_a_filter_that_is_none_is_refused_in_one_line(self, site: Any) -> None:
        with pytest.raises(Refused, match="400 to search as user_dafab") as refusal:
            list(site.client("user_dafab").search(filter={"op": "nonsense", "args": []}))
        assert "\n" not in str(refusal.value)

    def test_a_reader_may_not_publish(self, site: Any) -> None:
        found = next(site.client().search(collections=["sentinel_2_l2a"], did_type="container"))
        with pytest.raises(NotPermitted, match="may not publish"):
            site.client("user_dafab").publish(PublishRequest("dafab", found.document or {}, {}))
