"""Searches: recorded answers read, questions put in each archive's own words, pages followed, refusals in one line."""

import dataclasses
import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rucio_dafab.eo.sources import odata, stac
from rucio_dafab.eo.sources.checksums import Checksum
from rucio_dafab.eo.sources.errors import SourceBusy, SourceError
from rucio_dafab.eo.sources.providers import CollectionName, Provider, Sources, is_address
from rucio_dafab.eo.sources.reference import is_reference
from rucio_dafab.eo.sources.search import find, search
from rucio_dafab.eo.sources.values import Question
from tests.unit.eo.sources.archive import Archive, Asked, as_json
from tests.unit.eo.sources.conftest import odata_product, stac_api

Use = Callable[..., Sources]
CDSE = Provider("odata", "https://x", "x", collections={"sentinel_2_l2a": CollectionName("SENTINEL-2", "S2MSI2A")})
BOX = {"type": "Polygon", "coordinates": [[[6, 49], [7, 49], [7, 50], [6, 50], [6, 49]]]}
JUNE = datetime(2024, 6, 1, tzinfo=UTC)
KEYS = st.sampled_from(
    [
        "datetime",
        "eo:cloud_cover",
        "gsd",
        "href",
        "file:size",
        "file:checksum",
        "alternate",
        "Name",
        "Value",
        "Start",
        "End",
    ]
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS | st.text(max_size=9), inner, max_size=4),
    max_leaves=12,
)


def recorded(shared: Path, name: str) -> Any:
    return json.loads((shared / "api" / name).read_text())


@pytest.mark.shared
def test_a_recorded_answer_of_odata(shared: Path, archive: Archive, use: Use) -> None:
    archive.route("/odata/v1/Products", lambda _: as_json(recorded(shared, "cdse_odata/s2_products.json")))
    found = list(search(use().provider("safe"), Question(collection="sentinel_2_l2a", limit=50)))
    assert len(found) == 18
    first = found[0]
    assert first.id == "S2B_MSIL2A_20200101T100319_N0500_R122_T33TXN_20230618T201545"
    assert first.size == 609162793
    assert first.online
    assert first.start == datetime(2020, 1, 1, 10, 3, 19, 24000, UTC)
    assert [checksum.algorithm for checksum in first.checksums] == ["md5", "blake3"]
    assert first.checksums[0] == Checksum("md5", "035a4da8c5aff74ece4412f688901e14")
    assert first.geometry is not None
    assert first.geometry["type"] == "Polygon"
    assert odata.node_urls(CDSE, first, "MTD_MSIL2A.xml") == (
        f"s3://eodata/Sentinel-2/MSI/L2A_N0500/2020/01/01/{first.id}.SAFE/MTD_MSIL2A.xml",
        f"https://x/Products(6a7b999d-1ec3-4149-89de-a80af429b7ea)/Nodes({first.id}.SAFE)/Nodes(MTD_MSIL2A.xml)/$value",
    )


@pytest.mark.shared
def test_recorded_attributes_of_odata(shared: Path) -> None:
    products = recorded(shared, "cdse_odata/cop_dataspace_search.json")["value"]
    found = odata.from_product(products[0], "cdse")
    assert (found.tile, found.kind, found.collection) == ("54PXA", "S2MSI1C", "SENTINEL-2")
    assert found.cloud_cover == pytest.approx(95.136736479015)


@pytest.mark.shared
def test_recorded_pages_of_odata_are_followed_to_the_end(shared: Path, archive: Archive, use: Use) -> None:
    pages = [recorded(shared, f"cdse_odata/odata_page_{number}.json") for number in range(1, 6)]
    expected = [product["Name"].removesuffix(".SAFE") for page in pages for product in page["value"]]

    def answer(asked: Asked) -> Any:
        number = int(asked.query.get("page", ["0"])[0])
        page = pages[number] | {"@odata.nextLink": f"{archive.url}/odata/v1/Products?page={number + 1}"}
        if number == len(pages) - 1:
            page.pop("@odata.nextLink")
        return as_json(page)

    archive.route("/odata/v1/Products", answer)
    provider = use().provider("safe")
    question = Question(collection="SENTINEL-1", limit=1000)
    assert [found.id for found in search(provider, question)] == expected
    assert len(expected) == 47
    assert len(list(search(provider, dataclasses.replace(question, limit=13)))) == 13


