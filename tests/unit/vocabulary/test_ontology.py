"""The ontology: what its classes are called, what lies below them, and what it never does."""

import gzip
import re
import subprocess
import sys
from collections import defaultdict
from hashlib import sha256
from pathlib import Path

import pytest

from rucio_dafab.vocabulary import concepts, ontology
from rucio_dafab.vocabulary.errors import VocabularyError
from rucio_dafab.vocabulary.ontology_reader import read

ONTOLOGY = ontology.load()
BASE = "https://w3id.org/dafab/ontology#"
HEAD = """
@prefix : <urn:test#> .
@prefix owl: <http://www.w3.org/2002/07/owl#> .
@prefix skos: <http://www.w3.org/2004/02/skos/core#> .
@prefix rdfs: <http://www.w3.org/2000/01/rdf-schema#> .
"""


def _ids(*names: str) -> set[str]:
    return {BASE + name for name in names}


@pytest.mark.parametrize(
    "text",
    [
        "Flood",
        "flood",
        "dafab:Flood",
        BASE + "Flood",
        "envo:02500002",
        "http://purl.obolibrary.org/obo/ENVO_02500002",
        "sweet:phenHydro/Flood",
        "Überschwemmung",
        "U\u0308berschwemmung",
        "INONDATION",
        " inundation ",
    ],
)
def test_a_class_has_many_names(text: str) -> None:
    assert ONTOLOGY.resolve(text) == BASE + "Flood"


@pytest.mark.parametrize("text", ["WaterAnomaly", "water anomaly", "water_anomaly", "Wateranomaly"])
def test_blanks_and_hyphens_do_not_matter(text: str) -> None:
    assert ONTOLOGY.resolve(text) == BASE + "WaterAnomaly"


def test_floods_and_droughts_are_water_anomalies() -> None:
    below = set(ONTOLOGY.expand(BASE + "WaterAnomaly"))
    assert _ids("WaterAnomaly", "Flood", "FlashFlood", "UrbanFlood", "Drought", "HydrologicalDrought") <= below
    assert not below & _ids("WaterCondition", "NormalWaterCondition", "Wildfire", "River")
    assert set(ONTOLOGY.expand(BASE + "Mangroves")) == _ids("Mangroves")
    assert _ids("Mangroves") <= set(ONTOLOGY.expand(BASE + "WaterBody")) & set(ONTOLOGY.expand(BASE + "LandCover"))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("Floood", "no class is called 'Floood': did you mean Flood \\(dafab:Flood\\)"),
        ("Lagun", "did you mean Lagoon"),
        ("qwertyuiop", "no class is called 'qwertyuiop'$"),
        ("envo:00000000", "no class is called"),
        ("", "no class is called ''$"),
    ],
)
def test_unknown_names_get_candidates(text: str, message: str) -> None:
    with pytest.raises(VocabularyError, match=message):
        ONTOLOGY.resolve(text)


def test_an_ambiguous_label_gets_its_candidates(tmp_path: Path) -> None:
    made = _read(tmp_path, ':A a owl:Class ; rdfs:label "bank"@en . :B a owl:Class ; rdfs:label "Bank"@de .')
    with pytest.raises(VocabularyError, match="'bank' is ambiguous: bank \\(dafab:A\\), B \\(dafab:B\\)"):
        made.resolve("bank")


def test_equivalent_classes_are_below_each_other(tmp_path: Path) -> None:
    made = _read(
        tmp_path,
        ":Top a owl:Class . :A a owl:Class ; rdfs:subClassOf :Top . :B a owl:Class ; owl:equivalentClass :A . "
        ":C a owl:Class ; rdfs:subClassOf :B .",
    )
    assert set(made.expand("urn:test#A")) == {"urn:test#A", "urn:test#B", "urn:test#C"}
    assert set(made.expand("urn:test#Top")) == {"urn:test#Top", "urn:test#A", "urn:test#B", "urn:test#C"}


