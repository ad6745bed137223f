"""Items as DCAT and PROV-O: what each member becomes, held to our shapes by SHACL."""

import gzip
import json
from pathlib import Path
from typing import Any

import pyshacl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rdflib import DCTERMS, PROV, RDF, Graph, Literal, Namespace, URIRef

from rucio_dafab.resources import resources
from rucio_dafab.stac import export_dcat, export_prov, export_values
from rucio_dafab.stac.export_iris import Surroundings, absolute
from rucio_dafab.stac.export_terms import DCAT_CONTEXT, PROV_CONTEXT

# What rdflib's own parser of JSON-LD uses.
pytestmark = pytest.mark.filterwarnings("ignore:ConjunctiveGraph is deprecated:DeprecationWarning")

ROOT = "https://catalogue.example/stac"
FLOOD = "https://w3id.org/dafab/ontology#Flood"
SHA256 = "ab" * 32
# DCAT 3: rdflib knows the terms of DCAT 2.
DCAT = Namespace("http://www.w3.org/ns/dcat#")
SPDX = Namespace("http://spdx.org/rdf/terms#")
FOAF_NAME = URIRef("http://xmlns.com/foaf/0.1/name")
SERIES = URIRef(f"{ROOT}/collections/water_analysis")
ITEM = URIRef(f"{SERIES}/items/scene_water_analysis_120")
SOURCE = URIRef(f"{ROOT}/collections/sentinel_2_l2a/items/scene")


def water() -> dict[str, Any]:
    return {
        "type": "Feature",
        "stac_version": "1.1.0",
        "id": "scene_water_analysis_120",
        "collection": "water_analysis",
        "geometry": {"type": "Polygon", "coordinates": [[[6, 49], [7, 49], [7, 50], [6, 50], [6, 49]]]},
        "bbox": [6, 49, 7, 50],
        "properties": {
            "datetime": None,
            "start_datetime": "2026-06-10t10:30:00z",
            "end_datetime": "2026-06-10T10:31:00Z",
            "created": "2026-06-11T00:00:00Z",
            "license": "CC-BY-4.0",
            "gsd": 10,
            "proj:code": "EPSG:32631",
            "attribution": "Contains modified Copernicus Sentinel data 2026",
            "processing:version": "1.2.0",
            "processing:software": {"rucio-dafab": "1"},
            "dafab:model": "water",
            "dafab:model_version": "1.2.0",
            "dafab:model_checksum": f"1220{SHA256}",
            "providers": [{"name": "ESA", "roles": ["producer", "licensor"], "url": "https://www.esa.int/"}],
        },
        "links": [
            {"rel": "derived_from", "href": "scene"},
            {"rel": "predecessor-version", "href": "dafab:gone"},
            {"rel": "same_scene", "href": "https://elsewhere.example/collections/x/items/other"},
        ],
        "assets": {
            "water mask": {
                "href": "./mask 1.tif",
                "type": "image/tiff; application=geotiff; profile=cloud-optimized",
                "file:size": 4096,
                "file:checksum": f"1220{SHA256}",
            }
        },
    }


def surroundings(**known: str) -> Surroundings:
    folder = resources() / "etc" / "collections"
    collections = {path.stem: json.loads(path.read_text()) for path in folder.glob("*.json")}
    return Surroundings(ROOT, "dafab", collections, known)


def graph_of(context: Any, *nodes: dict[str, Any]) -> Graph:
    return Graph().parse(data=json.dumps({"@context": context, "@graph": nodes}), format="json-ld")


def violations(graph: Graph) -> str:
    shapes = Graph().parse(resources() / "etc" / "ontology" / "export-shapes.ttl")
    conforms, _, told = pyshacl.validate(graph, shacl_graph=shapes)
    return "" if conforms else str(told)


def dcat(document: dict[str, Any]) -> Graph:
    return graph_of(DCAT_CONTEXT, export_dcat.item(document, [FLOOD], surroundings(scene="sentinel_2_l2a")))


def test_an_item_is_a_dataset_with_what_others_look_for() -> None:
    graph = dcat(water())
    assert not violations(graph)
    assert (ITEM, RDF.type, DCAT.Dataset) in graph
    assert graph.value(ITEM, DCAT.theme) == URIRef(FLOOD)
    assert graph.value(ITEM, DCTERMS.license) == URIRef("https://spdx.org/licenses/CC-BY-4.0")
    assert graph.value(ITEM, DCAT.inSeries) == graph.value(ITEM, DCTERMS.isPartOf) == SERIES
    assert graph.value(ITEM, DCTERMS.conformsTo) == URIRef("http://www.opengis.net/def/crs/EPSG/0/32631")
    assert graph.value(ITEM, PROV.wasDerivedFrom) == SOURCE
    assert graph.value(ITEM, DCAT.previousVersion) == URIRef(f"{ROOT}/dids/dafab/gone")
    assert graph.value(ITEM, DCTERMS.relation) == URIRef("https://elsewhere.example/collections/x/items/other")
    for role in (DCTERMS.publisher, DCTERMS.creator, DCTERMS.rightsHolder):
        assert graph.value(graph.value(ITEM, role), FOAF_NAME) == Literal("ESA")
    period = graph.value(ITEM, DCTERMS.temporal)
    assert graph.value(period, DCAT.startDate).toPython().isoformat() == "2026-06-10T10:30:00+00:00"
    place = graph.value(graph.value(ITEM, DCTERMS.spatial), DCAT.bbox)
    assert place.datatype == URIRef("http://www.opengis.net/ont/geosparql#wktLiteral") and "7 49" in place


