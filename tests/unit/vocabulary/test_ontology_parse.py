"""Files of ontologies: every format, and everything that a file may do wrong, in one line."""

import json
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rdflib import Graph

from rucio_dafab.vocabulary.errors import VocabularyError
from rucio_dafab.vocabulary.ontology_parse import LARGEST, parse
from rucio_dafab.vocabulary.ontology_reader import read

TURTLE = """
@prefix : <https://e.example/t#> . @prefix owl: <http://www.w3.org/2002/07/owl#> .
@prefix rdfs: <http://www.w3.org/2000/01/rdf-schema#> .
<https://e.example/t> a owl:Ontology ; owl:versionInfo "1.0" .
:A a owl:Class ; rdfs:label "Überschwemmung"@de, "水灾"@zh, "फ्लड"@hi, "فيضان"@ar .
:B a owl:Class ; rdfs:subClassOf :A .
"""
OWL_XML = """<?xml version="1.0"?>
<Ontology xmlns="http://www.w3.org/2002/07/owl#" xml:base="https://e.example/t" ontologyIRI="https://e.example/t">
  <Prefix name="owl" IRI="http://www.w3.org/2002/07/owl#"/>
  <Prefix name="rdfs" IRI="http://www.w3.org/2000/01/rdf-schema#"/>
  <Import>http://127.0.0.1:9/none</Import>
  <Annotation><AnnotationProperty abbreviatedIRI="owl:versionInfo"/><Literal>1.0</Literal></Annotation>
  <Declaration><Class IRI="#A"/></Declaration><Declaration><Class IRI="#B"/></Declaration>
  <SubClassOf><Class IRI="#B"/><Class IRI="#A"/></SubClassOf>
  <AnnotationAssertion><AnnotationProperty abbreviatedIRI="rdfs:label"/><IRI>#A</IRI>
    <Literal xml:lang="de">Überschwemmung</Literal></AnnotationAssertion>
</Ontology>
"""
RDF_HEAD = '<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#" xmlns:o="http://www.w3.org/2002/07/owl#">'


def _file(folder: Path, name: str, content: str | bytes) -> Path:
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


@pytest.mark.parametrize(
    ("name", "syntax", "encoding"),
    [
        ("t.ttl", "turtle", "utf-8"),
        ("t.ttl", "turtle", "utf-8-sig"),
        ("t.nt", "nt", "utf-8"),
        ("t.jsonld", "json-ld", "utf-8"),
        ("t.rdf", "pretty-xml", "utf-8"),
        ("t.OWL", "xml", "utf-8"),
    ],
)
def test_every_format_says_the_same(tmp_path: Path, name: str, syntax: str, encoding: str) -> None:
    written = Graph().parse(data=TURTLE, format="turtle").serialize(format=syntax)
    found = read(_file(tmp_path, name, written.encode(encoding))).ontology
    assert found.version == "1.0"
    assert found.expand("https://e.example/t#A") == ("https://e.example/t#A", "https://e.example/t#B")
    for label in ("überschwemmung", "水灾", "फ्लड", "فيضان"):
        assert found.resolve(label) == "https://e.example/t#A"


def test_owl_xml_is_read_and_its_imports_are_not(tmp_path: Path) -> None:
    found = read(_file(tmp_path, "t.owx", OWL_XML)).ontology
    assert found.version == "1.0"
    assert found.expand("https://e.example/t#A") == ("https://e.example/t#A", "https://e.example/t#B")
    assert found.resolve("Überschwemmung") == "https://e.example/t#A"


@pytest.mark.parametrize("encoding", ["utf-16", "iso-8859-1"])
def test_xml_says_its_encoding(tmp_path: Path, encoding: str) -> None:
    content = (
        f'<?xml version="1.0" encoding="{encoding}"?>{RDF_HEAD}<o:Ontology rdf:about="https://e.example/é"/></rdf:RDF>'
    )
    graph = parse(_file(tmp_path, "t.rdf", content.encode(encoding)))
    assert "https://e.example/é" in {str(each) for each in graph.subjects()}


def test_plain_entities_are_abbreviations(tmp_path: Path) -> None:
    content = f'<!DOCTYPE rdf:RDF [<!ENTITY e "https://e.example/">]>{RDF_HEAD}<o:Ontology rdf:about="&e;t"/></rdf:RDF>'
    graph = parse(_file(tmp_path, "t.owl", content))
    assert "https://e.example/t" in {str(each) for each in graph.subjects()}