def test_imports_are_never_followed(tmp_path: Path) -> None:
    # Nothing listens there: following the import would raise.
    made = _read(tmp_path, ":A a owl:Class .", imports="owl:imports <http://127.0.0.1:9/none> ;")
    assert set(made.classes) == {"urn:test#A"}


@pytest.mark.parametrize(("text", "message"), [("not turtle", "cannot be read"), ("", "declares no owl:Ontology")])
def test_a_wrong_file_is_refused_in_one_line(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "wrong.ttl"
    path.write_text(text)
    with pytest.raises(VocabularyError, match=message) as refusal:
        read(path)
    assert "\n" not in str(refusal.value)


def test_every_class_is_described_in_three_languages() -> None:
    assert re.fullmatch(r"\d+\.\d+\.\d+", ONTOLOGY.version)
    owners: dict[str, set[str]] = defaultdict(set)
    for each in ONTOLOGY.classes.values():
        assert each.definition.endswith("."), each.id
        assert {"en", "fr", "de"} <= set(each.labels), each.id
        assert set(each.parents) <= set(ONTOLOGY.classes), each.id
        for label in [text for texts in each.labels.values() for text in texts]:
            owners[label.casefold()].add(each.id)
    assert {label: ids for label, ids in owners.items() if len(ids) > 1} == {}
    roots = [each for each in ONTOLOGY.classes.values() if not each.parents]
    assert not any(each.id in ONTOLOGY.expand(child) for each in roots for child in each.below if child != each.id)


@pytest.mark.shared
def test_matched_classes_exist_where_they_are_said_to(shared: Path) -> None:
    known = set()
    with gzip.open(shared / "vocab" / "envo.obo.gz", "rt") as lines:
        known |= {
            "http://purl.obolibrary.org/obo/" + line[4:].strip().replace(":", "_")
            for line in lines
            if line.startswith("id: ")
        }
    with gzip.open(shared / "vocab" / "sweet.nt.gz", "rt") as lines:
        known |= {line[1 : line.index(">")] for line in lines if line.startswith("<")}
    matches = {match for each in ONTOLOGY.classes.values() for match in each.matches}
    assert len(matches) > 20
    assert matches <= known


def test_the_classes_beside_the_turtle_are_those_of_the_turtle() -> None:
    assert read(ontology.source()) == ONTOLOGY
    checksum = sha256(ontology.source().read_bytes()).hexdigest()
    kept = ontology.source().with_suffix(".json").read_text()
    assert checksum in kept, "write them anew: python -m rucio_dafab.vocabulary.ontology_reader"


def test_naming_a_class_needs_no_ontology_library() -> None:
    code = (
        "import sys; from rucio_dafab.vocabulary import load; load().ontology.resolve('Flood')\n"
        "sys.exit(bool({'owlready2', 'rdflib'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], timeout=60, check=False).returncode == 0


def test_a_document_names_its_classes() -> None:
    themes = [
        {"scheme": "https://w3id.org/dafab/ontology", "concepts": [{"id": "Flood"}, {"id": "dafab:River"}]},
        {"scheme": "http://purl.obolibrary.org/obo/", "concepts": [{"id": "ENVO_1000745"}]},
        {"scheme": "https://example.org/terms", "concepts": [{"id": "flood"}]},
        {"concepts": "Flood"},
        "nonsense",
    ]
    found = concepts.classes({"properties": {"themes": themes}}, ONTOLOGY)
    assert found is not None
    assert set(found) == _ids("Flood", "River", "Drought") | {"https://example.org/terms#flood"}
    assert concepts.classes({"properties": {"themes": []}}, ONTOLOGY) is None
    assert concepts.classes({}, ONTOLOGY) is None


def _read(folder: Path, triples: str, imports: str = "") -> ontology.Ontology:
    path = folder / "test.ttl"
    path.write_text(f'{HEAD} <urn:test> a owl:Ontology ; {imports} owl:versionInfo "1" . {triples}')
    return read(path)
