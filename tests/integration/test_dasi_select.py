"""``type: select`` in front of a rolling store and the catalogue: who is asked, and where new data go."""

import json
from pathlib import Path
from typing import Any

import pytest

from dasi_backend.errors import ConfigError, KeyRefused, RequestError, TargetError
from dasi_backend.interface import Dasi, Rucio, Select
from dasi_backend.store import Store
from tests.integration.dasi_products import archive, name_of, publish
from tests.integration.rolling_store.scenes import make_scene

pytestmark = pytest.mark.integration

TILE = "32uxd"
PRODUCT = "level=l2a,date=20320510,product=added,kind=band,band=b02,res=10"


@pytest.fixture(scope="module")
def folder(site: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two rolling stores and the catalogue; the first day is in the first store, all days are in the catalogue."""
    made = tmp_path_factory.mktemp("select")
    archive(Store(made / "s2"), made / "scenes", TILE, [1])
    publish(site, made, TILE)
    catalogue = {"config_path": str(site.home.client_config("user_dafab")), "scope": "dafab", "rse": "MELUXINA"}
    members = [
        {"select": "mission=^s2,level=^l2a", "spaces": [{"roots": [{"path": "s2"}]}]},
        {"select": "mission=^s3", "spaces": [{"roots": [{"path": "s3"}]}]},
        {"select": "tile=^32ux", "type": "rucio", "rucio": catalogue},
    ]
    (made / "dasi.yml").write_text(json.dumps({"type": "select", "fdbs": members}))
    return made


@pytest.fixture(scope="module")
def store(folder: Path) -> Select:
    return Select(folder / "dasi.yml")


def kinds(store: Select, **keys: Any) -> set[str]:
    """Return which kinds of store answer: items of the catalogue name their asset, those of a store their kind."""
    return {"catalogue" if "asset" in item.key else "store" for item in store.list({"tile": TILE, **keys})}


def test_the_keys_of_a_request_say_who_is_asked(store: Select) -> None:
    assert kinds(store) == {"store", "catalogue"}
    assert kinds(store, band="b02") == {"store"}
    assert kinds(store, cloud_cover="<25") == {"catalogue"}
    assert kinds(store, where="eo:cloud_cover < 25") == {"catalogue"}
    assert kinds(store, where="eo:cloud_cover > 99") == set()
    assert kinds(store, date="20320503") == {"catalogue"}


def test_a_request_that_nobody_knows_whole_is_refused_with_the_keys(store: Select) -> None:
    with pytest.raises(RequestError, match=r"fdbs\[0\] \(local\) does not know where.*fdbs\[2\] \(rucio\) .* band"):
        kinds(store, band="b02", where="gsd = 10")


def test_a_product_that_both_have_is_written_once_asked_for_apart(store: Select, tmp_path: Path) -> None:
    one = {"tile": TILE, "date": "20320501"}
    with pytest.raises(TargetError, match="would both be written"):
        store.retrieve(one, tmp_path / "[id]")
    assert list(tmp_path.iterdir()) == []
    scene, mask = store.retrieve(one, tmp_path / "[id]" / "[name]", expect=2)
    assert scene.path == tmp_path / name_of(TILE, 1) / name_of(TILE, 1)
    assert mask.path == tmp_path / name_of(TILE, 1) / "mask.tif"


def test_what_is_archived_goes_to_the_first_member_that_takes_it(store: Select, folder: Path, tmp_path: Path) -> None:
    with store:
        store.archive(f"mission=s3a,{PRODUCT}", b"x")
    assert [each.key.id for each in Store(folder / "s3").products()] == ["added"]
    scene = make_scene(tmp_path / "scene", "added_scene", 16, 0, **{"processing:level": "L2A"})
    assert store.archive_scene(scene).mission == "s2"
    assert Store(folder / "s2").contains("added_scene")


@pytest.mark.parametrize(
    ("key", "said"),
    [
        (f"mission=s1a,{PRODUCT}", "no member of fdbs takes it"),
        (f"mission=s2a,{PRODUCT}".replace("l2a", "l1c"), "no member of fdbs takes it"),
    ],
)
def test_what_belongs_to_no_store_is_refused_by_name(store: Select, key: str, said: str) -> None:
    with pytest.raises(KeyRefused, match=said):
        store.archive(key, b"x")


def test_the_one_store_of_a_selection_is_meant_only_where_there_is_one(folder: Path) -> None:
    with pytest.raises(ConfigError, match="several members"):
        Dasi(folder / "dasi.yml")
    assert list(Rucio(folder / "dasi.yml").list({"tile": TILE, "date": "20320502"}))


def test_select_wants_a_selection(site: Any) -> None:
    with pytest.raises(ConfigError, match="type is local, not select"):
        Select(site.home.dasi_config)


def dasi(site: Any, folder: Path, *arguments: str) -> Any:
    return site.run(["dasi", arguments[0], "--config", str(folder / "dasi.yml"), *arguments[1:]], "user_dafab", folder)


def test_the_command_asks_and_archives_by_the_rules(site: Any, folder: Path, tmp_path: Path) -> None:
    ran = dasi(site, folder, "list", f"tile={TILE}", "--json")
    assert {"asset" in item["key"] for item in json.loads(ran.stdout)} == {True, False}
    ran = dasi(site, folder, "list", f"tile={TILE}")
    assert (ran.returncode, ran.stderr) == (0, "")
    assert f"{name_of(TILE, 1)}/B02.tif" in ran.stdout
    ran = dasi(site, folder, "retrieve", f"tile={TILE}", "date=20320502", "target=out/[id]", "--json")
    assert [one["path"] for one in json.loads(ran.stdout)] == [f"out/{name_of(TILE, 2)}"]
    make_scene(tmp_path / "s3", "third", size=16, platform="sentinel-3a")
    assert "stored id=third,mission=s3a" in dasi(site, folder, "archive", str(tmp_path / "s3")).stdout
    make_scene(tmp_path / "s1", "first", size=16, platform="sentinel-1a")
    ran = dasi(site, folder, "archive", str(tmp_path / "s1"))
    assert (ran.returncode, ran.stdout) == (1, "")
    assert "no member of fdbs takes it" in ran.stderr
