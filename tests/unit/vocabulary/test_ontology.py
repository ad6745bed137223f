"""The ontology: what its classes are called, what lies below them, and what it never does."""

import subprocess
import sys
from pathlib import Path

import pytest

from rucio_dafab import vocabulary
from rucio_dafab.vocabulary import concepts, ontology, ontology_compiled
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


def _ours(name: str) -> set[str]:
    return {each for each in ONTOLOGY.expand(BASE + name) if each.startswith(BASE)}


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
    assert _ours("Mangroves") == _ids("Mangroves")
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
    with pytest.raises(VocabularyError, match="'bank' is ambiguous: bank \\(urn:test#A\\), B \\(urn:test#B\\)"):
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


def test_the_classes_beside_the_turtle_are_those_of_the_turtle() -> None:
    path = ontology_compiled.source()
    assert read(path).ontology == ONTOLOGY
    kept = path.with_suffix(".json").read_text()
    assert ontology_compiled.checksum(path) in kept, (
        "write them anew: python -m rucio_dafab.vocabulary.ontology_compiled"
    )


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
    return read(path).ontology


def test_what_matches_exactly_is_found_with_a_class() -> None:
    expanded = ONTOLOGY.expand(BASE + "Flood")
    assert {"http://purl.obolibrary.org/obo/ENVO_02500002", "http://sweetontology.net/phenHydro/FlashFlood"} <= set(
        expanded
    )
    # SWEET's storm is close to ours, no more.
    assert "http://sweetontology.net/phenAtmoPrecipitation/Storm" not in ONTOLOGY.expand(BASE + "Storm")
    with pytest.raises(VocabularyError, match="no class"):
        ONTOLOGY.resolve("sweet:phenAtmoPrecipitation/Storm")


def test_a_code_of_worldcover_is_a_class() -> None:
    assert ONTOLOGY.resolve("worldcover:10") == BASE + "TreeCover"
    themes = [{"scheme": "https://doi.org/10.5281/zenodo.7254221", "concepts": [{"id": "95"}]}]
    assert concepts.classes({"properties": {"themes": themes}}, ONTOLOGY) == (BASE + "Mangroves",)


def test_others_beside_are_asked_after_the_first(tmp_path: Path) -> None:
    other = _read(
        tmp_path,
        """:Flood a owl:Class ; skos:exactMatch <https://w3id.org/dafab/ontology#Flood> .
        :Outburst a owl:Class ; rdfs:subClassOf :Flood ; rdfs:label "Jökulhlaup"@is .
        :Storm a owl:Class ; rdfs:label "hvassviðri"@is . :Gale a owl:Class ; rdfs:label "hvassviðri"@is .""",
    )
    both = ONTOLOGY.beside([other])
    assert both.resolve("Flood") == BASE + "Flood"
    assert both.resolve("jökulhlaup") == "urn:test#Outburst"
    # What lies below a class that means the same lies below ours, and the other way round.
    for asked in (BASE + "Flood", "urn:test#Flood"):
        assert {"urn:test#Outburst", BASE + "FlashFlood"} <= set(both.expand(asked))
    assert "urn:test#Outburst" in both.expand(BASE + "WaterAnomaly")
    assert "urn:test#Outburst" not in ONTOLOGY.expand(BASE + "WaterAnomaly")
    with pytest.raises(VocabularyError, match=r"ambiguous: Gale .*Storm|ambiguous: Storm .*Gale"):
        both.resolve("hvassviðri")


def test_a_question_means_one_version(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    versions = [_read(tmp_path, f":A{each} a owl:Class .") for each in range(3)]

    class Publishing:
        def current(self) -> ontology.Ontology:
            return versions.pop(0)

    monkeypatch.setattr(ontology, "_provider", Publishing())
    words = vocabulary.load()
    assert set(words.ontology.classes) == set(words.ontology.classes) == {"urn:test#A0"}
    assert set(vocabulary.load().ontology.classes) == {"urn:test#A1"}
    monkeypatch.setattr(ontology, "_asked", None)
    assert ontology.recent() is ontology.recent()
    assert set(ontology.recent().classes) == {"urn:test#A2"}
