"""Classes in questions: expanded when a question is read, so that all of it means one version of the ontology."""

from collections.abc import Callable

import pytest

from rucio_dafab import vocabulary
from rucio_dafab.query import cql2, cql2_text, dafab_filter, model, rucio_filter
from rucio_dafab.query.errors import QueryError
from rucio_dafab.vocabulary import ontology
from rucio_dafab.vocabulary.ontology_classes import OntologyClass

THEMES = model.Property("/properties/themes")


class Publishing:
    """A catalogue that publishes a new version each time it is asked: A lies above B and, from then on, above C."""

    def __init__(self) -> None:
        self.asked = 0

    def current(self) -> ontology.Ontology:
        self.asked += 1
        under = [f"urn:t#{name}" for name in ("A", "B", *(["C"] if self.asked > 1 else []))]
        classes = {
            each: OntologyClass(
                each,
                each[-1],
                {"en": (f"label {each[-1]}",)},
                "",
                (),
                (),
                tuple(under) if each == under[0] else (each,),
            )
            for each in under
        }
        return ontology.Ontology("urn:t", str(self.asked), classes)


@pytest.mark.parametrize(
    "read",
    [
        lambda words: rucio_filter.parse("theme.isa=A,theme.isa=label A", words),
        lambda words: rucio_filter.parse("theme.isa=A&A", words),
        lambda words: cql2_text.parse("isA(themes, 'A') AND isA(themes, 'label A')", words),
    ],
)
def test_a_question_means_one_version(
    read: Callable[[vocabulary.Vocabulary], model.Expression], monkeypatch: pytest.MonkeyPatch
) -> None:
    publishing = Publishing()
    monkeypatch.setattr(ontology, "_provider", publishing)
    found = read(vocabulary.load())
    assert isinstance(found, model.And)
    assert publishing.asked == 1
    for part in found.parts:
        assert isinstance(part, model.IsA)
        assert part.below == ("urn:t#A", "urn:t#B")
    later = rucio_filter.parse("theme.isa=A", vocabulary.load())
    assert isinstance(later, model.IsA)
    assert later.below == ("urn:t#A", "urn:t#B", "urn:t#C")
    # The same question all the same.
    assert later == found.parts[0] == model.IsA(THEMES, "urn:t#A")
    assert hash(later) == hash(found.parts[0])


class Sharing:
    """A catalogue whose two classes have one label."""

    def current(self) -> ontology.Ontology:
        pairs = (("urn:t#Shore", "Shore"), ("urn:t#House", "House"))
        classes = {iri: OntologyClass(iri, name, {"en": ("bank",)}, "", (), (), (iri,)) for iri, name in pairs}
        return ontology.Ontology("urn:t", "1", classes)


@pytest.mark.parametrize(
    "read",
    [
        lambda words: rucio_filter.parse("theme.isa=bank", words),
        lambda words: cql2_text.parse("isA(themes, 'bank')", words),
        lambda words: cql2.from_json({"op": "isA", "args": [{"property": "themes"}, "bank"]}, words),
        lambda words: dafab_filter.parse(
            {"type": "comparison", "path": ["properties", "themes"], "comparator": "isA", "value": "bank"}, words
        ),
    ],
)
def test_a_name_of_two_classes_is_told_both_in_every_language(
    read: Callable[[vocabulary.Vocabulary], model.Expression], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ontology, "_provider", Sharing())
    with pytest.raises(QueryError, match=r"'bank' is ambiguous: bank \(urn:t#Shore\), bank \(urn:t#House\)"):
        read(vocabulary.load())
