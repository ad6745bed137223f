"""Classes of an ontology and whatever else it names, and how names are compared."""

import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Named:
    """What an ontology gives a name: a class, a relation or a place.

    Attributes:
        id: Its IRI.
        name: Its local name.
        labels: Language → labels, the preferred one first.
    """

    id: str
    name: str
    labels: Mapping[str, tuple[str, ...]] = field(hash=False)

    def texts(self) -> Iterator[str]:
        """Yield all labels in all languages."""
        for labels in self.labels.values():
            yield from labels


@dataclass(frozen=True)
class OntologyClass(Named):
    """A named class.

    Attributes:
        definition: In English where there is one, or the empty string.
        parents: Ids of its direct superclasses.
        matches: IRIs of other vocabularies with exactly the same meaning.
        below: Ids of the class itself and of everything below it in its own ontology, equivalents included; sorted.
        deprecated: Whether it should not be used any more.
    """

    definition: str
    parents: tuple[str, ...]
    matches: tuple[str, ...]
    below: tuple[str, ...] = field(repr=False)
    deprecated: bool = False

    def label(self, language: str = "en") -> str:
        """Return the preferred label, or the local name where there is none in `language`."""
        return next(iter(self.labels.get(language, ())), self.name)


def local_name(iri: str) -> str:
    """Return what follows the last ``#`` of an IRI, or the last ``/``."""
    return iri.rpartition("#" if "#" in iri else "/")[2]


def shorten(iri: str, prefixes: Mapping[str, str]) -> str:
    """Return an IRI as a CURIE by the longest of the namespaces that fits, else as it is.

    Args:
        iri: the IRI.
        prefixes: prefix → namespace.
    """
    fitting = [(len(space), prefix) for prefix, space in prefixes.items() if iri.startswith(space) and iri != space]
    length, prefix = max(fitting, default=(0, ""))
    return f"{prefix}:{iri[length:]}" if prefix else iri


def squash(text: str) -> str:
    """Return `text` without what people vary: case, blanks, hyphens, underscores, composed accents."""
    plain = unicodedata.normalize("NFKC", text).casefold()
    return "".join(letter for letter in plain if not letter.isspace() and letter not in "-_")


def index(pairs: Iterable[tuple[str, str]]) -> dict[str, tuple[str, ...]]:
    """Return the values of each key, each value once."""
    found: dict[str, dict[str, None]] = defaultdict(dict)
    for key, each in pairs:
        found[key][each] = None
    return {key: tuple(values) for key, values in found.items()}