@pytest.mark.shared
def test_a_recorded_item_of_earth_search(shared: Path, archive: Archive, use: Use) -> None:
    item = recorded(shared, "earth_search/earth_search_search.json")["features"][0]
    stac_api(archive, [item])
    (found,) = search(use().provider("cogs"), Question())
    assert (found.id, found.tile, found.collection) == ("S2B_27VWK_20240206_0_L1C", "27VWK", "sentinel-2-l1c")
    assert found.cloud_cover == pytest.approx(9.93604802923519)
    bands = {file.band: file for file in found.files if file.band}
    assert {"B02", "B03", "B04", "B05", "B08", "B8A", "B11", "B12"} <= set(bands)
    assert bands["B02"].urls == ("s3://sentinel-s2-l1c/tiles/27/V/WK/2024/2/6/0/B02.jp2",)
    assert bands["B11"].resolution == 20


@pytest.mark.shared
def test_a_recorded_item_of_cdse(shared: Path, archive: Archive, use: Use) -> None:
    """The landing page is CDSE's own; its search is where this archive is."""
    landing = json.loads(json.dumps(recorded(shared, "cdse_stac/index.json")).replace(
        "https://stac.dataspace.copernicus.eu/v1", f"{archive.url}/stac"))  # fmt: skip
    archive.route("/stac/", lambda _: as_json(landing))
    archive.route("/stac/search", lambda _: as_json(recorded(shared, "cdse_stac/search_queried.json")))
    question = Question("sentinel-2-global-mosaics", geometry=BOX, start=JUNE, tile="31SDV", cloud_cover=None)
    found = list(search(use().provider("cogs"), dataclasses.replace(question, tile=None)))
    asked = json.loads(archive.asked[-1].body)
    assert asked["collections"] == ["sentinel-2-global-mosaics"]
    assert asked["datetime"] == "2024-06-01T00:00:00Z/.."
    assert asked["sortby"] == [{"direction": "desc", "field": "properties.datetime"}]
    assert json.loads(json.dumps(asked["intersects"])) == BOX
    band = next(file for file in found[0].files if file.key == "B02")
    assert band.size == 177854664
    assert band.urls[0].startswith("s3://eodata/Global-Mosaics/")
    assert band.urls[1].startswith("https://zipper.dataspace.copernicus.eu/odata/v1/Products((")
    assert stac.file_suffix(band.urls[1]) == ".tif"


def test_the_words_of_odata() -> None:
    question = Question("sentinel_2_l2a", BOX, JUNE, datetime(2024, 6, 30, 23, 59, 59, 999999, UTC), 20, "31UGR", "a'b")
    assert odata.filter_text(CDSE, question) == (
        "Name eq 'a''b.SAFE' and Collection/Name eq 'SENTINEL-2' and Attributes/OData.CSC.StringAttribute/"
        "any(a:a/Name eq 'productType' and a/OData.CSC.StringAttribute/Value eq 'S2MSI2A') and OData.CSC.Intersects("
        "area=geography'SRID=4326;POLYGON ((6 49, 7 49, 7 50, 6 50, 6 49))') and ContentDate/Start ge "
        "2024-06-01T00:00:00.000Z and ContentDate/Start le 2024-06-30T23:59:59.999Z and Attributes/"
        "OData.CSC.DoubleAttribute/any(a:a/Name eq 'cloudCover' and a/OData.CSC.DoubleAttribute/Value le 20.0000) and "
        "Attributes/OData.CSC.StringAttribute/any(a:a/Name eq 'tileId' and "
        "a/OData.CSC.StringAttribute/Value eq '31UGR')"
    )
    with pytest.raises(SourceError, match="nothing is asked"):
        odata.filter_text(CDSE, Question())


@given(st.text(min_size=1, max_size=40))
def test_no_text_leaves_its_quotes_in_odata(text: str) -> None:
    inner = odata.filter_text(CDSE, Question(identifier=text)).removeprefix("Name eq '").removesuffix("'")
    assert inner.replace("''", "").count("'") == 0
    assert inner.replace("''", "'") == text.removesuffix(".SAFE") + ".SAFE"


def items() -> list[dict[str, Any]]:
    def item(name: str, clouds: float | None, tile: str) -> dict[str, Any]:
        cloudy = {} if clouds is None else {"eo:cloud_cover": clouds}
        properties = {"datetime": "2024-06-01T10:00:00Z", "grid:code": f"MGRS-{tile}"} | cloudy
        base = {"type": "Feature", "collection": "sentinel-2-l2a", "geometry": BOX, "links": [], "assets": {}}
        return base | {"id": name, "properties": properties}

    given = (("clear", 3.0, "31UGR"), ("cloudy", 80.0, "31UGR"), ("unknown", None, "31UGR"), ("east", 1.0, "32UNV"))
    return [item(*each) for each in given]


