"""Products told by names and records: always what FDB would tell, and without it where it need not be asked."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from dasi_backend import finding, products
from dasi_backend.errors import ChecksumError
from dasi_backend.store import Store
from tests.integration.rolling_store.scenes import contents, make_scene

pytestmark = pytest.mark.integration

SCENES: dict[str, dict[str, Any]] = {
    "one": {"datetime": "2026-06-01T10:00:00Z", "grid:code": "MGRS-33UWP"},
    "two": {"datetime": "2026-06-01T11:00:00Z", "grid:code": "MGRS-33UWQ", "processing:level": "L2A"},
    "Three.x": {"datetime": "2026-06-02T10:00:00Z", "grid:code": "MGRS-33UWP", "sat:relative_orbit": 22},
}


@pytest.fixture
def filled(store: Store, tmp_path: Path) -> Store:
    for name, properties in SCENES.items():
        store.archive(make_scene(tmp_path / "scenes" / name, name, 16, 0, **properties))
    return store


def by_fdb(store: Store, selection: dict[str, list[str]]) -> set[str]:
    return {product.key.id for product in products.find(store.parts.database, selection)}


def found(store: Store, **query: Any) -> set[str]:
    return {product.key.id for product in store.products(query)}


@pytest.mark.parametrize(
    ("selection", "names"),
    [
        ({}, {"one", "two", "Three.x"}),
        ({"date": ["20260601"]}, {"one", "two"}),
        ({"date": ["20260601", "20260602"], "tile": ["33uwp"]}, {"one", "Three.x"}),
        ({"level": ["l2a"]}, {"two"}),
        ({"mission": ["s2"], "level": ["unknown"], "date": ["20260602"]}, {"Three.x"}),
        ({"orbit": ["22"]}, {"Three.x"}),
        ({"time": ["110000"]}, {"two"}),
        ({"baseline": ["unknown"], "product": ["one", "three.x"]}, {"one", "Three.x"}),
        ({"mission": ["s1"]}, set()),
        ({"mission": ["."]}, set()),
        ({"date": ["20260603"]}, set()),
    ],
)
def test_names_and_records_tell_what_fdb_tells(filled: Store, selection: dict[str, list[str]], names: set[str]) -> None:
    told = list(finding.find(filled.parts, selection, ()))
    assert {product.key.id for product in told} == names == by_fdb(filled, selection)
    assert {product.key.id: product.manifest for product in told} == {
        product.key.id: product.manifest for product in products.find(filled.parts.database, selection)
    }


def test_fdb_is_not_even_loaded_to_tell_a_day(filled: Store) -> None:
    code = (
        "import sys; from pathlib import Path; from dasi_backend.store import Store; "
        "found = [each.key.id for each in Store(Path(sys.argv[1])).products({'date': '20260602'})]; "
        "print(found, 'pyfdb' in sys.modules)"
    )
    ran = subprocess.run(
        [sys.executable, "-P", "-c", code, str(filled.root)], capture_output=True, text=True, check=True
    )
    assert ran.stdout == "['Three.x'] False\n"


def forget(record: Path) -> None:
    record.unlink()


def without_place(record: Path) -> None:
    """Make it a record as it was written before records said where manifests are."""
    stated = json.loads(record.read_bytes())
    del stated["manifest"]
    record.write_text(json.dumps(stated))


def of_another_file(record: Path) -> None:
    """Make it the record of what was there before, as a writer leaves it that was killed after it published."""
    stated = json.loads(record.read_bytes())
    stated["manifest"]["file"] = stated["manifest"]["file"].replace(".data", "0.data")
    record.write_text(json.dumps(stated))


def of_another_day(record: Path) -> None:
    stated = json.loads(record.read_bytes())
    stated["key"]["date"] = "20250101"
    record.write_text(json.dumps(stated))


@pytest.mark.parametrize("spoil", [forget, without_place, of_another_file, of_another_day])
def test_what_records_do_not_tell_is_asked_of_fdb(filled: Store, spoil: Callable[[Path], None]) -> None:
    spoil(filled.root / ".records" / "products" / "two.json")
    assert found(filled) == set(SCENES)
    assert found(filled, date="20260601") == {"one", "two"}
    assert filled.get("two").key.level == "l2a"


def test_what_only_has_the_name_of_a_database_is_none(filled: Store) -> None:
    (filled.root / "s2:l2a:20260605").write_text("a file")
    (filled.root / "s2:l2a:20260606").mkdir()
    assert found(filled) == set(SCENES)
    assert {holding.record.key.id for holding in filled.account().holdings} == set(SCENES)


def test_what_other_tools_wiped_is_gone(filled: Store) -> None:
    filled.parts.database.wipe({"mission": "s2", "level": "l2a", "date": "20260601"})
    assert found(filled) == {"one", "Three.x"}
    assert not filled.contains("two")


def test_what_is_wiped_and_archived_again_is_told_anew(filled: Store, tmp_path: Path) -> None:
    filled.wipe({"product": "two"}, doit=True)
    assert found(filled) == {"one", "Three.x"}
    filled.archive(make_scene(tmp_path / "again", "two", 16, 1, **SCENES["two"]))
    (product,) = filled.products({"product": "two"})
    assert {file.path: file.blake3 for file in product.manifest.files} == {
        file.path: file.blake3 for file in filled.get("two").manifest.files
    }
    assert by_fdb(filled, {}) == set(SCENES)


def test_a_manifest_that_a_record_finds_is_verified(filled: Store) -> None:
    place = json.loads((filled.root / ".records" / "products" / "one.json").read_bytes())["manifest"]
    (path,) = filled.root.glob(f"*/{place['file']}")
    with path.open("r+b") as file:
        file.seek(place["offset"] + place["length"] - 20)
        file.write(b"#")
    with pytest.raises(ChecksumError, match="manifest is damaged"):
        list(filled.products({"product": "one"}))


def keys_of(elements: Any) -> set[tuple[Any, ...]]:
    return {(tuple(sorted(each.key.items())), each.path, each.offset, each.length) for each in elements}


@pytest.mark.parametrize(
    "selection",
    [{}, {"date": ["20260601"]}, {"tile": ["33uwp"]}, {"product": ["two"]}, {"orbit": ["22"]}, {"mission": ["s1"]}],
)
def test_records_tell_the_objects_that_fdb_tells(filled: Store, selection: dict[str, list[str]]) -> None:
    told = keys_of(finding.objects(filled.parts, selection, ()))
    assert told == keys_of(filled.parts.database.objects(selection))
    assert len(told) in {0, 7, 14, 21}  # three bands, two parts, the item and the manifest of each product


def test_fdb_is_not_even_loaded_to_read_objects(filled: Store, tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from dasi_backend.store import Store; "
        "store = Store(Path(sys.argv[1])); store.retrieve('one', Path(sys.argv[2])); "
        "print(len(list(store.objects({'band': 'b02'}))), 'pyfdb' in sys.modules)"
    )
    command = [sys.executable, "-P", "-c", code, str(filled.root), str(tmp_path / "got")]
    ran = subprocess.run(command, capture_output=True, text=True, check=True)
    assert ran.stdout == "3 False\n"
    assert contents(tmp_path / "got") == contents(tmp_path / "scenes" / "one")


def without_objects(record: Path) -> None:
    """Make it a record as it was written before records said where objects are."""
    stated = json.loads(record.read_bytes())
    del stated["objects"]
    record.write_text(json.dumps(stated))


@pytest.mark.parametrize("spoil", [forget, without_place, without_objects, of_another_file, of_another_day])
def test_objects_that_records_do_not_tell_are_asked_of_fdb(
    filled: Store, spoil: Callable[[Path], None], tmp_path: Path
) -> None:
    spoil(filled.root / ".records" / "products" / "two.json")
    assert {each.key["product"] for each in filled.objects({"band": "b03"})} == {"one", "two", "three.x"}
    filled.retrieve("two", tmp_path / "got")
    assert contents(tmp_path / "got") == contents(tmp_path / "scenes" / "two")


def test_a_record_that_points_to_other_bytes_is_found_out(filled: Store, tmp_path: Path) -> None:
    record = filled.root / ".records" / "products" / "one.json"
    stated = json.loads(record.read_bytes())
    stated["objects"]["kind=band,band=b02,res=10"][0] += 1
    record.write_text(json.dumps(stated))
    with pytest.raises(ChecksumError, match=r"one/B02\.tif"):
        filled.retrieve("one", tmp_path / "got")
    assert not (tmp_path / "got").exists()