LAUGHS = "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, 10))
DEEP = json.dumps({"@id": "x:y"})
for _ in range(100):
    DEEP = f'{{"x:p": {DEEP}}}'


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("t.txt", "x", "must end with one of .ttl"),
        ("t.ttl", "not turtle", "cannot be read"),
        ("t.ttl", "", "declares no owl:Ontology"),
        ("t.ttl", "é".encode("latin-1"), "is not UTF-8: the byte at 0"),
        ("t.ttl", TURTLE.encode("utf-16"), "is not UTF-8"),
        ("t.ttl", "# \0", "NUL"),
        ("t.ttl", "[" * 5000, "cannot be read"),
        ("t.nt", "<a> <b> .", "cannot be read"),
        ("t.json", "{", "is no JSON"),
        ("t.json", '{"@context": "http://127.0.0.1:9/c"}', "the context http://127.0.0.1:9/c, which is not fetched"),
        ("t.json", '{"@context": [{}, "c.json"]}', "which is not fetched"),
        ("t.json", '{"@graph": [{"x": {"@context": "http://127.0.0.1:9/c"}}]}', "which is not fetched"),
        ("t.json", '{"@context": {"@import": "http://127.0.0.1:9/c"}}', "which is not fetched"),
        ("t.json", DEEP, "nested deeper than 64"),
        ("t.rdf", "<a", "is no XML"),
        ("t.rdf", '<?xml version="1.0" encoding="klingon"?><a/>', "is (no XML|in an encoding)"),
        ("t.rdf", f'<!DOCTYPE r [<!ENTITY l0 "ha">{LAUGHS}]><r>&l9;</r>', "entity 'l1'"),
        ("t.owl", '<!DOCTYPE r [<!ENTITY x SYSTEM "file:///etc/passwd">]><r>&x;</r>', "entity 'x'"),
        ("t.owl", f'<!DOCTYPE r [<!ENTITY x "{"a" * 301}">]><r>&x;&x;</r>', "entity 'x'"),
        ("t.owl", '<!DOCTYPE r [<!ENTITY % x "a">]><r/>', "entity 'x'"),
        ("t.rdf", "<a/>", "declares no owl:Ontology"),
        ("t.owx", '<Ontology xmlns="http://www.w3.org/2002/07/owl#"><SubClassOf/></Ontology>', "cannot be|declares no"),
    ],
)  # fmt: skip
def test_a_wrong_file_is_refused_in_one_line(tmp_path: Path, name: str, content: str | bytes, message: str) -> None:
    with pytest.raises(VocabularyError, match=message) as refusal:
        read(_file(tmp_path, name, content))
    assert "\n" not in str(refusal.value)
    assert len(str(refusal.value)) < 400


def test_a_bomb_costs_nothing(tmp_path: Path) -> None:
    bomb = _file(tmp_path, "t.rdf", f'<!DOCTYPE r [<!ENTITY l0 "ha">{LAUGHS}]><r>{"&l9;" * 1000}</r>')
    began = time.process_time()
    with pytest.raises(VocabularyError, match="entity"):
        parse(bomb)
    assert time.process_time() - began < 1.0


def test_a_large_file_is_not_even_read(tmp_path: Path) -> None:
    path = tmp_path / "t.ttl"
    with path.open("wb") as stream:
        stream.truncate(100_000_000)
    with pytest.raises(VocabularyError, match=r"t\.ttl has 100 MB: at most 67 MB"):
        parse(path)
    assert LARGEST < 100_000_000


@pytest.mark.parametrize(("name", "message"), [("none.ttl", "is no file"), (".", "is no file")])
def test_what_is_no_file_is_refused(tmp_path: Path, name: str, message: str) -> None:
    with pytest.raises(VocabularyError, match=message):
        parse(tmp_path / name)


def test_no_path_of_this_machine_gets_into_an_ontology(tmp_path: Path) -> None:
    graph = parse(_file(tmp_path, "t.ttl", "<#a> a <b> ."))
    assert not any(str(tmp_path) in str(node) or "file:" in str(node) for triple in graph for node in triple)


@settings(max_examples=60, deadline=None)
@given(
    cut=st.integers(0, len(TURTLE)),
    junk=st.text(max_size=20),
    name=st.sampled_from(["t.ttl", "t.nt", "t.json", "t.rdf"]),
)
def test_broken_files_never_break_the_reader(
    tmp_path_factory: pytest.TempPathFactory, cut: int, junk: str, name: str
) -> None:
    syntax = {"t.ttl": "turtle", "t.nt": "nt", "t.json": "json-ld", "t.rdf": "xml"}[name]
    text = Graph().parse(data=TURTLE, format="turtle").serialize(format=syntax)
    path = tmp_path_factory.mktemp("broken") / name
    path.write_bytes((text[:cut] + junk + text[cut:]).encode("utf-8", "surrogatepass"))
    try:
        read(path)
    except VocabularyError as refusal:
        assert "\n" not in str(refusal)


def test_a_definition_that_is_a_node_says_nothing(tmp_path: Path) -> None:
    sourced = TURTLE + (
        ":B <http://www.w3.org/2004/02/skos/core#definition> [ rdfs:label 'what the source says' ] ."
        ':A <http://www.w3.org/2004/02/skos/core#definition> "one"@en, [ rdfs:label "other" ] .'
    )
    first, again = (read(_file(tmp_path, "t.ttl", sourced)).ontology for _ in range(2))
    assert {each.name: each.definition for each in first.classes.values()} == {"A": "one", "B": ""}
    assert first.classes == again.classes
