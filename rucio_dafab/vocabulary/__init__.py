"""What things are called: keys, types, units, aliases, areas of interest and the ontology."""

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Protocol

from rucio_dafab.vocabulary import areas as _areas
from rucio_dafab.vocabulary import queryables as _queryables
from rucio_dafab.vocabulary.areas import Areas
from rucio_dafab.vocabulary.queryables import Queryables

if TYPE_CHECKING:
    from shapely.geometry.base import BaseGeometry

    from rucio_dafab.vocabulary.ontology import Ontology


class Geometries(Protocol):
    """Who knows polygons by name."""

    def geometry(self, name: str) -> "BaseGeometry":
        """Return the polygon that `name` means; raises :class:`VocabularyError` for an unknown one."""


@dataclass(frozen=True)
class Vocabulary:
    """Everything that a query may refer to by name."""

    queryables: Queryables
    areas: Areas

    @cached_property
    def ontology(self) -> "Ontology":
        """The ontology, loaded at first use, since most filters name no class; it then stays the same version."""
        from rucio_dafab.vocabulary import ontology  # noqa: PLC0415 - not needed by most

        return ontology.load()

    def geometry(self, name: str) -> "BaseGeometry":
        """Return the polygon of an area, or of a place of the ontology: its own area and those of all its parts.

        An area is meant first; a place, whatever areas are called, by its CURIE or IRI.

        Raises:
            VocabularyError: for an unknown name, with the nearest known ones, and for a place without any area.
        """
        from rucio_dafab.vocabulary import places  # noqa: PLC0415 - not needed by most

        return places.geometry(name, self.areas, lambda: self.ontology)


def load() -> Vocabulary:
    """Return the vocabulary of this installation: ask for one a question, so that all of it means one version."""
    return Vocabulary(_queryables.load(), _areas.load())
