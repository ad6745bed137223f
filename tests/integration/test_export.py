"""What leaves the catalogue for others: DCAT and PROV-O of what was published, and the ontology over HTTP."""

import gzip
import json
import subprocess
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyshacl
import pytest
import requests
from rdflib import DCTERMS, OWL, PROV, RDF, SKOS, Graph, Literal, Namespace, URIRef

from rucio_dafab.client import PublishRequest
from rucio_dafab.resources import resources
from rucio_dafab.vocabulary import ontology_compiled

pytestmark = [
    pytest.mark.integration,
    pytest.mark.timeout(300),
    pytest.mark.filterwarnings("ignore:ConjunctiveGraph is deprecated:DeprecationWarning"),
]

DCAT = Namespace("http://www.w3.org/ns/dcat#")
SPDX = Namespace("http://spdx.org/rdf/terms#")
DAFAB = Namespace("https://w3id.org/dafab/ontology#")
IRI = str(DAFAB).rstrip("#")
INSTALLED = ontology_compiled.load().version
ROOT = "https://catalogue.example"
CONTENT = b"not much" * 100
SEICHE = """
dafab:Seiche a owl:Class ; rdfs:subClassOf dafab:Flood ; rdfs:label "Seiche"@en, "seiche"@fr, "Seiche"@de ;
    skos:definition "A standing wave in a lake."@en .
"""


def item(name: str, collection: str, **properties: Any) -> dict[str, Any]:
    ring = [[6.0, 49.0], [7.0, 49.0], [7.0, 50.0], [6.0, 50.0], [6.0, 49.0]]
    return {
        "type": "Feature",
        "stac_version": "1.1.0",
        "id": name,
        "collection": collection,
        "geometry": {"type": "Polygon", "coordinates": [ring]},
        "bbox": [6.0, 49.0, 7.0, 50.0],
        "properties": {"datetime": "2026-06-01T10:00:00Z", **properties},
        "assets": {},
        "links": [],
    }


@pytest.fixture(scope="module")
def pair(site: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, str]]:
    """Return the names of a scene and of a product of it, which has a file and says that it shows a flood."""
    scene = f"exported_{uuid.uuid4().hex[:10]}"
    product = f"{scene}_water"
    path = tmp_path_factory.mktemp("exported") / "mask.tif"
    path.write_bytes(CONTENT)
    client = site.client("dafab_admin")
    client.publish(PublishRequest("dafab", item(scene, "sentinel_2_l2a"), {}))
    themes = [{"scheme": str(DAFAB), "concepts": [{"id": "Flood"}]}]
    made = item(product, "water_analysis", **{"processing:software": {"rucio-dafab": "1"}, "themes": themes})
    made["assets"] = {"mask": {"href": "./mask.tif", "type": "image/tiff; application=geotiff"}}
    file = client.upload(path, "CLOUD", f"{product}.mask.tif")
    client.publish(PublishRequest("dafab", made, {"mask": file}, parent=scene))
    yield scene, product
    for name in (product, scene):
        site.rucio_client("root").set_metadata("dafab", name, "lifetime", -1)


def graph_of(text: str | bytes) -> Graph:
    return Graph().parse(data=text, format="json-ld")


def checked(text: str | bytes) -> Graph:
    """Return the triples of an export, which must keep to our shapes."""
    graph = graph_of(text)
    shapes = Graph().parse(resources() / "etc" / "ontology" / "export-shapes.ttl")
    conforms, _, told = pyshacl.validate(graph, shacl_graph=shapes)
    assert conforms, told
    return graph


def address(name: str, collection: str, root: str = ROOT) -> URIRef:
    return URIRef(f"{root}/collections/{collection}/items/{name}")


