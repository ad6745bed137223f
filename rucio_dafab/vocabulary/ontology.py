"""The ontology: classes found by IRI, CURIE, name or label, and expanded to everything below them.

An ontology may have others beside it (a site publishes them: ENVO, SWEET, its own). Questions are answered across all
of them; where two use the same word, the first one is meant.
"""

import difflib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cache, cached_property
from time import monotonic
from typing import Final, Protocol

from rucio_dafab.vocabulary import ontology_relations
from rucio_dafab.vocabulary.errors import VocabularyError
from rucio_dafab.vocabulary.ontology_classes import OntologyClass, index, shorten, squash
from rucio_dafab.vocabulary.ontology_relations import OntologyRelation, Place, Way
from rucio_dafab.vocabulary.ontology_rules import Rule

PREFIXES = {
    "dafab": "https://w3id.org/dafab/ontology#",
    "agrovoc": "http://aims.fao.org/aos/agrovoc/",
    "corine": "http://www.w3.org/2015/03/corine#",
    "envo": "http://purl.obolibrary.org/obo/ENVO_",
    "gcmd": "https://gcmd.earthdata.nasa.gov/kms/concept/",
    "geo": "http://www.opengis.net/ont/geosparql#",
    "prov": "http://www.w3.org/ns/prov#",
    "sosa": "http://www.w3.org/ns/sosa/",
    "sweet": "http://sweetontology.net/",
    "worldcover": "https://doi.org/10.5281/zenodo.7254221#",
}
"""CURIE prefixes that a query may use; WorldCover has codes, not IRIs: its DOI stands before them."""

CLOSE: Final = "close:"
"""Before the name of a class: what other vocabularies call nearly the same is meant too."""


