"""Read an ontology: rdflib reads the Turtle, owlready2 computes the closure (named subsumption and equivalence).

``owl:imports`` is never followed. Both libraries are slow to import, so :func:`rucio_dafab.vocabulary.ontology.load`
comes here only where the classes beside the Turtle are stale. After a change of ``etc/ontology/dafab.ttl`` write them
anew::

    python -m rucio_dafab.vocabulary.ontology_reader
"""

import io
from collections import defaultdict
from pathlib import Path

import owlready2
from rdflib import OWL, RDF, RDFS, SKOS, Graph, Literal, URIRef
from rdflib.term import Node

from rucio_dafab.vocabulary.errors import VocabularyError
from rucio_dafab.vocabulary.ontology import Ontology, OntologyClass, source, write_classes


def read(path: Path) -> Ontology:
    """Read a Turtle file and compute its closure.

    Raises:
        VocabularyError: if it cannot be read or declares no ontology.
    """
    try:
        graph = Graph().parse(path, format="turtle")
    except (OSError, SyntaxError, ValueError) as error:  # rdflib's BadSyntax is a SyntaxError
        raise VocabularyError(f"{path.name} cannot be read: {' '.join(str(error).split())[:200]}") from error
    iri = next(graph.subjects(RDF.type, OWL.Ontology), None)
    if iri is None:
        raise VocabularyError(f"{path.name} declares no owl:Ontology")
    # Otherwise owlready2 would fetch them over the network.
    graph.remove((None, OWL.imports, None))
    below = _closure(graph)
    classes = {each: _describe(graph, each, below[each]) for each in sorted(below)}
    return Ontology(str(iri), _text(graph, iri, OWL.versionInfo), classes)


def _closure(graph: Graph) -> dict[str, tuple[str, ...]]:
    world = owlready2.World()
    try:
        triples = io.BytesIO(graph.serialize(format="nt", encoding="utf-8"))
        world.get_ontology("urn:rucio-dafab:loading#").load(fileobj=triples, only_local=True)
        return {each.iri: tuple(sorted(below.iri for below in each.descendants())) for each in world.classes()}
    finally:
        world.close()


def _describe(graph: Graph, iri: str, below: tuple[str, ...]) -> OntologyClass:
    node = URIRef(iri)
    labels: dict[str, list[str]] = defaultdict(list)
    for predicate in (RDFS.label, SKOS.altLabel):
        literals = [each for each in graph.objects(node, predicate) if isinstance(each, Literal)]
        for label in sorted(literals, key=str):
            labels[label.language or ""].append(str(label))
    parents = sorted(str(each) for each in graph.objects(node, RDFS.subClassOf) if isinstance(each, URIRef))
    matches = sorted(str(each) for each in graph.objects(node, SKOS.exactMatch))
    definition = _text(graph, node, SKOS.definition)
    name = iri.rpartition("#")[2] if "#" in iri else iri.rpartition("/")[2]
    frozen = {language: tuple(texts) for language, texts in labels.items()}
    return OntologyClass(iri, name, frozen, definition, tuple(parents), tuple(matches), below)


def _text(graph: Graph, node: Node, predicate: URIRef) -> str:
    return str(next(graph.objects(node, predicate), ""))


if __name__ == "__main__":
    write_classes(read(source()))
