"""What things are called: keys, types, units, aliases, areas of interest and the ontology."""

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

from rucio_dafab.vocabulary import areas as _areas
from rucio_dafab.vocabulary import queryables as _queryables
from rucio_dafab.vocabulary.areas import Areas
from rucio_dafab.vocabulary.queryables import Queryables

if TYPE_CHECKING:
    from rucio_dafab.vocabulary.ontology import Ontology


@dataclass(frozen=True)
class Vocabulary:
    """Everything that a query may refer to by name."""

    queryables: Queryables
    areas: Areas

    @property
    def ontology(self) -> "Ontology":
        """The ontology; it is loaded at first use, since most filters name no class."""
        from rucio_dafab.vocabulary import ontology  # noqa: PLC0415 - not needed by most

        return ontology.load()


@cache
def load() -> Vocabulary:
    """Return the vocabulary of this installation."""
    return Vocabulary(_queryables.load(), _areas.load())
