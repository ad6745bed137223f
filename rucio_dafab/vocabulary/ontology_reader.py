"""An ontology of its triples: classes with labels, the closure, alignments and rules.

The closure is that of named subsumption and equivalence: A ≡ B ⊓ … lies below B, A ≡ B ⊔ … above B and the rest. What
only a description-logic reasoner can tell is found on request (HermiT by way of owlready2, in Java).
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from rdflib import OWL, RDF, RDFS, SKOS, BNode, Graph, Literal, Namespace, URIRef
from rdflib.collection import Collection
from rdflib.term import Node

from rucio_dafab.vocabulary import ontology_graph
from rucio_dafab.vocabulary.errors import VocabularyError
from rucio_dafab.vocabulary.ontology import PREFIXES, Ontology
from rucio_dafab.vocabulary.ontology_alignments import AlignmentSet, close_matches, exact_matches, read_alignments
from rucio_dafab.vocabulary.ontology_classes import OntologyClass, local_name
from rucio_dafab.vocabulary.ontology_compiled import alignment_files
from rucio_dafab.vocabulary.ontology_parse import parse
from rucio_dafab.vocabulary.ontology_relations import OntologyRelation, Place
from rucio_dafab.vocabulary.ontology_rules import Condition, Rule

DAFAB: Final = Namespace(PREFIXES["dafab"])
_VANN: Final = Namespace("http://purl.org/vocab/vann/")
_TOP: Final = {OWL.Thing, RDFS.Resource}
_LIMITS: Final = {"above": DAFAB.above, "below": DAFAB.below, "at_least": DAFAB.atLeast, "at_most": DAFAB.atMost}


@dataclass(frozen=True)
class Reading:
    """An ontology as its file has it.

    Attributes:
        ontology: Its classes.
        graph: All its triples, without ``owl:imports``.
        alignments: What stands beside the file.
        imports: IRIs of ontologies that it imports and that were not fetched.
    """

    ontology: Ontology
    graph: Graph
    alignments: tuple[AlignmentSet, ...]
    imports: tuple[str, ...]


def read(path: Path, *, iri: str | None = None, reason: bool = False) -> Reading:
    """Read an ontology with the alignments beside it, and compute its closure.

    Args:
        path: the file; see :data:`rucio_dafab.vocabulary.ontology_parse.FORMATS`.
        iri: which of the ontologies that the file declares is meant, where those are several.
        reason: whether HermiT is asked too for what lies below what.

    Raises:
        VocabularyError: if a file cannot be read, declares no ontology, or a rule is wrong.
    """
    graph = parse(path)
    node = _ontology_node(graph, iri, path.name)
    imports = tuple(sorted(str(each) for each in graph.objects(None, OWL.imports)))
    graph.remove((None, OWL.imports, None))
    alignments = tuple(read_alignments(each) for each in alignment_files(path))
    parents = _parents(graph)
    if reason:
        from rucio_dafab.vocabulary.ontology_reasoner import inferred  # noqa: PLC0415 - needs Java

        for child, above in inferred(graph, parents).items():
            parents[child] |= above
    classes = _classes(graph, parents, exact_matches(alignments))
    version = _text(graph, node, OWL.versionInfo) or local_name(_text(graph, node, OWL.versionIRI))
    made = Ontology(
        iri=str(node),
        version=version,
        classes=classes,
        prefixes=_prefixes(graph, node),
        rules=tuple(_rules(graph, path.name)),
        close=close_matches(alignments),
        relations=tuple(_relations(graph)),
        places=tuple(_places(graph)),
    )
    return Reading(made, graph, alignments, imports)


def _ontology_node(graph: Graph, iri: str | None, name: str) -> URIRef:
    """Return the ontology that is asked for, or the one that there is: of several, the one that no other imports."""
    found = sorted(each for each in graph.subjects(RDF.type, OWL.Ontology) if isinstance(each, URIRef))
    if not found:
        raise VocabularyError(f"{name} declares no owl:Ontology")
    imported = set(graph.objects(None, OWL.imports))
    tops = [each for each in found if str(each) == iri] if iri else [each for each in found if each not in imported]
    if iri and not tops:
        raise VocabularyError(f"{name} declares no ontology {iri[:200]}, but {found[0]}")
    if len(tops) > 1:
        raise VocabularyError(f"{name} declares {len(tops)} ontologies, {tops[0]} among them: say which one by --iri")
    return tops[0] if tops else found[0]


def _parents(graph: Graph) -> dict[str, set[str]]:
    """Return the named classes with the named classes directly above them."""
    parents: dict[str, set[str]] = {str(each): set() for each in graph.subjects(RDF.type, OWL.Class) if _is_named(each)}
    for child, above in graph.subject_objects(RDFS.subClassOf):
        if str(child) in parents:
            parents[str(child)].update(_named(graph, above, OWL.intersectionOf))
    for one, other in graph.subject_objects(OWL.equivalentClass):
        if str(one) not in parents:
            continue
        parents[str(one)].update(_named(graph, other, OWL.intersectionOf))
        for each in _named(graph, other, OWL.unionOf) & parents.keys():
            parents[each].add(str(one))
    return parents


def _named(graph: Graph, expression: Node, operator: URIRef) -> set[str]:
    """Return the class itself, or the named members of an intersection or union."""
    if isinstance(expression, URIRef):
        return set() if expression in _TOP else {str(expression)}
    members = next(graph.objects(expression, operator), None)
    if members is None:
        return set()
    return {str(each) for each in Collection(graph, members) if isinstance(each, URIRef) and each not in _TOP}


def _is_named(node: Node) -> bool:
    return isinstance(node, URIRef) and node not in _TOP and node != OWL.Nothing


def _classes(
    graph: Graph, parents: dict[str, set[str]], matches: dict[str, tuple[str, ...]]
) -> dict[str, OntologyClass]:
    declared = {child: above & parents.keys() for child, above in parents.items()}
    below = ontology_graph.below(declared)
    return {each: _describe(graph, each, below[each], matches.get(each, ())) for each in sorted(below)}


def _describe(graph: Graph, iri: str, below: tuple[str, ...], matches: Iterable[str]) -> OntologyClass:
    node = URIRef(iri)
    parents = sorted(str(each) for each in graph.objects(node, RDFS.subClassOf) if _is_named(each))
    inline = (str(each) for each in graph.objects(node, SKOS.exactMatch) if isinstance(each, URIRef))
    return OntologyClass(
        id=iri,
        name=local_name(iri),
        labels=_labels(graph, node),
        definition=_text(graph, node, SKOS.definition) or _text(graph, node, RDFS.comment),
        parents=tuple(parents),
        matches=tuple(sorted({*inline, *matches})),
        below=below,
        deprecated=any(str(each) in {"true", "1"} for each in graph.objects(node, OWL.deprecated)),
    )


def _labels(graph: Graph, node: URIRef) -> dict[str, tuple[str, ...]]:
    labels: dict[str, list[str]] = defaultdict(list)
    for predicate in (RDFS.label, SKOS.prefLabel, SKOS.altLabel):
        literals = [each for each in graph.objects(node, predicate) if isinstance(each, Literal)]
        for label in sorted(literals, key=str):
            if str(label) not in labels[label.language or ""]:
                labels[label.language or ""].append(str(label))
    return {language: tuple(texts) for language, texts in labels.items()}


def _relations(graph: Graph) -> Iterator[OntologyRelation]:
    """Yield the object properties, those that nobody follows too: a question that names one is told so."""
    for node in sorted(graph.subjects(RDF.type, OWL.ObjectProperty), key=str):
        if isinstance(node, URIRef):
            yield OntologyRelation(
                id=str(node),
                name=local_name(str(node)),
                labels=_labels(graph, node),
                inverse=_iris(graph.objects(node, OWL.inverseOf)),
                above=_iris(graph.objects(node, RDFS.subPropertyOf)),
                transitive=(node, RDF.type, OWL.TransitiveProperty) in graph,
                symmetric=(node, RDF.type, OWL.SymmetricProperty) in graph,
                follows=tuple(sorted(str(each) for each in graph.objects(node, DAFAB.follows))),
            )


def _places(graph: Graph) -> Iterator[Place]:
    """Yield what has an area, is part of something, or has parts."""
    part_of: dict[URIRef, set[str]] = defaultdict(set)
    pairs = [
        *graph.subject_objects(DAFAB.partOf),
        *((part, all_) for all_, part in graph.subject_objects(DAFAB.hasPart)),
    ]
    for part, whole in pairs:
        if isinstance(part, URIRef) and isinstance(whole, URIRef):
            part_of[part].add(str(whole))
            part_of.setdefault(whole, set())
    named = {each for each in graph.subjects(DAFAB.area) if isinstance(each, URIRef)}
    for node in sorted(named | part_of.keys()):
        above = tuple(sorted(part_of.get(node, ())))
        area = _text(graph, node, DAFAB.area) or None
        yield Place(str(node), local_name(str(node)), _labels(graph, node), above, area)


def _iris(nodes: Iterable[Node]) -> tuple[str, ...]:
    return tuple(sorted(str(each) for each in nodes if isinstance(each, URIRef)))


def _prefixes(graph: Graph, iri: URIRef) -> dict[str, str]:
    prefix, space = (_text(graph, iri, _VANN[f"preferredNamespace{each}"]) for each in ("Prefix", "Uri"))
    return {prefix: space} if prefix and space else {}


def _rules(graph: Graph, name: str) -> Iterator[Rule]:
    for rule in sorted(graph.subjects(RDF.type, DAFAB.Rule), key=str):
        conditions = [_condition(graph, each, f"{name}: the rule {rule}") for each in graph.objects(rule, DAFAB.test)]
        assigned = _text(graph, rule, DAFAB.assigns)
        if not assigned or not conditions:
            raise VocabularyError(f"{name}: the rule {rule} needs dafab:assigns and at least one dafab:test")
        yield Rule(str(rule), assigned, tuple(sorted(conditions, key=repr)))


def _condition(graph: Graph, node: Node, place: str) -> Condition:
    try:
        limits = {key: float(_text(graph, node, at)) for key, at in _LIMITS.items() if (node, at, None) in graph}
    except ValueError as error:
        raise VocabularyError(f"{place} compares with what is no number: {error}") from error
    values = tuple(sorted(str(each) for each in graph.objects(node, DAFAB.value)))
    if bool(limits) == bool(values):
        raise VocabularyError(f"{place} must compare with either a text or numbers")
    made = Condition(_text(graph, node, DAFAB.member), _text(graph, node, DAFAB.relativeTo) or None, values, **limits)
    made.holds({})  # a pointer that is none is refused
    return made


def _text(graph: Graph, node: Node, predicate: URIRef) -> str:
    """Return the value of a property, in English where there are several, or the empty string.

    A blank node, such as a definition with its source, says nothing by itself, and is called otherwise at each reading.
    """
    values = (each for each in graph.objects(node, predicate) if not isinstance(each, BNode))
    found = sorted(values, key=lambda each: (getattr(each, "language", "") != "en", str(each)))
    return str(found[0]) if found else ""
