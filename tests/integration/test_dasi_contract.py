"""What a DASI user may rely on, whoever answers: the rolling store, the catalogue, or both behind ``type: select``.

Each store holds the same three products of three days (the last one keeps the first in its rolling store and the
others in its catalogue).
"""

import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from dasi_backend import processes
from dasi_backend.config import read
from dasi_backend.errors import ContentDiffers, DasiError, KeyRefused, NothingFound, RequestError, TargetError
from dasi_backend.interface import Dasi, Item, Rucio, Select
from dasi_backend.interface import open as open_dasi
from dasi_backend.store import Store
from tests.integration.dasi_products import DAYS, archive, name_of, publish
from tests.integration.rolling_store.scenes import contents
from tests.integration.waiting import eventually

pytestmark = pytest.mark.integration


@dataclass(frozen=True)
class Case:
    """A store, and the tile that its products are of."""

    store: Dasi | Rucio | Select
    tile: str
    config: Path | None = None

    def names(self, *days: int) -> set[str]:
        return {name_of(self.tile, day) for day in days}

    def query(self, **keys: Any) -> dict[str, Any]:
        return {"tile": self.tile, **keys}


def fresh(case: Case) -> Case:
    """Return the same store anew: what one session archives is its own."""
    return Case(open_dasi(case.config), case.tile, case.config)


def found(items: Any) -> set[str]:
    return {item.key.get("id") or item.key["product"] for item in items}


def written_config(folder: Path, document: dict[str, Any]) -> Path:
    (folder / "dasi.yml").write_text(json.dumps(document))
    return folder / "dasi.yml"


def catalogue_section(request: pytest.FixtureRequest) -> dict[str, Any]:
    home = request.getfixturevalue("site").home
    return {
        "config_path": str(home.client_config("user_dafab")),
        "writer_config_path": str(home.client_config("dafab_dasi")),
        "scope": "dafab",
        "rse": "MELUXINA",
    }


def local(request: pytest.FixtureRequest, folder: Path) -> Case:
    archive(Store(folder / "store"), folder / "scenes", "32uxa")
    return opened(folder, {"type": "local", "spaces": spaces("store")}, "32uxa")


def rucio(request: pytest.FixtureRequest, folder: Path) -> Case:
    publish(request.getfixturevalue("site"), folder, "32uxb")
    return opened(folder, {"type": "rucio", "rucio": catalogue_section(request)}, "32uxb")


def select(request: pytest.FixtureRequest, folder: Path) -> Case:
    archive(Store(folder / "store"), folder / "scenes", "32uxc", DAYS[:1])
    publish(request.getfixturevalue("site"), folder, "32uxc", DAYS[1:])
    members = [
        {"select": "mission=^s2", "type": "local", "spaces": spaces("store")},
        {"select": "tile=^32ux", "type": "rucio", "rucio": catalogue_section(request)},
    ]
    return opened(folder, {"type": "select", "fdbs": members}, "32uxc")


def opened(folder: Path, document: dict[str, Any], tile: str) -> Case:
    config = written_config(folder, document)
    return Case(open_dasi(config), tile, config)


def spaces(folder: str) -> list[dict[str, Any]]:
    return [{"roots": [{"path": folder}]}]


MAKERS: tuple[tuple[str, Callable[[pytest.FixtureRequest, Path], Case]], ...] = (
    ("local", local),
    ("rucio", rucio),
    ("select", select),
)


