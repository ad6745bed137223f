"""SSSOM, read and written; and proposals of alignments."""

from pathlib import Path

import pytest

from rucio_dafab.vocabulary import ontology, ontology_compiled
from rucio_dafab.vocabulary.errors import VocabularyError
from rucio_dafab.vocabulary.ontology_alignments import (
    EXACT,
    exact_matches,
    parse_alignments,
    read_alignments,
    write_alignments,
)
from rucio_dafab.vocabulary.ontology_proposals import normalise, propose
from tests.unit.vocabulary.ontologies import SSSOM, described, reading

TABLE = "subject_id\tpredicate_id\tobject_id\tmapping_justification"
ROW = "t:A\tskos:exactMatch\tx:a\tsemapv:ManualMappingCuration"
BASE = "https://w3id.org/dafab/ontology#"


def test_a_file_is_read(tmp_path: Path) -> None:
    path = tmp_path / "a.sssom.tsv"
    path.write_text(f"{SSSOM}{TABLE}\tconfidence\tpredicate_modifier\n{ROW}\t0.5\t\n{ROW}\t\tNot\n\n")
    (row,) = read_alignments(path).rows
    assert row.subject == "https://e.example/t#A"
    assert row.object == "https://x.example/a"
    assert row.predicate in EXACT
    assert row.confidence == 0.5
    assert exact_matches([read_alignments(path)]) == {row.subject: (row.object,), row.object: (row.subject,)}


def test_a_code_without_an_iri_is_a_literal() -> None:
    text = (
        f"{SSSOM}#object_source: x:codes\n{TABLE}\tobject_label\tobject_type\n"
        + ROW.replace("x:a", "")
        + "\t10\trdfs literal\n"
    )
    assert parse_alignments(text, "a").rows[0].object == "https://x.example/codes#10"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "requires mapping_set_id"),
        (SSSOM.replace("#license: L\n", "") + TABLE, "requires license in the head"),
        ("#[1]\n" + TABLE, "must be members of YAML"),
        ("#a: [\n" + TABLE, "is no YAML"),
        ("#curie_map: 5\n" + SSSOM.partition("#license")[1] + ": L\n#mapping_set_id: x\n" + TABLE, "curie_map must"),
        (SSSOM + "subject_id\tpredicate_id\tobject_id\n", "requires the column mapping_justification"),
        (SSSOM + TABLE + "\nt:A\n", "line 7: 1 cells under 4 columns"),
        (SSSOM + TABLE + "\n" + ROW.replace("t:A", "A"), "line 7: subject_id: 'A' is neither an IRI nor a CURIE"),
        (SSSOM + TABLE + "\n" + ROW.replace("x:a", "y:a"), "object_id: 'y:a' is neither"),
        (SSSOM + TABLE + "\n" + ROW.replace("exactMatch", "likes"), "the predicate skos:likes is not one"),
        (SSSOM + TABLE + "\n" + ROW.replace("semapv:", "x:"), "must be a term of semapv"),
        (SSSOM + TABLE + "\tconfidence\n" + ROW + "\t2", "confidence must be a number from 0 to 1"),
        (SSSOM + TABLE + "\tconfidence\n" + ROW + "\tnan", "confidence must be a number from 0 to 1"),
        (SSSOM + TABLE + "\tobject_type\n" + ROW + "\trdfs literal", "a literal needs object_label"),
        (SSSOM + TABLE + '\n"t:A', "no table of tab-separated values|cells under"),
    ],
)  # fmt: skip
def test_what_sssom_requires_is_said_with_the_line(text: str, message: str) -> None:
    with pytest.raises(VocabularyError, match=message) as refusal:
        parse_alignments(text, "a.sssom.tsv")
    assert "\n" not in str(refusal.value)
    assert str(refusal.value).startswith("a.sssom.tsv")


def test_a_wrong_encoding_is_said(tmp_path: Path) -> None:
    path = tmp_path / "a.sssom.tsv"
    path.write_bytes(b"#\xe9")
    with pytest.raises(VocabularyError, match="not UTF-8"):
        read_alignments(path)


@pytest.mark.parametrize(
    "path", ontology_compiled.alignment_files(ontology_compiled.source()), ids=lambda path: path.name
)
def test_what_is_written_is_read_back(path: Path) -> None:
    found = read_alignments(path)
    again = parse_alignments(write_alignments(found), path.name)
    assert again.id == found.id
    assert again.rows == found.rows


def test_proposals_are_for_a_person_to_decide(tmp_path: Path) -> None:
    triples = (
        (
            described("Thing", label="Geographic feature")
            + described("Waters", ":Thing", label="Water bodies")
            + described("LargeRiver", ":Waters", label="rivers")
            + described("Ship2", ":Thing", label="Cargo-Ships")
            + described("Droughts", ":Thing", label="Hydrologic drought")
            + described("Bank", ":Thing", label="money")
        )
        .replace(' en"', '"')
        .replace(' fr"', ' fff"')
        .replace(' de"', ' ddd"')
    )
    theirs = reading(tmp_path, triples).ontology
    found = propose(ontology.shipped(), theirs)
    rows = {(row.subject.removeprefix(BASE), row.object.rpartition("#")[2]): row for row in found.rows}
    assert {("WaterBody", "Waters"), ("River", "LargeRiver"), ("CargoShip", "Ship2")} <= set(rows)
    river = rows["River", "LargeRiver"]
    assert river.predicate in EXACT
    assert river.confidence == pytest.approx(0.95)
    assert river.justification.endswith("CompositeMatching")
    assert rows["CargoShip", "Ship2"].confidence == pytest.approx(0.85)
    similar = rows["HydrologicalDrought", "Droughts"]
    assert similar.predicate not in EXACT
    assert similar.justification.endswith("LexicalSimilarityThresholdMatching")
    assert not [row for row in found.rows if row.object.endswith("Bank")]
    confidences = [row.confidence or 0 for row in found.rows]
    assert confidences == sorted(confidences, reverse=True)
    assert parse_alignments(write_alignments(found), "proposed").rows == found.rows


def test_nothing_is_proposed_that_turns_the_hierarchy_around(tmp_path: Path) -> None:
    triples = described("F", label="Riverine flood") + described("G", ":F", label="Flood")
    theirs = reading(tmp_path, triples.replace(' en"', '"')).ontology
    pairs = {
        (row.subject.removeprefix(BASE), row.object.rpartition("#")[2])
        for row in propose(ontology.shipped(), theirs).rows
    }
    assert ("Flood", "G") not in pairs


@pytest.mark.parametrize(
    ("text", "normal"),
    [
        ("WaterBody", "water body"),
        ("Water_bodies", "water body"),
        ("Étangs", "etang"),
        ("grass", "grass"),
        ("virus", "virus"),
        ("River (large)", "river large"),
    ],
)
def test_labels_are_compared_as_people_say_them(text: str, normal: str) -> None:
    assert normalise(text) == normal
