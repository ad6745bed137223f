"""The ontology: classes found by IRI, CURIE, name or label, and expanded to everything below them.

rdflib reads the Turtle, owlready2 computes the closure (named subsumption and equivalence). ``owl:imports`` is never
followed.
"""

import difflib
import io
import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache, cached_property
from pathlib import Path

import owlready2
from rdflib import OWL, RDF, RDFS, SKOS, Graph, Literal, URIRef
from rdflib.term import Node

from rucio_dafab.resources import resources
from rucio_dafab.vocabulary.errors import VocabularyError

PREFIXES = {
    "dafab": "https://w3id.org/dafab/ontology#",
    "envo": "http://purl.obolibrary.org/obo/ENVO_",
    "sweet": "http://sweetontology.net/",
}
"""CURIE prefixes that a query may use."""


@dataclass(frozen=True)
class OntologyClass:
    """A named class.

    Attributes:
        id: Its IRI.
        name: Its local name.
        labels: Language → labels, the preferred one first.
        definition: In English, or the empty string.
        parents: Ids of its direct superclasses.
        matches: IRIs of other vocabularies with exactly the same meaning.
        below: Ids of the class itself and of everything below it, equivalents included; sorted.
    """

    id: str
    name: str
    labels: Mapping[str, tuple[str, ...]] = field(hash=False)
    definition: str
    parents: tuple[str, ...]
    matches: tuple[str, ...]
    below: tuple[str, ...] = field(repr=False)


@dataclass(frozen=True)
class Ontology:
    """The classes of one version of an ontology."""

    iri: str
    version: str
    classes: Mapping[str, OntologyClass] = field(hash=False, repr=False)

    def resolve(self, text: str) -> str:
        """Return the id of the class that `text` names: an IRI, a CURIE, a local name or a label in any language.

        An IRI or CURIE of another vocabulary names the class that it matches exactly. Case, blanks, hyphens and
        underscores do not matter in names and labels.

        Raises:
            VocabularyError: for an unknown or ambiguous name, with the candidates.
        """
        asked = text.strip()
        if found := self.find(asked):
            return found
        ids = self._labels.get(_squash(asked), ())
        if len(ids) == 1:
            return ids[0]
        if ids:
            raise VocabularyError(f"'{asked[:60]}' is ambiguous: {self._offer(ids)}")
        near = difflib.get_close_matches(_squash(asked), [*self._names, *self._labels], n=5, cutoff=0.6)
        candidates = [each for key in near for each in (self._names.get(key, ()) or self._labels[key])]
        hint = f": did you mean {self._offer(candidates[:3])}?" if candidates else ""
        raise VocabularyError(f"no class is called '{asked[:60]}'{hint}")

    def find(self, text: str) -> str | None:
        """Return the id of the class with this IRI, CURIE or local name, or ``None``: labels are not looked at."""
        prefix, colon, local = text.partition(":")
        iri = PREFIXES[prefix.lower()] + local if colon and prefix.lower() in PREFIXES else text
        if found := self._iris.get(iri):
            return found
        ids = self._names.get(_squash(local if colon and prefix.lower() == "dafab" else text), ())
        return ids[0] if len(ids) == 1 else None

    def expand(self, class_id: str) -> tuple[str, ...]:
        """Return the ids of the class and of everything below it; of an unknown id, only itself."""
        known = self.classes.get(class_id)
        return known.below if known else (class_id,)

    def label(self, class_id: str, language: str = "en") -> str:
        """Return the preferred label of a class, or its local name where it has none in `language`."""
        known = self.classes[class_id]
        return next(iter(known.labels.get(language, ())), known.name)

    def _offer(self, ids: Iterable[str]) -> str:
        return ", ".join(f"{self.label(each)} (dafab:{self.classes[each].name})" for each in dict.fromkeys(ids))

    @cached_property
    def _iris(self) -> dict[str, str]:
        matched = {match: each.id for each in self.classes.values() for match in each.matches}
        return matched | {each: each for each in self.classes}

    @cached_property
    def _names(self) -> dict[str, tuple[str, ...]]:
        return _index((_squash(each.name), each.id) for each in self.classes.values())

    @cached_property
    def _labels(self) -> dict[str, tuple[str, ...]]:
        return _index(
            (_squash(label), each.id)
            for each in self.classes.values()
            for labels in each.labels.values()
            for label in labels
        )


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


@cache
def load() -> Ontology:
    """Return the ontology of this installation (``etc/ontology/dafab.ttl``)."""
    return read(resources() / "etc" / "ontology" / "dafab.ttl")


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


def _index(pairs: Iterable[tuple[str, str]]) -> dict[str, tuple[str, ...]]:
    index: dict[str, dict[str, None]] = defaultdict(dict)
    for key, each in pairs:
        index[key][each] = None
    return {key: tuple(ids) for key, ids in index.items()}


def _squash(text: str) -> str:
    """Return `text` without what people vary: case, blanks, hyphens, underscores, composed accents."""
    plain = unicodedata.normalize("NFKC", text).casefold()
    return "".join(letter for letter in plain if not letter.isspace() and letter not in "-_")
