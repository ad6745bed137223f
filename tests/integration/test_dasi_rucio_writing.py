"""What DASI writes to the catalogue: archives and wipes, by whoever may."""

import json
from pathlib import Path
from typing import Any

import pytest

from dasi_backend.interface import Rucio
from rucio_dafab.client import NotPermitted
from rucio_dafab.errors import DafabError
from tests.integration.rolling_store.scenes import make_scene

pytestmark = pytest.mark.integration


@pytest.fixture
def writer(site: Any, tmp_path: Path) -> Rucio:
    text = site.home.dasi_config.read_text().replace("type: local", "type: rucio")
    (tmp_path / "dasi.yml").write_text(text)
    return Rucio(tmp_path / "dasi.yml")


def test_a_key_without_an_id_gets_a_name_that_no_other_key_has(writer: Rucio) -> None:
    key = {"mission": "s2a", "level": "l2a", "date": "20310610", "tile": "32ukb", "geometry": "6/49/7/50"}
    band = {"kind": "band", "band": "b02", "res": 10}
    with writer:
        writer.archive({**key, "time": "100000", **band}, b"one")
        writer.archive({**key, "time": "100001", **band}, b"two")
        writer.archive({**key, "time": "100001", "kind": "band", "band": "b03", "res": 10}, b"three")
    items = list(writer.list({"tile": "32ukb", "date": "20310610"}))
    assert sorted(item.data for item in items) == [b"one", b"three", b"two"]
    ids = {item.key["id"] for item in items}
    assert len(ids) == 2
    assert all(name.startswith("s2a_l2a_20310610_32ukb_") for name in ids)
    assert {item.key["collection"] for item in items} == {"sentinel_2_l2a"}


@pytest.mark.parametrize(
    ("extra", "said"),
    [
        ({"kind": "band", "band": "b02", "res": 10}, "/geometry is missing"),
        ({"kind": "band", "band": "b02", "res": 10, "geometry": "6/49"}, "geometry"),
        ({"kind": "part", "part": "x.xml", "geometry": "6/49/7/50"}, "no collection is named"),
        ({"kind": "band", "band": "b02", "res": 10, "geometry": "6/49/7/50", "collection": "nowhere"}, "nowhere"),
    ],
)
def test_what_cannot_stand_in_the_catalogue_is_refused(writer: Rucio, extra: dict[str, Any], said: str) -> None:
    key = {"mission": "s2a", "level": "l2a", "date": "20310611", "tile": "32ukc"}
    with pytest.raises(DafabError, match=said), writer:
        writer.archive({**key, **extra}, b"x")
    assert list(writer.list({"tile": "32ukc"})) == []


def test_what_a_killed_archive_uploaded_is_replaced(site: Any, writer: Rucio, tmp_path: Path) -> None:
    (tmp_path / "B02.tif").write_bytes(b"old and never registered")
    site.client("dafab_dasi").upload(tmp_path / "B02.tif", "MELUXINA", "dasi_killed.B02.tif")
    key = {"mission": "s2a", "level": "l2a", "date": "20310612", "tile": "32ukd", "product": "dasi_killed"}
    with writer:
        writer.archive({**key, "geometry": "6/49/7/50", "kind": "band", "band": "b02", "res": 10}, b"new")
    assert [item.data for item in writer.list({"id": "dasi_killed"})] == [b"new"]


def test_who_may_not_write_is_refused(site: Any, tmp_path: Path, published: tuple[str, ...]) -> None:
    section = {"config_path": str(site.home.client_config("user_dafab")), "rse": "MELUXINA"}
    (tmp_path / "dasi.yml").write_text(json.dumps({"type": "rucio", "rucio": section}))
    reader = Rucio(tmp_path / "dasi.yml")
    with pytest.raises(NotPermitted, match=r"dafab:dasi_test_1 is not wiped|dasi_test_1"):
        reader.wipe({"id": "dasi_test_1"}, doit=True)
    key = "mission=s2a,level=l2a,date=20310613,tile=32uke,product=dasi_denied,geometry=6/49/7/50"
    with pytest.raises(NotPermitted, match="may not publish"), reader:
        reader.archive(f"{key},kind=band,band=b02,res=10", b"x")
    assert [key["id"] for key in reader.wipe({"id": "dasi_test_1"})] == ["dasi_test_1"]


def test_the_command_archives_and_wipes_in_the_catalogue(site: Any, tmp_path: Path) -> None:
    folder = make_scene(tmp_path / "scene", "dasi_command", size=16, **{"grid:code": "MGRS-32UKF"})
    item = json.loads((folder / "item.json").read_text())
    ring = [[6, 49], [7, 49], [7, 50], [6, 50], [6, 49]]
    item |= {"geometry": {"type": "Polygon", "coordinates": [ring]}, "bbox": [6, 49, 7, 50]}
    (folder / "item.json").write_text(json.dumps(item))
    for outcome in ("stored", "unchanged"):
        ran = site.run(["dasi", "archive", "--type", "rucio", str(folder), "--json"], "user_dafab")
        assert ran.returncode == 0, ran.stderr
        assert [one["outcome"] for one in json.loads(ran.stdout)] == [outcome]
    listed = site.run(["dasi", "list", "collection=sentinel_2_l2a", "tile=32ukf", "--json"], "user_dafab")
    assert {one["key"]["asset"] for one in json.loads(listed.stdout)} >= {"B02", "B03", "B8A", "reference_water"}
    command = ["dasi", "wipe", "--type", "rucio", "tile=32ukf"]
    assert "would remove dasi_command" in site.run(command, "user_dafab").stdout
    assert "removed dasi_command" in site.run([*command, "--apply"], "user_dafab").stdout
    ran = site.run(["dasi", "wipe", "--type", "tape", "tile=32ukf"], "user_dafab")
    assert ran.stderr.strip() == "error: --type tape: local or rucio"
