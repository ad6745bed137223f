"""Alignments: what other vocabularies call the same, as SSSOM in tab-separated values (https://w3id.org/sssom).

Only exact matches mean the same class: they widen every question. Close ones widen a question that asks for them, broad
and narrow ones are kept for people.
"""

import csv
import io
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import yaml

from rucio_dafab.vocabulary.errors import VocabularyError
from rucio_dafab.vocabulary.ontology_classes import index, shorten

SEMAPV: Final = "https://w3id.org/semapv/vocab/"
SKOS: Final = "http://www.w3.org/2004/02/skos/core#"
EXACT: Final = frozenset({f"{SKOS}exactMatch", "http://www.w3.org/2002/07/owl#equivalentClass"})
BROAD: Final = frozenset({f"{SKOS}broadMatch", "http://www.w3.org/2000/01/rdf-schema#subClassOf"})
NARROW: Final = frozenset({f"{SKOS}narrowMatch"})
CLOSE: Final = f"{SKOS}closeMatch"
PREDICATES: Final = EXACT | BROAD | NARROW | {CLOSE, f"{SKOS}relatedMatch"}
"""What a mapping may say; the subject of a broad one lies below its object."""

LITERAL: Final = "rdfs literal"
LARGEST: Final = 16 * 1024 * 1024
"""Bytes of a file of alignments."""

_BUILT_IN: Final = {
    "owl": "http://www.w3.org/2002/07/owl#",
    "rdfs": "http://www.w3.org/2000/01/rdf-schema#",
    "semapv": SEMAPV,
    "skos": SKOS,
    "sssom": "https://w3id.org/sssom/",
}
_REQUIRED: Final = ("subject_id", "predicate_id", "object_id", "mapping_justification")
_COLUMNS: Final = (
    "subject_id",
    "subject_label",
    "predicate_id",
    "object_id",
    "object_label",
    "mapping_justification",
    "confidence",
    "comment",
)


@dataclass(frozen=True)
class Alignment:
    """A row: `subject` stands in the relation `predicate` to `object`, all of them IRIs.

    A code of a vocabulary without IRIs is the object ``<source of the vocabulary>#<code>``. `confidence` is 0…1.
    """

    subject: str
    predicate: str
    object: str
    justification: str
    confidence: float | None = None
    subject_label: str = ""
    object_label: str = ""
    comment: str = ""


@dataclass(frozen=True)
class AlignmentSet:
    """The rows of a file; `prefixes` are its CURIE prefixes, `members` what else stands in its head."""

    id: str
    rows: tuple[Alignment, ...]
    prefixes: Mapping[str, str] = field(default_factory=dict, hash=False)
    members: Mapping[str, Any] = field(default_factory=dict, hash=False)


def read_alignments(path: Path) -> AlignmentSet:
    """Read a file of SSSOM.

    Raises:
        VocabularyError: naming the line and what SSSOM requires there.
    """
    from rucio_dafab.vocabulary.ontology_parse import read_bytes  # noqa: PLC0415 - slow to import

    try:
        text = read_bytes(path, LARGEST).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise VocabularyError(f"{path.name} is not UTF-8: the byte at {error.start}") from error
    return parse_alignments(text, path.name)


def parse_alignments(text: str, name: str) -> AlignmentSet:
    """Read the text of a file of SSSOM; see :func:`read_alignments`."""
    lines = [line.removesuffix("\r") for line in text.split("\n")]
    head = [line for line in lines if line.startswith("#")]
    members = _head("\n".join(line[1:] for line in head), name)
    prefixes = {**_BUILT_IN, **members.pop("curie_map", {})}
    columns, *rows = _table(lines[len(head) :], name)
    if missing := [each for each in _REQUIRED if each not in columns]:
        raise VocabularyError(f"{name}: SSSOM requires the column {missing[0]}")
    found = []
    for number, cells in enumerate(rows, len(head) + 2):
        if not cells:
            continue
        row = dict(zip(columns, cells, strict=False))
        if len(cells) != len(columns):
            raise VocabularyError(f"{name}, line {number}: {len(cells)} cells under {len(columns)} columns")
        if row.get("predicate_modifier") != "Not":
            found.append(_row(row, prefixes, members, f"{name}, line {number}"))
    return AlignmentSet(str(members["mapping_set_id"]), tuple(found), prefixes, members)


