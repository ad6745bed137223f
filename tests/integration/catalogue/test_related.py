"""Tests on related documents, and the golden query, in every language on one site: the rows must be the same."""

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.integration.catalogue.real_products import Document, one_a_scene, source
from tests.unit.query.golden_query import GOLDEN, LANGUAGES

pytestmark = pytest.mark.integration

SCOPE = "golden"
Ask = Callable[[Any, str], set[str]]


def scene_of(number: int, product: Document) -> Document:
    """Return a document of the scene that a real product names, of its place and time; the clouds are made up."""
    return {
        "type": "Feature",
        "stac_version": "1.1.0",
        "id": source(product),
        "collection": "sentinel_2_l2a",
        "geometry": product["geometry"],
        "bbox": product["bbox"],
        "properties": {"datetime": product["properties"]["datetime"], "eo:cloud_cover": float(number % 20)},
        "assets": {},
        "links": [],
    }


def fields_of(number: int, product: Document) -> Document:
    """Return a field product of the same scene; the coverage is made up."""
    scene = source(product)
    coverage = {
        "field_percentage": float(number * 7 % 100),
        "number_of_fields": number,
        "smart_agriculture_algorithm_version": 100,
    }
    return scene_of(number, product) | {
        "id": f"{scene}_smart_agriculture_100",
        "collection": "smart_agriculture",
        "properties": {"datetime": product["properties"]["datetime"], "dafab:smart-agriculture": coverage},
        "links": [{"rel": "derived_from", "href": f"https://any.example/collections/sentinel_2_l2a/items/{scene}"}],
    }


@pytest.fixture(scope="module")
def products(shared: Any) -> list[Document]:
    """Return the real water products, one a scene, in the order of the file."""
    return one_a_scene(shared)


@pytest.fixture(scope="module")
def catalogue(
    site: Any, make_scopes: Any, rucio_as: Any, products: list[Document], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[list[Document]]:
    """Load the real products, the scenes that they name, and a field product of each; attach a third of these."""
    make_scopes(SCOPE, collections=("sentinel_2_l2a", "water_analysis", "smart_agriculture"))
    file = tmp_path_factory.mktemp("golden") / "items.ndjson"
    documents = [
        document
        for number, product in enumerate(products)
        for document in (product, scene_of(number, product), fields_of(number, product))
    ]
    file.write_text("".join(json.dumps(document) + "\n" for document in documents))
    report = json.loads(site.dafab("catalogue", "load", str(file), "--scope", SCOPE, "--json"))
    assert report["created"] == len(documents)
    attachments = [
        {"scope": SCOPE, "name": scene, "dids": [{"scope": SCOPE, "name": f"{scene}_smart_agriculture_100"}]}
        for scene in map(source, products[::3])
    ]
    rucio_as("dafab_admin").attach_dids_to_dids(attachments)
    yield documents


@pytest.fixture
def ask(site: Any, catalogue: Any) -> Ask:
    """Return a function that puts a question in one of the languages and gives the names that it finds."""

    def call(question: Any, language: str) -> set[str]:
        found = site.client("user_dafab").search(SCOPE, question, filter_lang=language)
        return {each.name for each in found}

    return call


@pytest.mark.shared
@pytest.mark.parametrize("relation", GOLDEN)
def test_the_golden_query_finds_the_same_scenes_in_every_language(
    relation: str, ask: Ask, rucio_as: Any, products: list[Document]
) -> None:
    wanted = {
        source(product)
        for number, product in enumerate(products)
        if number % 20 < 5 and number * 7 % 100 > 40 and (relation == "linked_by" or number % 3 == 0)
    }
    assert len(wanted) > 20
    for question, language in zip(GOLDEN[relation], LANGUAGES, strict=True):
        assert ask(question, language) == wanted, language
    filters = [dict(part.split(operator, 1) for part, operator in _cut(GOLDEN[relation][0]))]
    listed = rucio_as("user_dafab").list_dids(SCOPE, filters)
    assert set(listed) == wanted


def _cut(text: str) -> Iterator[tuple[str, str]]:
    """Yield the tests of a filter as the stock command line writes their keys."""
    for part in text.split(","):
        if "<" in part or ">" in part:
            operator = "<" if "<" in part else ">"
            yield part.replace(operator, ".lt=" if operator == "<" else ".gt="), "="
        else:
            yield part, "="


@pytest.mark.shared
def test_the_golden_query_through_the_stock_command_line(site: Any, catalogue: Any, products: list[Document]) -> None:
    wanted = {source(product) for number, product in enumerate(products) if number % 20 < 5 and number * 7 % 100 > 40}
    listed = site.rucio("user_dafab", "did", "list", f"{SCOPE}:*", "--filter", GOLDEN["linked_by"][0], "--short")
    assert {line.strip().removeprefix(f"{SCOPE}:") for line in listed.splitlines() if line.strip()} == wanted


@pytest.mark.shared
def test_real_products_answer_for_their_scenes_and_scenes_for_their_products(
    ask: Ask, products: list[Document]
) -> None:
    water = [product["properties"]["dafab:water-analysis"]["observed_water"] for product in products]
    wet = {source(product) for product, share in zip(products, water, strict=True) if share > 40}
    assert 0 < len(wet) < len(products)
    assert ask("observed_water.linked_by:derived_from>40", "rucio") == wet
    dry = "collection=sentinel_2_l2a,observed_water.not.linked_by:derived_from>40"
    assert ask(dry, "rucio") == {source(product) for product in products} - wet
    clear = {product["id"] for number, product in enumerate(products) if number % 20 < 2}
    found = "collection = 'water_analysis' AND related('link', 'derived_from', cloud_cover < 2)"
    assert ask(found, "cql2-text") == clear


@pytest.mark.shared
def test_one_related_document_must_satisfy_all_that_is_asked(ask: Ask, products: list[Document]) -> None:
    both = "observed_water.linked_by:derived_from>40,field_percentage.linked_by:derived_from>=0"
    assert ask(both, "rucio") == set(), "no product is of both kinds"
    each = (
        "related('linked_by', 'derived_from', observed_water > 40) AND"
        " related('linked_by', 'derived_from', field_percentage >= 0)"
    )
    assert len(ask(each, "cql2-text")) > 1


@pytest.mark.shared
def test_a_related_document_may_have_related_documents(ask: Ask, products: list[Document]) -> None:
    siblings = (
        "collection = 'smart_agriculture' AND related('link', 'derived_from',"
        " related('linked_by', 'derived_from', observed_water > 40) AND did('name') LIKE 'S2%')"
    )
    wet = {
        f"{source(product)}_smart_agriculture_100"
        for product in products
        if product["properties"]["dafab:water-analysis"]["observed_water"] > 40
    }
    assert ask(siblings, "cql2-text") == wet
    below = "collection = 'sentinel_2_l2a' AND related('descendant', related('ancestor', cloud_cover < 5))"
    clear = {source(product) for number, product in enumerate(products) if number % 3 == 0 and number % 20 < 5}
    assert ask(below, "cql2-text") == clear


@pytest.mark.shared
@pytest.mark.parametrize("relation", ["link:derived_from", "linked_by:derived_from", "ancestor", "descendant"])
def test_a_test_on_a_related_document_is_never_unknown(ask: Ask, relation: str, products: list[Document]) -> None:
    yes = ask(f"collection=sentinel_2_l2a,cloud_cover.{relation}<5", "rucio")
    no = ask(f"collection=sentinel_2_l2a,cloud_cover.not.{relation}<5", "rucio")
    assert not yes & no
    assert yes | no == {source(product) for product in products}
