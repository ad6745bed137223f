"""Relations that the catalogue follows, places with their parts, and what is near to a class."""

from pathlib import Path

import pytest
import shapely

from rucio_dafab.vocabulary import areas, ontology, ontology_compiled, places
from rucio_dafab.vocabulary.errors import VocabularyError
from rucio_dafab.vocabulary.ontology_checks import check
from rucio_dafab.vocabulary.ontology_relations import Way, backwards
from tests.unit.vocabulary.ontologies import alignments, described, reading

SHIPPED = ontology.shipped()
BASE = "https://w3id.org/dafab/ontology#"
T = "https://e.example/t#"
PROPERTIES = """
:sees a owl:ObjectProperty ; rdfs:label "sees"@en, "voit"@fr ; dafab:follows "link:sees" ; owl:inverseOf :seenBy .
:seenBy a owl:ObjectProperty ; dafab:follows "link:seen-by" .
:stares a owl:ObjectProperty ; rdfs:subPropertyOf :sees ; dafab:follows "link:stares" .
:besides a owl:ObjectProperty, owl:SymmetricProperty ; dafab:follows "link:besides" .
:chain a owl:ObjectProperty, owl:TransitiveProperty ; owl:inverseOf :niahc ; dafab:follows "descendant" .
:niahc a owl:ObjectProperty .
:idle a owl:ObjectProperty ; rdfs:label "voit"@nl .
"""
PLACES = """
:Basin dafab:area "luxembourg" ; rdfs:label "The basin"@en, "Becken"@de .
:Upper dafab:partOf :Basin ; dafab:area "belgium" .
:Source dafab:partOf :Upper .
:Basin dafab:hasPart :Lower .
:Lower dafab:area "france" .
:Empty dafab:hasPart :EmptyToo .
:Gone dafab:area "nowhere-at-all" .
"""


@pytest.mark.parametrize(
    ("name", "steps", "transitive", "forward"),
    [
        ("derivedFrom", {"link:derived_from", "ancestor"}, True, True),
        ("hasDerivative", {"linked_by:derived_from", "descendant"}, True, False),
        ("dérivé de", {"link:derived_from", "ancestor"}, True, True),
        (f"{BASE}derivedFrom", {"link:derived_from", "ancestor"}, True, True),
    ],
)
def test_the_installed_relations(name: str, steps: set[str], transitive: bool, forward: bool) -> None:
    found = SHIPPED.way(SHIPPED.relation(name))
    assert (set(found.steps), found.transitive, found.is_forward) == (steps, transitive, forward)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("sees", Way(("link:sees", "link:stares", "linked_by:seen-by"), transitive=False)),
        ("seenBy", Way(("link:seen-by", "linked_by:sees", "linked_by:stares"), transitive=False)),
        ("stares", Way(("link:stares",), transitive=False)),
        ("besides", Way(("link:besides", "linked_by:besides"), transitive=False)),
        ("niahc", Way(("ancestor",), transitive=True)),
    ],
)
def test_inverse_symmetric_and_lower_properties(tmp_path: Path, name: str, expected: Way) -> None:
    made = reading(tmp_path, PROPERTIES).ontology
    found = made.way(made.relation(name))
    assert (set(found.steps), found.transitive) == (set(expected.steps), expected.transitive)
    assert all(backwards(backwards(each)) == each for each in found.steps)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("derivdFrom", "no relation is called 'derivdFrom': did you mean derivedFrom"),
        ("qqqq", "no relation is called 'qqqq'$"),
        ("hostedBy", "the catalogue does not follow 'hostedBy'; it follows derivedFrom, hasDerivative"),
    ],
)
def test_what_cannot_be_followed_is_refused(name: str, message: str) -> None:
    with pytest.raises(VocabularyError, match=message):
        SHIPPED.way(SHIPPED.relation(name))


def test_an_ambiguous_relation_is_refused_with_the_candidates(tmp_path: Path) -> None:
    made = reading(tmp_path, PROPERTIES).ontology
    with pytest.raises(VocabularyError, match=f"'voit' is ambiguous: {T}idle, {T}sees"):
        made.relation("voit")


@pytest.mark.parametrize("name", ["the BASIN", "Becken", "Basin", f"{T}Basin"])
def test_a_place_is_its_area_and_those_of_its_parts(tmp_path: Path, name: str) -> None:
    made = reading(tmp_path, PLACES).ontology
    known = areas.load()
    found = places.geometry(name, known, lambda: made)
    wanted = shapely.union_all([known.geometry(each) for each in ("luxembourg", "belgium", "france")])
    assert found.equals(wanted)
    assert {each.name for each in made.place(name)} == {"Basin", "Upper", "Source", "Lower"}
    assert places.geometry(f"{T}Upper", known, lambda: made).equals(known.geometry("belgium"))


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("Empty", "the place 'Empty' has no area, nor has any part of it"),
        ("Gone", "the place 'Gone' has the area 'nowhere-at-all', which nobody named"),
        ("the basim", "no area is called '@the basim': did you mean @the-basin"),
    ],
)
def test_places_without_a_polygon_are_refused(tmp_path: Path, name: str, message: str) -> None:
    made = reading(tmp_path, PLACES).ontology
    with pytest.raises(VocabularyError, match=message):
        places.geometry(name, areas.load(), lambda: made)


def test_an_area_is_meant_before_a_place_and_no_ontology_read_for_it() -> None:
    def refuse() -> ontology.Ontology:
        raise AssertionError("the ontology was read")

    assert places.geometry("Luxembourg", areas.load(), refuse).equals(areas.geometry("luxembourg"))


def test_wrong_steps_and_places_within_themselves_are_found(tmp_path: Path) -> None:
    triples = (
        described("A") + ':p a owl:ObjectProperty ; dafab:follows "links:x" . :B dafab:partOf :C . :C dafab:partOf :B .'
    )
    found = [str(each) for each in check(reading(tmp_path, triples)) if each.severe]
    assert f"error: {T}p: follows 'links:x': the steps are link:REL, linked_by:REL, ancestor or descendant" in found
    assert f"error: {T}B: is part of itself, by way of {T}C" in found


def test_close_matches_widen_a_question_that_asks_for_them(tmp_path: Path) -> None:
    alignments(tmp_path, "t:B skos:closeMatch x:near", "t:B skos:exactMatch x:same", "x:far skos:closeMatch t:C")
    triples = described("A", ":Top") + described("B", ":A") + described("C", ":A") + described("Top")
    made = reading(tmp_path, triples).ontology
    exact = {f"{T}A", f"{T}B", f"{T}C", "https://x.example/same"}
    assert set(made.expand(made.resolve("A"))) == exact
    assert made.resolve("close:A") == f"close:{T}A"
    assert set(made.expand(made.resolve("close:A"))) == exact | {"https://x.example/near", "https://x.example/far"}
    with pytest.raises(VocabularyError, match="no class is called"):
        made.resolve("close:Nothing of the kind")


def test_all_of_it_survives_being_kept(tmp_path: Path) -> None:
    alignments(tmp_path, "t:A skos:closeMatch x:near")
    made = reading(tmp_path, PROPERTIES + PLACES + described("A", ":B") + described("B")).ontology
    again = ontology_compiled.from_document(ontology_compiled.to_document(made))
    assert (again.relations, again.places, again.close) == (made.relations, made.places, made.close)
    assert [dict(each.labels) for each in again.relations] == [dict(each.labels) for each in made.relations]
