"""An ontology as triples, for others to read: all of its file for the installed version, else what the catalogue keeps.

The catalogue keeps of a published version its classes (labels, definitions, parents, exact and close matches, whether
they are deprecated), relations and places: not the examples, units and axioms of the file that was published.
"""

from collections.abc import Iterable, Mapping
from functools import cache
from typing import Final

from rdflib import OWL, RDF, RDFS, SKOS, Graph, Literal, URIRef

from rucio_dafab.vocabulary import ontology as vocabulary
from rucio_dafab.vocabulary import ontology_compiled
from rucio_dafab.vocabulary.ontology import PREFIXES, Ontology
from rucio_dafab.vocabulary.ontology_classes import OntologyClass
from rucio_dafab.vocabulary.ontology_reader import DAFAB, read
from rucio_dafab.vocabulary.ontology_relations import OntologyRelation, Place

_PREFIXES: Final = {**PREFIXES, "owl": str(OWL), "skos": str(SKOS), "rdfs": str(RDFS)}


def triples(made: Ontology) -> Graph:
    """Return a version as triples, without the ontologies beside it.

    Of the installed version these are its file's with the alignments beside it, and the classes that a publication of
    it kept as deprecated.
    """
    installed = vocabulary.shipped()
    if (made.iri, made.version) != (installed.iri, installed.version):
        return _rebuilt(made)
    graph = _installed()
    kept = [each for each in made.classes.values() if each.id not in installed.classes]
    if not kept:
        return graph
    both = _copy(graph)
    for each in kept:
        _add_class(both, each, ())
    return both


@cache
def _installed() -> Graph:
    """Return the triples of the installed file with its alignments; not to be changed."""
    reading = read(ontology_compiled.source())
    graph = _copy(reading.graph)
    for each in reading.alignments:
        for row in each.rows:
            graph.add((URIRef(row.subject), URIRef(row.predicate), URIRef(row.object)))
    return graph


def _copy(graph: Graph) -> Graph:
    made = Graph()
    for prefix, space in [*graph.namespaces(), *_PREFIXES.items()]:
        made.bind(prefix, space)
    for triple in graph:
        made.add(triple)
    return made


def _rebuilt(made: Ontology) -> Graph:
    graph = Graph()
    for prefix, space in {**_PREFIXES, **made.prefixes}.items():
        graph.bind(prefix, space)
    node = URIRef(made.iri)
    graph.add((node, RDF.type, OWL.Ontology))
    graph.add((node, OWL.versionInfo, Literal(made.version)))
    graph.add((node, OWL.versionIRI, URIRef(f"{made.iri.rstrip('#/')}/{made.version}")))
    for each in made.classes.values():
        _add_class(graph, each, made.close.get(each.id, ()))
    for relation in made.relations:
        _add_relation(graph, relation)
    for place in made.places:
        _add_place(graph, place)
    return graph


def _add_class(graph: Graph, each: OntologyClass, close: Iterable[str]) -> None:
    node = URIRef(each.id)
    graph.add((node, RDF.type, OWL.Class))
    _add_labels(graph, node, each.labels)
    if each.definition:
        # In which language it is, is not kept.
        graph.add((node, SKOS.definition, Literal(each.definition)))
    _add_iris(graph, node, RDFS.subClassOf, each.parents)
    _add_iris(graph, node, SKOS.exactMatch, each.matches)
    _add_iris(graph, node, SKOS.closeMatch, close)
    if each.deprecated:
        graph.add((node, OWL.deprecated, Literal(True)))


def _add_relation(graph: Graph, each: OntologyRelation) -> None:
    node = URIRef(each.id)
    graph.add((node, RDF.type, OWL.ObjectProperty))
    _add_labels(graph, node, each.labels)
    _add_iris(graph, node, OWL.inverseOf, each.inverse)
    _add_iris(graph, node, RDFS.subPropertyOf, each.above)
    for holds, kind in ((each.transitive, OWL.TransitiveProperty), (each.symmetric, OWL.SymmetricProperty)):
        if holds:
            graph.add((node, RDF.type, kind))
    for step in each.follows:
        graph.add((node, DAFAB.follows, Literal(step)))


def _add_place(graph: Graph, each: Place) -> None:
    node = URIRef(each.id)
    _add_labels(graph, node, each.labels)
    _add_iris(graph, node, DAFAB.partOf, each.part_of)
    if each.area:
        graph.add((node, DAFAB.area, Literal(each.area)))


def _add_labels(graph: Graph, node: URIRef, labels: Mapping[str, tuple[str, ...]]) -> None:
    """Add labels: the first of a language is the preferred one."""
    for language, texts in labels.items():
        for number, label in enumerate(texts):
            graph.add((node, SKOS.altLabel if number else RDFS.label, Literal(label, lang=language or None)))


def _add_iris(graph: Graph, node: URIRef, predicate: URIRef, iris: Iterable[str]) -> None:
    for each in iris:
        graph.add((node, predicate, URIRef(each)))
