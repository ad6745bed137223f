"""Negotiation of representations, and the page for people."""

from dataclasses import replace

import pytest
from rdflib import OWL, RDF, RDFS, SKOS, Graph, Literal, URIRef

from rucio_dafab.service.negotiation import OFFERED, SYNTAXES, negotiate
from rucio_dafab.service.ontology_page import page
from rucio_dafab.vocabulary.ontology import Ontology, shipped
from rucio_dafab.vocabulary.ontology_classes import OntologyClass
from rucio_dafab.vocabulary.ontology_triples import triples

SITE = "https://site.example/vocabulary#"
FLOOD = URIRef("https://w3id.org/dafab/ontology#Flood")


@pytest.mark.parametrize(
    ("accept", "answer"),
    [
        (None, "text/turtle"),
        ("", "text/turtle"),
        ("*/*", "text/turtle"),
        ("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", "text/html"),
        ("application/rdf+xml;q=0.4, application/ld+json;q=0.6", "application/ld+json"),
        ("application/ld+json;profile=compacted", "application/ld+json"),
        ("application/*", "application/ld+json"),
        ("text/turtle;q=0, */*;q=0.1", "application/ld+json"),
        ("text/turtle;q=0.2, text/*;q=0.9", "text/html"),
        ("TEXT/TURTLE", "text/turtle"),
        ("image/png, text/turtle;q=0", None),
        ("nonsense", None),
        ("*/*;q=0", None),
    ],
)
def test_the_preferred_representation_is_given(accept: str | None, answer: str | None) -> None:
    assert negotiate(accept) == answer


def village(**members: object) -> Ontology:
    defaults = {"parents": (), "matches": (), "below": (f"{SITE}Village",)}
    made = OntologyClass(
        **{
            "id": f"{SITE}Village",
            "name": "Village",
            "labels": {"en": ("Village", "hamlet"), "fr": ("Village",)},
            "definition": 'Houses & <script>alert("x")</script>',
            **defaults,
            **members,
        }
    )
    return Ontology(SITE.rstrip("#"), "7", {made.id: made}, {"site": SITE}, close={made.id: (str(FLOOD),)})


def test_a_published_version_is_rebuilt_from_what_is_kept() -> None:
    graph = triples(village(parents=(str(FLOOD),), matches=("http://sweetontology.net/x",), deprecated=True))
    node = URIRef(f"{SITE}Village")
    assert set(graph.objects(node, RDFS.label)) == {Literal("Village", "en"), Literal("Village", "fr")}
    assert graph.value(node, SKOS.altLabel) == Literal("hamlet", "en")
    assert graph.value(node, RDFS.subClassOf) == graph.value(node, SKOS.closeMatch) == FLOOD
    assert graph.value(node, SKOS.exactMatch) == URIRef("http://sweetontology.net/x")
    assert graph.value(node, OWL.deprecated) == Literal(True)
    assert graph.value(URIRef(SITE.rstrip("#")), OWL.versionInfo) == Literal("7")


def test_the_installed_version_has_all_of_its_file_and_what_others_call_the_same() -> None:
    graph = triples(shipped())
    classes = {str(each) for each in graph.subjects(RDF.type, OWL.Class) if isinstance(each, URIRef)}
    assert classes == set(shipped().classes)
    assert (FLOOD, SKOS.exactMatch, URIRef("http://purl.obolibrary.org/obo/ENVO_02500002")) in graph
    assert graph.value(FLOOD, SKOS.example) is not None


def test_a_class_that_a_publication_kept_stands_beside_those_of_the_file() -> None:
    kept = replace(next(iter(village().classes.values())), deprecated=True)
    graph = triples(replace(shipped(), classes={**shipped().classes, kept.id: kept}))
    assert graph.value(URIRef(kept.id), OWL.deprecated) == Literal(True)
    assert (URIRef(kept.id), None, None) not in triples(shipped())


@pytest.mark.filterwarnings("ignore:ConjunctiveGraph is deprecated:DeprecationWarning")
@pytest.mark.parametrize("syntax", SYNTAXES.values())
def test_every_syntax_says_the_same(syntax: str) -> None:
    graph = triples(shipped())
    read = Graph().parse(data=graph.serialize(format=syntax, encoding="utf-8"), format=syntax)
    assert len(read) == len(graph)
    assert set(read.subject_objects(RDFS.label)) == set(graph.subject_objects(RDFS.label))


def test_the_page_has_every_class_in_all_languages() -> None:
    shown = page(shipped(), "DaFab ontology", OFFERED)
    assert '<article id="Flood">' in shown and '<span lang="de">Überschwemmung' in shown
    assert shown.count("<article ") == len(shipped().classes)


def test_nothing_of_an_ontology_is_run_by_a_page() -> None:
    shown = page(village(matches=("javascript:alert(1)",)), "x", OFFERED)
    assert "<script" not in shown and 'href="javascript' not in shown and "&lt;script&gt;" in shown
