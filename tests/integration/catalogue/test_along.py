"""Relations of the ontology followed through real items: what SQL finds is what walking the documents finds."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import shapely

from rucio_dafab.client import Refused
from rucio_dafab.stac.links import named_by
from tests.integration.catalogue.real_products import Document, one_a_scene, source
from tests.unit.query.golden_query import LANGUAGES, over_a_place

pytestmark = [pytest.mark.integration, pytest.mark.shared]

SCOPE = "along"
PLACES = """
@prefix : <https://places.example/t#> . @prefix dafab: <https://w3id.org/dafab/ontology#> .
@prefix owl: <http://www.w3.org/2002/07/owl#> . @prefix rdfs: <http://www.w3.org/2000/01/rdf-schema#> .
@prefix skos: <http://www.w3.org/2004/02/skos/core#> . @prefix vann: <http://purl.org/vocab/vann/> .
<https://places.example/t> a owl:Ontology ; owl:versionInfo "1" ;
    vann:preferredNamespacePrefix "places" ; vann:preferredNamespaceUri "https://places.example/t#" .
:Basin a owl:Class ; rdfs:label "Basin of the test"@en ; skos:exactMatch dafab:RiverBasin .
:Whole a :Basin ; rdfs:label "Whole basin"@en, "Ganzes Becken"@de .
:Upper a :Basin ; dafab:partOf :Whole ; dafab:area "along-upper" .
:Spring a :Basin ; dafab:partOf :Upper ; dafab:area "along-spring" .
:Lower a :Basin ; dafab:partOf :Whole ; dafab:area "along-lower" .
"""
Ask = Callable[[Any, str], set[str]]


def made_from(name: str, collection: str, other: Document, *links: str, **properties: Any) -> Document:
    """Return an item of the place and time of another, derived from some."""
    return {
        "type": "Feature",
        "stac_version": "1.1.0",
        "id": name,
        "collection": collection,
        "geometry": other["geometry"],
        "bbox": other["bbox"],
        "properties": {"datetime": other["properties"]["datetime"], **properties},
        "assets": {},
        "links": [{"rel": "derived_from", "href": each} for each in links],
    }


@pytest.fixture(scope="module")
def products(shared: Path) -> list[Document]:
    """Return real water products, one a scene."""
    return one_a_scene(shared)[:120]


@pytest.fixture(scope="module")
def documents(products: list[Document]) -> dict[str, Document]:
    """Return scenes, their real products, reports on each second product, and a digest of every five reports."""
    found: dict[str, Document] = {}
    for number, product in enumerate(products):
        scene, report = source(product), f"report_{number}"
        platform = f"sentinel-2{'abc'[number % 3]}"
        found[scene] = made_from(scene, "sentinel_2_l2a", product, platform=platform)
        found[product["id"]] = product
        if number % 2 == 0:
            found[report] = made_from(report, "reports", product, product["id"])
        if number % 10 == 0:
            # The other way round too: one that goes in a circle must end.
            found[f"digest_{number}"] = made_from(
                f"digest_{number}", "reports", product, report, f"digest_{number + 10}"
            )
            found[f"digest_{number + 10}"] = made_from(
                f"digest_{number + 10}", "reports", product, f"digest_{number}", f"dids/{SCOPE}/{report}"
            )
    found["attached"] = made_from("attached", "reports", products[3])
    return found


@pytest.fixture(scope="module")
def catalogue(
    site: Any, make_scopes: Any, rucio_as: Any, documents: dict[str, Document], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[str, set[str]]]:
    """Load them, attach one to the product that it was made from, and give what each names directly."""
    make_scopes(SCOPE, collections=("sentinel_2_l2a", "water_analysis", "reports"))
    file = tmp_path_factory.mktemp("along") / "items.ndjson"
    file.write_text("".join(json.dumps(each) + "\n" for each in documents.values()))
    assert json.loads(site.dafab("catalogue", "load", str(file), "--scope", SCOPE, "--json"))["rejected"] == 0
    third = next(name for number, name in enumerate(_products(documents)) if number == 3)
    rucio_as("dafab_admin").attach_dids(SCOPE, third, [{"scope": SCOPE, "name": "attached"}])
    named = {
        name: {
            to[1]
            for link in each["links"]
            if link["rel"] == "derived_from" and (to := named_by(link["href"])) is not None and to[1] in documents
        }
        for name, each in documents.items()
    }
    named["attached"].add(third)
    yield named


def _products(documents: dict[str, Document]) -> list[str]:
    return [name for name, each in documents.items() if each["collection"] == "water_analysis"]


@pytest.fixture(scope="module")
def sources(catalogue: dict[str, set[str]]) -> dict[str, set[str]]:
    """Return what each document was made from, in any number of steps: by walking, document by document."""

    def reached(name: str) -> set[str]:
        found: set[str] = set()
        todo = [name]
        while todo:
            new = catalogue[todo.pop()] - found
            found |= new
            todo += new
        return found

    return {name: reached(name) for name in catalogue}


@pytest.fixture(scope="module")
def basin(site: Any, products: list[Document], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """Publish a place with parts in parts, each of them around some products; give the polygon of the whole."""
    around = {"along-upper": products[0], "along-spring": products[5], "along-lower": products[9]}
    boxes = {name: shapely.box(*shapely.geometry.shape(each["geometry"]).bounds) for name, each in around.items()}
    for name, box in boxes.items():
        site.dafab("area", "add", name, box.wkt)
    path = tmp_path_factory.mktemp("places") / "places.ttl"
    path.write_text(PLACES, encoding="utf-8")
    site.dafab("ontology", "publish", str(path), "--foreign")
    yield shapely.union_all(list(boxes.values()))
    site.dafab("ontology", "withdraw", "https://places.example/t")
    for name in boxes:
        site.dafab("area", "remove", name)


@pytest.fixture
def ask(site: Any, catalogue: Any) -> Ask:
    def call(question: Any, language: str) -> set[str]:
        return {each.name for each in site.client("user_dafab").search(SCOPE, question, filter_lang=language)}

    return call


@pytest.mark.parametrize("platform", ["sentinel-2a", "sentinel-2b"])
@pytest.mark.parametrize("place", ["whole-basin", "ganzes-becken", "places:Whole"])
def test_products_of_images_over_a_basin_in_every_language(
    ask: Ask, basin: Any, documents: dict[str, Document], sources: dict[str, set[str]], platform: str, place: str
) -> None:
    images = {
        name
        for name, each in documents.items()
        if each["properties"].get("platform") == platform and shapely.geometry.shape(each["geometry"]).intersects(basin)
    }
    wanted = {name for name, above in sources.items() if above & images}
    assert images and len(wanted) > len(images)
    for question, language in zip(over_a_place(platform, place), LANGUAGES, strict=True):
        assert ask(question, language) == wanted, language


def test_both_directions_any_number_of_steps_and_attachments(
    ask: Ask, documents: dict[str, Document], sources: dict[str, set[str]]
) -> None:
    digests = {name for name in documents if name.startswith("digest")}
    assert ask("id.along:hasDerivative.like=digest_*", "rucio") == set().union(*(sources[each] for each in digests))
    none = {name for name, above in sources.items() if not above}
    assert ask("id.not.along:derivedFrom.isnull=false", "rucio") == none
    attached = next(name for number, name in enumerate(_products(documents)) if number == 3)
    assert ask(f"id.along:derivedFrom={attached}", "rucio") >= {"attached"}
    assert ask("id.along:hasDerivative=attached", "rucio") == sources["attached"]
    direct = {name for name, each in documents.items() if each["collection"] == "water_analysis"}
    assert ask("platform.link:derived_from.like=sentinel*", "rucio") == direct
    every = {
        name for name, above in sources.items() if any("platform" in documents[each]["properties"] for each in above)
    }
    assert ask("platform.along:derivedFrom.like=sentinel*", "rucio") == every > direct


@pytest.mark.parametrize(
    ("question", "message"),
    [
        ("platform.along:derivdFrom=x", "did you mean derivedFrom"),
        ("platform.along:hostedBy=x", "does not follow 'hostedBy'"),
        ("geom.intersects=@whole-basim", "did you mean @whole-basin"),
        ("theme.isa=Floood", r"did you mean Flood \(dafab:Flood\)"),
    ],
)
def test_what_cannot_be_answered_is_told_in_one_line(ask: Ask, basin: Any, question: str, message: str) -> None:
    with pytest.raises(Refused, match=message):
        ask(question, "rucio")
