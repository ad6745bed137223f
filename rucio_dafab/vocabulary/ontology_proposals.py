"""Proposals of alignments: classes of another vocabulary that may mean the same as ours, for a person to decide.

Labels and synonyms are compared as people would say them (rapidfuzz), then the places of both classes: where classes
above them resemble each other too, the proposal is stronger; where it would turn our hierarchy around, there is none.
"""

import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import Final

import numpy as np
from rapidfuzz import fuzz, process

from rucio_dafab import __version__
from rucio_dafab.vocabulary.ontology import PREFIXES, Ontology
from rucio_dafab.vocabulary.ontology_alignments import SEMAPV, SKOS, Alignment, AlignmentSet
from rucio_dafab.vocabulary.ontology_classes import OntologyClass

LEAST: Final = 0.6
"""Confidence below which nothing is proposed."""

_CUTOFF: Final = 85.0
_SHORTEST: Final = 5  # letters of words that may differ: "sar" and "star" do not resemble each other
_SAME_LABEL: Final = 0.85
_SIMILAR: Final = 0.7
_SUPPORTED: Final = 0.1
_WORDS: Final = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|[\W_]+")


def propose(ours: Ontology, theirs: Ontology, least: float = LEAST) -> AlignmentSet:
    """Return the proposals, the most confident first.

    The confidence is 0.85 for the same label or synonym and 0.7 times the likeness for a similar one, and 0.1 more
    where classes above both match by their labels.

    Args:
        ours: the ontology whose classes are the subjects.
        theirs: the vocabulary of the objects.
        least: confidence below which a pair is left out.
    """
    likeness = _compare(ours.classes.values(), theirs.classes.values())
    same = {pair for pair, (like, _, _) in likeness.items() if like == 100.0}
    rows = [_row(ours, theirs, pair, found, same) for pair, found in likeness.items()]
    kept = [row for row in rows if row.confidence is not None and row.confidence >= least]
    kept.sort(key=lambda row: (-(row.confidence or 0.0), row.subject, row.object))
    prefixes = {**PREFIXES, **ours.prefixes, **theirs.prefixes, "semapv": SEMAPV, "skos": SKOS}
    members = {
        "license": "https://www.apache.org/licenses/LICENSE-2.0",
        "mapping_tool": "rucio-dafab ontology align",
        "mapping_tool_version": __version__,
        "object_source": theirs.iri,
        "object_source_version": theirs.version,
        "subject_source": ours.iri,
        "subject_source_version": ours.version,
    }
    return AlignmentSet(f"{ours.iri}/proposals", tuple(kept), prefixes, members)


Likeness = tuple[float, str, str]
"""How alike, 0…100, and the two labels."""


def _compare(ours: Iterable[OntologyClass], theirs: Iterable[OntologyClass]) -> dict[tuple[str, str], Likeness]:
    """Return the best likeness of each pair that has any."""
    left, right = _words(ours), _words(theirs)
    scores = process.cdist(
        list(left), list(right), scorer=fuzz.token_sort_ratio, score_cutoff=_CUTOFF, dtype=np.float32
    )
    found: dict[tuple[str, str], Likeness] = {}
    words = list(left), list(right)
    for row, column in zip(*np.nonzero(scores), strict=True):
        mine, other = words[0][row], words[1][column]
        if mine != other and min(len(mine), len(other)) < _SHORTEST:
            continue
        score = float(scores[row, column])
        for pair in ((a, b) for a in left[mine] for b in right[other]):
            if score > found.get(pair, (0.0, "", ""))[0]:
                found[pair] = (score, mine, other)
    return found


def _words(classes: Iterable[OntologyClass]) -> dict[str, list[str]]:
    """Return the classes by what they are called, normalised."""
    called: dict[str, list[str]] = defaultdict(list)
    for each in classes:
        for text in {normalise(text) for text in (*each.texts(), each.name)}:
            if text:
                called[text].append(each.id)
    return called


def normalise(text: str) -> str:
    """Return a label as single words in lower case, without accents and without the English plural."""
    plain = unicodedata.normalize("NFKD", " ".join(_WORDS.split(text)))
    letters = "".join(letter for letter in plain.casefold() if not unicodedata.combining(letter))
    return " ".join(_singular(word) for word in letters.split())


def _singular(word: str) -> str:
    if len(word) > 4 and word.endswith("ies"):
        return f"{word[:-3]}y"
    return word[:-1] if len(word) > 3 and word.endswith("s") and not word.endswith(("ss", "us", "is")) else word


def _row(
    ours: Ontology, theirs: Ontology, pair: tuple[str, str], likeness: Likeness, same: set[tuple[str, str]]
) -> Alignment:
    score, mine, other = likeness
    exact = score == 100.0
    supported = any((above, over) in same for above in _above(ours, pair[0]) for over in _above(theirs, pair[1]))
    turned = any((under, over) in same for under in _below(ours, pair[0]) for over in _above(theirs, pair[1]))
    base = _SAME_LABEL if exact else _SIMILAR * score / 100.0
    confidence = 0.0 if turned else base + _SUPPORTED * supported
    justification = "LexicalMatching" if exact else "LexicalSimilarityThresholdMatching"
    return Alignment(
        subject=pair[0],
        predicate=f"{SKOS}{'exactMatch' if exact else 'closeMatch'}",
        object=pair[1],
        justification=SEMAPV + ("CompositeMatching" if supported else justification),
        confidence=round(confidence, 3),
        subject_label=ours.label(pair[0]),
        object_label=theirs.label(pair[1]),
        comment=f"{mine} ~ {other}" + (", classes above match too" if supported else ""),
    )


def _above(ontology: Ontology, class_id: str) -> Iterator[str]:
    """Yield everything above a class."""
    todo, seen = list(ontology.classes[class_id].parents), {class_id}
    while todo:
        each = todo.pop()
        if each in seen or each not in ontology.classes:
            continue
        seen.add(each)
        yield each
        todo += ontology.classes[each].parents


def _below(ontology: Ontology, class_id: str) -> list[str]:
    return [each for each in ontology.classes[class_id].below if each != class_id]