def write_alignments(alignments: AlignmentSet) -> str:
    """Return a set as a file of SSSOM."""
    head = {"curie_map": dict(alignments.prefixes), "mapping_set_id": alignments.id} | dict(alignments.members)
    lines = yaml.safe_dump(head, allow_unicode=True, sort_keys=True).splitlines()
    stream = io.StringIO()
    stream.writelines(f"#{line}\n" for line in lines)
    writer = csv.writer(stream, delimiter="\t", lineterminator="\n")
    writer.writerow(_COLUMNS)
    for row in alignments.rows:
        ids = (shorten(each, alignments.prefixes) for each in (row.subject, row.predicate, row.object))
        subject, predicate, target = ids
        confidence = "" if row.confidence is None else f"{row.confidence:.3g}"
        justified = shorten(row.justification, alignments.prefixes)
        labels = row.subject_label, row.object_label
        writer.writerow([subject, labels[0], predicate, target, labels[1], justified, confidence, row.comment])
    return stream.getvalue()


def exact_matches(sets: Iterable[AlignmentSet]) -> dict[str, tuple[str, ...]]:
    """Return what means exactly the same as each class, read in both directions."""
    exact = [row for each in sets for row in each.rows if row.predicate in EXACT]
    return index(pair for row in exact for pair in ((row.subject, row.object), (row.object, row.subject)))


def close_matches(sets: Iterable[AlignmentSet]) -> dict[str, tuple[str, ...]]:
    """Return what means nearly the same as each class, as the rows say it."""
    return index((row.subject, row.object) for each in sets for row in each.rows if row.predicate == CLOSE)


def _table(lines: list[str], name: str) -> list[list[str]]:
    try:
        return list(csv.reader(lines, delimiter="\t", strict=True)) or [[]]
    except csv.Error as error:
        raise VocabularyError(f"{name} is no table of tab-separated values: {error}") from error


def _head(text: str, name: str) -> dict[str, Any]:
    try:
        members = yaml.safe_load(text) or {}
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        raise VocabularyError(f"{name}: its head is no YAML: {' '.join(str(error).split())[:150]}") from error
    if not isinstance(members, dict):
        raise VocabularyError(f"{name}: its head must be members of YAML, each line after a #")
    for required in ("mapping_set_id", "license"):
        if not isinstance(members.get(required), str):
            raise VocabularyError(f"{name}: SSSOM requires {required} in the head")
    prefixes = members.get("curie_map", {})
    if not isinstance(prefixes, dict) or not all(isinstance(each, str) for pair in prefixes.items() for each in pair):
        raise VocabularyError(f"{name}: curie_map must name an IRI for each prefix")
    return members


def _row(row: Mapping[str, str], prefixes: Mapping[str, str], members: Mapping[str, Any], place: str) -> Alignment:
    predicate = _iri(row["predicate_id"], prefixes, f"{place}: predicate_id")
    if predicate not in PREDICATES:
        raise VocabularyError(f"{place}: the predicate {row['predicate_id']} is not one that is known here")
    justification = _iri(row["mapping_justification"], prefixes, f"{place}: mapping_justification")
    if not justification.startswith(SEMAPV):
        raise VocabularyError(f"{place}: mapping_justification must be a term of semapv, not {justification[:100]}")
    return Alignment(
        subject=_entity(row, "subject", prefixes, members, place),
        predicate=predicate,
        object=_entity(row, "object", prefixes, members, place),
        justification=justification,
        confidence=_confidence(row.get("confidence", ""), place),
        subject_label=row.get("subject_label", ""),
        object_label=row.get("object_label", ""),
        comment=row.get("comment", ""),
    )


def _entity(
    row: Mapping[str, str], side: str, prefixes: Mapping[str, str], members: Mapping[str, Any], place: str
) -> str:
    """Return the IRI of one side; a literal is a code of the vocabulary that the head names as source."""
    if row.get(f"{side}_type") != LITERAL:
        return _iri(row[f"{side}_id"], prefixes, f"{place}: {side}_id")
    source, code = members.get(f"{side}_source"), row.get(f"{side}_label", "")
    if not isinstance(source, str) or not code:
        raise VocabularyError(f"{place}: a literal needs {side}_label, and {side}_source in the head")
    return f"{_iri(source, prefixes, place)}#{code}"


def _iri(text: str, prefixes: Mapping[str, str], place: str) -> str:
    if "://" in text and not any(letter.isspace() for letter in text):
        return text
    prefix, colon, local = text.partition(":")
    if not colon or not local or prefix not in prefixes:
        raise VocabularyError(f"{place}: {text[:80]!r} is neither an IRI nor a CURIE of curie_map")
    return prefixes[prefix] + local


def _confidence(text: str, place: str) -> float | None:
    if not text:
        return None
    try:
        number = float(text)
    except ValueError:
        number = -1.0
    if not 0.0 <= number <= 1.0:
        raise VocabularyError(f"{place}: confidence must be a number from 0 to 1, not {text[:40]!r}")
    return number
