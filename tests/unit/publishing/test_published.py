"""What publishing makes of an item, and which files it takes: no database needed."""

from dataclasses import replace
from typing import Any

import pytest

from rucio_dafab.publishing.published import PublishedFile, check_files, published_document, same_document
from rucio_dafab.stac.errors import DocumentInvalid

FILE = PublishedFile("B02", "item.B02.tif", "CLOUD", 3, "0a1b2c3d", "0123456789abcdef0123456789abcdef")
ROOT = "http://site.example"


def item() -> dict[str, Any]:
    links = [{"rel": "self", "href": "elsewhere"}, {"rel": "license", "href": "https://licence.example"}]
    return {
        "id": "item",
        "collection": "c",
        "assets": {"B02": {"href": "/tmp/B02.tif"}, "web": {"href": "x"}},
        "links": links,
    }


def document(root: str = ROOT, **options: Any) -> dict[str, Any]:
    return published_document(item(), [FILE], scope="dafab", parent=options.get("parent"), root=root)


def test_links_are_stable_and_what_is_not_ours_stays() -> None:
    made = document(parent={"id": "source", "collection": "s"})
    assert made["assets"]["B02"]["href"] == f"{ROOT}/assets/dafab/items/item/B02"
    assert made["assets"]["web"] == {"href": "x"}
    links = {link["rel"]: link["href"] for link in made["links"]}
    assert links["self"] == f"{ROOT}/collections/c/items/item"
    assert links["derived_from"] == f"{ROOT}/collections/s/items/source"
    assert links["license"] == "https://licence.example"
    assert [link["rel"] for link in made["links"]].count("self") == 1
    assert item()["assets"]["B02"]["href"] == "/tmp/B02.tif"


def test_what_else_an_item_was_derived_from_stays() -> None:
    sources = ["source", f"{ROOT}/collections/s/items/source", "dafab:source", "../source.json", "second"]
    derived = item() | {"links": [{"rel": "derived_from", "href": href} for href in sources]}
    made = published_document(derived, [FILE], scope="dafab", parent={"id": "source", "collection": "s"}, root=ROOT)
    found = [link["href"] for link in made["links"] if link["rel"] == "derived_from"]
    assert found == [f"{ROOT}/collections/s/items/source", "second"]


def test_size_and_checksum_follow_the_file_extension() -> None:
    asset = document()["assets"]["B02"]
    assert asset["file:size"] == 3
    assert asset["file:checksum"] == "d50110" + FILE.md5
    assert asset["file:local_path"] == FILE.name
    given = item()
    given["assets"]["B02"]["file:checksum"] = "1220" + "0" * 64
    made = published_document(given, [FILE], scope="dafab", parent=None, root=ROOT)
    assert made["assets"]["B02"]["file:checksum"] == "1220" + "0" * 64
    assert len(made["stac_extensions"]) == 1
    again = published_document(made, [FILE], scope="dafab", parent=None, root=ROOT)
    assert again == made


def test_documents_are_compared_without_the_address_of_the_site() -> None:
    assert same_document(document(), document(root="http://other.example:8080"))
    changed = document() | {"properties": {"x": 1}}
    assert not same_document(document(), changed)
    assert not same_document(document(), document(parent={"id": "source", "collection": "s"}))


@pytest.mark.parametrize(
    ("files", "said"),
    [
        ([replace(FILE, name="B02.tif")], "must be called"),
        ([replace(FILE, name="item/../x")], "must be called"),
        ([replace(FILE, name="item//x")], "must be called"),
        ([replace(FILE, name="other.B02.tif")], "must be called"),
        ([replace(FILE, name="item." + "x" * 250)], "at most 250 letters"),
        ([replace(FILE, asset="B99")], "no asset"),
        ([replace(FILE, bytes=-1)], "-1 bytes"),
        ([replace(FILE, md5="X" * 32)], "checksums"),
        ([replace(FILE, adler32="")], "checksums"),
        ([FILE, replace(FILE, bytes=4)], "twice"),
        ([FILE, replace(FILE, name="item.other.tif")], "two files"),
    ],
)
def test_wrong_files_are_refused(files: list[PublishedFile], said: str) -> None:
    with pytest.raises(DocumentInvalid, match=said):
        check_files("item", item(), files)


def test_another_format_of_an_asset_is_a_file_like_others() -> None:
    packed = {"href": "./a.parquet", "type": "application/vnd.apache.parquet"}
    given = item() | {"assets": {"a": {"href": "./a.json", "alternate": {"parquet": packed}}}}
    file = replace(FILE, asset="a-parquet", name="item.a.parquet")
    check_files("item", given, [file])
    made = published_document(given, [file], scope="dafab", parent=None, root=ROOT)
    assert made["assets"]["a"]["href"] == "./a.json"
    kept = made["assets"]["a"]["alternate"]["parquet"]
    assert (kept["href"], kept["file:local_path"]) == (f"{ROOT}/assets/dafab/items/item/a-parquet", "item.a.parquet")
    elsewhere = published_document(given, [file], scope="dafab", parent=None, root="http://other.example:8080")
    assert made != elsewhere
    assert same_document(made, elsewhere)
    assert packed == {"href": "./a.parquet", "type": "application/vnd.apache.parquet"}, "what was given stays"


def test_a_file_may_have_two_replicas() -> None:
    check_files("item", item(), [FILE, replace(FILE, rse="MELUXINA")])


def test_the_link_to_the_model_stays_beside_that_to_the_source() -> None:
    model = {"rel": "derived_from", "href": f"{ROOT}/collections/models/items/net", "mlm:name": "net"}
    given = item() | {"links": [{"rel": "derived_from", "href": "source"}, model]}
    source = {"id": "source", "collection": "s"}
    made = published_document(given, [], scope="dafab", parent=source, root=ROOT)
    led = [link["href"] for link in made["links"] if link["rel"] == "derived_from"]
    assert led == [f"{ROOT}/collections/s/items/source", model["href"]]
    # The model may have been published when the site was reached otherwise.
    moved = model | {"href": "http://other.example:8080/collections/models/items/net"}
    again = published_document(given | {"links": [moved]}, [], scope="dafab", parent=source, root=ROOT)
    assert same_document(made, again)
    other = published_document(
        given | {"links": [moved | {"href": moved["href"] + "2"}]}, [], scope="dafab", parent=source, root=ROOT
    )
    assert not same_document(made, other)