@pytest.fixture(scope="module", params=[make for _, make in MAKERS], ids=[name for name, _ in MAKERS])
def case(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Case:
    made: Case = request.param(request, tmp_path_factory.mktemp("contract"))
    return made


def test_open_gives_what_the_configuration_says(case: Case) -> None:
    kinds = {"32uxa": Dasi, "32uxb": Rucio, "32uxc": Select}
    assert type(case.store) is kinds[case.tile]


@pytest.mark.parametrize(
    ("keys", "days"),
    [
        ({}, {1, 2, 3}),
        ({"date": "20320502"}, {2}),
        ({"date": 20320502}, {2}),
        ({"date": "2032-05-01/2032-05-03"}, {1, 3}),
        ({"date": ["20320501", "to", "2032-05-02"]}, {1, 2}),
        ({"date": "20320501/to/20320503/by/2"}, {1, 3}),
        ({"mission": "s2a"}, {1, 2, 3}),
        ({"mission": ["S2A", "s2b"], "level": "L2A"}, {1, 2, 3}),
        ({"orbit": 22}, {1, 2, 3}),
        ({"orbit": "20/to/25", "date": "20320503"}, {3}),
        ({"mission": "s2b"}, set()),
        ({"date": "20320504"}, set()),
        ({"orbit": 23}, set()),
    ],
)
def test_list_finds_what_the_keys_say(case: Case, keys: dict[str, Any], days: set[int]) -> None:
    assert found(case.store.list(case.query(**keys))) == case.names(*days)


def test_a_query_may_be_a_text(case: Case) -> None:
    assert found(case.store.list(f"tile={case.tile.upper()}, date=20320501/to/20320502")) == case.names(1, 2)


def test_an_id_finds_its_product(case: Case) -> None:
    assert found(case.store.list(case.query(id=name_of(case.tile, 2)))) == case.names(2)
    assert found(case.store.list(case.query(id=["nothing", name_of(case.tile, 1)]))) == case.names(1)


def test_items_say_where_their_bytes_are(case: Case) -> None:
    items: list[Item] = list(case.store.list(case.query(date="20320501/20320503")))
    assert items
    for item in items:
        assert {"mission": "s2a", "level": "l2a", "tile": case.tile, "orbit": "22"}.items() <= dict(item.key).items()
        assert item.key["date"] in {"20320501", "20320503"}
        assert len(item.data) == item.length
        assert item.uri
        assert set(item.record()) == {"key", "name", "uri", "length", "offset", "timestamp"}


def test_retrieve_fills_templates_and_keeps_what_is_there(case: Case, tmp_path: Path) -> None:
    target = tmp_path / "[mission]" / "[tile]_[date]_[id]"
    first = case.store.retrieve(case.query(date="20320501/to/20320502"), target, expect=2)
    assert {one.path for one in first} == {
        tmp_path / "s2a" / f"{case.tile}_2032050{day}_{name_of(case.tile, day)}" for day in (1, 2)
    }
    assert all(one.path.exists() and one.bytes and not one.kept for one in first)
    again = case.store.retrieve(case.query(), target)
    assert {one.path.name[-1]: one.kept for one in again} == {"1": True, "2": True, "3": False}


def test_retrieve_without_a_target_gives_items_with_their_data(
    case: Case, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for day in (1, 2):
        query = case.query(date=f"2032050{day}")
        items = case.store.retrieve(query, None)
        assert iter(items) is items
        given = [(item.key.get("id") or item.key["product"], item.length, item.data) for item in items]
        assert {(name, len(data)) for name, _, data in given} == {(name, length) for name, length, _ in given}
        assert {name for name, _, _ in given} == case.names(day)
        assert list(tmp_path.iterdir()) == []
        case.store.retrieve(query, tmp_path / "out" / "[id]")
        assert sorted(data for _, _, data in given) == sorted(filter(None, contents(tmp_path / "out").values()))
        shutil.rmtree(tmp_path / "out")


def test_items_are_held_to_what_is_expected(case: Case) -> None:
    with pytest.raises(NothingFound, match="nothing in what was asked answers the request"):
        case.store.retrieve(case.query(date="20320504"))
    assert list(case.store.retrieve(case.query(date="20320504"), expect="any")) == []
    with pytest.raises(RequestError, match=r"\d+ items answer the request, and expect=7777"):
        case.store.retrieve(case.query(), expect=7777)
    with pytest.raises(RequestError, match="unknown key 'colour'"):
        case.store.retrieve({"colour": "red"})


def test_processes_write_what_one_process_writes(case: Case, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    said = list(map(str, case.store.retrieve(case.query(), tmp_path / "one" / "[id]")))
    monkeypatch.setattr(processes, "BYTES_EACH", 1)  # worth any product
    again = case.store.retrieve(case.query(), tmp_path / "two" / "[id]")
    assert [str(one).replace(f"{tmp_path}/two", f"{tmp_path}/one") for one in again] == said
    assert contents(tmp_path / "two") == contents(tmp_path / "one")
    assert all(one.kept for one in case.store.retrieve(case.query(), tmp_path / "two" / "[id]"))


def test_as_much_is_found_as_is_expected(case: Case, tmp_path: Path) -> None:
    with pytest.raises(RequestError, match=r"3 \w+ answer the request, and expect=2"):
        case.store.retrieve(case.query(), tmp_path / "[id]", expect=2)
    with pytest.raises(RequestError, match="expect=few: write a number of files, or any"):
        case.store.retrieve(case.query(), tmp_path / "[id]", expect="few")
    assert list(tmp_path.iterdir()) == []
    assert len(case.store.retrieve(case.query(), tmp_path / "[id]", expect="3")) == 3
    assert len(case.store.retrieve(case.query(), tmp_path / "[id]", expect="any")) == 3


def test_nothing_is_an_answer_only_where_it_is_expected(case: Case, tmp_path: Path) -> None:
    nothing = case.query(date="20320504")
    with pytest.raises(NothingFound, match=r"nothing in the .* answers the request"):
        case.store.retrieve(nothing, tmp_path / "[id]")
    assert case.store.retrieve(nothing, tmp_path / "[id]", expect="any") == ()
    assert case.store.retrieve(nothing, tmp_path / "[id]", expect=0) == ()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        ({"colour": "x"}, "unknown key 'colour'"),
        ({"misson": "s2a"}, "unknown key 'misson': did you mean mission"),
        ({"target": "x"}, "unknown key 'target'"),
        ({"date": "20320532"}, "20320532"),
        ({"date": "2032-05"}, "date=2032-05"),
        ({"date": "soon"}, "date=soon"),
        ({"orbit": "x"}, "orbit"),
        ({"orbit": "1/to/1000000000"}, "1,000,000,000 values"),
        ({"mission": []}, "mission: a value is missing"),
        ({"mission": " "}, "mission: a value is missing"),
    ],
)
def test_what_is_not_understood_is_refused_by_name(case: Case, tmp_path: Path, keys: dict[str, Any], said: str) -> None:
    with pytest.raises(RequestError, match=said) as refusal:
        list(case.store.list(case.query(**keys)))
    assert "\n" not in str(refusal.value)
    with pytest.raises(RequestError, match=said):
        case.store.retrieve(case.query(**keys), tmp_path / "[id]", expect="any")


@pytest.mark.parametrize(
    ("target", "said"),
    [
        ("[tile]", "would both be written"),
        ("[colour]", r"unknown field \[colour\]"),
        ("[id]/", "names a folder"),
        ("[id", "bracket"),
    ],
)
def test_a_target_that_does_not_fit_is_refused_before_anything_is_written(
    case: Case, tmp_path: Path, target: str, said: str
) -> None:
    with pytest.raises(TargetError, match=said):
        case.store.retrieve(case.query(), f"{tmp_path}/out/{target}")
    assert list(tmp_path.iterdir()) == []


def item_of(case: Case, name: str, day: int) -> dict[str, Any]:
    """Return an item of a day of June 2032, which no other test asks for."""
    ring = [[6, 49], [7, 49], [7, 50], [6, 50], [6, 49]]
    return {
        "type": "Feature",
        "stac_version": "1.1.0",
        "id": name,
        "geometry": {"type": "Polygon", "coordinates": [ring]},
        "bbox": [6, 49, 7, 50],
        "properties": {
            "datetime": f"2032-06-{day:02}T10:00:00Z",
            "platform": "sentinel-2a",
            "processing:level": "L2A",
            "grid:code": f"MGRS-{case.tile.upper()}Z",
            "sat:relative_orbit": 22,
        },
        "links": [],
        "assets": {},
    }


def archive_product(case: Case, name: str, day: int, data: bytes = b"two" * 1000) -> None:
    """Archive a band and the item of a product; a selection keeps it in the first member that takes its key."""
    key = {"mission": "s2a", "level": "l2a", "date": f"203206{day:02}", "product": name, "tile": f"{case.tile}z"}
    key |= {"orbit": 22, "time": "100000"}
    case.store.archive({**key, "kind": "part", "part": "item"}, json.dumps(item_of(case, name, day)).encode())
    case.store.archive({**key, "kind": "band", "band": "b02", "res": 10}, data)


def june(case: Case, day: int) -> dict[str, str]:
    """Return the query for what was archived of a day: it has a tile of its own."""
    return {"tile": f"{case.tile}z", "date": f"203206{day:02}"}


def names_of_june(case: Case, day: int) -> set[str]:
    return found(case.store.list(june(case, day)))


def test_what_is_archived_is_there_after_the_flush_and_not_before(case: Case, tmp_path: Path) -> None:
    name = f"archived_{case.tile}"
    archive_product(case, name, 1)
    assert names_of_june(case, 1) == set()
    case.store.flush()
    assert names_of_june(case, 1) == {name}
    keys = june(case, 1) | {"mission": "s2a", "level": "l2a", "orbit": "22"}
    items = list(case.store.list(keys))
    assert b"two" * 1000 in [item.data for item in items]
    assert len(case.store.retrieve(keys, tmp_path / "[id]", expect=1)) == 1
    with case.store:
        archive_product(case, name, 1)  # again is harmless
    assert list(case.store.list(keys)) == items


def test_other_content_under_an_id_is_refused_and_the_first_stays(case: Case) -> None:
    name = f"differs_{case.tile}"
    archive_product(case, name, 2)
    case.store.flush()
    with pytest.raises(ContentDiffers, match=name), fresh(case).store as store:
        archive_product(Case(store, case.tile), name, 2, b"TWO" * 1000)
    assert b"two" * 1000 in [item.data for item in case.store.list(june(case, 2))]


def test_after_an_error_nothing_of_what_was_archived_appears(case: Case) -> None:
    other = fresh(case)
    with pytest.raises(ZeroDivisionError), other.store:
        archive_product(other, f"never_{case.tile}", 3)
        _ = 1 / 0
    assert names_of_june(case, 3) == set()


@pytest.mark.parametrize(
    ("key", "said"),
    [
        ("level=l2a,date=20320601,product=x,kind=band,band=b02,res=10", "mission"),
        ("mission=s2a,level=l2a,date=20320631,product=x,kind=band,band=b02,res=10", "date=20320631"),
        ("mission=s2a,level=l2a,date=20320601,product=x/y,kind=band,band=b02,res=10", "'/'"),
        ("mission=s2a,level=l2a,date=20320601,product=x,kind=chip,part=x", "kind=chip"),
        ("mission=s2a,level=l2a,date=20320601,product=x,kind=band,colour=red", "colour"),
    ],
)
def test_a_key_that_cannot_be_kept_is_refused(case: Case, key: str, said: str) -> None:
    with pytest.raises(KeyRefused, match=said):
        case.store.archive(f"{key},tile={case.tile}", b"x")


def test_a_wipe_says_what_it_would_remove_and_removes_when_told(case: Case) -> None:
    name = f"wiped_{case.tile}"
    archive_product(case, name, 4)
    case.store.flush()
    assert [key["id"] for key in case.store.wipe(june(case, 4))] == [name]
    assert names_of_june(case, 4) == {name}
    assert [key["id"] for key in case.store.wipe(june(case, 4), doit=True)] == [name]
    # A catalogue lets lifetimes end, and Rucio's daemons delete.
    assert eventually(lambda: names_of_june(case, 4) == set(), seconds=120)
    assert eventually(lambda: case.store.wipe(june(case, 4)) == [], seconds=120)
    assert found(case.store.list(case.query())) == case.names(*DAYS)


def test_a_wipe_names_at_least_one_key_and_whole_products(case: Case) -> None:
    with pytest.raises(KeyRefused, match="at least one key"):
        case.store.wipe("", doit=True)
    with pytest.raises(RequestError, match="unknown key 'colour'"):
        case.store.wipe(case.query(colour="red"))
    with pytest.raises(DasiError, match=r"band|asset"):
        case.store.wipe(case.query(band="b02", asset="mask"), doit=True)
    assert found(case.store.list(case.query())) == case.names(*DAYS)


def test_a_store_is_left_in_order(case: Case) -> None:
    with case.store as store:
        store.flush()
    assert found(case.store.list(case.query())) == case.names(*DAYS)


def test_the_configuration_is_read_alike_from_a_file_and_as_a_value(tmp_path: Path) -> None:
    path = written_config(tmp_path, {"type": "local", "spaces": spaces("store")})
    assert list(open_dasi(read(path)).list()) == list(open_dasi(str(path)).list()) == []
