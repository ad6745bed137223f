"""What of a product becomes files of the catalogue, and where Rucio is told that they are."""

from typing import Any

import pytest

from dasi_backend.addresses import address_of, parse_address
from dasi_backend.errors import KeyRefused
from dasi_backend.keys import ProductKey
from dasi_backend.manifest import StoredFile
from dasi_backend.originals import files_of, with_assets

KEY = ProductKey("S2B_a.b-c", "s2b", "l2a", "20260614", "32ukv", 8, "103629", "0510")
BAND = {"kind": "band", "band": "b04", "res": "10"}


def stored(path: str, size: int = 1, asset: str | None = None, **key: str) -> StoredFile:
    return StoredFile(path, size, "00", key or {"kind": "part", "part": "p0001"}, asset)


def test_an_address_says_the_product_and_the_object() -> None:
    address = address_of(KEY, BAND)
    assert address == (
        "id=S2B_a.b-c,mission=s2b,level=l2a,date=20260614,tile=32ukv,orbit=8,time=103629,baseline=0510"
        "/kind=band,band=b04,res=10"
    )
    assert parse_address(f"/{address}") == (KEY, BAND)


@pytest.mark.parametrize(
    "address",
    [
        "",
        "/",
        "x",
        "dafab/S2B.B04.tif",
        f"{KEY}",
        f"{KEY}/",
        f"{KEY}/part=x",
        f"{KEY}/kind=band,colour=red",
        f"{KEY}/kind=band,band=../../x",
        f"{KEY},more=1/kind=band",
        "id=../x,mission=s2b,level=l2a,date=20260614,tile=t,orbit=8,time=1,baseline=0/kind=band",
    ],
)
def test_what_is_no_address_is_refused(address: str) -> None:
    with pytest.raises(KeyRefused):
        parse_address(address)


def test_every_file_but_the_item_becomes_one_of_the_catalogue() -> None:
    files, left_out = files_of(
        "scene",
        [
            stored("item.json"),
            stored("B04.tif", asset="red", **BAND),
            stored("safe/MTD.xml"),
            stored("safe/empty.xml", size=0),
            stored("safe/a b.xml"),
            stored(f"safe/{'x' * 250}.xml"),
        ],
    )
    assert {key: file.name for key, file in files.items()} == {
        "red": "scene.B04.tif",
        "safe/MTD.xml": "scene.safe.MTD.xml",
    }
    assert left_out == ("safe/empty.xml", "safe/a b.xml", f"safe/{'x' * 250}.xml")


def test_two_files_of_one_name_are_not_taken_for_each_other() -> None:
    files, left_out = files_of("scene", [stored("safe/a/b.xml"), stored("safe/a.b.xml")])
    assert [file.stored.path for file in files.values()] == ["safe/a/b.xml"]
    assert left_out == ("safe/a.b.xml",)


def test_the_document_has_the_assets_that_can_be_fetched() -> None:
    item: dict[str, Any] = {
        "assets": {
            "red": {"href": "./B04.tif", "roles": ["data"], "gsd": 10},
            "gone": {"href": "./empty.tif"},
            "web": {"href": "https://example.org/preview.png"},
        }
    }
    files, _ = files_of("scene", [stored("B04.tif", asset="red", **BAND), stored("safe/MTD.xml")])
    document = with_assets({"id": "scene", "assets": {}}, item, files)
    assert document["assets"] == {
        "red": {"href": "./B04.tif", "roles": ["data"], "gsd": 10},
        "web": {"href": "https://example.org/preview.png"},
        "safe/MTD.xml": {"href": "safe/MTD.xml", "roles": ["metadata"], "type": "application/xml"},
    }
    assert item["assets"]["red"] == {"href": "./B04.tif", "roles": ["data"], "gsd": 10}