def test_a_product_is_a_dataset_of_its_series(site: Any, pair: tuple[str, str], tmp_path: Path) -> None:
    scene, product = pair
    path = tmp_path / "flood.jsonld"
    asked = ("--filter", f"id={product}", "--root", f"{ROOT}/", "--json")
    assert json.loads(site.dafab("catalogue", "export", str(path), "--as", "dcat", *asked)) == {
        "items": 1,
        "collections": 1,
    }
    graph, node = checked(path.read_bytes()), address(product, "water_analysis")
    series = URIRef(f"{ROOT}/collections/water_analysis")
    assert set(graph.subjects(RDF.type, DCAT.Dataset)) == {node}
    assert set(graph.subjects(RDF.type, DCAT.DatasetSeries)) == {series} == set(graph.objects(node, DCAT.inSeries))
    assert graph.value(node, DCAT.theme) == DAFAB.Flood
    assert graph.value(node, PROV.wasDerivedFrom) == address(scene, "sentinel_2_l2a")
    file = graph.value(node, DCAT.distribution)
    assert graph.value(file, DCAT.byteSize).toPython() == len(CONTENT)
    checksum = graph.value(file, SPDX.checksum)
    assert graph.value(checksum, SPDX.algorithm) == SPDX.checksumAlgorithm_md5
    assert requests.get(str(graph.value(file, DCAT.downloadURL)), timeout=30).status_code in {200, 401}
    assert list(tmp_path.iterdir()) == [path]


def test_lines_and_one_graph_say_the_same(site: Any, pair: tuple[str, str], tmp_path: Path) -> None:
    whole, lines = tmp_path / "all.jsonld.gz", tmp_path / "all.ndjson"
    for path in (whole, lines):
        site.dafab("catalogue", "export", str(path), "--as", "prov", "--filter", f"id={pair[0]}*")
    read = [graph_of(line) for line in lines.read_bytes().splitlines()]
    graph = checked(gzip.decompress(whole.read_bytes()))
    assert {each for one in read for each in one.subjects(RDF.type, PROV.Entity)} == set(
        graph.subjects(RDF.type, PROV.Entity)
    )
    assert sum(map(len, read)) == len(graph)
    product = address(pair[1], "water_analysis", site.url)
    activity = graph.value(product, PROV.wasGeneratedBy)
    assert (
        graph.value(activity, PROV.used)
        == graph.value(product, PROV.wasDerivedFrom)
        == address(pair[0], "sentinel_2_l2a", site.url)
    )


def test_everything_goes_to_standard_output_without_a_violation(site: Any, pair: tuple[str, str]) -> None:
    ran = site.run_dafab("catalogue", "export", "-", "--as", "dcat")
    assert ran.returncode == 0 and "collections in -" in ran.stderr
    graph = checked(ran.stdout)
    assert address(pair[0], "sentinel_2_l2a", site.url) in set(graph.subjects(DCTERMS.identifier))
    assert len(set(graph.subjects(RDF.type, DCAT.DatasetSeries))) >= 4


def test_a_collection_that_was_asked_for_comes_without_items(site: Any, pair: tuple[str, str]) -> None:
    asked = ("--collection", "sentinel_1_rtc", "--cql2", '"eo:cloud_cover" < -1')
    ran = site.run_dafab("catalogue", "export", "-", "--as", "dcat", *asked)
    assert ran.returncode == 0, ran.stderr
    assert [each["identifier"] for each in json.loads(ran.stdout)["@graph"]] == ["sentinel_1_rtc"]


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (("x.jsonld", "--as", "dcat", "--filter", "a=1", "--cql2", "a = 1"), "only one of them"),
        (("x.jsonld", "--as", "dcat", "--root", "catalogue.example"), "no address"),
        (("missing/x.jsonld", "--as", "prov"), "missing/x.jsonld cannot be written"),
        (("x.jsonld", "--as", "dcat", "--filter", "theme.isa=Nonsuch"), "no class is called"),
    ],
)
def test_refusals_are_one_line_and_leave_no_file(
    site: Any, tmp_path: Path, options: tuple[str, ...], told: str
) -> None:
    file, *others = options
    ran = site.run_dafab("catalogue", "export", str(tmp_path / file), *others)
    assert ran.returncode == 1
    assert told in ran.stderr and len(ran.stderr.strip().splitlines()) == 1
    assert not list(tmp_path.iterdir())