@pytest.mark.parametrize(
    ("conforms", "key"),
    [("https://api.stacspec.org/v1.0.0/item-search#query", "query"),
     ("https://api.stacspec.org/v1.0.0-rc.2/item-search#filter", "filter"), ("nothing", None)],
)  # fmt: skip
def test_clouds_and_tiles_are_asked_as_the_api_can_and_always_hold(
    archive: Archive, use: Use, conforms: str, key: str | None
) -> None:
    """The archive here ignores both: what it gives too much is left out."""
    stac_api(archive, items(), conforms)
    question = Question("sentinel_2_l2a", cloud_cover=20, tile="31UGR")
    assert [found.id for found in search(use().provider("cogs"), question)] == ["clear"]
    asked = json.loads(archive.asked[-1].body)
    assert {"query", "filter"} & set(asked) == ({key} if key else set())
    if key == "query":
        assert asked["query"] == {"eo:cloud_cover": {"lte": 20}, "grid:code": {"eq": "MGRS-31UGR"}}
    if key == "filter":
        assert asked["filter-lang"] == "cql2-json"
        assert asked["filter"]["args"][0] == {"op": "<=", "args": [{"property": "eo:cloud_cover"}, 20]}


def test_pages_of_stac_are_followed_until_there_are_enough(archive: Archive, use: Use) -> None:
    stac_api(archive, [])
    archive.routes.pop()

    def page(asked: Asked) -> Any:
        token = json.loads(asked.body).get("token", 0)
        features = [item | {"id": f"{token}_{item['id']}"} for item in items()]
        following = {
            "rel": "next",
            "method": "POST",
            "href": f"{archive.url}/stac/search",
            "merge": True,
            "body": {"token": token + 1},
        }
        return as_json({"type": "FeatureCollection", "features": features, "links": [following]})

    archive.route("/stac/search", page)
    assert len(list(search(use().provider("cogs"), Question(limit=10)))) == 10
    assert [json.loads(asked.body).get("token") for asked in archive.asked if asked.method == "POST"] == [None, 1, 2]


def test_an_api_that_cannot_tell_is_not_read_to_its_end(
    archive: Archive, use: Use, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stac, "_MOST_LOOKED_AT", 3)
    stac_api(archive, items())
    with pytest.raises(SourceError, match="cogs cannot tell clouds or tiles itself"):
        list(search(use().provider("cogs"), Question(tile="32UNV", limit=1)))


def test_an_api_with_get_alone_is_asked_by_get(archive: Archive, use: Use) -> None:
    links = [{"rel": "search", "href": f"{archive.url}/stac/search"}]
    archive.route("/stac/", lambda _: as_json({"links": links}))
    archive.route("/stac/search", lambda _: as_json({"features": items(), "links": []}))
    assert len(list(search(use().provider("cogs"), Question("sentinel_1_rtc")))) == 4
    assert archive.asked[-1].query["collections"] == ["sentinel-1-rtc"]


@pytest.mark.parametrize(
    ("answer", "line"),
    [
        (as_json([]), "is no STAC API"),
        (as_json({"links": []}), "no link to a search"),
        ((200, {}, b"<html>"), "not JSON"),
        (as_json({}, 404), "answers 404"),
        (as_json({"detail": "go  away\nnow"}, 400), "answers 400 Bad Request: go away now"),
    ],
)
def test_what_is_no_stac_api_is_told(archive: Archive, use: Use, answer: Any, line: str) -> None:
    archive.route("/stac/", lambda _: answer)
    with pytest.raises(SourceError, match=line) as refused:
        list(search(use().provider("cogs"), Question()))
    assert "\n" not in str(refused.value)
    assert refused.value.exit_code == 1


def test_a_busy_search_is_tried_again_and_given_up(archive: Archive, use: Use) -> None:
    answers = [as_json({}, 429, **{"Retry-After": "0"}), as_json({}, 503)]
    archive.route("/odata/v1/Products", lambda _: answers.pop(0) if answers else as_json({"value": []}))
    provider = use().provider("safe")
    assert list(search(provider, Question("SENTINEL-2"))) == []
    assert len(archive.asked) == 3
    archive.routes.clear()
    archive.route("/odata/v1/Products", lambda _: as_json({}, 503))
    with pytest.raises(SourceBusy, match="answers 503") as refused:
        list(search(provider, Question("SENTINEL-2")))
    assert refused.value.exit_code == 75
    assert len(archive.asked) == 3 + 4


