"""What keeps an ontology from being published, and what is only said."""

import re
import shutil
from pathlib import Path

import owlready2
import pytest
from rdflib import OWL, Graph

from rucio_dafab.vocabulary import ontology, ontology_compiled, ontology_graph
from rucio_dafab.vocabulary.errors import VocabularyError
from rucio_dafab.vocabulary.ontology_checks import Finding, check
from rucio_dafab.vocabulary.ontology_diff import difference
from rucio_dafab.vocabulary.ontology_reader import read
from rucio_dafab.vocabulary.ontology_rules import classify
from tests.unit.vocabulary.ontologies import alignments, described, ontology_file, reading

GOOD = described("Top") + described("A", ":Top") + described("B", ":A")
BASE = "https://e.example/t#"


def _severe(found: tuple[Finding, ...]) -> list[str]:
    return [str(each) for each in found if each.severe]


def test_the_installed_ontology_has_no_fault() -> None:
    assert check(read(ontology_compiled.source())) == ()


def test_a_good_one_has_no_fault(tmp_path: Path) -> None:
    assert check(reading(tmp_path, GOOD)) == ()


@pytest.mark.parametrize(
    ("triples", "message"),
    [
        (':C a owl:Class ; rdfs:subClassOf :Top ; skos:definition "x."@en .', "t#C: needs an rdfs:label in English"),
        (':C a owl:Class ; rdfs:subClassOf :Top ; rdfs:label "c"@en .', "t#C: needs a skos:definition"),
        (described("C", ":Top") + ':C rdfs:label "cc"@en .', "t#C: has two rdfs:label in one language"),
        (described("C"), "t#C: is an orphan"),
        (described("C", ":Missing"), "t#Missing: is named as a class and not defined"),
        (described("C", ":Top") + ":C owl:equivalentClass [ owl:unionOf ( :A :Lost ) ] .", "t#Lost: is named"),
        (described("C", ":D") + described("D", ":E") + described("E", ":C"), "t#C: lies below itself, .* .*#D, .*#E"),
        (described("C", ":Top", "the A"), "t#A: shares the label 'the A .*' with https://e.example/t#C"),
        (described("C", ":Top") + ':C skos:altLabel "THE-a_EN"@en .', "shares the label"),
        (described("C", ":Top", "a\\u0007b"), "control character U\\+0007"),
        (described("C", ":Top", "a\\u202Eb"), "control character U\\+202E"),
        (described("C", ":Top", "x" * 250), "label of more than 200 characters"),
        (':k a owl:DatatypeProperty ; dafab:key "k" .', "t#k: needs one dafab:metadataKind"),
        (':r a dafab:Rule ; dafab:assigns :Z ; dafab:test [ dafab:member "/a" ; dafab:value "b" ] .', "t#Z: is named"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_named(tmp_path: Path, triples: str, message: str) -> None:
    found = _severe(check(reading(tmp_path, GOOD + triples)))
    assert [each for each in found if re.search(message, each)], found
    assert not any("\n" in each for each in found)


def test_an_ontology_needs_a_version_and_classes(tmp_path: Path) -> None:
    found = _severe(check(reading(tmp_path, "", version="")))
    assert any("needs owl:versionInfo" in each for each in found)
    assert any("has no class" in each for each in found)


def test_labels_of_every_script_are_labels(tmp_path: Path) -> None:
    labels = '"水灾"@zh, "فيضان"@ar, "שיטפון"@he, "फ्लड"@hi, "น้ำท่วม"@th, "ന്\\u200dല"@ml, "洪水"@ja, "\U0001f30a"@und'
    made = reading(tmp_path, GOOD + f":B skos:altLabel {labels} .")
    assert check(made) == ()
    assert made.ontology.resolve("น้ำท่วม") == BASE + "B"


def test_imports_are_said_and_not_followed(tmp_path: Path) -> None:
    found = check(reading(tmp_path, GOOD, imports="owl:imports <http://127.0.0.1:9/none> ;"))
    assert [str(each) for each in found] == [
        "warning: https://e.example/t: imports http://127.0.0.1:9/none: imports are never fetched, "
        "put what is needed into the file"
    ]


def test_missing_languages_are_only_said(tmp_path: Path) -> None:
    triples = GOOD + ':C a owl:Class ; rdfs:subClassOf :Top ; rdfs:label "c"@en ; skos:definition "x."@en .'
    found = check(reading(tmp_path, triples))
    assert {each.text for each in found} == {"has no rdfs:label in French", "has no rdfs:label in German"}
    assert _severe(found) == []


def test_what_others_keep_is_not_ours_to_correct(tmp_path: Path) -> None:
    triples = """:C a owl:Class ; rdfs:subClassOf :D ; rdfs:label "c" .
        :D a owl:Class ; rdfs:subClassOf :C, :E ; rdfs:label "C" ."""
    made = reading(tmp_path, triples)
    found = check(made, foreign=True)
    assert _severe(found) == []
    assert {each.text.partition(",")[0] for each in found} == {
        "shares the label 'c' with https://e.example/t#D", "is named as a class and not defined", "lies below itself"
    }  # fmt: skip
    assert set(made.ontology.expand(BASE + "C")) == {BASE + "C", BASE + "D"}
    assert _severe(check(made))


def test_alignments_must_not_contradict(tmp_path: Path) -> None:
    def faults(*rows: str) -> list[str]:
        alignments(tmp_path, *rows)
        return _severe(check(reading(tmp_path, GOOD + described("C", ":Top"))))

    assert faults("t:A skos:exactMatch x:a", "t:B skos:closeMatch x:b", "t:B skos:broadMatch x:a") == []
    (same,) = faults("t:A skos:exactMatch x:a", "t:C skos:exactMatch x:a")
    assert "t#A and https://e.example/t#C would mean the same" in same
    (turned,) = faults("t:A skos:broadMatch x:b", "t:B skos:exactMatch x:b")
    assert "t#A and https://e.example/t#B would mean the same" in turned
    (torn,) = faults("t:A skos:exactMatch x:a", "t:A skos:broadMatch x:a")
    assert "is said to be broadMatch and exactMatch" in torn
    (unknown,) = faults("t:Z skos:exactMatch x:a")
    assert "t#Z is no class of https://e.example/t" in unknown


def test_alignments_must_not_turn_another_vocabulary_around(tmp_path: Path) -> None:
    (tmp_path / "x").mkdir()
    triples = """<https://x.example/a> a owl:Class ; rdfs:subClassOf <https://x.example/b> .
        <https://x.example/b> a owl:Class ."""
    other = reading(tmp_path / "x", triples).ontology
    # B lies below A, and a below b.
    alignments(tmp_path, "t:A skos:exactMatch x:a", "t:B skos:exactMatch x:b")
    made = reading(tmp_path, GOOD)
    assert _severe(check(made)) == []
    found = _severe(check(made, others=[other]))
    assert any("t#A and https://e.example/t#B would mean the same" in each for each in found)
    alignments(tmp_path, "t:A skos:exactMatch x:b", "t:B skos:exactMatch x:a")
    assert _severe(check(reading(tmp_path, GOOD), others=[other])) == []


def test_the_closure_is_that_of_owlready2() -> None:
    graph = Graph().parse(ontology_compiled.source(), format="turtle")
    graph.remove((None, OWL.imports, None))
    world = owlready2.World()
    from rucio_dafab.vocabulary.ontology_reasoner import _logic

    world.get_ontology("urn:x#").load(fileobj=_logic(graph), only_local=True)
    below = {each.iri: tuple(sorted(under.iri for under in each.descendants())) for each in world.classes()}
    world.close()
    assert below == {each.id: each.below for each in ontology.shipped().classes.values()}


def test_components_of_a_cycle_are_one() -> None:
    parents = {"a": ["b"], "b": ["c"], "c": ["a", "d"], "d": [], "e": ["a", "gone"]}
    assert ontology_graph.cycles(parents) == [("a", "b", "c")]
    below = ontology_graph.below(parents)
    assert below["d"] == ("a", "b", "c", "d", "e")
    assert below["b"] == ("a", "b", "c", "e")
    assert below["e"] == ("e",)


def test_a_chain_of_any_length_is_followed() -> None:
    parents = {str(each): [str(each + 1)] for each in range(20_000)} | {"20000": []}
    assert len(ontology_graph.components_of(parents)) == 20_001


@pytest.mark.skipif(shutil.which("java") is None, reason="HermiT runs in Java")
def test_a_reasoner_finds_what_only_logic_tells(tmp_path: Path) -> None:
    triples = """
        :Flood a owl:Class . :Rain a owl:Class . :cause a owl:ObjectProperty .
        :Pluvial a owl:Class ; owl:equivalentClass [ a owl:Class ; owl:intersectionOf ( :Flood
            [ a owl:Restriction ; owl:onProperty :cause ; owl:someValuesFrom :Rain ] ) ] .
        :RainFlood a owl:Class ; rdfs:subClassOf :Flood,
            [ a owl:Restriction ; owl:onProperty :cause ; owl:someValuesFrom :Rain ] ."""
    path = ontology_file(tmp_path, triples)
    plain, reasoned = read(path).ontology, read(path, reason=True).ontology
    assert BASE + "Pluvial" in plain.expand(BASE + "Flood")
    assert BASE + "RainFlood" not in plain.expand(BASE + "Pluvial")
    assert BASE + "RainFlood" in reasoned.expand(BASE + "Pluvial")


@pytest.mark.skipif(shutil.which("java") is None, reason="HermiT runs in Java")
def test_a_reasoner_refuses_what_contradicts_itself(tmp_path: Path) -> None:
    triples = ":A a owl:Class . :B a owl:Class ; owl:disjointWith :A . :C a owl:Class ; rdfs:subClassOf :A, :B ."
    path = ontology_file(tmp_path, triples)
    with pytest.raises(VocabularyError, match="t#C can have no member"):
        read(path, reason=True)


def test_reasoning_without_java_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(owlready2, "JAVA_EXE", str(tmp_path / "no-java"))
    monkeypatch.setattr("owlready2.reasoning.JAVA_EXE", str(tmp_path / "no-java"), raising=False)
    with pytest.raises(VocabularyError, match="needs Java"):
        read(ontology_file(tmp_path, GOOD), reason=True)


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        ("dafab:assigns :A .", "needs dafab:assigns and at least one dafab:test"),
        ('dafab:assigns :A ; dafab:test [ dafab:member "a" ; dafab:value "b" ] .', "is not a JSON pointer"),
        ('dafab:assigns :A ; dafab:test [ dafab:member "/a" ] .', "must compare with either a text or numbers"),
        ('dafab:assigns :A ; dafab:test [ dafab:member "/a" ; dafab:above "b" ] .', "no number"),
    ],
)
def test_a_wrong_rule_is_refused(tmp_path: Path, rule: str, message: str) -> None:
    with pytest.raises(VocabularyError, match=message):
        reading(tmp_path, GOOD + ":r a dafab:Rule ; " + rule)


def test_rules_look_at_values(tmp_path: Path) -> None:
    rules = reading(
        tmp_path,
        GOOD
        + ':r a dafab:Rule ; dafab:assigns :A ; dafab:test [ dafab:member "/p/kind" ; dafab:value "x", "y" ] .'
        + ':s a dafab:Rule ; dafab:assigns :B ; dafab:test [ dafab:member "/p/part" ; dafab:relativeTo "/p/whole" ;'
        + " dafab:above 10 ; dafab:atMost 50.0 ] .",
    ).ontology.rules
    assert classify({"p": {"kind": "y"}}, rules) == {BASE + "A"}
    passing = [(2, 10), (5, 10)]
    failing = [(1, 10), (6, 10), (1, 0), ("2", 10), (True, 10), (None, 10), (2, None)]
    for part, whole in passing + failing:
        assert (classify({"p": {"part": part, "whole": whole}}, rules) == {BASE + "B"}) is ((part, whole) in passing)
    assert classify({"p": 5}, rules) == classify({}, rules) == set()


def test_a_difference_names_what_changed(tmp_path: Path) -> None:
    old = reading(tmp_path, GOOD + described("Gone", ":Top")).ontology
    alignments(tmp_path, "t:A skos:exactMatch x:a")
    triples = described("Top") + described("A", ":Top", "other") + described("B", ":Top") + described("New", ":A")
    new = reading(tmp_path, triples + ":B owl:deprecated true .").ontology
    found = difference(old, new)
    assert found.added == (BASE + "New",)
    assert found.removed == (BASE + "Gone",)
    assert found.moved == (BASE + "B",)
    assert found.relabelled == found.realigned == (BASE + "A",)
    assert found.deprecated == (BASE + "B",)
    assert len(list(found.lines())) == 6
    assert not list(difference(old, old).lines())
