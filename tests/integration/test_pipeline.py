"""The pipeline on real scenes at a running site: products registered whole, at their place, harmless to repeat."""

from pathlib import Path
from typing import Any

import pytest

from argo_templates.pipeline import process
from rucio_dafab.client import NotPermitted, PublishRequest, Refused
from rucio_dafab.resources import resources
from tests.integration.scenes import CopyScene, check_whole, of_scene, rewrite, run

pytestmark = [pytest.mark.integration, pytest.mark.shared, pytest.mark.timeout(900)]


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
        judged = item["properties"]["dafab:curation"]
        assert (judged["outcome"], judged["coverage_percent"]) == ("fit", 100.0)
    fit = site.rucio("user_dafab", "did", "list", "dafab:*", "--filter", "/properties/dafab:curation/outcome=fit")
    assert all(item["did"] in fit for item in report["items"])
    assert report["curation"].startswith("fit: 100.0 % with data, ")


def test_another_table_of_curation_changes_no_product(
    site: Any, copied: CopyScene, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene = copied("ftw_austria_a", "judged-twice")
    first = run(site, scene)
    ours = (resources() / "etc" / "curation.toml").read_text()
    (tmp_path / "own.toml").write_text(ours.replace('"1.0.0"', '"2.0.0"').replace("most = 0\n", "most = 9\n"))
    monkeypatch.setenv("DAFAB_CURATION", str(tmp_path / "own.toml"))
    monkeypatch.setenv("DAFAB_HOME", str(site.home.root))
    second = process(scene, "MELUXINA")
    source, *products = [item["properties"]["dafab:curation"] for item in second.items]
    assert (source["outcome"], source["rules"]) == ("fit", "2.0.0")
    assert {(judged["outcome"], judged["rules"]) for judged in products} == {("masked", "1.0.0")}
    assert [item["outcome"] for item in second.items] == ["updated", "unchanged", "unchanged"]
    assert first["items"][1:] == [item | {"outcome": "created"} for item in second.items[1:]]


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
