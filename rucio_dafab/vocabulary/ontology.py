"""The ontology: classes found by IRI, CURIE, name or label, and expanded to everything below them."""

import difflib
import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from functools import cache, cached_property
from hashlib import sha256
from pathlib import Path
from typing import Any

import orjson

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


def source() -> Path:
    """Return the path of this installation's ontology."""
    return resources() / "etc" / "ontology" / "dafab.ttl"


@cache
def load() -> Ontology:
    """Return the ontology of this installation.

    Its classes and their closure stand beside the Turtle, made from it by
    :mod:`rucio_dafab.vocabulary.ontology_reader`; they are used while they carry the Turtle's checksum, and otherwise
    the Turtle itself is read.
    """
    path = source()
    if kept := _kept(path):
        return kept
    from rucio_dafab.vocabulary.ontology_reader import read  # noqa: PLC0415 - slow to import, rarely needed

    return read(path)


def write_classes(ontology: Ontology) -> None:
    """Write the classes of this installation's ontology beside its Turtle."""
    path = source()
    document = {
        "sha256": _checksum(path),
        "iri": ontology.iri,
        "version": ontology.version,
        "classes": [asdict(each) for each in ontology.classes.values()],
    }
    path.with_suffix(".json").write_bytes(
        orjson.dumps(document, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)
    )


def _kept(path: Path) -> Ontology | None:
    try:
        document = orjson.loads(path.with_suffix(".json").read_bytes())
    except (FileNotFoundError, orjson.JSONDecodeError):
        return None
    if document["sha256"] != _checksum(path):
        return None
    classes = {table["id"]: _class(table) for table in document["classes"]}
    return Ontology(document["iri"], document["version"], classes)


def _class(table: dict[str, Any]) -> OntologyClass:
    labels = {language: tuple(texts) for language, texts in table["labels"].items()}
    tuples = {name: tuple(table[name]) for name in ("parents", "matches", "below")}
    return OntologyClass(**{**table, "labels": labels, **tuples})


def _checksum(path: Path) -> str:
    return sha256(path.read_bytes()).hexdigest()


def _index(pairs: Iterable[tuple[str, str]]) -> dict[str, tuple[str, ...]]:
    index: dict[str, dict[str, None]] = defaultdict(dict)
    for key, each in pairs:
        index[key][each] = None
    return {key: tuple(ids) for key, ids in index.items()}


def _squash(text: str) -> str:
    """Return `text` without what people vary: case, blanks, hyphens, underscores, composed accents."""
    plain = unicodedata.normalize("NFKC", text).casefold()
    return "".join(letter for letter in plain if not letter.isspace() and letter not in "-_")
