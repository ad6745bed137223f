"""What differs between two versions of an ontology."""

from collections.abc import Iterator
from dataclasses import dataclass

from rucio_dafab.vocabulary.ontology import Ontology
from rucio_dafab.vocabulary.ontology_classes import OntologyClass


@dataclass(frozen=True)
class Difference:
    """Ids of classes, sorted, by what became of them.

    Attributes:
        added: Not there before.
        removed: Not there any more.
        moved: With other classes directly above them.
        relabelled: With other labels or another definition.
        realigned: With other exact matches.
        deprecated: Deprecated now and not before.
    """

    added: tuple[str, ...]
    removed: tuple[str, ...]
    moved: tuple[str, ...]
    relabelled: tuple[str, ...]
    realigned: tuple[str, ...]
    deprecated: tuple[str, ...]

    def lines(self) -> Iterator[str]:
        """Yield a line a class and change."""
        for what in ("added", "removed", "moved", "relabelled", "realigned", "deprecated"):
            yield from (f"{what} {each}" for each in getattr(self, what))


def difference(old: Ontology, new: Ontology) -> Difference:
    """Return what became of the classes of `old` in `new`."""
    both = sorted(old.classes.keys() & new.classes.keys())
    pairs = [(old.classes[each], new.classes[each]) for each in both]

    def where(*members: str) -> tuple[str, ...]:
        return tuple(after.id for before, after in pairs if _values(before, members) != _values(after, members))

    return Difference(
        added=tuple(sorted(new.classes.keys() - old.classes.keys())),
        removed=tuple(sorted(old.classes.keys() - new.classes.keys())),
        moved=where("parents"),
        relabelled=where("labels", "definition"),
        realigned=where("matches"),
        deprecated=tuple(after.id for before, after in pairs if after.deprecated and not before.deprecated),
    )


def _values(each: OntologyClass, members: tuple[str, ...]) -> tuple[object, ...]:
    return tuple(getattr(each, member) for member in members)
