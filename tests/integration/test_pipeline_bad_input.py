"""Scenes, ids and sites that are no good: one line, a status, nothing registered."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio

from dasi_backend.store import Store
from rucio_dafab.site.home import Home
from tests.integration.scenes import CopyScene, of_scene, refused, rewrite, run

pytestmark = [pytest.mark.integration, pytest.mark.shared, pytest.mark.timeout(900)]


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

    @pytest.mark.parametrize(
        ("left", "reason"),
        [
            (1, "is unfit: 0.0005 % with data, less than 1 % (rules 1.0.0 of curation)"),
            (0, "is unfit: 100.0 % dark, more than 99 % (rules 1.0.0 of curation)"),
        ],
    )
    def test_a_scene_that_is_unfit(self, site: Any, copied: CopyScene, left: int, reason: str) -> None:
        scene = copied("ftw_austria_a", "unfit")
        for path in scene.glob("*.tif"):
            with rasterio.open(path) as band:
                profile = band.profile | {"driver": "GTiff", "nodata": 0}
                numbers = np.full(band.shape, 0 if left else 3, band.dtypes[0])
            numbers.flat[:left] = 2000
            with rasterio.open(path, "w", **profile) as band:
                band.write(numbers, 1)
        assert refused(site, scene) == f"unfit {reason}"
        assert of_scene(site, "unfit") == {}

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


def test_a_site_that_is_not_up_is_one_line(dafab_at: Callable[..., Any], tmp_path: Path, shared: Path) -> None:
    ran = dafab_at(Home(tmp_path), "run", str(shared / "scenes" / "ftw_austria_a"))
    assert ran.returncode == 1
    assert ran.stderr.startswith("error: the site is not up, start it with: rucio-dafab up")
    assert len(ran.stderr.splitlines()) == 1