@dataclass(frozen=True)
class Ontology:
    """The classes of one version of an ontology, with the others that are known beside it.

    Attributes:
        iri: Of the ontology.
        version: What it calls its version.
        classes: Its own classes by id.
        prefixes: CURIE prefixes of its own → namespace.
        rules: What gives a document a class by its values.
        others: Ontologies beside it; theirs are not looked at.
        close: Class → IRIs of other vocabularies with nearly the same meaning.
        relations: Its object properties.
        places: Places that it names.
    """

    iri: str
    version: str
    classes: Mapping[str, OntologyClass] = field(hash=False, repr=False)
    prefixes: Mapping[str, str] = field(default_factory=dict, hash=False, repr=False)
    rules: tuple[Rule, ...] = field(default=(), repr=False)
    others: tuple["Ontology", ...] = field(default=(), repr=False)
    close: Mapping[str, tuple[str, ...]] = field(default_factory=dict, hash=False, repr=False)
    relations: tuple[OntologyRelation, ...] = field(default=(), repr=False)
    places: tuple[Place, ...] = field(default=(), repr=False)

    def resolve(self, text: str) -> str:
        """Return the id of the class that `text` names: an IRI, a CURIE, a local name or a label in any language.

        An IRI or CURIE of another vocabulary names the class that it matches exactly. Case, blanks, hyphens and
        underscores do not matter in names and labels. Of a name after :data:`CLOSE` the id begins with that, too.

        Raises:
            VocabularyError: for an unknown or ambiguous name, with the candidates.
        """
        asked = text.strip()
        if asked.startswith(CLOSE):
            return CLOSE + self.resolve(asked.removeprefix(CLOSE))
        if found := self.find(asked):
            return found
        key = squash(asked)
        foreign = (each for other in self.others for each in other._labels.get(key, ()))
        ids = self._labels.get(key) or self._distinct(foreign)
        if len(ids) == 1:
            return ids[0]
        if ids:
            raise VocabularyError(f"'{asked[:60]}' is ambiguous: {self._offer(ids)}")
        candidates = self._near(key)
        hint = f": did you mean {self._offer(candidates)}?" if candidates else ""
        raise VocabularyError(f"no class is called '{asked[:60]}'{hint}")

    def find(self, text: str) -> str | None:
        """Return the id of the class with this IRI, CURIE or local name, or ``None``: labels are not looked at."""
        iri = self.iri_of(text)
        if found := self._class_of(iri):
            return found
        ours = iri != text and iri.startswith(PREFIXES["dafab"])
        name = squash(iri.removeprefix(PREFIXES["dafab"]) if ours else text)
        for each in self._all:
            ids = each._names.get(name, ())
            if ids:
                return ids[0] if len(ids) == 1 else None
        return None

    def expand(self, class_id: str) -> tuple[str, ...]:
        """Return the ids of the class and of everything below it, sorted; of an unknown id, only itself.

        What other vocabularies call exactly the same is among them, and what they have below it. Of an id that begins
        with :data:`CLOSE`, so is what they call nearly the same, but not what is near to that.
        """
        if class_id not in self._expanded:
            self._expanded[class_id] = self._expand(class_id)
        return self._expanded[class_id]

    def get(self, class_id: str) -> OntologyClass | None:
        """Return a class of this ontology or of those beside it."""
        return next((each.classes[class_id] for each in self._all if class_id in each.classes), None)

    def label(self, class_id: str, language: str = "en") -> str:
        """Return the preferred label of a class, or its local name where it has none in `language`.

        Raises:
            KeyError: for an unknown class.
        """
        known = self.get(class_id)
        if known is None:
            raise KeyError(class_id)
        return known.label(language)

    def curie(self, class_id: str) -> str:
        """Return an id as a CURIE where one of the prefixes fits, else as it is."""
        return shorten(class_id, self._prefixes)

    def beside(self, others: Iterable["Ontology"]) -> "Ontology":
        """Return this ontology with others beside it."""
        return replace(self, others=tuple(others))

    def relation(self, text: str) -> str:
        """Return the id of the relation that `text` names: an IRI, a CURIE, a local name or a label in any language.

        Raises:
            VocabularyError: for an unknown or ambiguous name, with the candidates.
        """
        found = ontology_relations.pick(text.strip(), self.iri_of(text.strip()), self._relations)
        if found is None:
            candidates = ontology_relations.near(text, self._relations)
            hint = f": did you mean {', '.join(candidates)}?" if candidates else ""
            raise VocabularyError(f"no relation is called '{text[:60]}'{hint}")
        return found.id

    def way(self, relation_id: str) -> Way:
        """Return how the catalogue follows a relation.

        Raises:
            VocabularyError: if the relation is unknown, or it does not follow it.
        """
        asked = next((each for each in self._relations if each.id == relation_id), None)
        if asked is None:
            raise VocabularyError(f"no relation is called '{relation_id[:200]}'")
        return ontology_relations.way(asked, self._relations)

    def place(self, text: str) -> tuple[Place, ...]:
        """Return the place that `text` names, and everything that is part of it; nothing if it names none.

        Raises:
            VocabularyError: for an ambiguous name, with the candidates.
        """
        found = ontology_relations.pick(text.strip(), self.iri_of(text.strip()), self._places)
        return () if found is None else ontology_relations.parts(found, self._places)

    def place_names(self) -> tuple[str, ...]:
        """Return the local names and the labels of all places."""
        return tuple(text for each in self._places for text in (each.name, *each.texts()))

    def iri_of(self, text: str) -> str:
        """Return the IRI that a CURIE stands for; anything else as it is."""
        prefix, colon, local = text.partition(":")
        namespace = self._prefixes.get(prefix.lower()) if colon else None
        return namespace + local if namespace else text

    def _class_of(self, iri: str) -> str | None:
        """Return the class of this IRI, or the one that matches it exactly."""
        if any(iri in each.classes for each in self._all):
            return iri
        return next((found[0] for each in self._all if (found := each._matched.get(iri))), None)

    def _expand(self, class_id: str) -> tuple[str, ...]:
        if class_id.startswith(CLOSE):
            exact = self.expand(class_id.removeprefix(CLOSE))
            nearby = {close for each in exact for one in self._all for close in one._close.get(each, ())}
            return tuple(sorted({*exact, *(under for each in nearby for under in self.expand(each))}))
        found: set[str] = set()
        todo = [class_id]
        while todo:
            asked = todo.pop()
            known = self.get(asked)
            new = {asked, *(known.below if known else ())} - found
            found |= new
            same = {match for each in new for match in self._same(each)} - found
            found |= {match for match in same if self.get(match) is None}
            todo += [match for match in same if self.get(match) is not None]
        return tuple(sorted(found))

    def _same(self, class_id: str) -> Iterator[str]:
        """Yield what has exactly the meaning of a class: its own matches, and classes that match it."""
        if known := self.get(class_id):
            yield from known.matches
        for each in self._all:
            yield from each._matched.get(class_id, ())

    def _distinct(self, ids: Iterable[str]) -> tuple[str, ...]:
        """Return one id of each meaning."""
        by_meaning: dict[tuple[str, ...], str] = {}
        for each in ids:
            by_meaning.setdefault(self.expand(each), each)
        return tuple(by_meaning.values())

    def _near(self, key: str) -> tuple[str, ...]:
        """Return the classes with the nearest names, three at most; of other ontologies only where this has none."""
        for each in self._all:
            words = {**each._labels, **each._names}
            near = difflib.get_close_matches(key, words, n=5, cutoff=0.6)
            if near:
                likeness = [difflib.SequenceMatcher(None, word, key).ratio() for word in near]
                best = [word for word, like in zip(near, likeness, strict=True) if like > likeness[0] - 0.15]
                return tuple(dict.fromkeys(found for word in best for found in words[word]))[:3]
        return ()

    def _offer(self, ids: Iterable[str]) -> str:
        return ", ".join(f"{self.label(each)} ({self.curie(each)})" for each in dict.fromkeys(ids))

    @cached_property
    def _all(self) -> tuple["Ontology", ...]:
        return (self, *self.others)

    @cached_property
    def _expanded(self) -> dict[str, tuple[str, ...]]:
        """What was asked before: a class is expanded once in the life of a version."""
        return {}

    @cached_property
    def _prefixes(self) -> dict[str, str]:
        own = {prefix.lower(): space for each in reversed(self._all) for prefix, space in each.prefixes.items()}
        return own | PREFIXES

    @cached_property
    def _relations(self) -> tuple[OntologyRelation, ...]:
        return tuple({each.id: each for one in reversed(self._all) for each in one.relations}.values())

    @cached_property
    def _places(self) -> tuple[Place, ...]:
        return tuple({each.id: each for one in reversed(self._all) for each in one.places}.values())

    @cached_property
    def _close(self) -> dict[str, tuple[str, ...]]:
        """Close matches, read in both directions."""
        pairs = [(each, match) for each, matches in self.close.items() for match in matches]
        return index(pair for one, other in pairs for pair in ((one, other), (other, one)))

    @cached_property
    def _matched(self) -> dict[str, tuple[str, ...]]:
        return index((match, each.id) for each in self.classes.values() for match in each.matches)

    @cached_property
    def _names(self) -> dict[str, tuple[str, ...]]:
        return index((squash(each.name), each.id) for each in self.classes.values())

    @cached_property
    def _labels(self) -> dict[str, tuple[str, ...]]:
        return index((squash(text), each.id) for each in self.classes.values() for text in each.texts())


