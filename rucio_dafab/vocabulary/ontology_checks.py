"""What is wrong with an ontology before it is published: SHACL shapes for each class, and rules about the whole."""

import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

import pyshacl
from rdflib import OWL, RDF, RDFS, SH, XSD, Graph, URIRef
from rdflib.collection import Collection

from rucio_dafab.resources import resources
from rucio_dafab.vocabulary import ontology_graph
from rucio_dafab.vocabulary.ontology import Ontology
from rucio_dafab.vocabulary.ontology_classes import squash
from rucio_dafab.vocabulary.ontology_conflicts import conflicts
from rucio_dafab.vocabulary.ontology_reader import DAFAB, Reading
from rucio_dafab.vocabulary.ontology_relations import is_step

LONGEST_IRI: Final = 500
"""Characters of the id of a class: it has an entry in an index for each document."""

LONGEST_LABEL: Final = 200
"""Characters of a label."""

_FOREIGN_SHAPES: Final = ("Header", "Key", "Rule")
_SHAPE: Final = "https://w3id.org/dafab/shapes#"
_EXPRESSIONS: Final = (
    RDFS.subClassOf,
    OWL.equivalentClass,
    OWL.disjointWith,
    OWL.complementOf,
    OWL.someValuesFrom,
    OWL.allValuesFrom,
    OWL.onClass,
    RDFS.domain,
    DAFAB.assigns,
)
_NO_CLASSES: Final = (str(XSD), str(RDF), str(RDFS), str(OWL))
_NOT_IN_IRI: Final = re.compile(r"[\s<>\"{}|\\^`\x00-\x20\x7f]")
# Marks that turn the direction of what follows: a label with one shows otherwise than it is written.
_TURNING: Final = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


@dataclass(frozen=True, order=True)
class Finding:
    """Something to correct; what is not `severe` does not keep an ontology from being published."""

    severe: bool
    about: str
    text: str

    def __str__(self) -> str:
        """Return it in one line."""
        return f"{'error' if self.severe else 'warning'}: {self.about}: {self.text}"


def check(reading: Reading, *, foreign: bool = False, others: Iterable[Ontology] = ()) -> tuple[Finding, ...]:
    """Return what is wrong with an ontology, the severe first.

    Args:
        reading: the ontology as its file has it.
        foreign: whether others keep it: what it lacks by our rules is a warning then, and a cycle means that its
            classes are the same.
        others: ontologies beside it, which alignments may name.
    """
    made = reading.ontology
    whole = [*_shared_labels(made), *_undefined(reading), *_cycles(reading), *_relations(made), *_places(made)]
    found = [
        *_header(reading),
        *_letters(made),
        *_shapes(reading.graph, foreign=foreign),
        *(_summed(whole) if foreign else whole),
        *(Finding(True, "alignments", text) for text in conflicts(reading.alignments, made.beside(others))),
    ]
    return tuple(sorted(set(found), key=lambda each: (not each.severe, each.about, each.text)))


def _header(reading: Reading) -> Iterator[Finding]:
    made = reading.ontology
    if not made.version:
        yield Finding(True, made.iri, "needs owl:versionInfo")
    if not made.classes:
        yield Finding(True, made.iri, "has no class")
    if reading.imports:
        listed = ", ".join(reading.imports[:3]) + (", …" if len(reading.imports) > 3 else "")
        yield Finding(False, made.iri, f"imports {listed}: imports are never fetched, put what is needed into the file")


def _letters(made: Ontology) -> Iterator[Finding]:
    """Yield ids and labels that cannot be shown or stored."""
    for each in made.classes.values():
        if ":" not in each.id or len(each.id) > LONGEST_IRI or _NOT_IN_IRI.search(each.id):
            yield Finding(True, each.id[:100], f"is no IRI of at most {LONGEST_IRI} characters")
        for text in (*each.texts(), each.definition):
            unusual = () if text.isprintable() else text
            if wrong := [letter for letter in unusual if _is_control(letter) and letter not in "\n\t\r"]:
                yield Finding(True, each.id, f"has a text with the control character U+{ord(wrong[0]):04X}")
        if any(len(text) > LONGEST_LABEL for text in each.texts()):
            yield Finding(True, each.id, f"has a label of more than {LONGEST_LABEL} characters")


