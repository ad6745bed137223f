"""Contradictions of alignments: between each other, and with what the vocabularies themselves say."""

from collections import defaultdict
from collections.abc import Iterable, Iterator

from rucio_dafab.vocabulary import ontology_graph
from rucio_dafab.vocabulary.ontology import Ontology
from rucio_dafab.vocabulary.ontology_alignments import BROAD, EXACT, NARROW, Alignment, AlignmentSet

_ORDERING = EXACT | BROAD | NARROW


def conflicts(sets: Iterable[AlignmentSet], ontology: Ontology) -> Iterator[str]:
    """Yield what is wrong with alignments, a line each.

    A row must name a class of the ontology. One pair must not be exact and broad at once. And the rows together must
    not make two classes of one vocabulary the same that the vocabulary itself keeps apart: A = x, B = x; or A below B,
    A = x, B = y, and y below x.

    Args:
        sets: the alignments.
        ontology: whose classes they name, with the other vocabularies beside it as far as they are known.
    """
    rows = [(each.id.rpartition("/")[2], row) for each in sets for row in each.rows]
    own = ontology.beside([])
    for name, row in rows:
        if row.subject not in own.classes and row.object not in own.classes:
            yield f"{name}: {row.subject} is no class of {ontology.iri}"
    yield from _torn([row for _, row in rows])
    yield from _merged([row for _, row in rows], ontology)


def _torn(rows: Iterable[Alignment]) -> Iterator[str]:
    """Yield pairs that two rows relate in ways that exclude each other."""
    said: dict[tuple[str, str], set[str]] = defaultdict(set)
    for row in rows:
        if row.predicate in _ORDERING:
            said[row.subject, row.object].add(row.predicate)
    for (subject, target), predicates in sorted(said.items()):
        if len(predicates) > 1:
            kinds = " and ".join(sorted(each.rpartition("#")[2] for each in predicates))
            yield f"{subject} is said to be {kinds} of {target}"


def _merged(rows: Iterable[Alignment], ontology: Ontology) -> Iterator[str]:
    """Yield classes of one vocabulary that the rows make the same."""
    above: dict[str, set[str]] = defaultdict(set)
    vocabularies = (ontology.beside([]), *ontology.others)
    for vocabulary in vocabularies:
        for each in vocabulary.classes.values():
            above[each.id].update(each.parents)
    for row in rows:
        # Both are nodes, whether something lies above them or not.
        subject, target = above[row.subject], above[row.object]
        if row.predicate in EXACT | BROAD:
            subject.add(row.object)
        if row.predicate in EXACT | NARROW:
            target.add(row.subject)
    for members in ontology_graph.cycles(above):
        for vocabulary in vocabularies:
            yield from _apart([each for each in members if each in vocabulary.classes], vocabulary)


def _apart(members: list[str], vocabulary: Ontology) -> Iterator[str]:
    """Yield the members that their vocabulary does not say to be the same as the first."""
    for each in members[1:]:
        if each not in vocabulary.classes[members[0]].below or members[0] not in vocabulary.classes[each].below:
            yield f"{members[0]} and {each} would mean the same: the alignments go round in a circle"
            return