def test_an_asset_is_a_distribution_with_type_size_and_checksum() -> None:
    graph = dcat(water())
    file = graph.value(ITEM, DCAT.distribution)
    assert file == URIRef(f"{ITEM}#water%20mask")
    assert graph.value(file, DCAT.accessURL) == URIRef(f"{SERIES}/items/mask%201.tif")
    assert graph.value(file, DCAT.mediaType) == URIRef("https://www.iana.org/assignments/media-types/image/tiff")
    assert graph.value(file, DCAT.byteSize).toPython() == 4096
    checksum = graph.value(file, SPDX.checksum)
    assert graph.value(checksum, SPDX.algorithm) == SPDX.checksumAlgorithm_sha256
    assert str(graph.value(checksum, SPDX.checksumValue)).lower() == SHA256


def test_an_item_tells_its_making_as_prov() -> None:
    graph = graph_of(PROV_CONTEXT, export_prov.item(water(), (), surroundings(scene="sentinel_2_l2a")))
    assert not violations(graph)
    activity = graph.value(ITEM, PROV.wasGeneratedBy)
    assert graph.value(ITEM, PROV.wasDerivedFrom) == SOURCE
    assert graph.value(ITEM, PROV.wasRevisionOf) == URIRef(f"{ROOT}/dids/dafab/gone")
    assert set(graph.objects(activity, PROV.used)) == {
        SOURCE,
        URIRef("ni:///sha-256;q6urq6urq6urq6urq6urq6urq6urq6urq6urq6urq6s"),
    }
    assert graph.value(activity, PROV.endedAtTime).toPython().isoformat() == "2026-06-11T00:00:00+00:00"
    software = graph.value(activity, PROV.wasAssociatedWith)
    assert (software, RDF.type, PROV.SoftwareAgent) in graph
    assert graph.value(graph.value(ITEM, PROV.wasAttributedTo), FOAF_NAME) == Literal("ESA")
    assert (SERIES, PROV.hadMember, ITEM) in graph


def test_an_item_takes_the_licence_of_its_collection() -> None:
    document = water()
    del document["properties"]["license"]
    found = export_dcat.item(document, (), surroundings())["license"]
    assert found == ["https://sentinels.copernicus.eu/documents/247904/690755/Sentinel_Data_Legal_Notice"]


def test_the_shapes_tell_what_is_missing() -> None:
    node = export_dcat.item(water(), (), surroundings())
    del node["title"], node["distribution"][0]["accessURL"]
    told = violations(graph_of(DCAT_CONTEXT, node))
    assert "dct:title" in told and "dcat:accessURL" in told


def test_a_box_across_the_antimeridian_has_two_parts() -> None:
    assert str(export_values.bbox([179, -20, -179, -15])).startswith("MULTIPOLYGON")
    assert export_values.bbox([179, -20]) is None


@pytest.mark.parametrize("multihash", ["", "1220ab", f"1220{'zz' * 32}", f"9999{SHA256}", None, 5])
def test_a_checksum_that_spdx_does_not_know_is_left_out(multihash: object) -> None:
    assert export_values.checksum(multihash) is None


@given(st.text(max_size=40))
def test_no_address_breaks_a_triple(href: str) -> None:
    found = absolute(href, str(ITEM))
    if found is not None:
        graph = Graph().add((ITEM, PROV.used, URIRef(found)))
        assert set(Graph().parse(data=graph.serialize(format="nt"), format="nt")) == set(graph)


WRONG = (None, 1, "x", [], {}, [1], ["x"], [{}], {"a": None})


@pytest.mark.parametrize("wrong", WRONG)
def test_properties_of_any_shape_are_passed_over(wrong: object) -> None:
    document = water()
    document["properties"] = dict.fromkeys(document["properties"], wrong) | {"datetime": "2026-06-10T10:30:00Z"}
    for context, made in (
        (DCAT_CONTEXT, export_dcat.item(document, (), surroundings())),
        (PROV_CONTEXT, export_prov.item(document, (), surroundings())),
    ):
        assert len(graph_of(context, made))


def test_links_of_any_shape_are_passed_over() -> None:
    document = water()
    document["links"] = [
        None,
        {"rel": ["x"], "href": "a"},
        {"rel": "via", "href": 5},
        {"rel": "via", "href": "no\x00 ï"},
    ]
    graph = graph_of(DCAT_CONTEXT, export_dcat.item(document, (), surroundings()))
    assert graph.value(ITEM, DCTERMS.source) == URIRef(f"{SERIES}/items/no%00%20%C3%AF")
    assert graph.value(ITEM, DCTERMS.relation) is None


@pytest.mark.shared
def test_the_real_items_are_exported_without_a_violation(shared: Path) -> None:
    around = surroundings()
    with gzip.open(shared / "dafab_items.ndjson.gz") as lines:
        items = [json.loads(line) for line in lines]
    assert len(items) == 777
    for context, make in ((DCAT_CONTEXT, export_dcat.item), (PROV_CONTEXT, export_prov.item)):
        graph = graph_of(context, *(make(each, [FLOOD], around) for each in items))
        kind = DCAT.Dataset if make is export_dcat.item else PROV.Entity
        assert len(set(graph.subjects(RDF.type, kind))) == 777
        assert not violations(graph)