def test_an_answer_that_breaks_off_is_asked_for_again(archive: Archive, use: Use) -> None:
    broken = [(200, {"Content-Length": "5000"}, b'{"value": [')]
    archive.route("/odata/v1/Products", lambda _: broken.pop() if broken else as_json({"value": []}))
    begin = list(search(use().provider("safe"), Question("SENTINEL-2")))
    assert begin == []
    assert len(archive.asked) == 2


def test_nobody_answers(use: Use, archive: Archive) -> None:
    sources = use(
        more='[providers.gone]\nkind = "odata"\nurl = "http://127.0.0.1:9"\npatience = { tries = 2, first = 0.01 }\n'
    )
    with pytest.raises(SourceBusy, match=r"http://127.0.0.1:9/Products does not answer") as refused:
        list(search(sources.provider("gone"), Question("SENTINEL-2")))
    assert refused.value.exit_code == 75


def test_find_one(archive: Archive, use: Use, safe: Path) -> None:
    archive.route("/odata/v1/Products", lambda asked: as_json(
        {"value": [odata_product(safe)] if f"'{safe.name}'" in asked.query["$filter"][0] else []}))  # fmt: skip
    stac_api(archive, items())
    sources = use()
    assert find(sources, sources.provider("safe"), safe.stem).id == safe.stem
    assert find(sources, sources.provider("safe"), safe.name).id == safe.stem
    assert find(sources, sources.provider("cogs"), "east").tile == "32UNV"
    address = f"{archive.url}/stac/collections/sentinel-2-l2a/items/east"
    assert find(sources, None, address).provider == "cogs"
    for provider, name in (("safe", "S2B_nothing"), ("cogs", "west")):
        with pytest.raises(SourceError, match=f"{provider} has no product '{name}'") as refused:
            find(sources, sources.provider(provider), name)
        assert refused.value.exit_code == 1
    with pytest.raises(SourceError, match="answers 404"):
        find(sources, None, f"{archive.url}/stac/collections/sentinel-2-l2a/items/west")


@pytest.mark.parametrize(
    "change",
    [{"id": 3}, {"properties": []}, {"assets": None}, {"properties": {}}, {"properties": {"datetime": "June"}},
     {"assets": {"B02": {"href": "x.tif", "file:checksum": "12"}}}],
)  # fmt: skip
def test_items_that_are_none_are_refused(change: dict[str, Any]) -> None:
    with pytest.raises(SourceError):
        stac.from_item(items()[0] | change, "here")


@settings(deadline=None)
@given(st.dictionaries(st.sampled_from(["id", "properties", "assets", "geometry", "links", "collection"]), JSON), JSON)
def test_any_json_is_an_item_or_refused(document: dict[str, Any], asset: Any) -> None:
    for item in (document, items()[0] | document, items()[0] | {"assets": {"B02": asset}}):
        try:
            found = stac.from_item(item, "here")
        except SourceError:
            continue
        assert found.id == item["id"]


@settings(deadline=None)
@given(st.dictionaries(st.sampled_from(["Id", "Name", "ContentDate", "Attributes", "Checksum", "ContentLength"]), JSON))
def test_any_json_is_a_product_or_refused(document: dict[str, Any]) -> None:
    base = {
        "Id": "1",
        "Name": "x.SAFE",
        "ContentDate": {"Start": "2024-06-01T10:00:00Z", "End": "2024-06-01T10:00:00Z"},
    }
    for product in (document, base | document):
        try:
            found = odata.from_product(product, "here")
        except SourceError:
            continue
        assert found.id == product["Name"].removesuffix(".SAFE")


def test_which_texts_name_products() -> None:
    for text in ("https://host/items/x", "cdse_odata:S2B_x", "earth_search:S2B_27VWK_20240206_0_L2A",
                 "S2B_MSIL2A_20260614T103007_N0511_R008_T31UGR_20260614T135107",
                 "S2B_MSIL2A_20260614T103007_N0511_R008_T31UGR_20260614T135107.SAFE"):  # fmt: skip
        assert is_reference(text)
    for text in ("", "folder", "./S2B_x", "nowhere:x", "cdse_odata:", "http://host/item", "ftp://host/item", "a/b:c"):
        assert not is_reference(text)
    assert is_address("http://localhost:1/x")
    assert not is_address("https://[broken")