def _is_control(letter: str) -> bool:
    return letter in _TURNING or unicodedata.category(letter) in {"Cc", "Cs"}


def _shapes(graph: Graph, *, foreign: bool) -> Iterator[Finding]:
    shapes = resources() / "etc" / "ontology" / "shapes.ttl"
    _, results, _ = pyshacl.validate(
        graph if foreign else _of_named(graph),
        shacl_graph=Graph().parse(shapes, format="turtle"),
        use_shapes=[_SHAPE + each for each in _FOREIGN_SHAPES] if foreign else None,
        inplace=True,
    )
    for result in results.subjects(RDF.type, SH.ValidationResult):
        focus, message = (str(results.value(result, each)) for each in (SH.focusNode, SH.resultMessage))
        severe = results.value(result, SH.resultSeverity) == SH.Violation
        yield Finding(severe, focus, message)


def _of_named(graph: Graph) -> Graph:
    """Return what is said of things with IRIs: expressions are classes too, and no shape is about them."""
    named = Graph()
    for triple in graph:
        if isinstance(triple[0], URIRef):
            named.add(triple)
    return named


def _shared_labels(made: Ontology) -> Iterator[Finding]:
    owners: dict[str, dict[str, str]] = defaultdict(dict)
    for each in made.classes.values():
        for text in each.texts() if not each.deprecated else ():
            owners[squash(text)].setdefault(each.id, text)
    for found in owners.values():
        if len(found) > 1:
            first, second, *_ = sorted(found)
            yield Finding(True, first, f"shares the label {found[first]!r} with {second}")


def _undefined(reading: Reading) -> Iterator[Finding]:
    """Yield what is named as a class and is none."""
    graph, known = reading.graph, reading.ontology.classes
    named = {each for predicate in _EXPRESSIONS for _, each in graph.subject_objects(predicate)}
    for operator in (OWL.intersectionOf, OWL.unionOf):
        for _, members in graph.subject_objects(operator):
            named |= set(Collection(graph, members))
    for each in named:
        if isinstance(each, URIRef) and str(each) not in known and not str(each).startswith(_NO_CLASSES):
            yield Finding(True, str(each), "is named as a class and not defined")


def _cycles(reading: Reading) -> Iterator[Finding]:
    above: dict[str, set[str]] = {each: set() for each in reading.ontology.classes}
    for child, parent in reading.graph.subject_objects(RDFS.subClassOf):
        if str(child) in above and str(parent) in above:
            above[str(child)].add(str(parent))
    for members in ontology_graph.cycles(above):
        yield Finding(True, members[0], f"lies below itself, by way of {', '.join(members[1:4])}")


def _relations(made: Ontology) -> Iterator[Finding]:
    for each in made.relations:
        for step in each.follows:
            if not is_step(step):
                known = "link:REL, linked_by:REL, ancestor or descendant"
                yield Finding(True, each.id, f"follows {step[:60]!r}: the steps are {known}")


def _places(made: Ontology) -> Iterator[Finding]:
    for members in ontology_graph.cycles({each.id: each.part_of for each in made.places}):
        yield Finding(True, members[0], f"is part of itself, by way of {', '.join(members[1:4])}")


def _summed(found: Iterable[Finding]) -> Iterator[Finding]:
    """Yield one warning of each kind: what others keep is not ours to correct."""
    kinds: dict[str, list[Finding]] = defaultdict(list)
    for each in found:
        kinds[each.text.partition(" ")[0]].append(each)
    for alike in kinds.values():
        first = min(alike)
        more = f", and {len(alike) - 1} more such" if len(alike) > 1 else ""
        yield Finding(False, first.about, f"{first.text}{more}")