class Provider(Protocol):
    """Who knows what was published: the catalogue, in whose database versions stand."""

    def current(self) -> Ontology | None:
        """Return the current ontology with those beside it; ``None`` where nothing was published."""


RECENT: Final = 0.1
"""Seconds for which :func:`recent` does not ask again."""

_provider: Provider | None = None
_asked: tuple[float, Ontology] | None = None


def provide(provider: Provider | None) -> None:
    """Let this process ask for the published ontology; the last one who is named is asked."""
    global _provider, _asked
    _provider, _asked = provider, None


def load() -> Ontology:
    """Return the current ontology: what was published, else what is installed. It never changes once it is returned.

    Each call may ask the database whether there is a newer version: ask once for a question.
    """
    published = _provider.current() if _provider is not None else None
    return published or shipped()


def recent() -> Ontology:
    """Return an ontology that was current within the last tenth of a second: for who writes many documents."""
    global _asked  # noqa: PLW0603 - what was asked last
    now = monotonic()
    if _asked is None or now - _asked[0] > RECENT:
        _asked = now, load()
    return _asked[1]


@cache
def shipped() -> Ontology:
    """Return the ontology of this installation (``etc/ontology``)."""
    from rucio_dafab.vocabulary import ontology_compiled  # noqa: PLC0415 - needs this module

    return ontology_compiled.load()
