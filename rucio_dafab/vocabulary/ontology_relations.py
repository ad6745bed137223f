"""Relations of an ontology that the catalogue follows, and the places that it names.

An object property tells by ``dafab:follows`` how documents stand in it: by a link of STAC (``link:derived_from``), by
an attachment of Rucio to the item above (``ancestor``), or the other way round (``linked_by:…``, ``descendant``). Its
inverse goes the same ways backwards, what is symmetric goes both ways, and a property goes the ways of those below it.

A place is an individual with an area (``dafab:area``), or with places that are part of it (``dafab:partOf``).
"""

import difflib
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, TypeVar

from rucio_dafab.vocabulary.errors import VocabularyError
from rucio_dafab.vocabulary.ontology_classes import Named, squash

_STEP: Final = re.compile(r"(?:link|linked_by):[^\s:][^\s]{0,99}|ancestor|descendant")
_BACKWARDS: Final = {"link": "linked_by", "linked_by": "link", "ancestor": "descendant", "descendant": "ancestor"}


Entry = TypeVar("Entry", bound=Named)


@dataclass(frozen=True)
class OntologyRelation(Named):
    """An object property.

    Attributes:
        inverse: Ids of the properties that are its inverse.
        above: Ids of the properties that it is a kind of.
        transitive: Whether what it leads to in several steps is meant too.
        symmetric: Whether it is its own inverse.
        follows: The steps by which documents stand in it; see :func:`is_step`.
    """

    inverse: tuple[str, ...] = ()
    above: tuple[str, ...] = ()
    transitive: bool = False
    symmetric: bool = False
    follows: tuple[str, ...] = ()


@dataclass(frozen=True)
class Way:
    """How related documents are reached: any of `steps`, one after the other where it is `transitive`."""

    steps: tuple[str, ...]
    transitive: bool

    @property
    def is_forward(self) -> bool:
        """Whether it leads only to what documents name or lie below: to that very version of it."""
        return all(each == "ancestor" or each.startswith("link:") for each in self.steps)


@dataclass(frozen=True)
class Place(Named):
    """A named place.

    Attributes:
        part_of: Ids of the places that it is directly a part of.
        area: Name of the area of interest that is its polygon, where it has one of its own.
    """

    part_of: tuple[str, ...] = ()
    area: str | None = None


def is_step(text: str) -> bool:
    """Return whether `text` is ``link:REL``, ``linked_by:REL``, ``ancestor`` or ``descendant``."""
    return _STEP.fullmatch(text) is not None


def way(asked: OntologyRelation, known: Iterable[OntologyRelation]) -> Way:
    """Return the steps of a relation, those of its inverse backwards among them.

    Args:
        asked: the relation.
        known: all relations, this one too.

    Raises:
        VocabularyError: if nothing says how documents stand in it.
    """
    every = list(known)
    kinds = _below(asked, every)
    steps = [step for kind in kinds for step in kind.follows]
    for kind in kinds:
        for other in every:
            if other.id in kind.inverse or kind.id in other.inverse or (kind.symmetric and other is kind):
                steps += [backwards(step) for below in _below(other, every) for step in below.follows]
    if not steps:
        followed = sorted(each.name for each in every if _is_followed(each, every))
        hint = f"; it follows {', '.join(followed)}" if followed else ""
        raise VocabularyError(f"the catalogue does not follow '{asked.name}'{hint}")
    inverse = [each for each in every if each.id in asked.inverse or asked.id in each.inverse]
    return Way(tuple(dict.fromkeys(steps)), asked.transitive or any(each.transitive for each in inverse))


def backwards(step: str) -> str:
    """Return the step that leads back."""
    kind, colon, link = step.partition(":")
    return _BACKWARDS[kind] + colon + link


def parts(place: Place, known: Iterable[Place]) -> tuple[Place, ...]:
    """Return a place with everything that is part of it, directly or through others."""
    every = list(known)
    found, todo = {place.id: place}, [place]
    while todo:
        whole = todo.pop()
        new = [each for each in every if whole.id in each.part_of and each.id not in found]
        found |= {each.id: each for each in new}
        todo += new
    return tuple(found.values())


def pick(asked: str, iri: str, entries: Iterable[Entry]) -> Entry | None:
    """Return the one of several that a name means, ``None`` if it means none.

    Args:
        asked: a local name or a label in any language; case, blanks, hyphens and underscores do not matter.
        iri: what `asked` is as an IRI, where it is a CURIE.
        entries: what there is.

    Raises:
        VocabularyError: if it means several, with their IRIs.
    """
    every = list(entries)
    key = squash(asked)
    exact = [each for each in every if each.id == iri] or [each for each in every if squash(each.name) == key]
    found = {each.id: each for each in exact or (each for each in every if key in map(squash, each.texts()))}
    if len(found) > 1:
        raise VocabularyError(f"'{asked[:60]}' is ambiguous: {', '.join(sorted(found))}")
    return next(iter(found.values()), None)


def near(asked: str, entries: Iterable[Named]) -> tuple[str, ...]:
    """Return the names that are nearest to one that means nothing, three at most."""
    words = {squash(text): each.name for each in entries for text in (*each.texts(), each.name)}
    found = difflib.get_close_matches(squash(asked), words, n=5, cutoff=0.6)
    return tuple(dict.fromkeys(words[each] for each in found))[:3]


def _below(asked: OntologyRelation, known: list[OntologyRelation]) -> list[OntologyRelation]:
    """Return a relation with those that are a kind of it."""
    found, todo = [asked], [asked]
    while todo:
        above = todo.pop()
        new = [each for each in known if above.id in each.above and each not in found]
        found += new
        todo += new
    return found


def _is_followed(each: OntologyRelation, known: list[OntologyRelation]) -> bool:
    kinds = {kind.id for kind in _below(each, known)}
    inverse = {one.id for one in known if kinds & set(one.inverse)} | {
        other for one in known if one.id in kinds for other in one.inverse
    }
    return any(one.follows for one in known if one.id in kinds | inverse)