def test_a_reader_that_closes_standard_output_is_told_in_one_line(site: Any, pair: tuple[str, str]) -> None:
    command = f"{Path(sys.executable).parent / 'rucio-dafab'} catalogue export - --as dcat"
    environment = site.environment() | {"DAFAB_HOME": str(site.home.root)}
    ran = subprocess.run(
        ["bash", "-c", f"{command} | head -c 1 > /dev/null; exit ${{PIPESTATUS[0]}}"],
        env=environment, capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip
    # A small export fits into the pipe before its reader is gone.
    assert ran.returncode in {0, 1}
    assert "Traceback" not in ran.stderr and "Exception ignored" not in ran.stderr


@pytest.mark.parametrize(
    ("accept", "syntax"),
    [
        (None, "turtle"),
        ("application/ld+json", "json-ld"),
        ("application/rdf+xml, text/html;q=0.9", "xml"),
        ("application/n-triples", "nt"),
    ],
)
def test_the_ontology_is_served_to_everybody(site: Any, accept: str | None, syntax: str) -> None:
    headers = {"Accept": accept}
    answer = requests.get(f"{site.url}/dafab/ontology", headers=headers, timeout=60)
    assert answer.status_code == 200 and answer.headers["Vary"] == "Accept"
    graph = Graph().parse(data=answer.content, format=syntax)
    assert (DAFAB.Flood, SKOS.exactMatch, URIRef("http://purl.obolibrary.org/obo/ENVO_02500002")) in graph
    again = requests.get(
        f"{site.url}{answer.headers['Content-Location']}",
        headers=headers | {"If-None-Match": answer.headers["ETag"]},
        timeout=60,
    )
    assert (again.status_code, again.content, again.headers["ETag"]) == (304, b"", answer.headers["ETag"])


def test_people_get_a_page_and_others_are_told_what_there_is(site: Any) -> None:
    address = f"{site.url}/dafab/ontology"
    page = requests.get(address, headers={"Accept": "text/html,*/*;q=0.8"}, timeout=60)
    assert page.headers["Content-Type"] == "text/html; charset=utf-8" and "Überschwemmung" in page.text
    refused = requests.get(address, headers={"Accept": "image/png"}, timeout=60)
    assert refused.status_code == 406 and "application/ld+json" in refused.json()["ExceptionMessage"]
    missing = requests.get(f"{address}/0.0.7", timeout=60)
    assert missing.status_code == 404 and "no version 0.0.7" in missing.json()["ExceptionMessage"]
    assert requests.head(address, timeout=60).headers["Content-Type"] == "text/turtle; charset=utf-8"


def test_a_published_version_is_served_while_it_is_current_and_later(site: Any, tmp_path: Path) -> None:
    version = f"8.{uuid.uuid4().int % 10**6}.0"
    text = ontology_compiled.source().read_text(encoding="utf-8").replace(f'"{INSTALLED}"', f'"{version}"')
    path = tmp_path / "words.ttl"
    path.write_text(text + SEICHE, encoding="utf-8")
    site.dafab("ontology", "publish", str(path))
    try:
        current = requests.get(f"{site.url}/dafab/ontology", timeout=60)
    finally:
        site.dafab("ontology", "withdraw", IRI)
    graph = Graph().parse(data=current.content, format="turtle")
    assert graph.value(URIRef(IRI), OWL.versionInfo) == Literal(version)
    assert set(graph.objects(DAFAB.Seiche, SKOS.definition)) == {Literal("A standing wave in a lake.")}
    later = requests.get(f"{site.url}/dafab/ontology/{version}", timeout=60)
    assert later.headers["ETag"] == current.headers["ETag"]
    assert "Seiche" not in requests.get(f"{site.url}/dafab/ontology", timeout=60).text
